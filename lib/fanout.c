/* Fanout groups. */
#include "internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#define FLAGS_KNOWN                                                                                \
	(AFCAP_FANOUT_FLAG_ROLLOVER | AFCAP_FANOUT_FLAG_UNIQUEID |                                 \
	 AFCAP_FANOUT_FLAG_IGNORE_OUTGOING | AFCAP_FANOUT_FLAG_DEFRAG)

#define MEMBERS_DEFAULT 256u
#define MEMBERS_LIMIT	65536u

static const char *const mode_names[] = {
	[AFCAP_FANOUT_HASH] = "hash", [AFCAP_FANOUT_LB] = "lb",
	[AFCAP_FANOUT_CPU] = "cpu",   [AFCAP_FANOUT_ROLLOVER] = "rollover",
	[AFCAP_FANOUT_RND] = "rnd",   [AFCAP_FANOUT_QM] = "qm",
	[AFCAP_FANOUT_CBPF] = "cbpf", [AFCAP_FANOUT_EBPF] = "ebpf",
};
#define MODES (sizeof(mode_names) / sizeof(*mode_names))

AFCAP_PUBLIC const char *afcap_fanout_mode_name(enum afcap_fanout_mode mode)
{
	return (unsigned)mode < MODES ? mode_names[mode] : NULL;
}

AFCAP_PUBLIC int afcap_fanout_mode_parse(const char *name)
{
	for (unsigned i = 0; i < MODES; i++)
		if (strcmp(name, mode_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

_Static_assert(offsetof(struct afcap_fanout, program) + sizeof(void *) ==
		       sizeof(struct afcap_fanout),
	       "no padding at the end, as in struct afcap_options");

static const struct afcap_fanout defaults = {
	.size = sizeof(struct afcap_fanout),
	.program_fd = -1,
};

AFCAP_PUBLIC void afcap_fanout_init(struct afcap_fanout *fanout, size_t size)
{
	sized_init(fanout, size, &defaults, sizeof(defaults));
}

/* Rules for the program that a mode needs. */
static int program_check(const struct afcap_fanout *f, struct afcap_error *error)
{
	bool given = f->mode == AFCAP_FANOUT_CBPF ? f->program != NULL : f->program_fd >= 0;

	if (f->program && f->mode != AFCAP_FANOUT_CBPF)
		return error_set(error, EINVAL, "fanout program: mode cbpf takes one, %s does not",
				 mode_names[f->mode]);
	if (f->program_fd < -1)
		return error_set(error, EINVAL,
				 "fanout program_fd %d: must be a descriptor, or -1: none",
				 f->program_fd);
	if (f->program_fd >= 0 && f->mode != AFCAP_FANOUT_EBPF)
		return error_set(
			error, EINVAL,
			"fanout program_fd %d: mode ebpf takes one, %s does not (-1: none)",
			f->program_fd, mode_names[f->mode]);
	if (f->mode >= AFCAP_FANOUT_CBPF && !given && !f->has_program)
		return error_set(
			error, EINVAL,
			"fanout mode %s: needs a program, or has_program if the group already has "
			"it: without one the kernel would give every packet to its first member",
			mode_names[f->mode]);
	return 0;
}

static int fanout_check(const struct afcap_fanout *f, struct afcap_error *error)
{
	if ((unsigned)f->mode >= MODES)
		return error_set(error, EINVAL, "fanout mode %u: unknown", (unsigned)f->mode);
	if (f->flags & (uint16_t)~FLAGS_KNOWN)
		return error_set(error, EINVAL, "fanout flags 0x%x: unknown bits", f->flags);
	if (f->mode == AFCAP_FANOUT_ROLLOVER && f->flags & AFCAP_FANOUT_FLAG_ROLLOVER)
		return error_set(error, EINVAL, "fanout mode rollover excludes the flag rollover");
	if (f->flags & AFCAP_FANOUT_FLAG_UNIQUEID && f->id)
		return error_set(error, EINVAL,
				 "fanout id %u: must be 0 where the kernel is to pick one", f->id);
	if (f->max_members > MEMBERS_LIMIT)
		return error_set(error, EINVAL,
				 "fanout max_members %u: must be 1 to %u, or 0 for %u",
				 f->max_members, MEMBERS_LIMIT, MEMBERS_DEFAULT);
	return program_check(f, error);
}

int fanout_read(struct afcap_fanout *to, const struct afcap_fanout *from, struct afcap_error *error)
{
	int rc;

	*to = defaults;
	rc = sized_read(to, sizeof(*to), from, "fanout", error);
	return rc ? rc : fanout_check(to, error);
}

/* Kernels before 5.12 accept four bytes only, without max_members. */
static int fanout_set(int fd, const struct afcap_fanout *f)
{
	struct {
		uint32_t id_and_type; /* struct fanout_args, whose halves are in host order */
		uint32_t max_members;
	} args = { f->id | ((uint32_t)f->mode | f->flags) << 16, f->max_members };
	socklen_t length = f->max_members ? sizeof(args) : sizeof(args.id_and_type);

	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &args, length) ? -errno : 0;
}

static int fanout_error(const struct afcap_fanout *f, int rc, struct afcap_error *error)
{
	switch (-rc) {
	case EINVAL:
		return error_set(
			error, EINVAL,
			"fanout group %u cannot be joined with mode %s, flags 0x%x%s: another "
			"program uses this id with another mode, other flags or on another "
			"interface (or the interface is down); choose another id, or let the "
			"kernel pick one",
			f->id, mode_names[f->mode], f->flags,
			f->max_members ? ", max_members (Linux 5.12)" : "");
	case ENOSPC:
		return error_set(error, ENOSPC, "fanout group %u is full (%u members)", f->id,
				 f->max_members ? f->max_members : MEMBERS_DEFAULT);
	case EALREADY:
		return error_set(error, EALREADY, "the socket is already in a fanout group");
	default:
		return error_set(error, -rc, "joining fanout group %u: %s", f->id, strerror(-rc));
	}
}

static uint32_t group_get(int fd)
{
	uint32_t value = 0;
	socklen_t length = sizeof(value);

	return getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &length) ? 0 : value;
}

/* A kernel that does not know the flag accepts and stores it, and delivers outgoing packets
 * nevertheless: only its release shows that. */
static bool kernel_ignores_outgoing(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 2));
}

int fanout_join(int fd, struct afcap_fanout *fanout, struct afcap_error *error)
{
	struct afcap_fanout f, asked;
	int rc = fanout_read(&asked, fanout, error);

	if (rc)
		return rc;
	f = asked;
	if (!kernel_ignores_outgoing())
		f.flags &= (uint16_t)~AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
	rc = fanout_set(fd, &f);
	if (rc)
		return fanout_error(&asked, rc, error);
	f.id = (uint16_t)group_get(fd); /* a unique id may be 0: only the low half is the id */
	f.flags &= (uint16_t)~AFCAP_FANOUT_FLAG_UNIQUEID;
	if (f.program || f.program_fd >= 0)
		rc = afcap_fanout_program(fd, f.program, f.program_fd);
	if (rc)
		return error_set(error, -rc, "fanout program of group %u: %s", f.id, strerror(-rc));
	sized_write(fanout, &f, sizeof(f));
	return 0;
}

AFCAP_PUBLIC int afcap_fanout_join(struct afcap *handle, struct afcap_fanout *fanout,
				   struct afcap_error *error)
{
	int rc = fanout_join(handle->fd, fanout, error);

	handle->joined |= rc == 0;
	return rc;
}

AFCAP_PUBLIC int afcap_fanout_get(const struct afcap *handle, struct afcap_fanout *fanout)
{
	uint32_t value = group_get(handle->fd);
	struct afcap_fanout f = defaults;
	int rc = sized_read(&f, sizeof(f), fanout, "fanout", NULL);

	if (rc)
		return rc;
	if (value == 0 && !handle->joined)
		return -ENOENT;
	f = defaults;
	f.id = (uint16_t)value;
	f.mode = (enum afcap_fanout_mode)(value >> 16 & 0xff);
	f.flags = (uint16_t)(value >> 16 & 0xff00);
	f.has_program = f.mode >= AFCAP_FANOUT_CBPF;
	sized_write(fanout, &f, sizeof(f));
	return 0;
}

AFCAP_PUBLIC int afcap_fanout_program(int fd, const struct sock_fprog *program, int program_fd)
{
	if ((program != NULL) == (program_fd >= 0))
		return -EINVAL;
	if (program)
		return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, program, sizeof(*program))
			       ? -errno
			       : 0;
	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program_fd, sizeof(program_fd))
		       ? -errno
		       : 0;
}
