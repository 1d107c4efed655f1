/* Filters are compiled in a process of their own: libpcap asks the name service for names, which
 * may take its time, and the supervisor has none to give. */
#ifndef COMPILE_H
#define COMPILE_H

#include "filter.h"

#include <event2/event.h>

struct compile;

/* Called once, from the event loop: what filter_compile() says, or -ETIMEDOUT or -EIO where the
 * process did not come to an end; `program`, where `rc` is 0, is the callee's. */
typedef void compile_done(void *context, int rc, struct sock_fprog *program, const char *words);

/* Begins; *out is valid until `done` is called, `source` borrowed until this returns. Returns 0 or
 * -errno. */
int compile_begin(struct compile **out, struct event_base *base, const struct filter_source *source,
		  compile_done *done, void *context);

/* Forgets it; `done` is not called. The process ends by itself, with the supervisor at the latest.
 * NULL is safe. */
void compile_end(struct compile *compile);

#endif
