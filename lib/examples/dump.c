/* Prints packets, one line each, with their metadata and their bytes:
 *
 *     cc -o dump dump.c $(pkg-config --cflags --libs afcap)
 *     dump [-x] [-n COUNT] INTERFACE|any
 *
 * Reads packet by packet, VLAN tags put back in place. */
#include <afcap.h>
#include <err.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct afcap *handle;

static void on_signal(int number)
{
	(void)number;
	afcap_stop(handle);
}

static void bytes_print(const struct afcap_packet *packet)
{
	for (uint32_t i = 0; i < packet->capture_length; i++)
		printf("%s%02x", i % 16 ? " " : "\n\t", packet->data[i]);
}

static void packet_print(const struct afcap_packet *packet, int hex)
{
	struct afcap_packet_meta meta;
	char name[IF_NAMESIZE] = "?";

	afcap_packet_meta(packet, &meta);
	if_indextoname((unsigned)meta.ifindex, name);
	printf("%u.%09u %s %s 0x%04x %u bytes", packet->seconds, packet->nanoseconds, name,
	       afcap_packet_type_name(meta.type), meta.protocol, packet->length);
	if (meta.truncated)
		printf(" (%u captured)", packet->capture_length);
	if (meta.vlan)
		printf(" vlan %u pcp %u tpid 0x%04x", meta.vlan_vid, meta.vlan_pcp, meta.vlan_tpid);
	if (meta.checksum == AFCAP_CHECKSUM_NOT_READY)
		printf(" checksum %s", afcap_checksum_name(meta.checksum));
	if (meta.timestamp == AFCAP_TIMESTAMP_HARDWARE)
		printf(" %s time", afcap_timestamp_name(meta.timestamp));
	if (hex)
		bytes_print(packet);
	putchar('\n');
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct afcap_packet *packet;
	struct afcap_options options;
	struct afcap_error error;
	long count = -1;
	int option, hex = 0, rc;

	while ((option = getopt(argc, argv, "xn:")) != -1)
		if (option == 'x')
			hex = 1;
		else if (option == 'n')
			count = atol(optarg);
		else
			exit(2);
	if (optind + 1 != argc)
		errx(2, "usage: dump [-x] [-n COUNT] INTERFACE|any");
	afcap_options_init(&options, sizeof(options));
	options.interface = argv[optind];
	options.vlan_restore = true;
	if (afcap_open(&handle, &options, &error))
		errx(1, "%s", error.text);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	while (count != 0) {
		rc = afcap_read(handle, &packet, -1);
		if (rc == AFCAP_DOWN) /* it resumes by itself when the link is up again */
			warnx("%s: %s", argv[optind], afcap_strerror(rc));
		else if (rc != AFCAP_READY)
			break;
		else
			packet_print(packet, hex), count--;
	}
	if (count != 0 && rc != AFCAP_STOPPED)
		errx(1, "%s: %s", argv[optind], afcap_strerror(rc));
	afcap_close(handle);
	return 0;
}
