/* One reader of N packets in one way, for tests/bench/library: opens a ring of 64 MiB on an
 * interface, prints "ready", waits for a line on its standard input (by then all packets lie in the
 * ring), reads them, prints nanoseconds of CPU a packet.
 *
 *     reader view|restore|into|copy|batch|v2|pcap_dispatch|pcap_next_ex INTERFACE PACKETS */
#include "../../lib/afcap.h"

#include <err.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RING_BYTES (64u << 20)

static volatile uint64_t
	sink; /* of what every reader looks at: lengths, and a byte of each packet */
static uint64_t sum;
static uint64_t wanted, got;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void go(void)
{
	char line[16];

	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
}

static void result(uint64_t begin)
{
	uint64_t ns = cpu_ns() - begin;

	sink = sum;
	if (got < wanted / 100 * 99) /* a few may be lost before they reach the socket */
		errx(1, "%llu packets of %llu", (unsigned long long)got,
		     (unsigned long long)wanted);
	printf("%.2f\n", (double)ns / (double)got);
}

static void batch_read(struct afcap *handle)
{
	struct afcap_block block;

	while (got < wanted && afcap_wait(handle, 1000000000) == AFCAP_READY)
		while (afcap_block_acquire(handle, &block) == 0) {
			struct afcap_packet packet = { 0 };

			while (afcap_packet_next(&block, &packet)) {
				sum += packet.capture_length + packet.data[12];
				got++;
			}
			afcap_block_release(handle, &block);
		}
}

static int packet_read(struct afcap *handle, const char *way, const struct afcap_packet **packet,
		       uint8_t **copy)
{
	static uint8_t buffer[65536];

	if (strcmp(way, "into") == 0)
		return afcap_read_into(handle, buffer, sizeof(buffer), packet, 1000000000);
	if (strcmp(way, "copy") == 0) {
		free(*copy);
		*copy = NULL;
		return afcap_read_copy(handle, copy, packet, 1000000000);
	}
	return afcap_read(handle, packet, 1000000000);
}

static void packets_read(struct afcap *handle, const char *way)
{
	const struct afcap_packet *packet;
	uint8_t *copy = NULL;

	if (strcmp(way, "view") == 0 || strcmp(way, "restore") == 0 || strcmp(way, "v2") == 0)
		for (; got < wanted && afcap_read(handle, &packet, 1000000000) == AFCAP_READY;
		     got++)
			sum += packet->capture_length + packet->data[12];
	else
		for (; got < wanted && packet_read(handle, way, &packet, &copy) == AFCAP_READY;
		     got++)
			sum += packet->capture_length + packet->data[12];
	free(copy);
}

static void afcap_bench(const char *way, const char *interface)
{
	struct afcap_options options;
	struct afcap_error error;
	struct afcap *handle;
	uint64_t begin;

	afcap_options_init(&options);
	options.interface = interface;
	options.vlan_restore = strcmp(way, "restore") == 0;
	options.ring.block_timeout_ms = 10;
	if (strcmp(way, "v2") == 0) {
		options.ring.version = AFCAP_TPACKET_V2;
		options.ring.frame_bytes = 160;
	}
	if (afcap_open(&handle, &options, &error))
		errx(1, "%s", error.text);
	go();
	begin = cpu_ns();
	if (strcmp(way, "batch") == 0)
		batch_read(handle);
	else
		packets_read(handle, way);
	result(begin);
	afcap_close(handle);
}

static void pcap_one(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
	(void)user;
	sum += header->caplen + data[12];
	got++;
}

static void pcap_bench(const char *way, const char *interface)
{
	char text[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *p = pcap_create(interface, text);
	uint64_t begin;

	if (!p || pcap_set_buffer_size(p, RING_BYTES) || pcap_set_timeout(p, 10) ||
	    pcap_set_snaplen(p, 65535) || pcap_activate(p) < 0)
		errx(1, "pcap: %s", p ? pcap_geterr(p) : text);
	go();
	begin = cpu_ns();
	if (strcmp(way, "pcap_dispatch") == 0)
		while (got < wanted && pcap_dispatch(p, (int)(wanted - got), pcap_one, NULL) > 0)
			;
	else
		while (got < wanted && pcap_next_ex(p, &header, &data) > 0)
			pcap_one(NULL, header, data);
	result(begin);
	pcap_close(p);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: reader WAY INTERFACE PACKETS");
	wanted = strtoull(argv[3], NULL, 10);
	if (strncmp(argv[1], "pcap", 4) == 0)
		pcap_bench(argv[1], argv[2]);
	else
		afcap_bench(argv[1], argv[2]);
	return 0;
}
