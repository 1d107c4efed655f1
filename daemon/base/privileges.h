/* Users, groups, capabilities. Only privileges.c uses libcap-ng. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include "config_error.h"

#include <stdbool.h>
#include <sys/types.h>

#define PRIVILEGES_GROUPS_MAX 256

/* The identity after the set-up. */
struct privileges {
	bool root; /* may change to any user */
	uid_t uid;
	gid_t gid;
	int count; /* of supplementary groups, each file_group among them */
	gid_t groups[PRIVILEGES_GROUPS_MAX];
};

/* Resolves user and group of [daemon], and each capture's file_group. Returns 0, or -EINVAL with
 * *error: an unknown name, or a change that only root can make. */
int privileges_find(struct privileges *privileges, const struct config *config,
		    struct config_error *error);

/* This user with its groups, for privileges_enter(). */
void privileges_of(struct privileges *privileges, uid_t uid, gid_t gid);

/* Ends the set-up: changes to that user, and retains CAP_NET_RAW if it was permitted: permitted,
 * not effective; no other capability is in any set, or can be regained by executing a program
 * (capabilities(7)). Sets no_new_privs. Before, it raises RLIMIT_MEMLOCK to what workers lock.
 * Returns 0 or -errno. */
int privileges_enter(const struct privileges *privileges);

/* Makes CAP_NET_RAW effective, if it was retained, while something is opened that needs it. */
void privileges_raise(void);
void privileges_lower(void);

/* In a child between fork and exec: the program to be executed gets CAP_NET_RAW, or nothing.
 * Returns 0 or -errno. */
int privileges_pass(bool net_raw);

/* RLIMIT_* `resource`, soft and hard, to `value` or what it was already limited to, if that is
 * less. Returns 0 or -errno. */
int privileges_limit(int resource, uint64_t value);

/* Drops everything irrevocably: no capability in any set, no_new_privs, not dumpable (no core file,
 * and only root may attach). For the calling thread and those it creates. Returns 0 or -errno. */
int privileges_drop(void);

#endif
