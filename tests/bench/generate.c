/* Puts frames into an interface's receive path as if they had just arrived: a BPF program run on
 * live XDP frames (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18). No sender stands
 * in the way, so one core offers more than any recorder takes.
 *
 *   generate DEV COUNT SIZE[,SIZE...] [flows=64] [rate=0] [cpu=-1]
 *
 * A veth needs GRO on (ethtool -K DEV gro on). Several sizes: one call each in turn; repeat a size
 * to weigh it. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
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
#define RATE_REPEAT 512

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* Passes every frame on, with a random source port out of `flows` (a power of two). */
static int program_load(uint32_t flows)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_prandom_u32 },
		{ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 0, .imm = (int)flows - 1 },
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 2, .src_reg = 6, .off = 0 },
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 3, .src_reg = 6, .off = 4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 4, .src_reg = 2 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 4, .imm = 42 },
		{ .code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = 4, .src_reg = 3, .off = 1 },
		{ .code = BPF_STX | BPF_H | BPF_MEM, .dst_reg = 2, .src_reg = 0, .off = 34 },
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

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
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
	unsigned size_count = argc > 3 ? sizes_parse(argv[3], sizes) : 0, ifindex, turn = 0;
	uint64_t count, sent = 0;
	int program, cpu = -1;
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
	program = program_load(flows);
	if (!ifindex || program < 0) {
		perror(ifindex ? "loading the program" : argv[1]);
		return 1;
	}
	begin = seconds();
	while (sent < count) {
		uint64_t chunk = rate ? RATE_REPEAT : CALL_REPEAT;

		if (chunk > count - sent)
			chunk = count - sent;
		if (inject(program, ifindex, sizes[turn++ % size_count], (uint32_t)chunk)) {
			perror("running on live frames");
			return 1;
		}
		sent += chunk;
		while (rate && (double)sent / rate > seconds() - begin)
			;
	}
	took = seconds() - begin;
	printf("sent %llu in %.3f s: %.0f packets/s\n", (unsigned long long)sent, took,
	       (double)sent / took);
	return 0;
}
