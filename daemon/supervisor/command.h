/* What others may have the supervisor do. */
#ifndef COMMAND_H
#define COMMAND_H

struct supervisor;

/* A capture's workers (NULL: all) go on in their next files. Returns how many captures that is. */
unsigned supervisor_rotate(struct supervisor *supervisor, const char *capture);

#endif
