/* seccomp(2) by libseccomp, landlock(7) by its system calls: no library of the distribution
 * supports it. */
#include "confine.h"

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitizers open files of their own; `make bench` --confinement also builds without
 * confinement. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WITHOUT_CONFINEMENT 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITHOUT_CONFINEMENT 1
#endif
#ifdef COVERAGE /* its counters are written as a process ends */
#define WITHOUT_CONFINEMENT 1
#endif

#define SKIPPED	   (-1)
#define NAME_BYTES 40

struct confine {
	scmp_filter_ctx context;
};

bool confine_possible(void)
{
#ifdef WITHOUT_CONFINEMENT
	return false;
#else
	return true;
#endif
}

struct confine *confine_new(enum confine_otherwise otherwise)
{
	struct confine *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->context =
		seccomp_init(otherwise == CONFINE_DIES ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM));
	/* The number that a tracer gives a call to skip it, as strace(1) does to inject faults: the
	 * call does nothing. */
	if (c->context && seccomp_attr_set(c->context, SCMP_FLTATR_API_TSKIP, 1) == 0 &&
	    seccomp_attr_set(c->context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
	    seccomp_rule_add(c->context, SCMP_ACT_ALLOW, SKIPPED, 0) == 0)
		return c;
	if (c->context)
		seccomp_release(c->context);
	free(c);
	return NULL;
}

static int rule_add(const struct confine *confine, uint32_t action, const char *name,
		    unsigned count, const struct scmp_arg_cmp *compare)
{
	int number = seccomp_syscall_resolve_name(name), rc;

	if (!confine)
		return -ENOMEM;
	if (number < 0) /* unknown, or another architecture's */
		return 0;
	rc = seccomp_rule_add_array(confine->context, action, number, count, compare);
	return rc == -EEXIST ? 0 : rc;
}

int confine_allow(struct confine *confine, const struct confine_call *calls, size_t count)
{
	int rc = confine ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && rc == 0; i++) {
		struct scmp_arg_cmp compare[CONFINE_ARGUMENTS];
		unsigned n = 0;

		for (; n < CONFINE_ARGUMENTS && calls[i].arguments[n].number; n++) {
			const struct confine_argument *a = &calls[i].arguments[n];

			compare[n] =
				SCMP_CMP64(a->number - 1, SCMP_CMP_MASKED_EQ, a->mask, a->value);
		}
		rc = rule_add(confine, SCMP_ACT_ALLOW, calls[i].name, n, compare);
	}
	return rc;
}

int confine_allow_names(struct confine *confine, const char *names)
{
	int rc = confine ? 0 : -ENOMEM;

	while (rc == 0 && *names) {
		size_t length = strcspn(names, " ");
		char name[NAME_BYTES];

		snprintf(name, sizeof(name), "%.*s", (int)length, names);
		rc = rule_add(confine, SCMP_ACT_ALLOW, name, 0, NULL);
		names += length + strspn(names + length, " ");
	}
	return rc;
}

int confine_allow_from(struct confine *confine, unsigned first, unsigned limit,
		       const struct confine_call *calls, size_t count)
{
	int rc = confine ? 0 : -ENOMEM;

	for (uint64_t from = first; from < limit; from *= 2) /* each as long as all before it */
		for (size_t i = 0; i < count && rc == 0; i++) {
			struct confine_call call = calls[i];

			call.arguments[0] =
				(struct confine_argument){ 1, CONFINE_FD & ~(from - 1), from };
			rc = confine_allow(confine, &call, 1);
		}
	return rc;
}

int confine_missing(struct confine *confine, const char *name)
{
	return rule_add(confine, SCMP_ACT_ERRNO(ENOSYS), name, 0, NULL);
}

int confine_apply(struct confine *confine)
{
	int rc = confine ? 0 : -ENOMEM;

	if (rc == 0 && confine_possible()) {
		/* Both threads at once */
		rc = seccomp_attr_set(confine->context, SCMP_FLTATR_CTL_TSYNC, 1);
		if (rc == 0)
			rc = seccomp_attr_set(confine->context, SCMP_FLTATR_API_SYSRAWRC, 1);
		if (rc == 0) /* a binary tree instead of a list: the filter runs for every block */
			rc = seccomp_attr_set(confine->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		if (rc == 0)
			rc = seccomp_load(confine->context);
	}
	if (confine)
		seccomp_release(confine->context);
	free(confine);
	return rc;
}

void confine_call_name(int number, char *text, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	if (name)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "system call %d", number);
	free(name);
}

/* Larger than older headers have it; its size is passed with it. */
struct ruleset {
	uint64_t files, network, scoped;
};

#define FILES_BITS(version) ((version) >= 5 ? 16 : (version) >= 3 ? 15 : (version) == 2 ? 14 : 13)
#define BITS(count)	    ((UINT64_C(1) << (count)) - 1)

#define BENEATH                                                                                    \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |                            \
	 LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | TRUNCATE)
#define TRUNCATE (UINT64_C(1) << 14) /* missing in older headers */

static int ruleset_restrict(int ruleset, uint64_t known, const int *directories, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct landlock_path_beneath_attr rule = { BENEATH & known, directories[i] };

		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
			return -errno;
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) == 0)
		return 0;
	/* EPERM: no_new_privs is not set. It is set only then, as a process that is already
	 * confined may not be allowed to set it. */
	if (errno != EPERM || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0))
		return -errno;
	return 0;
}

int confine_files(const int *directories, unsigned count)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset all = { 0 };
	size_t bytes = sizeof(all.files);
	int fd, rc;

	if (version < 1 || !confine_possible())
		return version < 0 ? -errno : -ENOSYS;
	all.files = BITS(FILES_BITS(version));
	if (version >= 4) {
		all.network = BITS(2); /* TCP: bind, connect */
		bytes = offsetof(struct ruleset, scoped);
	}
	if (version >= 6) {
		all.scoped = BITS(2); /* abstract sockets, signals */
		bytes = sizeof(all);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, bytes, 0);
	if (fd < 0)
		return -errno;
	rc = ruleset_restrict(fd, all.files, directories, count);
	close(fd);
	return rc ? rc : (int)version;
}
