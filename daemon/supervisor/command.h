/* What others may have the supervisor do. */
#ifndef COMMAND_H
#define COMMAND_H

struct supervisor;

/* A capture's workers (NULL: all) go on in their next files. Returns how many captures that is. */
unsigned supervisor_rotate(struct supervisor *supervisor, const char *capture);

/* `leaving` is called once, when this instance begins to hand over: who comes from then on is the
 * next one's. */
void supervisor_leaving(struct supervisor *supervisor, void (*leaving)(void *context),
			void *context);

#endif
