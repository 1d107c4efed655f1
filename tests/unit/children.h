/* Children without a process: from children_begin() on fork() returns a number that is no
 * process's, the child's end of the channel is the test's, a kill is noted, and waitpid(2) says
 * what the test says. */
#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

#define CHILDREN_MAX 4096

struct child_double {
	pid_t pid;
	int channel; /* the child's end; -1: the test has closed it */
	bool killed;
	bool dead;  /* waitpid(2) says so next ... */
	int status; /* ... with this status */
	bool reads; /* for the test that plays it: a worker that has begun */
};

/* Forgets those of before. */
void children_begin(void);

/* fork() fails with `error` from now on; 0: no more. */
void children_refuse(int error);

/* Called in each fork() that goes well, as its parent: what is open then is the child's, too. NULL:
 * nothing. */
void children_forked(void (*forked)(void));

unsigned children_count(void);

/* In the order of their start. */
struct child_double *children_at(unsigned i);

/* The one that was started last, or with this pid; NULL: none. */
struct child_double *children_last(void);
struct child_double *children_find(pid_t pid);

/* The child's end is closed. */
void child_close(struct child_double *child);

/* It has ended, with this status of wait(2): its end is closed, SIGCHLD is raised. One whose
 * channel the parent has closed has ended by itself for who waits for it alone. */
void child_dies(struct child_double *child, int status);

#endif
