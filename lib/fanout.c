/* Fanout groups. */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define FLAGS_KNOWN                                                                                \
	(AFCAP_FANOUT_FLAG_ROLLOVER | AFCAP_FANOUT_FLAG_UNIQUEID |                                 \
	 AFCAP_FANOUT_FLAG_IGNORE_OUTGOING | AFCAP_FANOUT_FLAG_DEFRAG)

static const char *const mode_names[] = {
	[AFCAP_FANOUT_HASH] = "hash", [AFCAP_FANOUT_LB] = "lb",
	[AFCAP_FANOUT_CPU] = "cpu",   [AFCAP_FANOUT_ROLLOVER] = "rollover",
	[AFCAP_FANOUT_RND] = "rnd",   [AFCAP_FANOUT_QM] = "qm",
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
	return 0;
}

static int fanout_set(int fd, const struct afcap_fanout *f)
{
	unsigned value = f->id | ((unsigned)f->mode | f->flags) << 16;

	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof(value)) ? -errno : 0;
}

static int fanout_error(const struct afcap_fanout *f, int rc, struct afcap_error *error)
{
	switch (-rc) {
	case EINVAL:
		return error_set(
			error, EINVAL,
			"fanout group %u cannot be joined with mode %s, flags 0x%x: another "
			"program uses this id with another mode, other flags or on another "
			"interface (or the "
			"interface is down); choose another id, or let the kernel pick one",
			f->id, mode_names[f->mode], f->flags);
	case ENOSPC:
		return error_set(error, ENOSPC, "fanout group %u is full (256 members)", f->id);
	case EALREADY:
		return error_set(error, EALREADY, "the socket is in a fanout group already");
	default:
		return error_set(error, -rc, "joining fanout group %u: %s", f->id, strerror(-rc));
	}
}

int fanout_join(int fd, struct afcap_fanout *fanout, struct afcap_error *error)
{
	struct afcap_fanout f = *fanout;
	unsigned value = 0;
	socklen_t length = sizeof(value);
	int rc = fanout_check(&f, error);

	if (rc)
		return rc;
	rc = fanout_set(fd, &f);
	if (rc == -EINVAL && f.flags & AFCAP_FANOUT_FLAG_IGNORE_OUTGOING) {
		f.flags &=
			(uint16_t)~AFCAP_FANOUT_FLAG_IGNORE_OUTGOING; /* unknown before Linux 6.2 */
		rc = fanout_set(fd, &f);
	}
	if (rc)
		return fanout_error(fanout, rc, error);
	if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &length))
		return error_set(error, errno, "reading the fanout id back: %s", strerror(errno));
	f.id = (uint16_t)value; /* a unique id may be 0: only the low half counts */
	f.flags &= (uint16_t)~AFCAP_FANOUT_FLAG_UNIQUEID;
	*fanout = f;
	return 0;
}

AFCAP_PUBLIC int afcap_fanout_join(struct afcap *handle, struct afcap_fanout *fanout,
				   struct afcap_error *error)
{
	return fanout_join(handle->fd, fanout, error);
}
