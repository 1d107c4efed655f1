/* The archive's protocol, played. */
#include "players.h"

#include "../../daemon/base/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CAPTURES 8

static struct {
	pid_t pid;
	bool asked;
	struct message request;
	uint64_t inode;
	const char *names[CAPTURES]; /* of captures, by their numbers; NULL: not announced */
} archive;

/* What it has said of captures. */
static struct said {
	char name[CAPTURE_NAME_BYTES], directory[PATH_BYTES];
	bool placed;
	struct player_losses losses;
} said[CAPTURES];

static struct said *said_of(const char *capture)
{
	unsigned i = 0;

	while (*said[i].name && strcmp(said[i].name, capture) != 0)
		demand(++i < CAPTURES, "too many captures");
	if (!*said[i].name)
		snprintf(said[i].name, sizeof(said[i].name), "%s", capture);
	return &said[i];
}

struct player_losses *player_losses(const char *capture)
{
	return &said_of(capture)->losses;
}

bool player_placed(const char *capture, const char *directory)
{
	const struct said *s = said_of(capture);

	return s->placed && strcmp(s->directory, directory) == 0;
}

void players_reset(void)
{
	players_forget();
	memset(&archive, 0, sizeof(archive));
	memset(said, 0, sizeof(said));
}

static void fault_play(const struct message *request, struct message_result *r)
{
	static const int errors[] = { ENOSPC, EDQUOT, EACCES, EIO, ENOENT };

	r->error = errors[world_random(5)];
	snprintf(r->text, sizeof(r->text), "no");
	if (request->type == MESSAGE_FINISH || request->type == MESSAGE_NAME)
		r->later = world_random(2);
	if ((request->type == MESSAGE_FINISH || request->type == MESSAGE_LOOK) && world_random(2)) {
		r->lost = 1;
		r->error = request->type == MESSAGE_FINISH ? ENOENT : 0;
		r->later = 0;
	}
}

static uint32_t capture_of(const struct message *request)
{
	return request->type == MESSAGE_CAPTURE ? request->capture.capture
						: request->archive.capture;
}

/* What it knows of captures, and has said of their files. */
static void note(const struct message *request, const struct message_result *r)
{
	uint32_t i = capture_of(request);
	struct said *s;

	demand(i < CAPTURES, "capture %u", i);
	if (request->type == MESSAGE_CAPTURE) {
		s = said_of(request->capture.name);
		archive.names[i] = s->name;
		strcpy(s->directory, request->capture.directory);
		s->placed = !r->error;
	}
	demand(archive.names[i], "%s for a capture that was not announced",
	       message_name(request->type));
	s = said_of(archive.names[i]);
	s->losses.missing += request->type == MESSAGE_REOPEN && r->error == ENOENT;
	s->losses.lost += request->type == MESSAGE_FINISH && r->lost;
}

/* Without its directory nothing is made or found for a capture. */
static bool is_placed(const struct message *request)
{
	return (request->type != MESSAGE_OPEN && request->type != MESSAGE_REOPEN) ||
	       !archive.names[request->archive.capture] ||
	       said_of(archive.names[request->archive.capture])->placed;
}

static void result_make(const struct message *request, bool wild, struct message_result *r)
{
	r->capture = capture_of(request);
	if (request->type != MESSAGE_CAPTURE) {
		r->worker = request->archive.worker;
		r->serial = request->archive.file.serial;
	}
	if (wild || !is_placed(request))
		fault_play(request, r);
	note(request, r);
	if (request->type == MESSAGE_MAINTAIN && world_chance(8))
		r->again = 1;
	if (request->type == MESSAGE_MAINTAIN && world_chance(16))
		r->full = 1;
	r->available = 1 << 30;
}

static void answer(int channel, const struct message *request, bool wild)
{
	static struct message m;
	bool opens = request->type == MESSAGE_OPEN || request->type == MESSAGE_REOPEN;
	int fd = -1, rc;

	m = (struct message){ .type = message_answer(request->type) };
	result_make(request, wild, &m.result);
	if (opens && !m.result.error) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		m.result.align = 4096;
		m.result.device = 1;
		m.result.inode = ++archive.inode;
	}
	snprintf(m.result.name, sizeof(m.result.name), "%sfile-%llu", opens ? "." : "",
		 (unsigned long long)m.result.serial);
	rc = channel_send(channel, &m, fd);
	demand(rc == 0 || rc == -EPIPE || rc == -EAGAIN, "the archive's answer is not sent: %d",
	       rc);
	if (fd >= 0)
		close(fd);
}

void player_archive(struct world_process *process, bool wild)
{
	int fd = -1;

	if (archive.pid != process->pid) {
		archive.pid = process->pid;
		archive.asked = false;
		memset(archive.names, 0, sizeof(archive.names));
	}
	if (process->channel < 0 || process->killed)
		return;
	if (archive.asked) {
		archive.asked = false;
		answer(process->channel, &archive.request, wild);
		return;
	}
	archive.asked =
		channel_recv(process->channel, CHANNEL_SUPERVISOR, &archive.request, &fd) == 1;
	if (fd >= 0)
		close(fd);
}
