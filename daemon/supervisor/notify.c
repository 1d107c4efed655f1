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
#define SETTLE_LOOK 20	/* ms */
#define TEXT_BYTES  512 /* as notify.h says */
#define FDS_MAX	    253 /* of one message (SCM_MAX_FD of the kernel's net/scm.h) */

/* Names of sockets in socket units; stored descriptors have a dot in their names. */
static const char *const listeners[] = { "control", "metrics" };

/* A message that the manager cannot receive now, and must not miss (N2). */
struct note {
	TAILQ_ENTRY(note) link;
	char text[TEXT_BYTES];
	unsigned count;
	int fds[]; /* duplicates */
};

struct notify {
	struct sockaddr_un address;
	socklen_t length; /* of the address; 0: no manager */
	TAILQ_HEAD(, note) waiting;
	/* The barrier: the manager closes its end of a pipe when it has handled all earlier
	 * messages */
	struct {
		int fd; /* -1: no barrier */
		uint64_t since_ns;
		bool due; /* messages were sent since the last barrier */
	} barrier;
};

/* A path or an abstract name. Returns the address's length, 0: none. */
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

int notify_new(struct notify **out)
{
	struct notify *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->length = manager_address(&n->address);
	n->barrier.fd = -1;
	TAILQ_INIT(&n->waiting);
	*out = n;
	return 0;
}

static void barrier_end(struct notify *n)
{
	if (n->barrier.fd >= 0)
		close(n->barrier.fd);
	n->barrier.fd = -1;
}

static void note_free(struct notify *n, struct note *note)
{
	TAILQ_REMOVE(&n->waiting, note, link);
	while (note->count > 0)
		close(note->fds[--note->count]);
	free(note);
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	while (!TAILQ_EMPTY(&n->waiting))
		note_free(n, TAILQ_FIRST(&n->waiting));
	barrier_end(n);
	free(n);
}

/* Temporary errors: the manager does not read, or there is no memory, no descriptor at the
 * moment. */
static int send_error(int error)
{
	static const int passing[] = { EAGAIN, ENOBUFS, ENOMEM, EMFILE, ENFILE, ETOOMANYREFS };

	for (size_t i = 0; i < sizeof(passing) / sizeof(*passing); i++)
		if (error == passing[i])
			return -EAGAIN;
	return -error;
}

/* sd_notify(3) would wait for a manager that does not read. Returns 0, -EAGAIN (to be retried), or
 * another -errno. */
static int manager_send(struct notify *n, const char *text, const int *fds, unsigned count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec io = { (char *)text, strlen(text) };
	struct msghdr header = {
		.msg_name = &n->address, .msg_namelen = n->length, .msg_iov = &io, .msg_iovlen = 1
	};
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

/* Sends queued messages in their order (N1). Returns whether the queue is empty. */
static bool notes_send(struct notify *n)
{
	struct note *note;

	while ((note = TAILQ_FIRST(&n->waiting))) {
		int rc = manager_send(n, note->text, note->fds, note->count);

		if (rc == -EAGAIN)
			return false;
		if (rc)
			log_error("notifying the service manager: %s", failure_text(-rc));
		note_free(n, note);
	}
	return true;
}

void notify_send(struct notify *n, const char *text, const int *fds, unsigned count)
{
	struct note *note;
	int rc = notes_send(n) ? manager_send(n, text, fds, count) : -EAGAIN;

	n->barrier.due = true;
	if (rc && rc != -EAGAIN)
		log_error("notifying the service manager: %s", failure_text(-rc));
	if (rc != -EAGAIN)
		return;
	note = calloc(1, sizeof(*note) + count * sizeof(int));
	if (!note) {
		log_error("no memory to notify the service manager");
		return;
	}
	snprintf(note->text, sizeof(note->text), "%s", text);
	for (unsigned i = 0; i < count; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd >= 0)
			note->fds[note->count++] = fd;
	}
	TAILQ_INSERT_TAIL(&n->waiting, note, link);
	if (note->count == count)
		return;
	log_error("no descriptor to notify the service manager (the limit of this process: raise "
		  "LimitNOFILE=)");
	note_free(n, note);
}

/* Not queued, as it is repeated soon */
static void news_put(struct notify *n, const char *text)
{
	if (notes_send(n))
		manager_send(n, text, NULL, 0);
}

void notify_ready(struct notify *n)
{
	notify_send(n, "READY=1", NULL, 0);
}

void notify_stopping(struct notify *n)
{
	notify_send(n, "STOPPING=1", NULL, 0);
}

void notify_watchdog(struct notify *n)
{
	news_put(n, "WATCHDOG=1");
}

void notify_status(struct notify *n, const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list ap;
	size_t used = strlen(strcpy(text, "STATUS="));

	va_start(ap, format);
	vsnprintf(text + used, sizeof(text) - used, format, ap);
	va_end(ap);
	news_put(n, text);
}

unsigned notify_watchdog_ms(void)
{
	uint64_t us;

	return sd_watchdog_enabled(0, &us) > 0 ? (unsigned)(us / 2000) : 0;
}

bool notify_manager(const struct notify *n)
{
	return n->length > 0;
}

void notify_barrier(struct notify *n, int fd)
{
	notify_send(n, "BARRIER=1", &fd, 1);
}

void notify_cancel(struct notify *n, const char *text)
{
	struct note *note, *next;

	for (note = TAILQ_FIRST(&n->waiting); note; note = next) {
		next = TAILQ_NEXT(note, link);
		if (strcmp(note->text, text) == 0)
			note_free(n, note);
	}
}

/* Sends the manager one end of a pipe. */
static void barrier_begin(struct notify *n)
{
	int ends[2], rc;

	if (!notes_send(n) || pipe2(ends, O_CLOEXEC))
		return;
	rc = manager_send(n, "BARRIER=1", &ends[1], 1);
	close(ends[1]);
	n->barrier.fd = ends[0];
	if (rc)
		barrier_end(n);
	else
		n->barrier.due = false;
}

bool notify_settled(struct notify *n)
{
	struct pollfd end = { 0 };

	if (!notify_manager(n) || (n->barrier.fd < 0 && !n->barrier.due))
		return true;
	if (!n->barrier.since_ns)
		n->barrier.since_ns = clock_mono_ns();
	if (n->barrier.fd < 0)
		barrier_begin(n);
	end.fd = n->barrier.fd;
	if ((n->barrier.fd < 0 || poll(&end, 1, 0) != 1) &&
	    clock_mono_ns() - n->barrier.since_ns < SETTLE_NS)
		return false;
	barrier_end(n);
	n->barrier.since_ns = 0;
	return true;
}

void notify_settle(struct notify *n)
{
	while (!notify_settled(n))
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
	log_warning("a socket unit passes a listening socket as %s, which is not served: "
		    "FileDescriptorName= must be control or metrics",
		    name);
	close(fd);
}

void notify_passed(void (*take)(void *context, const char *name, int fd), void *context)
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
