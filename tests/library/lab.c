#include "lab.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <time.h>

struct afcap_options options;
struct afcap_error error;
struct afcap *handle;
int sender;

void lab_run(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	ck_assert_msg(system(command) == 0, "failed: %s", command);
}

void lab_setup(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	lab_run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null;"
		"ip link set lo up && ip link add va type veth peer name vb && "
		"ip link set va up && ip link set vb up");
	to.sll_ifindex = (int)if_nametoindex("vb");
	sender = socket(AF_PACKET, SOCK_RAW, 0);
	ck_assert_int_eq(bind(sender, (struct sockaddr *)&to, sizeof(to)), 0);
	afcap_options_init(&options, sizeof(options));
	options.interface = "va";
	/* Each of 15 packets may have a block of its own, however slowly they are sent: the timer
	 * closes blocks while the test, which only then reads, is still sending. */
	options.ring = (struct afcap_geometry){
		.block_bytes = 65536, .blocks = 16, .frame_bytes = 4096, .block_timeout_ms = 5
	};
}

TCase *lab_case(Suite *s, const char *name, void (*setup)(void), int seconds)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, seconds);
	suite_add_tcase(s, t);
	return t;
}

void lab_link_up(void)
{
	lab_run("ip link set va up; until ip link show vb | grep -q 'state UP'; do sleep 0.01; "
		"done");
}

void lab_open(void)
{
	ck_assert_msg(afcap_open(&handle, &options, &error) == 0, "%s", error.text);
}

void lab_send_bytes(const void *frame, size_t bytes)
{
	ck_assert_int_eq(send(sender, frame, bytes, 0), (ssize_t)bytes);
}

/* All from one CPU: the kernel has a queue of received packets for each (netif_rx() of
 * net/core/dev.c), so that a sender that is moved to another one may overtake itself. */
void lab_send(unsigned count, uint16_t type)
{
	uint8_t frame[FRAME_BYTES] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	cpu_set_t allowed, one;
	int cpu = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(cpu, &allowed))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	for (unsigned i = 0; i < count; i++) {
		frame[20] = (uint8_t)i;
		lab_send_bytes(frame, sizeof(frame));
	}
	ck_assert_int_eq(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
}

void lab_slow_sender(void)
{
	options.ring.block_timeout_ms = 100;
}

unsigned lab_receive(unsigned count)
{
	struct afcap_block block;
	unsigned got = 0;

	while (got < count && afcap_wait(handle, PATIENCE) == AFCAP_READY)
		while (afcap_block_acquire(handle, &block) == 0) {
			struct afcap_packet packet = { 0 };

			while (afcap_packet_next(&block, &packet)) {
				ck_assert_uint_eq(packet.data[20], (uint8_t)got);
				ck_assert_uint_eq(packet.length, FRAME_BYTES);
				got++;
			}
			afcap_block_release(handle, &block);
		}
	return got;
}

unsigned lab_read(unsigned count)
{
	const struct afcap_packet *packet;
	unsigned got = 0;

	while (got < count && afcap_read(handle, &packet, PATIENCE) == AFCAP_READY) {
		ck_assert_uint_eq(packet->data[20], (uint8_t)got);
		ck_assert_uint_eq(packet->length, FRAME_BYTES);
		got++;
	}
	return got;
}

const struct afcap_packet *lab_next(void)
{
	const struct afcap_packet *packet;
	int rc = afcap_read(handle, &packet, PATIENCE);

	ck_assert_msg(rc == AFCAP_READY, "no packet: %s", afcap_strerror(rc));
	return packet;
}

struct afcap_stats lab_stats(void)
{
	struct afcap_stats stats;

	ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	return stats;
}

int lab_ebpf(int at, int constant)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_LD | BPF_ABS | BPF_B, .imm = SKF_NET_OFF + at },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
				.insns = (uintptr_t)code,
				.insn_cnt = 3,
				.license = (uintptr_t) "GPL" };
	int fd;

	if (constant >= 0)
		code[1] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = constant };
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	ck_assert_msg(fd >= 0, "bpf(2): %s", strerror(errno));
	return fd;
}

static int64_t clock_read(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

struct afcap_fanout lab_group(enum afcap_fanout_mode mode, unsigned flags)
{
	struct afcap_fanout group;

	afcap_fanout_init(&group, sizeof(group));
	group.mode = mode;
	group.flags = (uint16_t)flags;
	return group;
}

int64_t lab_now(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

int64_t lab_awake(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "r");
	int64_t now = lab_now(), waited = 0;

	if (f && fscanf(f, "%*d %" SCNd64, &waited) != 1)
		waited = 0; /* a kernel that does not count */
	if (f)
		fclose(f);
	return now - waited;
}

int64_t lab_cpu(void)
{
	return clock_read(CLOCK_PROCESS_CPUTIME_ID);
}
