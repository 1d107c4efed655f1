/* Fuzz target: packets of arbitrary bytes, with descriptors or without, over a channel; and what
 * the supervisor makes of workers' reports and the archive's answers. What is received has its
 * type's length, no descriptor stays behind, and numbers that are taken over can be.
 *
 * Input: byte 0 says what the supervisor has; then packets: two bytes of length, one of
 * options (descriptors, what is put right, who the sender is not), the bytes. */
#include "fuzz.h"

#include "../../daemon/base/channel.h"
#include "../../daemon/supervisor/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MOST     3
#define PACKETS_MOST 16
#define EVERYBODY    ((unsigned)CHANNEL_SUPERVISOR | CHANNEL_WORKER | CHANNEL_ARCHIVE)

enum { TYPE_RIGHT = 4, BYTES_RIGHT = 8 }; /* beside the number of descriptors */

#define NOT_FROM 4 /* from this bit on: enum channel_end */

static struct output_file used = { .serial = 6 }, spare = { .serial = 7 };

static void packet_send(int channel, const uint8_t *data, size_t bytes, unsigned fds)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(FDS_MOST * sizeof(int))];
	} control = { 0 };
	static const int sent[FDS_MOST] = { 0, 1, 2 };
	struct iovec io = { (void *)(uintptr_t)data, bytes };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	if (fds) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.head =
			(struct cmsghdr){ CMSG_LEN(fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), sent, fds * sizeof(int));
	}
	if (sendmsg(channel, &m, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EMSGSIZE)
		abort();
}

/* Counters as tally_take() took them. */
static void counters_check(const struct counters *now, const struct counters *before, bool writes)
{
	if (counters_fell(now, before) || now->drops > now->packets ||
	    now->received > now->packets - now->drops || now->restarts || now->files_opened)
		abort();
	if (writes && (now->written > now->received ||
		       counters_discarded(now) != now->received - now->written))
		abort();
}

static void report(struct slot *slot, const struct message_report *r)
{
	const struct output_file *current = slot->output.current;
	struct counters before = slot->tally.reported;

	if (output_known(&slot->output, &r->current) && current &&
	    (r->current.end < LEDGER_FILE_BEGIN || r->current.serial < current->serial ||
	     r->current.serial > current->serial + 1))
		abort();
	if (tally_take(&slot->tally, &r->counters, slot_writes(slot), 1))
		counters_check(&slot->tally.reported, &before, slot_writes(slot));
	else if (memcmp(&before, &slot->tally.reported, sizeof(before)) != 0)
		abort();
}

static void answer(const struct message *received, int fd)
{
	for (uint32_t type = MESSAGE_CAPTURE; type <= MESSAGE_LOOK; type++) {
		static struct message request, copy;
		const struct message_result *r = &copy.result;

		request.type = type;
		request.archive.capture = 0;
		request.archive.worker = type == MESSAGE_CAPTURE ? 0 : 1;
		request.archive.file.serial = type == MESSAGE_CAPTURE ? 0 : 6;
		copy = *received;
		if (!archive_request_answered(&request, &copy, fd))
			continue;
		if (copy.type != message_answer(type) || !memchr(r->name, '\0', sizeof(r->name)) ||
		    !memchr(r->text, '\0', sizeof(r->text)))
			abort();
		if (type == MESSAGE_CAPTURE && r->removed)
			abort();
		if (!r->error && (type == MESSAGE_OPEN || type == MESSAGE_REOPEN) &&
		    (fd < 0 || !r->align || r->align & (r->align - 1)))
			abort();
	}
}

/* One packet of the input; how long it was. */
static size_t packet(struct slot *slot, const int ends[2], const uint8_t *data, size_t bytes)
{
	static struct message out, in;
	size_t n = (size_t)data[0] | (size_t)data[1] << 8;
	unsigned options = data[2];
	enum channel_end from = EVERYBODY & ~(options >> NOT_FROM);
	int fd, rc;

	data += 3;
	bytes -= 3;
	if (n > bytes)
		n = bytes;
	memcpy(&out, data, n < sizeof(out) ? n : sizeof(out));
	if (options & TYPE_RIGHT && n >= 4)
		out.type = 1 + out.type % (MESSAGE_TYPES - 1);
	if (options & BYTES_RIGHT && n >= 8 && message_bytes(out.type) >= 0) {
		out.bytes = (uint32_t)message_bytes(out.type);
		packet_send(ends[0], (const uint8_t *)&out, 8 + out.bytes, options % 4);
	} else {
		packet_send(ends[0], data, n, options % 4);
	}
	rc = channel_recv(ends[1], from, &in, &fd);
	if (rc == 1 &&
	    ((int)in.bytes != message_bytes(in.type) || !channel_allows(from, in.type, fd >= 0)))
		abort();
	if (rc != 1 && fd >= 0)
		abort();
	if (rc == 1 && in.type == MESSAGE_REPORT)
		report(slot, &in.report);
	if (rc == 1)
		answer(&in, fd);
	if (fd >= 0)
		close(fd);
	return 3 + n;
}

static int fd_lowest(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct checkpoint_slot saved = { 0 };
	struct slot slot = { .saved = &saved, .tally = { .saved = &saved } };
	int ends[2], before;
	size_t at = 1;

	if (bytes < 1 || channel_pair(ends))
		return 0;
	before = fd_lowest();
	slot.task.group.output = data[0] & 1 ? OUTPUT_NONE : OUTPUT_PCAPNG;
	slot.output.current = data[0] & 2 ? NULL : &used;
	slot.output.spare = data[0] & 4 ? NULL : &spare;
	for (unsigned i = 0; i < PACKETS_MOST && bytes - at >= 3; i++)
		at += packet(&slot, ends, data + at, bytes - at);
	if (fd_lowest() != before)
		abort();
	close(ends[0]);
	close(ends[1]);
	return 0;
}
