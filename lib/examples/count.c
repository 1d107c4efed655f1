/* Counts the packets of an interface, and those that were lost:
 *
 *     cc -o count count.c $(pkg-config --cflags --libs afcap)
 *     count INTERFACE [SECONDS]
 *
 * One line a second, the account at the end (Ctrl-C, or after SECONDS). Reads by blocks, which
 * costs the least per packet. */
#include <afcap.h>
#include <err.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

static struct afcap *handle;

static void on_signal(int number)
{
	(void)number;
	afcap_stop(handle);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void blocks_count(uint64_t *packets, uint64_t *bytes)
{
	struct afcap_block block;

	while (afcap_block_acquire(handle, &block) == 0) {
		struct afcap_packet packet = { 0 };

		while (afcap_packet_next(&block, &packet)) {
			*packets += 1;
			*bytes += packet.length;
		}
		afcap_block_release(handle, &block);
	}
}

int main(int argc, char **argv)
{
	struct afcap_options options;
	struct afcap_error error;
	struct afcap_stats stats = { 0 };
	uint64_t packets = 0, bytes = 0, before = 0;
	int64_t end = INT64_MAX, tick;
	int rc = AFCAP_TIMEOUT;

	if (argc < 2 || argc > 3)
		errx(2, "usage: count INTERFACE [SECONDS]");
	afcap_options_init(&options, sizeof(options));
	options.interface = argv[1];
	if (afcap_open(&handle, &options, &error))
		errx(1, "%s", error.text);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (argc == 3)
		end = now() + atoi(argv[2]) * SECOND;
	for (tick = now() + SECOND; now() < end && rc != AFCAP_STOPPED && rc != AFCAP_GONE;) {
		int64_t left = (tick < end ? tick : end) - now();

		rc = afcap_wait(handle, left > 0 ? left : 0); /* negative would be for ever */
		if (rc < 0)
			errx(1, "%s", afcap_strerror(rc));
		blocks_count(&packets, &bytes);
		if (now() < tick)
			continue;
		afcap_stats(handle, &stats);
		printf("%" PRIu64 " packets/s, %" PRIu64 " dropped so far\n", packets - before,
		       stats.drops);
		fflush(stdout);
		before = packets;
		while (tick <= now())
			tick += SECOND;
	}
	if (rc == AFCAP_GONE)
		warnx("%s: %s", argv[1], afcap_strerror(rc));
	afcap_filter_drop_all(afcap_fd(handle)); /* later packets are not counted */
	for (end = now() + SECOND; afcap_stats(handle, &stats) == 0 &&
				   stats.packets - stats.drops > packets && now() < end;)
		blocks_count(&packets, &bytes); /* the block that was being filled */
	printf("%s: %" PRIu64 " packets seen, %" PRIu64 " dropped by the kernel, %" PRIu64
	       " counted, %" PRIu64 " bytes\n",
	       argv[1], stats.packets, stats.drops, packets, bytes);
	afcap_close(handle);
	return rc == AFCAP_GONE;
}
