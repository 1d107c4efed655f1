/* sd_notify(3) without a wait, sd_watchdog_enabled(3), sd_listen_fds(3). */
#include "notify.h"

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SETTLE_NS   UINT64_C(5000000000)
#define SETTLE_LOOK 20 /* ms */
#define TEXT_BYTES  512
#define FDS_MAX	    253 /* of one message, as the kernel has it (SCM_MAX_FD) */

/* Names of sockets in socket units; what is kept has a dot in its name. */
static const char *const listeners[] = { "control", "metrics" };

/* What the manager has no room for now, and must not miss. */
struct note {
	TAILQ_ENTRY(note) link;
	char text[TEXT_BYTES];
	unsigned count;
	int fds[]; /* duplicates */
};

static TAILQ_HEAD(, note) waiting = TAILQ_HEAD_INITIALIZER(waiting);

/* Whether all was read that was said before: the manager closes its end of a pipe then. */
static struct {
	int fd; /* -1: nothing is asked */
	uint64_t since_ns;
	bool due; /* something was said after what is known to be read */
} barrier = { .fd = -1 };

/* The manager's socket, a path or an abstract name. Returns the address's length, 0: none. */
static socklen_t manager_address(struct sockaddr_un *address)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(address->sun_path) || (*path != '/' && *path != '@'))
		return 0;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, path, n);
	if (*path == '@')
		address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path == '/'));
}

/* What passes by itself: the manager does not read, or there is no memory, no descriptor just now.
 */
static int send_error(int error)
{
	static const int passing[] = { EAGAIN, ENOBUFS, ENOMEM, EMFILE, ENFILE, ETOOMANYREFS };

	for (size_t i = 0; i < sizeof(passing) / sizeof(*passing); i++)
		if (error == passing[i])
			return -EAGAIN;
	return -error;
}

/* sd_notify(3) would wait for a manager that does not read. Returns 0, -EAGAIN (to be repeated), or
 * another -errno. */
static int manager_send(const char *text, const int *fds, unsigned count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct sockaddr_un address;
	struct iovec io = { (char *)text, strlen(text) };
	struct msghdr header = { .msg_name = &address,
				 .msg_namelen = manager_address(&address),
				 .msg_iov = &io,
				 .msg_iovlen = 1 };
	int channel, rc;

	if (!header.msg_namelen)
		return 0;
	if (count > FDS_MAX)
		return -E2BIG;
	if (count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		*CMSG_FIRSTHDR(&header) =
			(struct cmsghdr){ CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), fds, count * sizeof(int));
	}
	channel = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (channel < 0)
		return send_error(errno);
	rc = sendmsg(channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? send_error(errno) : 0;
	close(channel);
	return rc;
}

static void note_free(struct note *note)
{
	TAILQ_REMOVE(&waiting, note, link);
	while (note->count > 0)
		close(note->fds[--note->count]);
	free(note);
}

/* In the order in which it was said. Returns whether nothing is left. */
static bool notes_send(void)
{
	struct note *note;

	while ((note = TAILQ_FIRST(&waiting))) {
		int rc = manager_send(note->text, note->fds, note->count);

		if (rc == -EAGAIN)
			return false;
		if (rc)
			log_error("telling the service manager: %s", failure_text(-rc));
		note_free(note);
	}
	return true;
}

/* Said once: it waits for its turn if need be. */
static void note_put(const char *text, const int *fds, unsigned count)
{
	struct note *note;
	int rc = notes_send() ? manager_send(text, fds, count) : -EAGAIN;

	barrier.due = true;
	if (rc && rc != -EAGAIN)
		log_error("telling the service manager: %s", failure_text(-rc));
	if (rc != -EAGAIN)
		return;
	note = calloc(1, sizeof(*note) + count * sizeof(int));
	if (!note) {
		log_error("no memory to tell the service manager");
		return;
	}
	snprintf(note->text, sizeof(note->text), "%s", text);
	for (unsigned i = 0; i < count; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd >= 0)
			note->fds[note->count++] = fd;
	}
	TAILQ_INSERT_TAIL(&waiting, note, link);
	if (note->count == count)
		return;
	log_error("no descriptor to tell the service manager (the limit of this process: raise "
		  "LimitNOFILE=)");
	note_free(note);
}

/* Said again soon anyway */
static void news_put(const char *text)
{
	if (notes_send())
		manager_send(text, NULL, 0);
}

void notify_ready(void)
{
	note_put("READY=1", NULL, 0);
}

void notify_stopping(void)
{
	note_put("STOPPING=1", NULL, 0);
}

void notify_watchdog(void)
{
	news_put("WATCHDOG=1");
}

void notify_status(const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list ap;
	size_t n = strlen(strcpy(text, "STATUS="));

	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - n, format, ap);
	va_end(ap);
	news_put(text);
}

unsigned notify_watchdog_ms(void)
{
	uint64_t us;

	return sd_watchdog_enabled(0, &us) > 0 ? (unsigned)(us / 2000) : 0;
}

bool notify_manager(void)
{
	struct sockaddr_un ignored;

	return manager_address(&ignored) > 0;
}

/* Not polled by the manager: a ring's socket has an error when its link goes down, which is no
 * reason to drop it. */
static void keep_text(char *text, size_t size, const char *name)
{
	snprintf(text, size, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
}

void notify_keep_all(const char *name, const int *fds, unsigned count)
{
	char text[TEXT_BYTES];

	keep_text(text, sizeof(text), name);
	note_put(text, fds, count);
}

void notify_keep(const char *name, int fd)
{
	notify_keep_all(name, &fd, 1);
}

void notify_barrier(int fd)
{
	note_put("BARRIER=1", &fd, 1);
}

bool notify_store_max(unsigned *max)
{
	const char *text = getenv("FDSTORE");

	return text && sscanf(text, "%u", max) == 1;
}

/* What was not said yet of that name need not be said any more: the descriptor is to be closed. */
void notify_drop(const char *name)
{
	struct note *note, *next;
	char text[TEXT_BYTES];

	keep_text(text, sizeof(text), name);
	for (note = TAILQ_FIRST(&waiting); note; note = next) {
		next = TAILQ_NEXT(note, link);
		if (strcmp(note->text, text) == 0)
			note_free(note);
	}
	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	note_put(text, NULL, 0);
}

static void barrier_end(void)
{
	if (barrier.fd >= 0)
		close(barrier.fd);
	barrier.fd = -1;
}

/* The manager gets one end of a pipe. */
static void barrier_begin(void)
{
	int ends[2], rc;

	if (!notes_send() || pipe2(ends, O_CLOEXEC))
		return;
	rc = manager_send("BARRIER=1", &ends[1], 1);
	close(ends[1]);
	barrier.fd = ends[0];
	if (rc)
		barrier_end();
	else
		barrier.due = false;
}

bool notify_settled(void)
{
	struct pollfd end = { 0 };

	if (!notify_manager() || (barrier.fd < 0 && !barrier.due))
		return true;
	if (!barrier.since_ns)
		barrier.since_ns = clock_mono_ns();
	if (barrier.fd < 0)
		barrier_begin();
	end.fd = barrier.fd;
	if ((barrier.fd < 0 || poll(&end, 1, 0) != 1) &&
	    clock_mono_ns() - barrier.since_ns < SETTLE_NS)
		return false;
	barrier_end();
	barrier.since_ns = 0;
	return true;
}

void notify_settle(void)
{
	while (!notify_settled())
		poll(NULL, 0, SETTLE_LOOK);
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

bool notify_handed_by(uid_t *uid, gid_t *gid)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names);
	bool found = false;
	struct stat st;

	for (int i = 0; i < n; i++) {
		if (!found && strncmp(names[i], "capture.", strlen("capture.")) == 0 &&
		    fstat(SD_LISTEN_FDS_START + i, &st) == 0) {
			*uid = st.st_uid;
			*gid = st.st_gid;
			found = true;
		}
		free(names[i]);
	}
	free(names);
	return found;
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
