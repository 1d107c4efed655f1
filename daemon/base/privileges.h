/* Users, groups, capabilities. privileges.c is the only door to libcap-ng. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include "config.h"

#include <sys/types.h>

#define PRIVILEGES_GROUPS_MAX 256

/* Who to be after the set-up. */
struct privileges {
	bool root; /* may become anybody */
	uid_t uid;
	gid_t gid;
	int count; /* of supplementary groups, each file_group among them */
	gid_t groups[PRIVILEGES_GROUPS_MAX];
};

/* Resolves user and group of [daemon], and each capture's file_group. Returns 0, or -EINVAL with
 * *error: an unknown name, or a change that only root can make. */
int privileges_find(struct privileges *privileges, const struct config *config,
		    struct config_error *error);

/* This user, with his groups, for privileges_enter(). */
void privileges_of(struct privileges *privileges, uid_t uid, gid_t gid);

/* The end of the set-up: becomes that user, and keeps CAP_NET_RAW if it was there: permitted, not
 * effective; nothing else is in any set, or comes back by executing a program. Sets no_new_privs.
 * Before, it raises RLIMIT_MEMLOCK to what workers lock. Returns 0 or -errno. */
int privileges_enter(const struct privileges *privileges);

/* CAP_NET_RAW effective, where it is kept, while something is opened that takes it. */
void privileges_raise(void);
void privileges_lower(void);

/* In a child between fork and exec: the program to be executed gets CAP_NET_RAW, or nothing.
 * Returns 0 or -errno. */
int privileges_pass(bool net_raw);

/* RLIMIT_* `resource`, soft and hard, to `value` or what it was already limited to, if that is
 * less. Returns 0 or -errno. */
int privileges_limit(int resource, uint64_t value);

/* For good: no capability in any set, no_new_privs, not dumpable (no core file, and nobody but root
 * may look into it). Of the calling thread and those it makes. Returns 0 or -errno. */
int privileges_drop(void);

#endif
