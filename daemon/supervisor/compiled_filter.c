/* Compiles filters, caches the programs, copies them. */
#include "compiled_filter.h"

#include <stdio.h>
#include <stdlib.h>

void compiled_filter_init(struct compiled_filter *f, struct event_base *base, bool *due)
{
	*f = (struct compiled_filter){ .base = base, .due = due };
}

/* The cache entry of the program for a link type, or a free one. */
static unsigned place_of(const struct compiled_filter *f, uint32_t link_type)
{
	unsigned i = 0;

	while (i < COMPILED_LINK_TYPES - 1 && f->kept[i].program.len &&
	       f->kept[i].link_type != link_type)
		i++;
	return i;
}

static void compiled(void *context, int rc, struct sock_fprog *program, const char *text)
{
	struct compiled_filter *f = context;
	unsigned i = place_of(f, f->compiling_for);

	f->compiling = NULL;
	if (rc == 0) {
		free(f->kept[i].program.filter);
		f->kept[i].link_type = f->compiling_for;
		f->kept[i].program = *program;
	}
	f->rc = rc;
	snprintf(f->text, sizeof(f->text), "%s", rc ? text : "");
	f->news = true;
	*f->due = true;
}

static int compiling_begin(struct compiled_filter *f, const struct compiled_want *want,
			   char text[COMPILED_TEXT])
{
	struct filter_source source = want->source;
	int rc;

	if (f->compiling)
		return 1;
	source.incoming_only = false; /* applies to each copy of a cached program */
	f->compiling_for = want->link_type;
	rc = compile_begin(&f->compiling, f->base, &source, compiled, f);
	if (rc)
		snprintf(text, COMPILED_TEXT, "starting a process to compile it failed");
	return rc ? rc : 1;
}

int compiled_filter_get(struct compiled_filter *f, const struct compiled_want *want,
			struct sock_fprog *program, char text[COMPILED_TEXT])
{
	unsigned i = place_of(f, want->link_type);
	int rc;

	if (!*want->source.expression)
		rc = filter_compile(program, &want->source, text, COMPILED_TEXT);
	else if (!f->kept[i].program.len || f->kept[i].link_type != want->link_type)
		return compiling_begin(f, want, text);
	else
		rc = filter_copy(program, &f->kept[i].program, want->source.incoming_only, text,
				 COMPILED_TEXT);
	if (rc == 0 && want->hardware)
		rc = filter_of_type(program, want->hardware, text, COMPILED_TEXT);
	return rc;
}

bool compiled_filter_news(struct compiled_filter *f)
{
	bool news = f->news;

	f->news = false;
	return news;
}

void compiled_filter_free(struct compiled_filter *f)
{
	compile_end(f->compiling);
	for (unsigned i = 0; i < COMPILED_LINK_TYPES; i++)
		free(f->kept[i].program.filter);
}
