/* Records in shared memory, marked valid last. */
#include "checkpoint.h"

#include "../base/memfd.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECKPOINT_MAGIC 0x4445565341434641u /* "AFCASVED" */
#ifndef CHECKPOINT_VERSION		     /* tests of an upgrade define another one */
#define CHECKPOINT_VERSION 2
#endif

int checkpoint_create(void)
{
	int fd = memfd_create("afcap-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;
	const struct checkpoint s = { .magic = CHECKPOINT_MAGIC,
				      .version = CHECKPOINT_VERSION,
				      .bytes = sizeof(s) };

	if (fd >= 0 && pwrite(fd, &s, sizeof(s), 0) == (ssize_t)sizeof(s) && memfd_seal(fd) == 0)
		return fd;
	rc = errno ? errno : ENOMEM;
	if (fd >= 0)
		close(fd);
	return -rc;
}

struct checkpoint *checkpoint_map(int fd, uint64_t *alive_ns)
{
	uint64_t head[3]; /* magic, version and size, alive_ns */
	struct checkpoint *s;
	int rc;

	*alive_ns = 0;
	if (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	    head[0] == CHECKPOINT_MAGIC)
		*alive_ns = head[2];
	rc = memfd_check(fd, sizeof(*s));
	if (rc) {
		errno = -rc;
		return NULL;
	}
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (s == MAP_FAILED)
		return NULL;
	if (s->magic == CHECKPOINT_MAGIC && s->version == CHECKPOINT_VERSION &&
	    s->bytes == sizeof(*s)) {
		s->gap_why[sizeof(s->gap_why) - 1] = '\0';
		return s;
	}
	munmap(s, sizeof(*s));
	errno = EPROTO;
	return NULL;
}

bool checkpoint_ring(int fd, uint32_t *blocks, uint32_t *block_bytes)
{
	struct {
		uint64_t magic;
		uint32_t version, bytes;
		uint64_t alive_ns;
		uint32_t workers, block_bytes, blocks, unused;
	} head;

	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    head.magic != CHECKPOINT_MAGIC)
		return false;
	*blocks = head.blocks;
	*block_bytes = head.block_bytes;
	return true;
}

void checkpoint_unmap(struct checkpoint *checkpoint)
{
	if (checkpoint)
		munmap(checkpoint, sizeof(*checkpoint));
}

struct checkpoint_file *checkpoint_find(struct checkpoint_slot *slot, uint64_t serial)
{
	for (unsigned i = 0; i < CHECKPOINT_FILES; i++)
		if (slot->files[i].serial_after == serial + 1)
			return &slot->files[i];
	return NULL;
}

/* The next reader begins when this process is gone, and sees every store that was executed: only
 * the compiler must preserve their order (C2). */
static void ordered(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

void checkpoint_drop(struct checkpoint_file *file)
{
	if (file)
		file->serial_after = 0;
	ordered();
}

void checkpoint_put(struct checkpoint_slot *slot, uint64_t serial, uint64_t device, uint64_t inode)
{
	struct checkpoint_file *file = checkpoint_find(slot, serial), *oldest = NULL;

	for (unsigned i = 0; i < CHECKPOINT_FILES; i++) {
		struct checkpoint_file *f = &slot->files[i];

		if (!file && !f->serial_after)
			file = f;
		if (f->ended && (!oldest || f->serial_after < oldest->serial_after))
			oldest = f;
	}
	if (!file)
		file = oldest;
	if (!file)
		return;
	checkpoint_drop(file);
	*file = (struct checkpoint_file){ .device = device, .inode = inode };
	ordered();
	file->serial_after = serial + 1;
}

void checkpoint_end(struct checkpoint_file *file, const struct ledger_file *record)
{
	if (!file || file->ended)
		return;
	file->record = *record;
	ordered();
	file->ended = 1;
	ordered();
}

static bool slot_valid(const struct checkpoint_slot *slot)
{
	const uint64_t numbers[] = { slot->restarts,	    slot->files_opened,
				     slot->files_completed, slot->files_removed,
				     slot->files_repaired,  slot->sync_errors,
				     slot->files_lost,	    slot->packets_lost,
				     slot->written_shown };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (numbers[i] > COUNTER_MAX)
			return false;
	for (unsigned i = 0; i < CHECKPOINT_FILES; i++) {
		const struct checkpoint_file *f = &slot->files[i];

		if (f->serial_after && f->lost &&
		    (f->lost_packets_after < slot->packets_lost ||
		     f->lost_packets_after > COUNTER_MAX ||
		     f->lost_files_after < slot->files_lost || f->lost_files_after > COUNTER_MAX))
			return false;
	}
	return !counters_beyond(&slot->ended) && !counters_beyond(&slot->before);
}

bool checkpoint_valid(const struct checkpoint *checkpoint)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (!slot_valid(&checkpoint->slots[i]))
			return false;
	return true;
}

void checkpoint_lose(struct checkpoint_slot *slot, struct checkpoint_file *file, uint64_t packets)
{
	struct checkpoint_file none = { 0 };

	if (!file)
		file = &none;
	file->lost_packets_after = slot->packets_lost + packets;
	file->lost_files_after = slot->files_lost + 1;
	ordered();
	file->lost = 1;
	ordered();
	slot->packets_lost = file->lost_packets_after;
	slot->files_lost = file->lost_files_after;
	checkpoint_drop(file);
}

void checkpoint_recover(struct checkpoint_slot *slot)
{
	for (unsigned i = 0; i < CHECKPOINT_FILES; i++) {
		struct checkpoint_file *f = &slot->files[i];

		if (!f->serial_after || !f->lost)
			continue;
		slot->packets_lost = f->lost_packets_after;
		slot->files_lost = f->lost_files_after;
		checkpoint_drop(f);
	}
}

void checkpoint_reset(struct checkpoint_slot *slot)
{
	for (unsigned i = 0; i < CHECKPOINT_FILES; i++)
		checkpoint_drop(&slot->files[i]);
	slot->files_lost = slot->packets_lost = slot->written_shown = 0;
}

void checkpoint_gap(struct checkpoint *checkpoint, uint64_t since_ns, const char *why)
{
	snprintf(checkpoint->gap_why, sizeof(checkpoint->gap_why), "%s", why);
	checkpoint->gap_ns = since_ns;
}
