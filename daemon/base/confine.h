/* Restricts the system calls and the files of a process. Only confine.c uses libseccomp. */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFINE_ARGUMENTS 3
#define CONFINE_FD	  UINT64_C(0xffffffff) /* the mask of an int: the upper half is ignored */

/* A system call that is allowed if all listed arguments match. A call may be in several rules, of
 * which one must match. */
struct confine_call {
	const char *name; /* as in syscalls(2) */
	struct confine_argument {
		unsigned number; /* from 1; 0: end of the list */
		uint64_t mask, value;
	} arguments[CONFINE_ARGUMENTS];
};

enum confine_otherwise {
	CONFINE_DIES,	/* any other call: SIGSYS, reported as in trace.h */
	CONFINE_REFUSED /* ... fails with EPERM */
};

/* A list under construction; freed by confine_apply(). */
struct confine;

/* Returns NULL where there is no memory, or no seccomp on this architecture. */
struct confine *confine_new(enum confine_otherwise otherwise);

/* Names that this libseccomp or this architecture does not know are left out: a call that does not
 * exist needs no rule. Returns 0 or -errno. */
int confine_allow(struct confine *confine, const struct confine_call *calls, size_t count);

/* The same with any arguments: names separated by spaces. */
int confine_allow_names(struct confine *confine, const char *names);

/* The same with a descriptor as first argument, from `first` to `limit` - 1, powers of two: the
 * first one of `arguments` is left free. */
int confine_allow_from(struct confine *confine, unsigned first, unsigned limit,
		       const struct confine_call *calls, size_t count);

/* Makes a call fail as if the kernel did not have it (ENOSYS), where its caller has a fallback. */
int confine_missing(struct confine *confine, const char *name);

/* Applies the list to all threads of the process and to its children, irrevocably (seccomp(2),
 * SECCOMP_FILTER_FLAG_TSYNC). Sets no_new_privs. Frees `confine` (NULL: -ENOMEM). Returns 0 or
 * -errno; -ENOSYS where the kernel has no seccomp. A build with a sanitizer, whose runtime makes
 * calls of its own, is not confined: 0. */
int confine_apply(struct confine *confine);

/* Whether confine_apply() has any effect in this build. */
bool confine_possible(void);

/* No file, directory or device can be opened, made, removed or executed any more, no TCP port bound
 * or connected to, no signal sent and no abstract socket reached outside, as far as the kernel's
 * Landlock supports that (landlock(7)). Excepted: regular files in `directories` (descriptors,
 * `count` of them) can be made, read, written, renamed and removed. For this thread and those it
 * creates. Sets no_new_privs. Returns Landlock's version (1 and up), or -errno where there is
 * none. */
int confine_files(const int *directories, unsigned count);

/* The name of a system call of this architecture into `text`, or its number. */
void confine_call_name(int number, char *text, size_t size);

#endif
