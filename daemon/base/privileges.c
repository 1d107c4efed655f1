/* Users, groups and capabilities: resolves them, then drops privileges. */
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MEMLOCK_BYTES (8 << 20) /* a ledger and some stack for each worker, as in the unit */

static int find_fail(struct config_error *error, const struct config *config, const char *key,
		     const char *value, const char *rule)
{
	char where[256];

	snprintf(error->text, sizeof(error->text), "%s: %s = %s: %s",
		 config_where_daemon(config, key, where, sizeof(where)), key, value, rule);
	return -EINVAL;
}

/* False: the table is full. */
static bool group_add(struct privileges *p, gid_t gid)
{
	for (int i = 0; i < p->count; i++)
		if (p->groups[i] == gid)
			return true;
	if (p->count == PRIVILEGES_GROUPS_MAX)
		return false;
	p->groups[p->count++] = gid;
	return true;
}

static int user_find(struct privileges *p, const struct config *config, struct config_error *error)
{
	const struct config_daemon *d = &config->daemon;
	struct passwd *user = *d->user ? getpwnam(d->user) : NULL;
	struct group *group = *d->group ? getgrnam(d->group) : NULL;

	if (*d->user && !user)
		return find_fail(error, config, "user", d->user, "no such user");
	if (*d->group && !group)
		return find_fail(error, config, "group", d->group, "no such group");
	if (user) {
		p->uid = user->pw_uid;
		p->gid = user->pw_gid;
		p->count = PRIVILEGES_GROUPS_MAX;
		if (getgrouplist(d->user, p->gid, p->groups, &p->count) < 0)
			return find_fail(error, config, "user", d->user, "is in too many groups");
	}
	if (group)
		p->gid = group->gr_gid;
	if (!p->root && user && p->uid != geteuid())
		return find_fail(error, config, "user", d->user,
				 "only root can become another user");
	if (!p->root && group && p->gid != getegid())
		return find_fail(error, config, "group", d->group,
				 "only root can change the group (set it where afcapd is started)");
	return 0;
}

int privileges_find(struct privileges *privileges, const struct config *config,
		    struct config_error *error)
{
	struct privileges *p = privileges;
	int rc;

	*p = (struct privileges){ .root = geteuid() == 0, .uid = geteuid(), .gid = getegid() };
	p->count = getgroups(PRIVILEGES_GROUPS_MAX, p->groups);
	if (p->count < 0)
		p->count = 0;
	rc = user_find(p, config, error);
	if (rc)
		return rc;
	/* Files are given to that group without root's privileges: a member of it may do so. */
	for (unsigned i = 0; i < config->captures; i++) {
		const char *name = config->capture[i].file_group;
		struct group *group = *name ? getgrnam(name) : NULL;

		if (group && !group_add(p, group->gr_gid))
			return find_fail(error, config, "user", config->daemon.user,
					 "is in too many groups");
	}
	return 0;
}

void privileges_of(struct privileges *privileges, uid_t uid, gid_t gid)
{
	struct privileges *p = privileges;
	struct passwd *user = getpwuid(uid);

	*p = (struct privileges){ .root = geteuid() == 0, .uid = uid, .gid = gid };
	p->count = PRIVILEGES_GROUPS_MAX;
	if (!user || getgrouplist(user->pw_name, gid, p->groups, &p->count) < 0)
		p->count = 0;
}

static void memory_lock_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur >= MEMLOCK_BYTES)
		return;
	limit.rlim_cur = MEMLOCK_BYTES;
	if (limit.rlim_max < MEMLOCK_BYTES)
		limit.rlim_max = MEMLOCK_BYTES;
	setrlimit(RLIMIT_MEMLOCK, &limit); /* if that fails, the workers log that it is too low */
}

/* Clears all capability sets, but for what is added here. The bounding set first: it cannot be
 * changed after that. */
static int bounds_drop(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_BOUNDING_SET, CAP_NET_RAW);
	return capng_apply(CAPNG_SELECT_BOUNDS) ? -EPERM : 0;
}

/* Whether the groups are set already: in a user namespace even setting the same ones may be
 * refused. */
static bool groups_are(const struct privileges *p)
{
	gid_t now[PRIVILEGES_GROUPS_MAX];
	int count = getgroups(PRIVILEGES_GROUPS_MAX, now);

	return count == p->count && memcmp(now, p->groups, (size_t)count * sizeof(*now)) == 0;
}

static int become(const struct privileges *p)
{
	if (!groups_are(p) && setgroups((size_t)p->count, p->groups))
		return -errno;
	if (setresgid(p->gid, p->gid, p->gid))
		return -errno;
	if (p->uid == 0)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setresuid(p->uid, p->uid, p->uid) ||
	    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0))
		return -errno;
	return 0;
}

static int retain(unsigned types, bool ambient)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (types)
		capng_update(CAPNG_ADD, types, CAP_NET_RAW);
	if (ambient)
		capng_update(CAPNG_ADD, CAPNG_AMBIENT, CAP_NET_RAW);
	return capng_apply(CAPNG_SELECT_CAPS) || capng_apply(CAPNG_SELECT_AMBIENT) ? -EPERM : 0;
}

int privileges_enter(const struct privileges *privileges)
{
	bool net_raw;
	int rc = 0;

	if (capng_get_caps_process())
		return -EIO;
	net_raw = capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW);
	if (privileges->root) {
		memory_lock_allow();
		if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
			rc = bounds_drop();
		if (rc == 0)
			rc = become(privileges);
	}
	if (rc == 0)
		rc = retain(net_raw ? CAPNG_PERMITTED : 0, false);
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rc = -errno;
	return rc;
}

static void effective(bool on)
{
	if (capng_get_caps_process() || !capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW))
		return; /* opening what needs it fails, and reports that */
	capng_update(on ? CAPNG_ADD : CAPNG_DROP, CAPNG_EFFECTIVE, CAP_NET_RAW);
	capng_apply(CAPNG_SELECT_CAPS);
}

void privileges_raise(void)
{
	effective(true);
}

void privileges_lower(void)
{
	effective(false);
}

int privileges_pass(bool net_raw)
{
	if (capng_get_caps_process())
		return -EIO;
	return net_raw ? retain(CAPNG_PERMITTED | CAPNG_INHERITABLE, true) : retain(0, false);
}

int privileges_limit(int resource, uint64_t value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return -errno;
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit) ? -errno : 0;
}

int privileges_drop(void)
{
	int rc;

	if (capng_get_caps_process())
		return -EIO;
	rc = retain(0, false);
	if (rc == 0 &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)))
		rc = -errno;
	return rc;
}
