/* Doubles of compile.c, by the linker's --wrap. */
#include "compiler.h"
#include "kernel.h"
#include "world.h"

#include "../../daemon/supervisor/compile.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#define COMPILERS 8

struct compile {
	compile_done *done; /* NULL: none runs here */
	void *context;
	uint32_t expression, snaplen;
};

static struct compile compilers[COMPILERS];

int __wrap_compile_begin(struct compile **out, struct event_base *base,
			 const struct filter_source *source, compile_done *done, void *context);
void __wrap_compile_end(struct compile *compile);

int __wrap_compile_begin(struct compile **out, struct event_base *base,
			 const struct filter_source *source, compile_done *done, void *context)
{
	struct compile *c = compilers;

	(void)base;
	if (world_refuses())
		return -EAGAIN;
	while (c->done)
		demand(++c < compilers + COMPILERS, "too many filters are compiled");
	*c = (struct compile){ done, context, kernel_expression(source->expression),
			       source->snaplen };
	*out = c;
	return 0;
}

void __wrap_compile_end(struct compile *compile)
{
	if (compile)
		compile->done = NULL;
}

void compiler_play(bool wild)
{
	static const int errors[] = {
		-ENOENT, -ETIMEDOUT, -EINVAL, -ENETDOWN, -EIO, -EPERM, -ENOMEM
	};
	struct compile c = compilers[world_random(COMPILERS)];
	struct sock_fprog program = { 0 };
	int rc = wild ? errors[world_random(7)] : 0;

	for (unsigned i = 0; i < COMPILERS && !c.done; i++)
		c = compilers[i];
	if (!c.done)
		return;
	for (unsigned i = 0; i < COMPILERS; i++)
		if (compilers[i].context == c.context)
			compilers[i].done = NULL;
	if (rc == 0) {
		const struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_IMM, c.expression),
			BPF_STMT(BPF_RET | BPF_K, c.snaplen),
		};

		program.len = 2;
		program.filter = malloc(sizeof(code));
		demand(program.filter, "no memory");
		memcpy(program.filter, code, sizeof(code));
	}
	c.done(c.context, rc, &program, "no");
}

void compiler_end(void)
{
	memset(compilers, 0, sizeof(compilers));
}
