/* Frames that can be told apart: sends them, and checks files for them.
 *
 *   frames send DEV COUNT [first=0] [size=60-1514] [flows=64] [both=0] [rate=0] [vlan=0]
 *   frames check COUNT [first=0] [size=...] [flows=...] [both=...] [vlan=...] [partial=0] FILE...
 *
 * Frame number n is Ethernet, IPv4, UDP, then n; everything in it follows from n: flow, length,
 * bytes. With both=1 every other frame of a flow goes the other way; vlan=TAG (16 bits) puts an
 * 802.1Q tag in. `check` reads pcapng by libpcap, makes each frame again and compares all its
 * bytes. It prints
 *
 *   frames F lost L doubled D reordered R damaged X split S
 *
 * and fails unless L (with partial=1: ignored), D, R, X are 0. A frame is reordered where a lower
 * number follows a higher one in the files of one worker (file names as afcapd gives them, in the
 * order given). A flow is split where frames of it are in the files of more than one worker. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD	  (14 + 20 + 8 + 8)
#define FRAME_MAX 65540
#define BATCH	  32
#define WORKERS	  64
#define FLOWS_MAX 65536

struct plan {
	uint64_t count, first;
	uint32_t size_min, size_max, flows, both, rate, partial, vlan;
};

static uint32_t mix(uint64_t v)
{
	v = (v ^ (v >> 31)) * UINT64_C(0x7fb5d329728ea185);
	v = (v ^ (v >> 27)) * UINT64_C(0x81dadef4bc2dd44d);
	return (uint32_t)(v ^ (v >> 33));
}

static uint32_t flow_of(const struct plan *p, uint64_t n)
{
	return mix(n * 3 + 1) % p->flows;
}

static void put16(uint8_t *at, uint16_t v)
{
	v = htons(v);
	memcpy(at, &v, 2);
}

/* Frame n into `f` (FRAME_MAX bytes); its length. */
static uint32_t frame_make(const struct plan *p, uint64_t n, uint8_t *f)
{
	uint32_t length = p->size_min + mix(n) % (p->size_max - p->size_min + 1),
		 flow = flow_of(p, n);
	bool back = p->both && n % 2;
	uint32_t addresses[2] = { htonl(0x0a000001 + (flow << 8 & 0xffff00)),
				  htonl(0x0a800001 + flow) };
	uint16_t ports[2] = { (uint16_t)(1024 + flow), 4000 };

	memcpy(f, "\2\0\0\0\0\1\2\0\0\0\0\2\10\0", 14);
	memset(f + 14, 0, HEAD - 14);
	f[14] = 0x45;
	put16(f + 16, (uint16_t)(length - 14));
	f[22] = 64;
	f[23] = 17;
	memcpy(f + 26, &addresses[back], 4);
	memcpy(f + 30, &addresses[!back], 4);
	put16(f + 34, ports[back]);
	put16(f + 36, ports[!back]);
	put16(f + 38, (uint16_t)(length - 34));
	memcpy(f + 42, &n, 8);
	for (uint32_t i = HEAD; i < length; i++)
		f[i] = (uint8_t)(n + i * 7);
	if (!p->vlan)
		return length;
	memmove(f + 16, f + 12, length - 12);
	put16(f + 12, 0x8100);
	put16(f + 14, (uint16_t)p->vlan);
	return length + 4;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pace(double start, uint64_t sent, uint32_t rate)
{
	double ahead = rate ? (double)sent / rate - (seconds() - start) : 0;

	if (ahead > 0) {
		struct timespec t = { (time_t)ahead,
				      (long)((ahead - (double)(time_t)ahead) * 1e9) };

		nanosleep(&t, NULL);
	}
}

static int send_all(const char *device, const struct plan *p)
{
	static uint8_t frames[BATCH][FRAME_MAX];
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(device) };
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec io[BATCH];
	int fd = socket(AF_PACKET, SOCK_RAW, 0), buffer = 4 << 20;
	double start = seconds();

	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror(device);
		return 1;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	for (uint64_t sent = 0; sent < p->count;) {
		unsigned batch = p->count - sent < BATCH ? (unsigned)(p->count - sent) : BATCH,
			 done = 0;

		for (unsigned i = 0; i < batch; i++) {
			io[i].iov_base = frames[i];
			io[i].iov_len = frame_make(p, p->first + sent + i, frames[i]);
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &io[i], .msg_iovlen = 1 };
		}
		while (done < batch) {
			int n = sendmmsg(fd, messages + done, batch - done, 0);

			if (n < 0 && errno != ENOBUFS && errno != EINTR && errno != ENETDOWN) {
				perror("sendmmsg");
				return 1;
			}
			done += n > 0 ? (unsigned)n : 0;
		}
		sent += batch;
		pace(start, sent, p->rate);
	}
	printf("sent %llu in %.3f s\n", (unsigned long long)p->count, seconds() - start);
	return 0;
}

struct tally {
	uint64_t frames, doubled, reordered, damaged;
	uint8_t *seen;			  /* a bit a frame */
	uint64_t last[WORKERS];		  /* the highest number a worker has, plus one */
	uint64_t flow_workers[FLOWS_MAX]; /* a bit a worker */
};

static unsigned worker_of(const char *path)
{
	const char *base = strrchr(path, '/'), *w = NULL;

	for (const char *at = base ? base : path; (at = strstr(at, "-w")); at++)
		w = at;
	return w ? (unsigned)strtoul(w + 2, NULL, 10) % WORKERS : 0;
}

static void frame_check(const struct plan *p, struct tally *t, unsigned worker,
			const struct pcap_pkthdr *h, const uint8_t *data)
{
	static uint8_t expected[FRAME_MAX];
	uint64_t n, index;

	t->frames++;
	if (h->caplen < HEAD || h->len != h->caplen) {
		t->damaged++;
		return;
	}
	memcpy(&n, data + 42 + (p->vlan ? 4 : 0), 8);
	index = n - p->first;
	if (index >= p->count || frame_make(p, n, expected) != h->caplen ||
	    memcmp(expected, data, h->caplen)) {
		t->damaged++;
		return;
	}
	t->doubled += t->seen[index / 8] >> index % 8 & 1;
	t->seen[index / 8] |= (uint8_t)(1 << index % 8);
	t->reordered += n + 1 < t->last[worker];
	t->last[worker] = n + 1;
	t->flow_workers[flow_of(p, n)] |= UINT64_C(1) << worker;
}

static int file_check(const struct plan *p, struct tally *t, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *file = pcap_open_offline(path, error);
	struct pcap_pkthdr *h;
	const uint8_t *data;
	int rc;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, error);
		return 1;
	}
	while ((rc = pcap_next_ex(file, &h, &data)) == 1)
		frame_check(p, t, worker_of(path), h, data);
	if (rc != PCAP_ERROR_BREAK)
		fprintf(stderr, "%s: %s\n", path, pcap_geterr(file));
	pcap_close(file);
	return rc != PCAP_ERROR_BREAK;
}

static int check_all(const struct plan *p, char **files, int count)
{
	static struct tally t;
	uint64_t seen = 0, lost, split = 0;
	int rc = 0;

	t.seen = calloc(p->count / 8 + 1, 1);
	for (int i = 0; i < count; i++)
		rc |= file_check(p, &t, files[i]);
	for (uint64_t i = 0; i < p->count; i++)
		seen += t.seen[i / 8] >> i % 8 & 1;
	for (uint32_t f = 0; f < p->flows; f++)
		split += (t.flow_workers[f] & (t.flow_workers[f] - 1)) != 0;
	lost = p->count - seen;
	printf("frames %llu lost %llu doubled %llu reordered %llu damaged %llu split %llu\n",
	       (unsigned long long)t.frames, (unsigned long long)lost,
	       (unsigned long long)t.doubled, (unsigned long long)t.reordered,
	       (unsigned long long)t.damaged, (unsigned long long)split);
	return rc || (lost && !p->partial) || t.doubled || t.reordered || t.damaged;
}

static int option_take(struct plan *p, const char *text)
{
	unsigned long a, b;

	if (sscanf(text, "size=%lu-%lu", &a, &b) == 2) {
		p->size_min = (uint32_t)a;
		p->size_max = (uint32_t)b;
	} else if (sscanf(text, "size=%lu", &a) == 1) {
		p->size_min = p->size_max = (uint32_t)a;
	} else if (sscanf(text, "flows=%lu", &a) == 1) {
		p->flows = (uint32_t)a;
	} else if (sscanf(text, "both=%lu", &a) == 1) {
		p->both = (uint32_t)a;
	} else if (sscanf(text, "rate=%lu", &a) == 1) {
		p->rate = (uint32_t)a;
	} else if (sscanf(text, "first=%lu", &a) == 1) {
		p->first = a;
	} else if (sscanf(text, "vlan=%lu", &a) == 1) {
		p->vlan = (uint32_t)a;
	} else if (sscanf(text, "partial=%lu", &a) == 1) {
		p->partial = (uint32_t)a;
	} else {
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct plan p = { .size_min = 60, .size_max = 1514, .flows = 64 };
	bool sending = argc > 3 && strcmp(argv[1], "send") == 0;
	int i = sending ? 4 : 3;

	if (argc < 4 || (!sending && strcmp(argv[1], "check") != 0)) {
		fputs("usage: frames send DEV COUNT [OPTION]... | frames check COUNT [OPTION]... "
		      "FILE...\n",
		      stderr);
		return 2;
	}
	p.count = strtoull(argv[sending ? 3 : 2], NULL, 10);
	while (i < argc && option_take(&p, argv[i]))
		i++;
	if (p.size_min < HEAD || p.size_max < p.size_min || p.size_max > FRAME_MAX - 4 ||
	    !p.flows || p.flows > FLOWS_MAX || (sending && i < argc)) {
		fprintf(stderr, "frames: bad option%s%s\n", i < argc ? ": " : "",
			i < argc ? argv[i] : "");
		return 2;
	}
	return sending ? send_all(argv[2], &p) : check_all(&p, argv + i, argc - i);
}
