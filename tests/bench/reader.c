/* One reader in one way, for tests/bench/library: opens a ring of 64 MiB on an interface and prints
 * "ready". For each line on its standard input it reads all that lies in the ring by then, and
 * prints how many packets that were; at the end, nanoseconds of CPU a packet, of those read after a
 * line "go".
 *
 *     reader view|restore|into|copy|batch|v2|pcap_loop|pcap_next_ex INTERFACE */
#include "../../lib/afcap.h"

#include <err.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RING_BYTES (64u << 20)
#define WAIT_NS	   1000000000

static volatile uint64_t sink;
static uint64_t sum; /* of what every reader looks at: lengths, and a byte of each packet */
static uint64_t wanted, got;
static const char *way;

static struct afcap *handle;
static pcap_t *pcap;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void batch_read(void)
{
	struct afcap_block block;

	while (got < wanted && afcap_wait(handle, WAIT_NS) == AFCAP_READY)
		while (afcap_block_acquire(handle, &block) == 0) {
			struct afcap_packet packet = { 0 };

			while (afcap_packet_next(&block, &packet)) {
				sum += packet.capture_length + packet.data[12];
				got++;
			}
			afcap_block_release(handle, &block);
		}
}

static void view_read(void)
{
	const struct afcap_packet *packet;

	for (; got < wanted && afcap_read(handle, &packet, WAIT_NS) == AFCAP_READY; got++)
		sum += packet->capture_length + packet->data[12];
}

static void into_read(void)
{
	static uint8_t buffer[65536];
	const struct afcap_packet *packet;

	for (; got < wanted &&
	       afcap_read_into(handle, buffer, sizeof(buffer), &packet, WAIT_NS) == AFCAP_READY;
	     got++)
		sum += packet->capture_length + packet->data[12];
}

static void copy_read(void)
{
	const struct afcap_packet *packet;
	uint8_t *copy;

	for (; got < wanted && afcap_read_copy(handle, &copy, &packet, WAIT_NS) == AFCAP_READY;
	     got++) {
		sum += packet->capture_length + packet->data[12];
		free(copy);
	}
}

static void pcap_one(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
	(void)user;
	sum += header->caplen + data[12];
	got++;
}

static void loop_read(void)
{
	pcap_loop(pcap, (int)(wanted - got), pcap_one, NULL);
}

static void next_ex_read(void)
{
	struct pcap_pkthdr *header;
	const u_char *data;

	while (got < wanted && pcap_next_ex(pcap, &header, &data) >= 0)
		pcap_one(NULL, header, data);
}

static const struct {
	const char *name;
	void (*read)(void);
} ways[] = {
	{ "view", view_read },	    { "restore", view_read },
	{ "v2", view_read },	    { "batch", batch_read },
	{ "into", into_read },	    { "copy", copy_read },
	{ "pcap_loop", loop_read }, { "pcap_next_ex", next_ex_read },
};

static void open_afcap(const char *interface)
{
	struct afcap_options options;
	struct afcap_error error;

	afcap_options_init(&options, sizeof(options));
	options.interface = interface;
	options.vlan_restore = strcmp(way, "restore") == 0;
	options.ring.block_timeout_ms = 10;
	if (strcmp(way, "v2") == 0) {
		options.ring.version = AFCAP_TPACKET_V2;
		options.ring.frame_bytes = 160;
	}
	if (afcap_open(&handle, &options, &error))
		errx(1, "%s", error.text);
}

static void open_pcap(const char *interface)
{
	char text[PCAP_ERRBUF_SIZE];

	pcap = pcap_create(interface, text);
	if (!pcap || pcap_set_buffer_size(pcap, RING_BYTES) || pcap_set_timeout(pcap, 10) ||
	    pcap_set_snaplen(pcap, 65535) || pcap_activate(pcap) < 0)
		errx(1, "pcap: %s", pcap ? pcap_geterr(pcap) : text);
}

/* Packets that came to the ring so far */
static uint64_t arrived(void)
{
	struct afcap_stats stats = { 0 };
	struct pcap_stat pcap_stat = { 0 };

	if (handle ? afcap_stats(handle, &stats) : pcap_stats(pcap, &pcap_stat))
		errx(1, "no statistics");
	return handle ? stats.packets - stats.drops : pcap_stat.ps_recv - pcap_stat.ps_drop;
}

int main(int argc, char **argv)
{
	void (*read)(void) = NULL;
	uint64_t ns = 0, timed = 0, begin;
	char line[16];

	if (argc != 3)
		errx(2, "usage: reader WAY INTERFACE");
	way = argv[1];
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (strcmp(ways[i].name, way) == 0)
			read = ways[i].read;
	if (!read)
		errx(2, "no way %s", way);
	if (strncmp(way, "pcap", 4) == 0)
		open_pcap(argv[2]);
	else
		open_afcap(argv[2]);
	for (puts("ready"); fflush(stdout), fgets(line, sizeof(line), stdin);) {
		uint64_t before = got, took;

		wanted = arrived();
		begin = cpu_ns();
		read();
		took = cpu_ns() - begin;
		if (line[0] == 'g') { /* go: it counts; else it warms up */
			ns += took;
			timed += got - before;
		}
		printf("%llu\n", (unsigned long long)(got - before));
	}
	sink = sum;
	printf("%.2f\n", (double)ns / (double)timed);
	return 0;
}
