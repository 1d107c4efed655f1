/* Children without a process: from children_begin() on fork() returns a number that is no
 * process's, the child's end of the channel is the test's, and a kill is noted. */
#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

#define CHILDREN_MAX 4096

struct child_double {
	pid_t pid;
	int channel; /* the child's end; -1: the test has closed it */
	bool killed;
};

/* Forgets those of before. */
void children_begin(void);

/* fork() fails with `error` from now on; 0: no more. */
void children_refuse(int error);

/* Called in each fork() that goes well, as its parent: what is open then is the child's, too. NULL:
 * nothing. */
void children_forked(void (*forked)(void));

unsigned children_count(void);

/* The one that was started last, or with this pid; NULL: none. */
struct child_double *children_last(void);
struct child_double *children_find(pid_t pid);

/* The child's end is closed. */
void child_close(struct child_double *child);

#endif
