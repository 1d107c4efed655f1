/* What clients may have the supervisor do. */
#ifndef COMMAND_H
#define COMMAND_H

struct supervisor;

/* The workers of a capture (NULL: of all) continue in their next files. Returns how many captures
 * that is. */
unsigned command_rotate(struct supervisor *supervisor, const char *capture);

#endif
