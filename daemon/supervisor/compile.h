/* Compiles filters in a process of its own: libpcap asks the name service for names, which may be
 * slow, and the supervisor must not wait. */
#ifndef COMPILE_H
#define COMPILE_H

#include "filter.h"

#include <event2/event.h>

struct compile;

/* Called once, from the event loop: with filter_compile()'s result, or -ETIMEDOUT or -EIO if the
 * process did not finish; if `rc` is 0 the callee owns `program`. */
typedef void compile_done(void *context, int rc, struct sock_fprog *program, const char *text);

/* Begins; *out is valid until `done` is called, `source` borrowed until this returns. Returns 0 or
 * -errno. */
int compile_begin(struct compile **out, struct event_base *base, const struct filter_source *source,
		  compile_done *done, void *context);

/* Abandons it; `done` is not called. The process ends by itself. NULL is safe. */
void compile_end(struct compile *compile);

#endif
