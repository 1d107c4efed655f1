/* sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). */
#include "notify.h"

#include "../base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SETTLE_US UINT64_C(5000000)

/* Names of sockets in socket units; what is kept has a dot in its name. */
static const char *const listeners[] = { "control", "metrics" };

void notify_ready(void)
{
	sd_notify(0, "READY=1");
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void notify_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

void notify_status(const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	sd_notifyf(0, "STATUS=%s", text);
}

unsigned notify_watchdog_ms(void)
{
	uint64_t us;

	return sd_watchdog_enabled(0, &us) > 0 ? (unsigned)(us / 2000) : 0;
}

bool notify_manager(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket && *socket;
}

/* Not polled by the manager: a ring's socket has an error when its link goes down, which is no
 * reason to drop it. */
void notify_keep_all(const char *name, const int *fds, unsigned count)
{
	char text[320];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	sd_pid_notify_with_fds(0, 0, text, fds, count);
}

void notify_keep(const char *name, int fd)
{
	notify_keep_all(name, &fd, 1);
}

void notify_barrier(int fd)
{
	sd_pid_notify_with_fds(0, 0, "BARRIER=1", &fd, 1);
}

bool notify_store_max(unsigned *max)
{
	const char *text = getenv("FDSTORE");

	return text && sscanf(text, "%u", max) == 1;
}

void notify_drop(const char *name)
{
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void notify_settle(void)
{
	if (notify_manager())
		sd_notify_barrier(0, SETTLE_US);
}

static bool is_listener(const char *name)
{
	for (size_t i = 0; i < sizeof(listeners) / sizeof(*listeners); i++)
		if (strcmp(name, listeners[i]) == 0)
			return true;
	return false;
}

int notify_listener(const char *name)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names), found = -ENOENT;

	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			found = found == -ENOENT ? SD_LISTEN_FDS_START + i : -EEXIST;
		free(names[i]);
	}
	free(names);
	return found;
}

bool notify_handed(void)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names);
	bool any = false;

	for (int i = 0; i < n; i++) {
		any |= !is_listener(names[i]);
		free(names[i]);
	}
	free(names);
	return any;
}

static void unknown_close(const char *name, int fd)
{
	log_warning("a socket unit hands over a listening socket as %s, which nobody here serves: "
		    "FileDescriptorName= is control or metrics",
		    name);
	close(fd);
}

void notify_kept(void (*take)(void *context, const char *name, int fd), void *context)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (!is_listener(names[i])) {
			if (sd_is_socket(fd, AF_UNSPEC, 0, 1) > 0)
				unknown_close(names[i], fd);
			else
				take(context, names[i], fd);
		}
		free(names[i]);
	}
	free(names);
}
