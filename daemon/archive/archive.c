/* Requests of the supervisor, one after the other, each with one answer. */
#include "archive.h"
#include "file.h"
#include "openfiles.h"
#include "retention.h"
#include "integrity.h"
#include "orphan.h"
#include "partial.h"
#include "reopen.h"
#include "repair.h"
#include "sandbox.h"
#include "shortage.h"
#include "trial.h"

#include "../base/channel.h"
#include "../base/child.h"
#include "../base/clock.h"
#include "../base/config.h"
#include "../base/failure.h"
#include "../base/inflight.h"
#include "../base/log.h"
#include "../base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPAIR_FIRST_NS UINT64_C(30000000000)
#define REPAIR_AGAIN_NS UINT64_C(60000000000)

static struct directory directories[CAPTURES_MAX];

static void channel_wait(short events)
{
	struct pollfd p = { CHANNEL_FD, events, 0 };

	poll(&p, 1, -1);
}

static void nonsense(struct message_result *result)
{
	result->error = EBADMSG;
	snprintf(result->text, sizeof(result->text), "the archive was asked for what cannot be");
}

/* What files are called, and where they are, is never a message's to say beyond that. */
static bool capture_valid(const struct message_capture *c)
{
	return c->capture < CAPTURES_MAX && memchr(c->name, '\0', sizeof(c->name)) &&
	       config_name_valid(c->name) && memchr(c->interface, '\0', sizeof(c->interface)) &&
	       memchr(c->device, '\0', sizeof(c->device)) &&
	       memchr(c->filter, '\0', sizeof(c->filter)) &&
	       memchr(c->directory, '\0', sizeof(c->directory));
}

/* Where all are open that there will be, there is nothing else to be opened. */
static void beneath_confine(void)
{
	static bool done;
	int fds[CAPTURES_MAX];
	unsigned open = 0;

	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (*directories[i].capture.name && directories[i].fd >= 0)
			fds[open++] = directories[i].fd;
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (*directories[i].capture.name && directories[i].fd >= 0 &&
		    directories[i].capture.together != open)
			return;
	if (!done && open)
		archive_sandbox_beneath(fds, open);
	done |= open > 0;
}

/* Nothing can be made any more in a directory that was removed, and this process may be confined to
 * what it has open: the supervisor asks the next one, which opens the path. */
static bool directory_is_gone(const struct directory *dir, struct message_result *result)
{
	if (!directory_removed(dir))
		return false;
	result->error = ESTALE;
	result->again = 1;
	return true;
}

/* What the file system refused, and was logged, of a capture that begins again. */
static void logged_inherit(struct directory *dir, const struct directory *before)
{
	dir->tried = before->tried;
	dir->moved = before->moved;
	dir->plain_told = before->plain_told;
	dir->repair_told = before->repair_told;
	dir->scan_told = before->scan_told;
	dir->remove_told = before->remove_told;
}

/* A capture that is told anew, and wrongly, goes on as it was. The directory is the one that was
 * opened first, in this process or in one before: `directory`, -1 for none. Returns a duplicate of
 * it for the next process, or -1. */
static int capture_serve(const struct message_capture *capture, int directory,
			 struct message_result *result)
{
	struct directory *dir, next;
	int rc = 0;

	result->capture = capture->capture;
	if (!capture_valid(capture)) {
		nonsense(result);
		return -1;
	}
	dir = &directories[capture->capture];
	next = (struct directory){
		.capture = *capture, .fd = -1, .tried = directory >= 0, .opened_ns = clock_mono_ns()
	};
	if (directory >= 0)
		rc = directory_adopt(&next, directory);
	else
		directory_open(&next, result);
	if (rc) {
		result->error = -rc;
		snprintf(result->text, sizeof(result->text), "directory %s: %s", capture->directory,
			 failure_text(-rc));
	} else if (directory_is_gone(&next, result)) {
		directory_close(&next);
		return -1;
	}
	if (*dir->capture.name) {
		if (result->error)
			return -1;
		logged_inherit(&next, dir);
		directory_close(dir);
	}
	*dir = next;
	beneath_confine();
	return next.fd < 0 ? -1 : fcntl(next.fd, F_DUPFD_CLOEXEC, 0);
}

static int file_try(struct directory *dir, const struct message_archive *request,
		    struct message_result *result)
{
	if (!dir->tried)
		trial_run(dir, result);
	return result->error ? -1 : file_open(dir, request, result);
}

/* Room is made before the file is. What a dead daemon left takes room, too, and can be removed once
 * it is repaired. Where the reserve cannot be kept the file is made all the same, a page: the
 * supervisor decides. */
static int open_serve(struct directory *dir, const struct message_archive *request,
		      struct message_result *result)
{
	int fd;

	if (dir->fd < 0) { /* not there when it was asked for; it may be by now */
		directory_open(dir, result);
		if (result->error)
			return -1;
		beneath_confine();
	} else if (directory_is_gone(dir, result)) {
		return -1;
	}
	while (!retention_enforce(dir, 1, result) && repair_step(dir, result))
		;
	directory_path_check(dir);
	fd = file_try(dir, request, result);
	for (unsigned i = 0;
	     fd < 0 && i < SHORTAGE_FILES && shortage_yield(dir, 0, result->error, result); i++) {
		result->error = 0;
		fd = file_try(dir, request, result);
	}
	if (fd >= 0)
		shortage_end(dir);
	result->no_inode = result->error == ENOSPC && directory_inodes_out(dir);
	return fd;
}

static int reopen_serve(struct directory *dir, const struct message_archive *request,
			struct message_result *result)
{
	if (dir->fd < 0)
		directory_open(dir, result);
	return result->error ? -1 : file_reopen(dir, request, result);
}

/* The room it may need is taken as it comes into use: files ahead that may wait for days take
 * none. */
static void name_serve(struct directory *dir, const struct message_archive *request, int fd,
		       struct message_result *result)
{
	for (unsigned i = 0; i < SHORTAGE_FILES; i++) {
		result->error = 0;
		result->later = 0;
		partial_name(dir, request, fd, result);
		if (!shortage_yield(dir, 0, result->error, result))
			break;
	}
	for (unsigned i = 0; !result->error && !result->lost && i < SHORTAGE_FILES; i++)
		if (!shortage_yield(dir, dir->capture.file_bytes, file_preallocate(dir, fd),
				    result))
			break;
}

/* Whether a file has its final name: what is refused after that is its directory's sync. */
static bool named_finally(const struct directory *dir, const char *text)
{
	struct name name;

	return name_parse(&name, text, dir->capture.name) &&
	       (name.kind == NAME_FINISHED || name.kind == NAME_SUSPECT);
}

/* The room for its final name. With that one it may be the oldest itself, and is not removed for
 * its own sake. */
static void finish_serve(struct directory *dir, const struct message_archive *request, int fd,
			 struct message_result *result)
{
	for (unsigned i = 0; i < SHORTAGE_FILES; i++) {
		result->error = 0;
		result->later = 0;
		partial_finish(dir, request, fd, result);
		if (named_finally(dir, result->name) ||
		    !shortage_yield(dir, 0, result->error, result))
			break;
	}
}

/* Workers of a dead daemon may hold its files for some seconds yet. */
static bool repair_due(const struct directory *dir, uint64_t now)
{
	return !dir->repaired_ns || now - dir->opened_ns < REPAIR_FIRST_NS ||
	       now - dir->repaired_ns >= REPAIR_AGAIN_NS;
}

/* Twice a second, so only what is due. */
static void keep_serve(struct directory *dir, int refused, struct message_result *result)
{
	uint64_t now = clock_mono_ns();

	if (retention_due(dir, result))
		retention_enforce(dir, 0, result);
	shortage_note(dir, refused, result);
	if (repair_due(dir, now) && !repair_step(dir, result) &&
	    !orphan_step(dir, directories, now))
		dir->repaired_ns = now;
	if (now - dir->opened_ns >= REPAIR_FIRST_NS) /* it is another daemon's, that lives */
		result->held = 0;
}

/* A file that a request is about has a name that was made here. */
static bool name_valid(const struct directory *dir, const struct message *request)
{
	const struct message_archive *r = &request->archive;
	struct name name;

	switch (request->type) {
	case MESSAGE_NAME:
	case MESSAGE_FINISH:
	case MESSAGE_DISCARD:
	case MESSAGE_SYNC:
	case MESSAGE_LOOK:
		return memchr(r->name, '\0', sizeof(r->name)) &&
		       name_parse(&name, r->name, dir->capture.name) &&
		       (name.kind == NAME_PARTIAL || name.kind == NAME_SPARE) &&
		       name.worker == r->worker;
	default:
		return r->worker < WORKERS_MAX;
	}
}

/* Asked for while the answer to its opening, which failed, was still to come: that was told. */
static bool never_opened(const struct message *request)
{
	return !*request->archive.name &&
	       (request->type == MESSAGE_NAME || request->type == MESSAGE_FINISH ||
		request->type == MESSAGE_DISCARD || request->type == MESSAGE_SYNC ||
		request->type == MESSAGE_LOOK);
}

/* Fills in the answer; returns a descriptor to be sent along (closed after that), or -1. */
static int request_serve(struct message *request, int fd, struct message *answer)
{
	struct message_archive *r = &request->archive;
	struct message_result *result = &answer->result;
	struct directory *dir;

	answer->type = message_answer(request->type);
	if (request->type == MESSAGE_CAPTURE)
		return capture_serve(&request->capture, fd, result);
	result->capture = r->capture;
	result->worker = r->worker;
	result->serial = r->file.serial;
	dir = &directories[r->capture % CAPTURES_MAX];
	dir->clock = r->clock;
	if (never_opened(request))
		result->error = EBADMSG;
	else if (r->capture >= CAPTURES_MAX || !*dir->capture.name || !name_valid(dir, request))
		nonsense(result);
	else if (request->type == MESSAGE_OPEN)
		return open_serve(dir, r, result);
	else if (request->type == MESSAGE_REOPEN)
		return reopen_serve(dir, r, result);
	else if (request->type == MESSAGE_NAME)
		name_serve(dir, r, fd, result);
	else if (request->type == MESSAGE_FINISH)
		finish_serve(dir, r, fd, result);
	else if (request->type == MESSAGE_DISCARD)
		file_discard(dir, r, result);
	else if (request->type == MESSAGE_SYNC)
		file_sync(dir, r, fd, result);
	else if (request->type == MESSAGE_LOOK)
		integrity_check(dir, r, fd, result);
	else if (dir->fd >= 0)
		keep_serve(dir, (int)r->file.error, result);
	else
		result->error = ENOENT;
	return -1;
}

/* Until its end a file that was made here, or came along, is the supervisor's. */
static void openfiles_note(const struct message *request, int fd, int made,
			   const struct message_result *result)
{
	if (request->type == MESSAGE_CAPTURE)
		return;
	if (made >= 0)
		openfiles_add(made);
	else if (fd >= 0 && request->type != MESSAGE_FINISH && request->type != MESSAGE_DISCARD)
		openfiles_add(fd);
	else if (fd >= 0 && !result->later)
		openfiles_remove(fd);
}

static bool answer_send(struct message *answer, int fd)
{
	int rc;

	while ((rc = channel_send(CHANNEL_FD, answer, fd)) == -EAGAIN)
		channel_wait(POLLOUT);
	return rc == 0;
}

/* With what the answer says that was opened, where nobody but who works with it closes it. */
static int made_wrap(int made, struct message_result *result)
{
	int socket = made < 0 ? -1 : inflight_put(made);

	if (made >= 0)
		close(made);
	if (made >= 0 && socket < 0) {
		result->error = -socket;
		snprintf(result->text, sizeof(result->text),
			 "handing on a descriptor: %s (LimitNOFILE= is how many a user may have "
			 "on their way)",
			 failure_text(-socket));
	}
	return socket < 0 ? -1 : socket;
}

/* Its file is not asked for again. */
static bool file_ended(uint32_t type, const struct message_result *result)
{
	return type == MESSAGE_DISCARD ||
	       (type == MESSAGE_FINISH && !(result->error && result->later));
}

/* Returns whether there is somebody to answer. */
static bool request_answer(struct message *request, int passed)
{
	static struct message answer;
	int fd = passed < 0 ? -1 : inflight_get(passed), made;
	bool sent;

	if (fd < 0)
		fd = -1;
	memset(&answer, 0, sizeof(answer));
	made = request_serve(request, fd, &answer);
	openfiles_note(request, fd, made, &answer.result);
	made = made_wrap(made, &answer.result);
	sent = answer_send(&answer, made);
	if (made >= 0)
		close(made);
	if (fd >= 0)
		close(fd);
	if (sent && passed >= 0 && file_ended(request->type, &answer.result))
		inflight_drop(passed);
	if (passed >= 0)
		close(passed);
	return sent;
}

int archive_main(void)
{
	static struct message request;
	int fd, rc;

	child_init();
	log_open(log_level(), "archive");
	trace_begin();
	rc = archive_sandbox();
	if (rc) {
		log_error("confining the process: %s", failure_text(-rc));
		return EXIT_FAILURE;
	}
	for (;;) {
		channel_wait(POLLIN);
		rc = channel_recv(CHANNEL_FD, &request, &fd);
		if (rc == -EAGAIN)
			continue;
		if (rc <= 0 || !request_answer(&request, fd))
			break;
	}
	if (rc < 0)
		log_error("reading the channel: %s", failure_text(-rc));
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
