/* fork, a pipe, a deadline. */
#include "compile.h"
#include "filter.h"

#include "../base/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define DEADLINE_SECONDS 30 /* longer than three name servers that do not answer */
#define RESULT_FD	 3

/* The result, written to the pipe in one write that fits into its buffer. */
struct result {
	int32_t rc;
	uint32_t count; /* instructions that follow */
	char text[256];
	struct sock_filter code[BPF_MAXINSNS];
};

#define HEAD offsetof(struct result, code)

struct compile {
	int fd;
	struct event *event;
	compile_done *done;
	void *context;
	size_t bytes;
	struct result result;
};

/* The child ends by itself: a kill might hit another process with its pid. It holds no descriptor
 * of the supervisor's, so that a ring closed there is really closed. */
static void child_prepare(int fd)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE };
	sigset_t none;

	prctl(PR_SET_NAME, "afcapd: filter");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	alarm(DEADLINE_SECONDS + 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd != RESULT_FD && dup2(fd, RESULT_FD) < 0)
		_exit(EXIT_FAILURE);
	close_range(RESULT_FD + 1, ~0U, 0);
}

static _Noreturn void child_run(const struct filter_source *source)
{
	static struct result r;
	struct sock_fprog program = { 0 };
	int rc;

	r.rc = filter_compile(&program, source, r.text, sizeof(r.text));
	r.count = r.rc ? 0 : program.len;
	if (r.count)
		memcpy(r.code, program.filter, r.count * sizeof(*r.code));
	rc = write(RESULT_FD, &r, HEAD + r.count * sizeof(*r.code)) > 0 ? EXIT_SUCCESS
									: EXIT_FAILURE;
	crash_dump();
	_exit(rc);
}

void compile_end(struct compile *c)
{
	if (!c)
		return;
	if (c->event)
		event_free(c->event);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Reads the whole result, or as much as arrives. */
static void compile_finish(struct compile *c, bool late)
{
	struct sock_fprog program = { (unsigned short)c->result.count, NULL };
	size_t code = c->result.count * sizeof(*c->result.code);
	compile_done *done = c->done;
	void *context = c->context;
	char text[sizeof(c->result.text)] = "its process ended without an answer";
	int rc = -EIO;

	if (late) {
		rc = -ETIMEDOUT;
		snprintf(text, sizeof(text), "its names were not resolved within %d s",
			 DEADLINE_SECONDS);
	} else if (c->bytes >= HEAD && c->result.count <= BPF_MAXINSNS && c->bytes == HEAD + code &&
		   (c->result.rc || code)) {
		rc = c->result.rc;
		memcpy(text, c->result.text, sizeof(text));
		text[sizeof(text) - 1] = '\0';
	}
	if (rc == 0) {
		program.filter = malloc(code);
		if (program.filter)
			memcpy(program.filter, c->result.code, code);
		else
			rc = -ENOMEM;
	}
	compile_end(c);
	done(context, rc, &program, text);
}

static void result_cb(evutil_socket_t fd, short what, void *arg)
{
	struct compile *c = arg;
	ssize_t n;

	if (what & EV_TIMEOUT) {
		compile_finish(c, true);
		return;
	}
	n = read(fd, (char *)&c->result + c->bytes, sizeof(c->result) - c->bytes);
	if (n > 0)
		c->bytes += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		compile_finish(c, false);
}

static int child_start(const struct filter_source *source, int fd)
{
	sigset_t all, before;
	pid_t pid;
	int saved;

	sigfillset(&all); /* libevent's handlers would report the child's signals to the parent */
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	saved = errno;
	if (pid == 0) {
		child_prepare(fd);
		child_run(source);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -saved : 0;
}

int compile_begin(struct compile **out, struct event_base *base, const struct filter_source *source,
		  compile_done *done, void *context)
{
	struct timeval deadline = { DEADLINE_SECONDS, 0 };
	struct compile *c = calloc(1, sizeof(*c));
	int ends[2], rc;

	if (!c)
		return -ENOMEM;
	c->done = done;
	c->context = context;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		rc = -errno;
		free(c);
		return rc;
	}
	c->fd = ends[0];
	rc = child_start(source, ends[1]);
	close(ends[1]);
	c->event = event_new(base, c->fd, EV_READ | EV_PERSIST, result_cb, c);
	if (rc == 0 && (!c->event || event_add(c->event, &deadline)))
		rc = -ENOMEM;
	if (rc)
		compile_end(c);
	else
		*out = c;
	return rc;
}
