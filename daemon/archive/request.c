/* Which messages are requests, and how each is served. */
#include "request.h"
#include "file.h"
#include "integrity.h"
#include "orphan.h"
#include "partial.h"
#include "reopen.h"
#include "repair.h"
#include "retention.h"
#include "sandbox.h"
#include "shortage.h"
#include "trial.h"

#include "../base/clock.h"
#include "../base/capture_name.h"
#include "../base/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define REPAIR_FIRST_NS UINT64_C(30000000000)
#define REPAIR_AGAIN_NS UINT64_C(60000000000)

/* A request in progress. */
struct job {
	struct archive *archive;
	struct directory *dir; /* of its capture */
	const struct message *request;
	int fd; /* came with it; -1: none */
	struct message_result *result;
};

/* Records a protocol violation by the supervisor in the answer. */
static int violation(const struct job *job, const char *how)
{
	job->result->error = EBADMSG;
	if (*how)
		snprintf(job->result->text, sizeof(job->result->text), "protocol violation: %s %s",
			 message_name(job->request->type), how);
	return -1;
}

/* Beyond these fields no message decides how files are named or where they are. */
static const char *capture_fault(const struct directory *dir, const struct message *request)
{
	const struct message_capture *c = &request->capture;

	(void)dir;
	if (!memchr(c->name, '\0', sizeof(c->name)) ||
	    !memchr(c->interface, '\0', sizeof(c->interface)) ||
	    !memchr(c->device, '\0', sizeof(c->device)) ||
	    !memchr(c->filter, '\0', sizeof(c->filter)) ||
	    !memchr(c->directory, '\0', sizeof(c->directory)))
		return "with an unterminated text";
	return capture_name_valid(c->name) ? NULL : "with an invalid capture name";
}

static const char *worker_fault(const struct directory *dir, const struct message *request)
{
	(void)dir;
	return request->archive.worker < WORKERS_MAX ? NULL : "for an invalid worker";
}

/* The file of a request has a name that was made here. The name is empty if the request was sent
 * before the answer to its opening, which failed, was received: that failure is logged already. */
static const char *name_fault(const struct directory *dir, const struct message *request)
{
	const struct message_archive *r = &request->archive;
	struct name name;

	if (!*r->name)
		return "";
	if (memchr(r->name, '\0', sizeof(r->name)) &&
	    name_parse(&name, r->name, dir->capture.name) &&
	    (name.kind == NAME_PARTIAL || name.kind == NAME_SPARE) && name.worker == r->worker)
		return NULL;
	return "for a name that the archive process did not make";
}

/* Once all directories are open, nothing outside them needs to be opened. */
static void beneath_confine(struct archive *archive)
{
	int fds[CAPTURES_MAX];
	unsigned open = 0;

	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (*archive->directories[i].capture.name && archive->directories[i].fd >= 0)
			fds[open++] = archive->directories[i].fd;
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (*archive->directories[i].capture.name && archive->directories[i].fd >= 0 &&
		    archive->directories[i].capture.together != open)
			return;
	if (!archive->confined && open)
		archive_sandbox_beneath(fds, open);
	archive->confined |= open > 0;
}

/* No file can be made in a directory that was removed, and this process may be confined to the
 * directories that it has open: the supervisor asks the next process, which opens the path. */
static bool directory_is_gone(const struct directory *dir, struct message_result *result)
{
	if (!directory_removed(dir))
		return false;
	result->error = ESTALE;
	result->again = 1;
	return true;
}

/* Preserves the state of what was tried and logged for a capture that is announced again. */
static void logged_inherit(struct directory *dir, const struct directory *before)
{
	dir->tried = before->tried;
	dir->moved = before->moved;
	dir->plain_logged = before->plain_logged;
	dir->repair_logged = before->repair_logged;
	dir->scan_logged = before->scan_logged;
	dir->remove_logged = before->remove_logged;
}

/* If announcing a capture again fails, it stays as it was. The directory is the one that was opened
 * first, by this process or a previous one: `fd`, -1 for none. Returns a duplicate of it for the
 * next process, or -1. */
static int capture_serve(const struct job *job)
{
	struct directory *dir = job->dir;
	struct message_result *result = job->result;
	const struct message_capture *capture = &job->request->capture;
	struct directory next = { .common = &job->archive->common,
				  .capture = *capture,
				  .fd = -1,
				  .tried = job->fd >= 0,
				  .opened_ns = clock_mono_ns() };
	int rc = 0;

	if (job->fd >= 0)
		rc = directory_adopt(&next, job->fd);
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
	beneath_confine(job->archive);
	return next.fd < 0 ? -1 : fcntl(next.fd, F_DUPFD_CLOEXEC, 0);
}

static int file_try(struct directory *dir, const struct message_archive *request,
		    struct message_result *result)
{
	if (!dir->tried)
		trial_run(dir, result);
	return result->error ? -1 : file_open(dir, request, result);
}

/* Space is freed before the file is made. Files left by a dead daemon take space, too, and can be
 * removed once they are repaired. If the reserve cannot be met, the file is made all the same, one
 * page: the supervisor decides. */
static int open_serve(const struct job *job)
{
	struct directory *dir = job->dir;
	struct message_result *result = job->result;
	int fd;

	if (dir->fd < 0) { /* missing when it was announced; it may exist by now */
		directory_open(dir, result);
		if (result->error)
			return -1;
		beneath_confine(job->archive);
	} else if (directory_is_gone(dir, result)) {
		return -1;
	}
	while (!retention_enforce(dir, 1, result) && repair_step(dir, result))
		;
	directory_path_check(dir);
	fd = file_try(dir, &job->request->archive, result);
	for (unsigned i = 0;
	     fd < 0 && i < SHORTAGE_FILES && shortage_yield(dir, 0, result->error, result); i++) {
		result->error = 0;
		fd = file_try(dir, &job->request->archive, result);
	}
	if (fd >= 0)
		shortage_end(dir);
	result->no_inode = result->error == ENOSPC && directory_inodes_out(dir);
	return fd;
}

static int reopen_serve(const struct job *job)
{
	struct directory *dir = job->dir;
	struct message_result *result = job->result;

	if (dir->fd < 0)
		directory_open(dir, result);
	return result->error ? -1 : file_reopen(dir, &job->request->archive, result);
}

/* The space that the file may need is preallocated when it comes into use: spare files, which may
 * wait for days, take none. */
static int name_serve(const struct job *job)
{
	struct directory *dir = job->dir;
	struct message_result *result = job->result;

	for (unsigned i = 0; i < SHORTAGE_FILES; i++) {
		result->error = 0;
		result->later = 0;
		partial_name(dir, &job->request->archive, job->fd, result);
		if (!shortage_yield(dir, 0, result->error, result))
			break;
	}
	for (unsigned i = 0; !result->error && !result->lost && i < SHORTAGE_FILES; i++)
		if (!shortage_yield(dir, dir->capture.file_bytes, file_preallocate(dir, job->fd),
				    result))
			break;
	return -1;
}

/* Whether a file has its final name: after that only the sync of its directory can be refused. */
static bool named_finally(const struct directory *dir, const char *text)
{
	struct name name;

	return name_parse(&name, text, dir->capture.name) &&
	       (name.kind == NAME_FINISHED || name.kind == NAME_SUSPECT);
}

/* Frees space for the final name. Once it has that name, the file may be the oldest itself, and
 * must not be removed for its own sake. */
static int finish_serve(const struct job *job)
{
	struct directory *dir = job->dir;
	struct message_result *result = job->result;

	for (unsigned i = 0; i < SHORTAGE_FILES; i++) {
		result->error = 0;
		result->later = 0;
		partial_finish(dir, &job->request->archive, job->fd, result);
		if (named_finally(dir, result->name) ||
		    !shortage_yield(dir, 0, result->error, result))
			break;
	}
	return -1;
}

static int discard_serve(const struct job *job)
{
	file_discard(job->dir, &job->request->archive, job->result);
	return -1;
}

static int sync_serve(const struct job *job)
{
	file_sync(job->dir, &job->request->archive, job->fd, job->result);
	return -1;
}

static int look_serve(const struct job *job)
{
	integrity_check(job->dir, &job->request->archive, job->fd, job->result);
	return -1;
}

/* Workers of a dead daemon may keep its files locked for some more seconds. */
static bool repair_due(const struct directory *dir, uint64_t now)
{
	return !dir->repaired_ns || now - dir->opened_ns < REPAIR_FIRST_NS ||
	       now - dir->repaired_ns >= REPAIR_AGAIN_NS;
}

/* Called twice a second, so does only what is due. */
static int maintain_serve(const struct job *job)
{
	struct directory *dir = job->dir;
	struct message_result *result = job->result;
	uint64_t now = clock_mono_ns();

	if (dir->fd < 0) {
		result->error = ENOENT;
		return -1;
	}
	if (retention_due(dir, result))
		retention_enforce(dir, 0, result);
	shortage_note(dir, (int)job->request->archive.file.error, result);
	if (repair_due(dir, now) && !repair_step(dir, result) &&
	    !orphan_step(dir, job->archive->directories, now))
		dir->repaired_ns = now;
	if (now - dir->opened_ns >= REPAIR_FIRST_NS) /* another daemon, alive, has it */
		result->held = 0;
	return -1;
}

/* Whether this process knows the capture of a request. */
enum phase {
	PHASE_UNKNOWN = 1 << 0,	  /* nothing */
	PHASE_ANNOUNCED = 1 << 1, /* CAPTURE was received */
};

/* What happens to the file that is made here or comes with the request. */
enum use { USE_NONE, USE_BEGINS, USE_ENDS };

/* `fault` returns what is wrong with a message of that type, "" if it need not be logged, NULL:
 * nothing. `serve` fills in the answer and returns a descriptor to be sent along (closed after
 * that), or -1. Types that are not listed are no requests; message_answer() has the type of the
 * answer. */
static const struct request {
	unsigned phases; /* in which it is accepted */
	const char *(*fault)(const struct directory *dir, const struct message *request);
	int (*serve)(const struct job *job);
	enum use use;
} requests[MESSAGE_TYPES] = {
	[MESSAGE_CAPTURE] = { PHASE_UNKNOWN | PHASE_ANNOUNCED, capture_fault, capture_serve,
			      USE_NONE },
	[MESSAGE_OPEN] = { PHASE_ANNOUNCED, worker_fault, open_serve, USE_BEGINS },
	[MESSAGE_REOPEN] = { PHASE_ANNOUNCED, worker_fault, reopen_serve, USE_BEGINS },
	[MESSAGE_MAINTAIN] = { PHASE_ANNOUNCED, worker_fault, maintain_serve, USE_NONE },
	[MESSAGE_NAME] = { PHASE_ANNOUNCED, name_fault, name_serve, USE_BEGINS },
	[MESSAGE_FINISH] = { PHASE_ANNOUNCED, name_fault, finish_serve, USE_ENDS },
	[MESSAGE_DISCARD] = { PHASE_ANNOUNCED, name_fault, discard_serve, USE_ENDS },
	[MESSAGE_SYNC] = { PHASE_ANNOUNCED, name_fault, sync_serve, USE_BEGINS },
	[MESSAGE_LOOK] = { PHASE_ANNOUNCED, name_fault, look_serve, USE_BEGINS },
};

/* Addresses the answer. Returns the directory of the request, NULL: the number is out of range. */
static struct directory *answer_begin(struct archive *archive, const struct message *request,
				      struct message_result *result)
{
	if (request->type == MESSAGE_CAPTURE) {
		result->capture = request->capture.capture;
	} else {
		result->capture = request->archive.capture;
		result->worker = request->archive.worker;
		result->serial = request->archive.file.serial;
	}
	return result->capture < CAPTURES_MAX ? &archive->directories[result->capture] : NULL;
}

bool request_known(uint32_t type)
{
	return type < MESSAGE_TYPES && requests[type].serve;
}

bool request_ends_file(const struct message *request, const struct message_result *result)
{
	return requests[request->type].use == USE_ENDS && !(result->error && result->later);
}

/* A process that was started meanwhile opens them for their errors, too. */
static void openfiles_begin(const struct job *job, int fd)
{
	const struct directory *dir = job->dir;
	const char *name = *job->result->name ? job->result->name : job->request->archive.name;
	struct stat st;
	int errors_fd = -1;

	if (dir->capture.cached && fstat(fd, &st) == 0 &&
	    !openfiles_has(&job->archive->common.open, &st))
		errors_fd = openfiles_errors(dir, name, fd);
	openfiles_add(&job->archive->common.open, fd, errors_fd);
}

/* A file that was made here or came with a request is in use until its end. */
static void openfiles_note(const struct job *job, int made)
{
	enum use use = requests[job->request->type].use;
	int fd = made >= 0 ? made : job->fd;

	if (use == USE_BEGINS && fd >= 0)
		openfiles_begin(job, fd);
	else if (job->fd >= 0 && request_ends_file(job->request, job->result))
		openfiles_remove(&job->archive->common.open, job->fd);
}

/* As `serve`. */
static int job_serve(const struct job *job)
{
	int made;
	const struct request *row = &requests[job->request->type];
	struct directory *dir = job->dir;
	unsigned phase = dir && *dir->capture.name ? PHASE_ANNOUNCED : PHASE_UNKNOWN;
	const char *fault;

	if (!dir)
		return violation(job, "for an invalid capture");
	if (!(row->phases & phase))
		return violation(job, "for a capture that was not announced");
	fault = row->fault(dir, job->request);
	if (fault)
		return violation(job, fault);
	if (job->request->type != MESSAGE_CAPTURE)
		dir->clock = job->request->archive.clock;
	made = row->serve(job);
	openfiles_note(job, made);
	return made;
}

int request_serve(struct archive *archive, const struct message *request, int fd,
		  struct message_result *result)
{
	const struct job job = { archive, answer_begin(archive, request, result), request, fd,
				 result };

	return job_serve(&job);
}
