/* daemon/worker/writer.c: what a file has taken never changes. */
#include "handring.h"
#include "../library/handblock.h"
#include "suites.h"

#include "../../daemon/archive/file.h"
#include "../../daemon/worker/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 262144u
#define FILE_MOST   (32u << 20)
#define ROUNDS	    200

static const uint32_t aligns[] = { 4, 4096, 65536 };

static const struct message_worker what = { .worker = 1,
					    .group.block_bytes = BLOCK_BYTES,
					    .group.snaplen = 262144,
					    .config.file_bytes = 1u << 30 };
static const struct pcapng_context context = { .worker = 1, .snaplen = 262144 };

static struct writer writer;
static struct crossing crossing;
static struct ledger *ledger;
static struct ledger_totals totals;
static uint32_t align;
static int fd;
static uint8_t *seen, *now; /* the file as it was, and as it is */
static size_t seen_bytes;

static void begin(void)
{
	struct crossing_file file = { .serial = 0, .fd = dup(fd) };

	if (align > 4 && align < file_align(fd, true))
		align = file_align(fd, true); /* a disk of larger sectors */
	file.align = align;
	crossing = (struct crossing){ .notify = -1 };
	ck_assert_int_eq(
		writer_init(&writer, &what, ledger, &crossing, BLOCK_BYTES + BLOCK_BYTES / 2), 0);
	writer_begin(&writer, &file);
}

static void setup(void)
{
	failing = (struct handring_failing){ 0 };
	fd = handring_file();
	ledger = ledger_map(ledger_create());
	ck_assert_ptr_nonnull(ledger);
	totals = ledger_totals(ledger);
	seen = malloc(FILE_MOST);
	now = malloc(FILE_MOST);
	seen_bytes = 0;
}

static void teardown(void)
{
	free(seen);
	free(now);
	close(fd);
}

/* The file ends where the ledger says, has only grown, and is whole blocks behind its header. */
static void file_check(void)
{
	struct stat st;
	size_t at = LEDGER_FILE_BEGIN;

	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, totals.current.end);
	ck_assert_uint_le(totals.current.end, FILE_MOST);
	fcntl(fd, F_SETFL, 0); /* a plain read */
	writer.current.mode = OUTFILE_UNKNOWN;
	ck_assert_int_eq(pread(fd, now, FILE_MOST, 0), st.st_size);
	ck_assert_mem_eq(now, seen, seen_bytes);
	while (at < (size_t)st.st_size) {
		uint32_t total;

		memcpy(&total, now + at + 4, sizeof(total));
		ck_assert_uint_ge(total, 12);
		ck_assert_uint_le(total, (size_t)st.st_size - at);
		at += total;
	}
	seen_bytes = (size_t)st.st_size;
	memcpy(seen, now, seen_bytes);
}

static void compact(unsigned packets, uint32_t captured)
{
	struct handblock b = handblock_new(BLOCK_BYTES, 1);
	struct afcap_block view;

	for (unsigned i = 0; i < packets && b.used + 100 + captured < BLOCK_BYTES; i++)
		handblock_add(&b, captured, 82, (uint8_t)i);
	view = handblock_view(&b);
	pcapng_chunk_add(&writer.chunk, &view, &context);
	writer_compact(&writer, &totals);
	free(b.desc);
}

/* Pages of a block that readers pass over stand for a chunk made in place. */
static void inplace(uint32_t bytes)
{
	struct pcapng_chunk chunk = { .used = bytes, .packets = 1, .received_bytes = 1 };

	chunk.buffer = aligned_alloc(4096, bytes);
	pcapng_pad(chunk.buffer, bytes);
	writer_inplace(&writer, &totals, &chunk, 1);
	free(chunk.buffer);
}

START_TEST(what_was_written_never_changes)
{
	uint64_t received;

	align = aligns[_i];
	begin();
	srand(5);
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (rand() % 5 == 0)
			inplace(4096u * (1 + (unsigned)rand() % 4));
		else /* few, many; small, large */
			compact(1 + (unsigned)rand() % (rand() % 2 ? 3 : 300),
				(uint32_t)rand() % 1500);
		file_check();
		if (rand() % 8 == 0) /* the next worker knows no more than the ledger */
			begin();
	}
	received = totals.received;
	ck_assert_uint_eq(totals.written, received);
	ck_assert_uint_eq(totals.written_bytes, totals.current.end - LEDGER_FILE_BEGIN);
	ck_assert_uint_eq(totals.write_errors, 0);
}
END_TEST

/* The pad in front of it may be there, half of it is not. */
START_TEST(a_write_that_fails_half_way_leaves_whole_blocks)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	align = aligns[_i];
	begin();
	signal(SIGXFSZ, SIG_IGN);
	for (unsigned i = 0; i < 20; i++) {
		struct rlimit most = none;

		compact(1 + i, 60 + i);
		most.rlim_cur = (totals.current.end + 4095) / 4096 * 4096 + 8192;
		ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &most), 0);
		inplace(16384);
		compact(200, 200);
		ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
		ck_assert_uint_eq(totals.write_errors, 2 * (i + 1));
		file_check();
		inplace(4096);
		file_check();
	}
	ck_assert_uint_eq(totals.received, totals.written + totals.discarded_no_space);
	ck_assert_uint_eq(totals.written_bytes, totals.current.end - LEDGER_FILE_BEGIN);
}
END_TEST

/* Whatever the file: a chunk is larger than any may be. Then a next one would be no better. */
START_TEST(a_limit_below_a_chunk_uses_up_no_file)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	struct crossing_file next = { .serial = 1, .fd = dup(fd), .align = aligns[_i] };
	struct rlimit most = none;

	align = aligns[_i];
	begin();
	ck_assert(crossing_spare_give(&crossing, &next));
	signal(SIGXFSZ, SIG_IGN);
	most.rlim_cur = LEDGER_FILE_BEGIN + 8192;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &most), 0);
	for (unsigned i = 0; i < 5; i++) {
		inplace(16384);
		ck_assert_uint_eq(totals.write_errors, i + 1);
		ck_assert_uint_eq(totals.current.serial, 0);
		ck_assert(atomic_load(&crossing.spare_ready));
	}
	ck_assert_uint_eq(totals.discarded_no_space, 5);
	ck_assert_int_eq(atomic_load(&crossing.error), EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	inplace(16384);
	ck_assert_uint_eq(totals.written, 1);
	ck_assert_uint_eq(totals.current.serial, 0);
	file_check();
}
END_TEST

/* What a plain pcapng file has is 32 bytes a packet: at one packet a write it is 1.5 times that,
 * and less at more. */
START_TEST(padding_is_a_small_part_of_what_is_written)
{
	static const unsigned counts[] = { 1, 10, 50, 300 };

	align = aligns[_i];
	begin();
	for (unsigned k = 0; k < 4; k++) {
		uint64_t before = totals.current.end, plain = 0;

		for (unsigned i = 0; i < 30; i++) {
			uint64_t packets = totals.received;

			compact(counts[k], 200);
			plain += (totals.received - packets) * (200 + 32);
		}
		ck_assert_uint_le((totals.current.end - before) * 2, plain * 3);
		if (counts[k] >= 10)
			ck_assert_uint_le((totals.current.end - before) * 10, plain * 12);
	}
	file_check();
}
END_TEST

START_TEST(large_chunks_are_written_past_the_page_cache)
{
	align = 4096;
	begin();
	if (fcntl(fd, F_SETFL, O_DIRECT)) /* not in this file system */
		return;
	compact(1, 60);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	compact(300, 500);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	compact(1, 60);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	inplace(4096);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	file_check();
}
END_TEST

Suite *suite_writer(void)
{
	Suite *s = suite_create("writer");
	TCase *t = tcase_create("writer");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, what_was_written_never_changes, 0, 3);
	tcase_add_loop_test(t, a_write_that_fails_half_way_leaves_whole_blocks, 0, 3);
	tcase_add_loop_test(t, a_limit_below_a_chunk_uses_up_no_file, 0, 3);
	tcase_add_loop_test(t, padding_is_a_small_part_of_what_is_written, 0, 3);
	tcase_add_test(t, large_chunks_are_written_past_the_page_cache);
	suite_add_tcase(s, t);
	return s;
}
