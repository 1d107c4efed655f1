/* daemon/format/walk.c, also as the fuzz target (tests/fuzz/repair.c) has it. */
#include "../fuzz/fuzz.h"
#include "recording.h"
#include "suites.h"

#include "../../daemon/format/header.h"
#include "../../daemon/format/walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 100000

static struct recording file;

struct memory {
	const uint8_t *bytes;
	size_t size;
	uint64_t error_at; /* reading this byte fails */
};

static ssize_t memory_read(void *context, void *buffer, size_t bytes, uint64_t offset)
{
	const struct memory *m = context;

	if (m->error_at >= offset && m->error_at < offset + bytes)
		bytes = (size_t)(m->error_at - offset);
	if (offset == m->error_at)
		return -ENOMEDIUM;
	if (offset >= m->size)
		return 0;
	if (bytes > m->size - offset)
		bytes = (size_t)(m->size - offset);
	memcpy(buffer, m->bytes + offset, bytes);
	return (ssize_t)bytes;
}

static int walk_with(struct memory m, uint64_t size, size_t buffer_bytes, struct walk *chunks)
{
	uint8_t *buffer = malloc(buffer_bytes); /* so that a sanitizer sees its end */
	struct walk_source source = { memory_read, &m, size, buffer, buffer_bytes };
	int rc = walk_chunks(&source, chunks);

	free(buffer);
	return rc;
}

static struct walk walk(size_t size, size_t buffer_bytes)
{
	struct walk chunks;

	ck_assert_int_eq(walk_with((struct memory){ file.bytes, size, UINT64_MAX }, size,
				   buffer_bytes, &chunks),
			 0);
	return chunks;
}

static void word_set(size_t at, uint32_t v)
{
	memcpy(file.bytes + at, &v, sizeof(v));
}

static uint32_t word(size_t at)
{
	uint32_t v;

	memcpy(&v, file.bytes + at, sizeof(v));
	return v;
}

START_TEST(a_whole_file_is_walked_to_its_end)
{
	const struct recording_chunk *last;
	struct walk c;
	unsigned packets = 0;

	recording_build(&file, RECORDING_CHUNKS, 3, _i);
	last = &file.chunks[file.count - 1];
	for (unsigned i = 0; i < file.count; i++)
		packets += file.chunks[i].packets;
	c = walk(file.size, 1 << 20);
	ck_assert_uint_eq(c.end, recording_end(&file, file.size));
	ck_assert_uint_eq(c.count, RECORDING_CHUNKS);
	ck_assert_uint_eq(c.packets, packets);
	ck_assert_uint_eq(c.first_ns, file.chunks[0].first_ns);
	ck_assert_uint_eq(c.last_ns, last->last_ns);
	ck_assert_uint_eq(c.first_drops, 1000);
	ck_assert_uint_eq(c.last_drops, last->drops);
	ck_assert_int_eq(c.finished, _i);
}
END_TEST

START_TEST(the_buffer_may_end_anywhere)
{
	recording_build(&file, RECORDING_CHUNKS, 4, true);
	for (size_t size = file.size - 2000; size <= file.size; size++) {
		struct walk expected = walk(size, 1 << 20);

		for (size_t bytes = WALK_BUFFER_MIN; bytes < 1000; bytes += 61) {
			struct walk c = walk(size, bytes);

			ck_assert_uint_eq(c.end, expected.end);
			ck_assert_uint_eq(c.packets, expected.packets);
			ck_assert_int_eq(c.finished, expected.finished);
		}
	}
}
END_TEST

/* Each word that a walk relies on, in the middle chunk: what was whole in front of it stays. */
START_TEST(a_chunk_with_one_wrong_word_is_not_whole)
{
	static const struct {
		int at; /* in the chunk; negative: in its last packet's block, from its end */
		uint32_t wrong;
	} words[] = {
		{ 0, 0x8AFCA902 }, { 0, 6 },	       { 4, 84 },
		{ 4, 0 },	   { 4, UINT32_MAX },  { 8, 0 },
		{ 12, 0 },	   { 12, 4 },	       { 12, 2 },
		{ 16, 0 },	   { 16, 79 },	       { 16, 80 },
		{ 16, 10000 },	   { 16, UINT32_MAX }, { 76, 96 },
		{ 80, 5 },	   { 84, 0 },	       { 84, 28 },
		{ 84, 33 },	   { 84, UINT32_MAX }, { 84, UINT32_MAX - 3 },
		{ 88, 1 },	   { 100, 100000 },    { 100, UINT32_MAX },
		{ -4, 0 },	   { -4, 36 },
	};
	const struct recording_chunk *middle = &file.chunks[1];
	struct walk c;
	size_t at;

	recording_build(&file, 0, 5, false);
	for (unsigned i = 0; i < 3; i++)
		recording_chunk(&file, 80, 3, 200);
	at = words[_i].at < 0 ? middle->end - (size_t)-words[_i].at
			      : middle->begin + (size_t)words[_i].at;
	ck_assert_uint_ne(word(at), words[_i].wrong);
	word_set(at, words[_i].wrong);
	c = walk(file.size, 1 << 20);
	ck_assert_uint_eq(c.count, 1);
	ck_assert_uint_eq(c.packets, 3);
	/* A header that looks like a pad is passed over as one */
	ck_assert_uint_eq(c.end, file.chunks[0].end + (_i == 0 ? 80 : 0));
	ck_assert(!c.finished);
}
END_TEST

START_TEST(lengths_are_exact_to_the_byte)
{
	const struct recording_chunk *middle = &file.chunks[1];
	uint32_t length, captured;
	size_t last;

	recording_build(&file, 0, 5, false);
	for (unsigned i = 0; i < 3; i++)
		recording_chunk(&file, 80, 3, 200);
	length = word(middle->begin + 16);
	for (int more = -8; more <= 8; more += 4) { /* of the chunk */
		word_set(middle->begin + 16, (uint32_t)((int)length + more));
		ck_assert_uint_eq(walk(file.size, 1 << 20).count, more ? 1 : 3);
	}
	word_set(middle->begin + 16, length);
	last = middle->end - word(middle->end - 4);
	captured = word(last + 4) - 32; /* of a packet: what its block has room for */
	word_set(last + 20, captured);
	ck_assert_uint_eq(walk(file.size, 1 << 20).count, 3);
	word_set(last + 20, captured + 1);
	ck_assert_uint_eq(walk(file.size, 1 << 20).count, 1);
}
END_TEST

START_TEST(only_whole_statistics_at_the_very_end_finish_a_file)
{
	size_t at;

	recording_build(&file, 2, 6, true);
	at = file.chunks[1].end;
	while (word(at) != 5)
		at += word(at + 4);
	ck_assert(walk(file.size, 1 << 20).finished);
	ck_assert(!walk(file.size - 4, 1 << 20).finished);
	ck_assert(!walk(file.size + 4, 1 << 20).finished);
	word_set(at + 8, 1); /* an interface that is none */
	ck_assert(!walk(file.size, 1 << 20).finished);
	word_set(at + 8, 0);
	word_set(at + 20, 2 | 12 << 16); /* options that do not meet the end */
	ck_assert(!walk(file.size, 1 << 20).finished);
	word_set(at + 20, 2 | 0xffffu << 16);
	ck_assert(!walk(file.size, 1 << 20).finished);
	word_set(at + 20, 0);
	ck_assert(!walk(file.size, 1 << 20).finished);
}
END_TEST

START_TEST(a_file_without_a_whole_chunk_ends_behind_its_head)
{
	recording_build(&file, 1, 7, false);
	for (size_t size = 0; size < file.chunks[0].end; size++) {
		struct walk c = walk(size, WALK_BUFFER_MIN);

		ck_assert_uint_eq(c.end, FILE_HEADER_BYTES);
		ck_assert_uint_eq(c.count, 0);
		ck_assert(!c.finished);
	}
}
END_TEST

static void put_word(size_t at, uint32_t value)
{
	memcpy(file.bytes + at, &value, sizeof(value));
}

/* The bytes of a ring block, whatever they are, in a chunk without packets */
START_TEST(a_block_in_quarantine_is_a_chunk)
{
	const uint32_t total = 65536 + 12;
	struct walk chunks;
	uint64_t end;
	size_t at;

	recording_build(&file, 3, 5, false);
	at = file.size;
	end = walk(at, 4096).end; /* there may be a pad behind it */
	memset(file.bytes + at, 0x5a, 80 + total);
	memset(file.bytes + at, 0, 80);
	put_word(at, 0x8AFCA901);
	put_word(at + 4, 80);
	put_word(at + 8, 32473);
	put_word(at + 16, 80 + total);
	put_word(at + 76, 80);
	put_word(at + 80, 0x8AFCA903);
	put_word(at + 84, total);
	put_word(at + 80 + total - 4, total);
	file.size += 80 + total;
	chunks = walk(file.size, 4096);
	ck_assert_uint_eq(chunks.end, file.size);
	ck_assert_uint_eq(chunks.count, 4);
	chunks = walk(file.size - 1, 4096);
	ck_assert_uint_eq(chunks.end, end);
	ck_assert(chunks.cut_short);
	put_word(at + 84, 60000); /* in two pieces */
	put_word(at + 80 + 60000 - 4, 60000);
	put_word(at + 80 + 60000, 0x8AFCA903);
	put_word(at + 80 + 60004, total - 60000);
	put_word(at + 80 + total - 4, total - 60000);
	ck_assert_uint_eq(walk(file.size, 4096).end, file.size);
	ck_assert_uint_eq(walk(file.size, 4096).count, 4);
	put_word(at + 84, total);
	put_word(at + 80 + total - 4, total);
	put_word(at + 84, total - 4); /* not all of the chunk */
	ck_assert_uint_eq(walk(file.size, 4096).end, end);
	put_word(at + 84, total);
	put_word(at + 12, 1); /* a packet is something else */
	ck_assert_uint_eq(walk(file.size, 4096).end, end);
}
END_TEST

START_TEST(what_cannot_be_read_is_no_end_of_the_file)
{
	struct walk c = { .end = 77 };
	struct memory m;

	recording_build(&file, 20, 8, true);
	for (uint64_t at = FILE_HEADER_BYTES; at < file.size; at += 97) {
		size_t bytes = WALK_BUFFER_MIN + at % 1000;

		m = (struct memory){ file.bytes, file.size, at };
		/* It may lie in a packet, where nobody looks */
		if (walk_with(m, file.size, bytes, &c) == 0)
			ck_assert(c.finished);
		else
			ck_assert_int_eq(walk_with(m, file.size, bytes, &c), -ENOMEDIUM);
	}
	m = (struct memory){ file.bytes, file.size - 10, UINT64_MAX };
	ck_assert_int_eq(walk_with(m, file.size, 4096, &c), -EIO); /* it shrank */
}
END_TEST

static void replay(const uint8_t *bytes, size_t count)
{
	ck_assert_int_eq(LLVMFuzzerTestOneInput(bytes, count), 0);
}

START_TEST(changed_files_are_walked)
{
	static uint8_t input[1 + RECORDING_MAX];
	size_t bytes;

	recording_build(&file, 4, 9, true);
	bytes = 1 + file.size - FILE_HEADER_BYTES;
	for (unsigned i = 0; i < MUTATIONS; i++) {
		memcpy(input + 1, file.bytes + FILE_HEADER_BYTES, bytes - 1);
		input[0] = (uint8_t)i;
		for (unsigned k = 0; k <= i % 4; k++)
			input[1 + (size_t)random() % (bytes - 1)] = (uint8_t)random();
		replay(input, i % 8 ? bytes : (size_t)random() % bytes);
	}
}
END_TEST

Suite *suite_walk(void)
{
	Suite *s = suite_create("walk");
	TCase *t = tcase_create("walk");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_whole_file_is_walked_to_its_end, 0, 2);
	tcase_add_test(t, the_buffer_may_end_anywhere);
	tcase_add_loop_test(t, a_chunk_with_one_wrong_word_is_not_whole, 0, 26);
	tcase_add_test(t, lengths_are_exact_to_the_byte);
	tcase_add_test(t, only_whole_statistics_at_the_very_end_finish_a_file);
	tcase_add_test(t, a_file_without_a_whole_chunk_ends_behind_its_head);
	tcase_add_test(t, a_block_in_quarantine_is_a_chunk);
	tcase_add_test(t, what_cannot_be_read_is_no_end_of_the_file);
	tcase_add_test(t, changed_files_are_walked);
	suite_add_tcase(s, t);
	return s;
}
