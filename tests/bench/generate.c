/* Puts frames into an interface's receive path as if they had just arrived: a BPF program run on
 * live XDP frames (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18). No sender stands
 * in the way, so one core offers more than any recorder takes.
 *
 *   generate DEV COUNT SIZE[,SIZE...] [flows=64] [rate=0] [cpu=-1]
 *
 * A veth needs GRO on (ethtool -K DEV gro on). Several sizes: frame by frame in turn; repeat a size
 * to weigh it. "mix" is the simple IMIX, 7 of 64, 4 of 594 and 1 of 1514 bytes. With a rate the
 * frames come in twenty portions a second, or one by one. Times are CLOCK_MONOTONIC. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif
#define SIZES_MAX   16
#define FRAME_MAX   3400  /* a page, less what the kernel keeps in front and behind */
#define CALL_REPEAT 65536 /* every call costs some 20 ms of setting up */
#define RATE_CALLS  20	  /* a second */
#define MIX	    "64,594,64,64,594,64,1514,64,594,64,594,64"

/* What the program reads: whose turn it is, and how to make each size out of the biggest. */
struct turns {
	uint32_t turn, unused;
	struct {
		int32_t grow; /* below 0: so much is cut off */
		uint16_t ip_length, udp_length;
	} size[SIZES_MAX];
};

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* The table that the program reads, as an array map of one element; frames are made `biggest`. */
static int turns_load(const uint32_t *sizes, unsigned count, uint32_t biggest)
{
	struct turns turns = { 0 };
	uint32_t key = 0;
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY,
				.key_size = sizeof(key),
				.value_size = sizeof(turns),
				.max_entries = 1 };
	int map = bpf(BPF_MAP_CREATE, &attr);

	for (unsigned i = 0; i < count; i++) {
		turns.size[i].grow = (int32_t)sizes[i] - (int32_t)biggest;
		turns.size[i].ip_length = htons((uint16_t)(sizes[i] - 14));
		turns.size[i].udp_length = htons((uint16_t)(sizes[i] - 34));
	}
	attr = (union bpf_attr){ .map_fd = (uint32_t)map,
				 .key = (uintptr_t)&key,
				 .value = (uintptr_t)&turns };
	return map < 0 || bpf(BPF_MAP_UPDATE_ELEM, &attr) ? -1 : map;
}

/* Passes every frame on, cut to the size whose turn it is, with a random source port out of
 * `flows` (a power of two). */
static int program_load(int map, unsigned sizes, uint32_t flows)
{
	const short first = offsetof(struct turns, size[0]);
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = 7,
		  .src_reg = BPF_PSEUDO_MAP_VALUE,
		  .imm = map },
		{ .code = 0 },
		/* r8: the turn's entry, less what stands in front of the first */
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 8, .src_reg = 7, .off = 0 },
		{ .code = BPF_JMP | BPF_JLT | BPF_K, .dst_reg = 8, .off = 1, .imm = (int)sizes },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 8, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 8 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 1, .imm = 1 },
		{ .code = BPF_STX | BPF_W | BPF_MEM, .dst_reg = 7, .src_reg = 1, .off = 0 },
		{ .code = BPF_ALU64 | BPF_LSH | BPF_K, .dst_reg = 8, .imm = 3 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_X, .dst_reg = 8, .src_reg = 7 },
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 2, .src_reg = 8, .off = first },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 2, .off = 2, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_xdp_adjust_tail },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_prandom_u32 },
		{ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 0, .imm = (int)flows - 1 },
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 2, .src_reg = 6, .off = 0 },
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 3, .src_reg = 6, .off = 4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 4, .src_reg = 2 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 4, .imm = 42 },
		{ .code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = 4, .src_reg = 3, .off = 5 },
		{ .code = BPF_STX | BPF_H | BPF_MEM, .dst_reg = 2, .src_reg = 0, .off = 34 },
		{ .code = BPF_LDX | BPF_H | BPF_MEM, .dst_reg = 1, .src_reg = 8, .off = first + 4 },
		{ .code = BPF_STX | BPF_H | BPF_MEM, .dst_reg = 2, .src_reg = 1, .off = 16 },
		{ .code = BPF_LDX | BPF_H | BPF_MEM, .dst_reg = 1, .src_reg = 8, .off = first + 6 },
		{ .code = BPF_STX | BPF_H | BPF_MEM, .dst_reg = 2, .src_reg = 1, .off = 38 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_XDP,
				.insns = (uintptr_t)code,
				.insn_cnt = sizeof(code) / sizeof(*code),
				.license = (uintptr_t) "GPL" };

	return bpf(BPF_PROG_LOAD, &attr);
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void frame_make(uint8_t *f, uint32_t size)
{
	memset(f, 0x5a, size);
	memcpy(f, "\2\0\0\0\0\2\2\0\0\0\0\1\10\0", 14);
	memset(f + 14, 0, 28);
	f[14] = 0x45;
	put16(f + 16, size - 14);
	f[22] = 64;
	f[23] = 17;
	memcpy(f + 26, "\12\0\0\1\12\144\0\2", 8);
	put16(f + 36, 9);
	put16(f + 38, size - 34);
}

static uint32_t biggest_of(const uint32_t *sizes, unsigned count)
{
	uint32_t biggest = 0;

	for (unsigned i = 0; i < count; i++)
		if (sizes[i] > biggest)
			biggest = sizes[i];
	return biggest;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Sleeps until `sent` frames are due at this rate. */
static void pace(double begin, uint64_t sent, uint32_t rate)
{
	double ahead = rate ? (double)sent / rate - (seconds() - begin) : 0;
	struct timespec t = { .tv_sec = (time_t)ahead };

	if (ahead <= 0)
		return;
	t.tv_nsec = (long)((ahead - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
}

/* How many frames a call is for. */
static uint32_t portion(uint32_t rate)
{
	if (!rate || rate / RATE_CALLS > CALL_REPEAT)
		return CALL_REPEAT;
	return rate > RATE_CALLS ? rate / RATE_CALLS : 1;
}

static int inject(int program, unsigned ifindex, uint32_t size, uint32_t repeat)
{
	static uint8_t frame[FRAME_MAX];
	struct xdp_md context = { .data = 0, .data_end = size, .ingress_ifindex = ifindex };
	union bpf_attr attr = { .test = { .prog_fd = (uint32_t)program,
					  .data_in = (uintptr_t)frame,
					  .data_size_in = size,
					  .ctx_in = (uintptr_t)&context,
					  .ctx_size_in = sizeof(context),
					  .repeat = repeat,
					  .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
					  .batch_size = 64 } };

	frame_make(frame, size);
	return bpf(BPF_PROG_TEST_RUN, &attr);
}

static unsigned sizes_parse(const char *text, uint32_t *sizes)
{
	unsigned n = 0;
	char *end;

	if (!strcmp(text, "mix"))
		text = MIX;
	for (; n < SIZES_MAX && *text; text = *end ? end + 1 : end) {
		sizes[n] = (uint32_t)strtoul(text, &end, 10);
		if (end == text || sizes[n] < 60 || sizes[n] > FRAME_MAX)
			return 0;
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	uint32_t sizes[SIZES_MAX], flows = 64, rate = 0;
	unsigned size_count = argc > 3 ? sizes_parse(argv[3], sizes) : 0, ifindex;
	uint32_t biggest = biggest_of(sizes, size_count);
	uint64_t count, sent = 0;
	int map, program, cpu = -1;
	double begin, took;

	if (!size_count) {
		fputs("usage: generate DEV COUNT SIZE[,SIZE...] [flows=64] [rate=0] [cpu=-1]\n",
		      stderr);
		return 2;
	}
	for (int i = 4; i < argc; i++)
		if (sscanf(argv[i], "flows=%u", &flows) != 1 &&
		    sscanf(argv[i], "rate=%u", &rate) != 1)
			sscanf(argv[i], "cpu=%d", &cpu);
	if (cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	ifindex = if_nametoindex(argv[1]);
	count = strtoull(argv[2], NULL, 10);
	map = turns_load(sizes, size_count, biggest);
	program = map < 0 ? -1 : program_load(map, size_count, flows);
	if (!ifindex || program < 0) {
		perror(ifindex ? "loading the program" : argv[1]);
		return 1;
	}
	begin = seconds();
	while (sent < count) {
		uint64_t chunk = portion(rate);

		if (chunk > count - sent)
			chunk = count - sent;
		if (inject(program, ifindex, biggest, (uint32_t)chunk)) {
			perror("running on live frames");
			return 1;
		}
		sent += chunk;
		pace(begin, sent, rate);
	}
	took = seconds() - begin;
	printf("sent %llu in %.3f s: %.0f packets/s, from %.6f\n", (unsigned long long)sent, took,
	       (double)sent / took, begin);
	return 0;
}
