/* daemon/worker/inplace.c: blocks made by hand become chunks where they lie, and after a kill at
 * any instruction the same chunks. */
#include "../library/handblock.h"
#include "suites.h"

#include "../../daemon/worker/pcapng.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK_BYTES 16384u
#define SLOT_FIRST  48u
#define TAGGED	    (TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID)

static const struct pcapng_context context = {
	.worker = 3,
	.snaplen = 262144,
	.vlan_keep = true,
	.drops = 17,
	.freezes = 2,
	.drops_noted = 10,
};

static struct handblock raw;
static uint8_t made[BLOCK_BYTES], again[BLOCK_BYTES];

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static uint64_t quad(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* A packet. Stale bytes lie around it, as in a ring. */
static struct tpacket3_hdr *packet_add(uint32_t captured, uint32_t mac, unsigned number)
{
	struct tpacket3_hdr *h = (void *)((char *)raw.desc + raw.used);

	memset((uint8_t *)h + sizeof(*h), 0xa5, mac - sizeof(*h));
	h = handblock_add(&raw, captured, mac, (uint8_t)number);
	memset(h->tp_padding, 0, sizeof(h->tp_padding));
	h->tp_len += number % 3;
	return h;
}

static bool room(uint32_t captured, uint32_t mac)
{
	return raw.used + ((mac + captured + 7) & ~7u) < BLOCK_BYTES;
}

/* What packet `n` of a pattern looks like: its length, mac offset, tag. */
static uint32_t pattern_length(int pattern, unsigned n)
{
	switch (pattern) {
	case 0:
		return 60;
	case 1:
		return 1514;
	case 2:
		return 60 + n * 379 % 1455;
	case 3:
		return n ? 14 : 9000;
	case 4:
		return n % 40; /* runts, also without a byte */
	case 5:
		return 1514 - n * 7 % 1450;
	case 6:
		return BLOCK_BYTES - SLOT_FIRST - 84 - 8; /* one that fills the block */
	default:
		return 64 + n % 5;
	}
}

#define PATTERNS 8

static void pattern_make(int pattern)
{
	raw = handblock_new(BLOCK_BYTES, 7);
	memset((uint8_t *)raw.desc + sizeof(*raw.desc), 0xa5, BLOCK_BYTES - sizeof(*raw.desc));
	for (unsigned n = 0;; n++) {
		uint32_t length = pattern_length(pattern, n);
		uint32_t mac = pattern == 2 || pattern == 4 ? 76 + n % 3 * 4 : 84;
		struct tpacket3_hdr *h;

		if (!room(length, mac))
			break;
		memset((char *)raw.desc + raw.used, 0, sizeof(*h));
		h = packet_add(length, mac, n);
		if (pattern == 5 || pattern == 7 || (pattern == 2 && mac == 80 && n % 2)) {
			h->tp_status |= TAGGED;
			h->hv1.tp_vlan_tci = (uint16_t)(n * 77);
			h->hv1.tp_vlan_tpid = n % 4 ? 0x8100 : 0x88a8;
		}
	}
	raw.desc->hdr.bh1.ts_last_pkt.ts_sec = 1;
}

static bool encode(uint8_t *bytes, struct pcapng_chunk *chunk)
{
	struct handblock b = { (void *)bytes, BLOCK_BYTES, 0, 0 };
	struct afcap_block view = handblock_view(&b);

	view.bytes = view.bytes < BLOCK_BYTES ? view.bytes : BLOCK_BYTES;
	return pcapng_inplace(chunk, &view, BLOCK_BYTES, &context);
}

/* The packet in a slot as the file must have it: `data` of at least BLOCK_BYTES. Returns its
 * captured length. */
static uint32_t expected(const struct tpacket3_hdr *h, uint8_t *data)
{
	const uint8_t *packet = (const uint8_t *)h + h->tp_mac;
	uint16_t tag[2] = { htons(h->hv1.tp_vlan_tpid), htons((uint16_t)h->hv1.tp_vlan_tci) };

	if (!(h->tp_status & TP_STATUS_VLAN_VALID) || h->tp_snaplen < 12) {
		memcpy(data, packet, h->tp_snaplen);
		return h->tp_snaplen;
	}
	memcpy(data, packet, 12);
	memcpy(data + 12, tag, 4);
	memcpy(data + 16, packet + 12, h->tp_snaplen - 12);
	return h->tp_snaplen + 4;
}

/* What stands behind a packet in `n` bytes: of the first one how many were lost before it, where
 * there is room; options of at most 1000 bytes that say nothing; the end of options; zeros. */
static void options_check(const uint8_t *o, uint32_t n, bool first)
{
	if (first && n >= 16) {
		ck_assert_uint_eq(word(o), 4 | 8 << 16);
		ck_assert_uint_eq(quad(o + 4), 7);
		o += 12;
		n -= 12;
	}
	while (n > 8) {
		uint32_t length = word(o) >> 16;

		ck_assert_uint_eq(word(o) & 0xffff, 0x8AFC);
		ck_assert_uint_le(4 + length, 1000);
		ck_assert_uint_eq(length % 4, 0);
		ck_assert_uint_le(8 + length, n); /* and the end of options */
		for (uint32_t i = 0; i < length; i++)
			ck_assert_uint_eq(o[4 + i], 0);
		o += 4 + length;
		n -= 4 + length;
	}
	for (uint32_t i = 0; i < n; i++)
		ck_assert_uint_eq(o[i], 0);
}

/* One EPB against its slot: words, data, options. */
static void epb_check(const uint8_t *e, uint32_t total, const struct tpacket3_hdr *h, unsigned n)
{
	static uint8_t data[BLOCK_BYTES];
	uint32_t captured = expected(h, data), at = 28 + (captured + 3) / 4 * 4;
	uint64_t ns = h->tp_sec * UINT64_C(1000000000) + h->tp_nsec;

	ck_assert_uint_eq(word(e), 6);
	ck_assert_uint_eq(word(e + 8), 0);
	ck_assert_uint_eq((uint64_t)word(e + 12) << 32 | word(e + 16), ns);
	ck_assert_uint_eq(word(e + 20), captured);
	ck_assert_uint_eq(word(e + 24), h->tp_len + captured - h->tp_snaplen);
	ck_assert_mem_eq(e + 28, data, captured);
	ck_assert_uint_eq(word(e + total - 4), total);
	options_check(e + at, total - 4 - at, n == 0);
}

static uint32_t options_bytes(const uint8_t *e)
{
	return word(e + 4) - 32 - (word(e + 20) + 3) / 4 * 4;
}

/* A chunk against the raw block. */
static void chunk_check(const uint8_t *c, const struct pcapng_chunk *chunk)
{
	uint32_t at = word(c + 4), slot = SLOT_FIRST, captured = 0, truncated = 0;
	unsigned n = raw.desc->hdr.bh1.num_pkts;

	ck_assert_uint_eq(word(c), CHUNK_TYPE);
	ck_assert_uint_eq(word(c + 8), CHUNK_MAGIC);
	ck_assert_uint_eq(word(c + 12), n);
	ck_assert_uint_eq(word(c + 16), chunk->used);
	ck_assert_uint_eq(word(c + 20), 3 | 1 << 16);
	ck_assert_uint_eq(quad(c + 24), 7);
	ck_assert_uint_eq(quad(c + 48), 17);
	ck_assert_uint_eq(quad(c + 56), 2);
	ck_assert_uint_eq(word(c + 72), 0);
	ck_assert_uint_eq(word(c + at - 4), at);
	ck_assert_uint_eq(chunk->used % 4096, 0);
	ck_assert_uint_eq(chunk->packets, n);
	ck_assert_uint_eq(chunk->unreadable, 0);
	for (unsigned k = 0; k < n; k++) {
		const struct tpacket3_hdr *h = (void *)((char *)raw.desc + slot);

		epb_check(c + at, word(c + at + 4), h, k);
		at += word(c + at + 4);
		slot += (h->tp_mac + h->tp_snaplen + 7) & ~7u;
		captured += h->tp_snaplen;
		truncated += h->tp_len > h->tp_snaplen;
	}
	ck_assert_uint_eq(at, chunk->used);
	ck_assert_uint_eq(word(c + 40), captured);
	ck_assert_uint_eq(word(c + 44), truncated);
	ck_assert_uint_eq(chunk->received_bytes, captured);
	ck_assert_uint_eq(chunk->truncated, truncated);
	ck_assert_uint_eq(chunk->drops_noted, options_bytes(c + word(c + 4)) >= 16 ? 7 : 0);
	ck_assert_uint_eq(quad(c + 32), UINT64_C(1700000000000000005));
	ck_assert_uint_eq(quad(c + 64), UINT64_C(1700000000000000005) + n - 1);
	ck_assert_uint_eq(chunk->first_ns, quad(c + 32));
	ck_assert_uint_eq(chunk->last_ns, quad(c + 64));
}

START_TEST(a_block_becomes_a_chunk_where_it_lies)
{
	struct pcapng_chunk chunk, second;

	pattern_make(_i);
	memcpy(made, raw.desc, BLOCK_BYTES);
	ck_assert(encode(made, &chunk));
	ck_assert_ptr_eq(chunk.buffer, made);
	chunk_check(made, &chunk);
	ck_assert(encode(made, &second)); /* killed before the commit */
	chunk_check(made, &second);
	free(raw.desc);
}
END_TEST

/* From none at all to two options */
START_TEST(a_gap_of_any_size_is_filled)
{
	uint32_t gap = (uint32_t)_i * 4;
	struct pcapng_chunk chunk;

	raw = handblock_new(BLOCK_BYTES, 7);
	memset((uint8_t *)raw.desc + sizeof(*raw.desc), 0xa5, BLOCK_BYTES - sizeof(*raw.desc));
	memset((char *)raw.desc + raw.used, 0, sizeof(struct tpacket3_hdr));
	packet_add(4096 - 4 - 104 - 28 - gap, 84, 0);
	memcpy(made, raw.desc, BLOCK_BYTES);
	ck_assert(encode(made, &chunk));
	ck_assert_uint_eq(chunk.used, 4096);
	ck_assert_uint_eq(options_bytes(made + 104), gap);
	chunk_check(made, &chunk);
	free(raw.desc);
}
END_TEST

/* What a worker, killed after any instruction, leaves: the states that are not resumable. */
static unsigned long stepped(uint8_t *shared, unsigned long *steps)
{
	unsigned long bad = 0;
	struct pcapng_chunk chunk;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		encode(shared, &chunk);
		_exit(0);
	}
	for (waitpid(pid, &status, 0); WIFSTOPPED(status); waitpid(pid, &status, 0)) {
		memcpy(again, shared, BLOCK_BYTES);
		if (!encode(again, &chunk) || chunk.used == 0 || chunk.unreadable ||
		    memcmp(again, made, chunk.used) != 0)
			bad++;
		++*steps;
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
			break;
	}
	ck_assert(WIFEXITED(status));
	return bad;
}

#if defined(__SANITIZE_ADDRESS__)
#define STEP_EVERY_PATTERN 0 /* its instructions are many times as many */
#else
#define STEP_EVERY_PATTERN 1
#endif

START_TEST(a_kill_at_any_instruction_leaves_the_same_chunk)
{
	uint8_t *shared =
		mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long steps = 0;
	struct pcapng_chunk chunk;

	if (!STEP_EVERY_PATTERN && _i != 1)
		return;
	pattern_make(_i);
	memcpy(made, raw.desc, BLOCK_BYTES);
	ck_assert(encode(made, &chunk));
	memcpy(shared, raw.desc, BLOCK_BYTES);
	ck_assert_uint_eq(stepped(shared, &steps), 0);
	ck_assert_uint_gt(steps, 100);
	ck_assert_mem_eq(shared, made, chunk.used);
	free(raw.desc);
}
END_TEST

START_TEST(what_cannot_be_made_in_place_stays_as_it_was)
{
	struct pcapng_context snap = context;
	struct afcap_block view;
	struct pcapng_chunk chunk;

	raw = handblock_new(BLOCK_BYTES, 1);
	packet_add(100, 84, 0);
	if (_i == 0)
		packet_add(100, 98, 1); /* a sender without a network header */
	else if (_i == 1)
		packet_add(100, 72, 1); /* three tags in the bytes */
	else if (_i == 2)
		packet_add(100, 84, 1)->tp_status = 0; /* junk */
	else if (_i == 3)
		packet_add(100, 76, 1)->tp_status |= TAGGED;
	else if (_i == 4)
		packet_add(100, 84, 1)->tp_snaplen = BLOCK_BYTES;
	else if (_i == 5)
		snap.snaplen = 102, packet_add(100, 84, 1)->tp_status |= TAGGED; /* would be cut */
	else if (_i == 6)
		raw.desc->hdr.bh1.num_pkts = 0;
	else
		((struct tpacket3_hdr *)(void *)((char *)raw.desc + SLOT_FIRST))->tp_mac = 88;
	memcpy(made, raw.desc, BLOCK_BYTES);
	view = handblock_view(&raw);
	ck_assert(!pcapng_inplace_begun(&view));
	ck_assert(!pcapng_inplace(&chunk, &view, BLOCK_BYTES, &snap));
	ck_assert(!pcapng_inplace_begun(&view));
	memcpy((uint8_t *)raw.desc + 40, made + 40, 8); /* ts_last_pkt: the walk's sums */
	ck_assert_mem_eq(raw.desc, made, BLOCK_BYTES);
	free(raw.desc);
}
END_TEST

/* A block that a worker was taken over in: whatever stands there, nothing outside is touched, and
 * every packet is counted one way or the other. Guard bytes stand around it. */
START_TEST(nonsense_in_a_begun_block_is_counted_and_does_no_harm)
{
	static uint8_t area[3 * BLOCK_BYTES], guard[BLOCK_BYTES];
	struct pcapng_chunk chunk;

	srand(11);
	memset(guard, 0x5a, sizeof(guard));
	for (unsigned round = 0; round < 3000; round++) {
		uint32_t packets;

		pattern_make((int)(round % PATTERNS));
		memset(area, 0x5a, sizeof(area));
		memcpy(area + BLOCK_BYTES, raw.desc, BLOCK_BYTES);
		for (unsigned i = 0; i < 1 + round % 20; i++)
			area[BLOCK_BYTES + (unsigned)rand() % (round % 2 ? 128 : BLOCK_BYTES)] =
				(uint8_t)rand();
		if (round % 3)
			area[BLOCK_BYTES + 4] = (uint8_t)(round % 3 == 1 ? 1 : 104);
		packets = word(area + BLOCK_BYTES + 12);
		if (encode(area + BLOCK_BYTES, &chunk)) {
			ck_assert_uint_eq(chunk.packets + chunk.unreadable, packets);
			ck_assert_uint_le(chunk.used, BLOCK_BYTES);
		}
		ck_assert_mem_eq(area, guard, BLOCK_BYTES);
		ck_assert_mem_eq(area + 2 * BLOCK_BYTES, guard, BLOCK_BYTES);
		free(raw.desc);
	}
}
END_TEST

START_TEST(a_block_by_timeout_is_told_also_when_it_is_resumed)
{
	struct pcapng_chunk chunk;

	pattern_make(1);
	raw.desc->hdr.bh1.block_status |= TP_STATUS_BLK_TMO;
	ck_assert(encode((uint8_t *)raw.desc, &chunk));
	ck_assert(chunk.by_timeout);
	ck_assert(encode((uint8_t *)raw.desc, &chunk));
	ck_assert(chunk.by_timeout);
	free(raw.desc);
}
END_TEST

Suite *suite_inplace(void)
{
	Suite *s = suite_create("inplace");
	TCase *t = tcase_create("inplace");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_block_becomes_a_chunk_where_it_lies, 0, PATTERNS);
	tcase_add_loop_test(t, a_gap_of_any_size_is_filled, 0, 600);
	tcase_add_loop_test(t, a_kill_at_any_instruction_leaves_the_same_chunk, 0, PATTERNS);
	tcase_add_loop_test(t, what_cannot_be_made_in_place_stays_as_it_was, 0, 8);
	tcase_add_test(t, nonsense_in_a_begun_block_is_counted_and_does_no_harm);
	tcase_add_test(t, a_block_by_timeout_is_told_also_when_it_is_resumed);
	suite_add_tcase(s, t);
	return s;
}
