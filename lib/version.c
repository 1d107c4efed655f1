/* Version, names, error texts, the clock. */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

AFCAP_PUBLIC const char *afcap_version(void)
{
	return AFCAP_VERSION;
}

static const char *const results[] = {
	[AFCAP_READY] = "ready",
	[AFCAP_TIMEOUT] = "timed out",
	[AFCAP_STOPPED] = "stopped",
	[AFCAP_WOKEN] = "woken",
	[AFCAP_DOWN] = "the interface went down",
	[AFCAP_GONE] = "the interface was deleted or moved away",
};

/* errno values as packet sockets mean them */
static const struct {
	int code;
	const char *text;
} errors[] = {
	{ E2BIG, "a value is set that this version of the library does not know" },
	{ EPERM, "not permitted: CAP_NET_RAW is missing, or the filter is locked" },
	{ ENODEV, "no such interface or ring" },
	{ ENETDOWN, "the interface is down" },
	{ ENXIO, "the socket is bound to no interface" },
	{ EINVAL, "invalid value, or not in the state for it" },
	{ EAGAIN, "not available now" },
	{ EALREADY, "already in a fanout group" },
	{ ENOSPC, "the fanout group is full" },
	{ EBUSY, "the socket already has a ring" },
	{ ENOMEM, "out of memory" },
	{ ENOBUFS, "no buffer space for sending now" },
	{ EMSGSIZE, "longer than the interface or the slot accepts" },
	{ EIO, "the kernel skipped a queued packet" },
	{ ESTALE, "the position belongs to another ring" },
	{ ENOENT, "not found" },
	{ EOPNOTSUPP, "not supported by this kernel, driver or ring version" },
};

AFCAP_PUBLIC const char *afcap_strerror(int result)
{
	const char *text = NULL;

	if (result >= 0)
		return (size_t)result < COUNT(results) ? results[result] : "unknown result";
	for (size_t i = 0; i < COUNT(errors) && !text; i++)
		if (errors[i].code == -result)
			text = errors[i].text;
	return text ? text : strerror(-result);
}

/* A name from a table indexed by the value */
#define NAME(names, value) ((size_t)(value) < COUNT(names) ? names[value] : NULL)

AFCAP_PUBLIC const char *afcap_tpacket_name(enum afcap_tpacket version)
{
	static const char *const names[] = { "highest", "V1", "V2", "V3" };

	return NAME(names, version);
}

AFCAP_PUBLIC const char *afcap_socket_type_name(enum afcap_socket_type type)
{
	static const char *const names[] = { NULL, NULL, "dgram", "raw" };

	return NAME(names, type);
}

AFCAP_PUBLIC const char *afcap_packet_type_name(enum afcap_packet_type type)
{
	static const char *const names[] = { "host",	  "broadcast", "multicast",
					     "otherhost", "outgoing",  "loopback" };

	return NAME(names, type);
}

AFCAP_PUBLIC const char *afcap_checksum_name(enum afcap_checksum checksum)
{
	static const char *const names[] = { "unknown", "valid", "not ready" };

	return NAME(names, checksum);
}

AFCAP_PUBLIC const char *afcap_timestamp_name(enum afcap_timestamp timestamp)
{
	static const char *const names[] = { "software", "hardware" };

	return NAME(names, timestamp);
}

int error_set(struct afcap_error *error, int code, const char *format, ...)
{
	va_list ap;

	if (error) {
		error->code = code;
		va_start(ap, format);
		vsnprintf(error->text, sizeof(error->text), format, ap);
		va_end(ap);
	}
	return -code;
}

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
