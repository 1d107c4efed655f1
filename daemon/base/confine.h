/* What a process may still ask the kernel for. confine.c is the only door to libseccomp. */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFINE_ARGUMENTS 3
#define CONFINE_FD	  UINT64_C(0xffffffff) /* the mask of an int: the kernel looks at no more */

/* A system call that may be made, where every argument that is named fits. A call may stand in
 * several rules, which add up. */
struct confine_call {
	const char *name; /* as in syscalls(2) */
	struct confine_argument {
		unsigned number; /* from 1; 0: no further one */
		uint64_t mask, value;
	} arguments[CONFINE_ARGUMENTS];
};

enum confine_otherwise {
	CONFINE_DIES,	/* any other call: SIGSYS, see trace.h for who tells its name */
	CONFINE_REFUSED /* ... fails with EPERM */
};

/* A list under construction; freed by confine_apply(). */
struct confine;

/* Returns NULL where there is no memory, or no seccomp on this architecture. */
struct confine *confine_new(enum confine_otherwise otherwise);

/* Names that this libseccomp or this architecture does not know are left out: what cannot be
 * called needs no rule. Returns 0 or -errno. */
int confine_allow(struct confine *confine, const struct confine_call *calls, size_t count);

/* The same with any arguments: names with a space between. */
int confine_allow_names(struct confine *confine, const char *names);

/* The same with a descriptor as first argument, from `first` to `limit` - 1, powers of two: the
 * first one of `arguments` is left free. */
int confine_allow_from(struct confine *confine, unsigned first, unsigned limit,
		       const struct confine_call *calls, size_t count);

/* A call that fails as if the kernel did not have it (ENOSYS): who asks for it has another way. */
int confine_missing(struct confine *confine, const char *name);

/* From here on, for all threads of the process and its children, and for good. Sets no_new_privs.
 * Frees `confine` (NULL: -ENOMEM). Returns 0 or -errno; -ENOSYS where the kernel has no seccomp. A
 * build with a sanitizer, whose runtime calls what it likes, is not confined: 0. */
int confine_apply(struct confine *confine);

/* Whether this build's confine_apply() does anything. */
bool confine_possible(void);

/* No file, directory or device can be opened, made, removed or executed any more, no TCP port
 * bound or connected to, no signal sent and no abstract socket reached outside, as far as the
 * kernel's Landlock goes. But regular files in `directories` (descriptors, `count` of them) can be
 * made, read, written, renamed and removed. For this thread and those it makes. Sets no_new_privs.
 * Returns Landlock's version (1 and up), or -errno where there is none. */
int confine_files(const int *directories, unsigned count);

/* The name of a system call of this architecture into `text`, or its number. */
void confine_call_name(int number, char *text, size_t size);

#endif
