/* How long rings last, in numbers and in words. */
#include "stall.h"

#include "../base/config_error.h"

#include <stdio.h>

#define S		 1e9 /* ns */
#define SLOT_BYTES	 88  /* of a packet in the ring, beside its bytes: header, alignment */
#define REPLACED_SECONDS 1   /* until a killed worker's successor reads */
#define GIGABIT_BYTES	 (1e9 / 8)
#define LARGE_BYTES	 1500.0
#define WRITE_BYTES	 (4.0 * 1048576)
#define SECONDS_BYTES	 32

static double minimum(double a, double b)
{
	return a < b ? a : b;
}

double stall_seconds(const struct afcap_geometry *ring, uint64_t write_delay_ns, double packets,
		     double bytes)
{
	double counted = ring->blocks < 2 ? 1 : ring->blocks * UINT64_C(3) / 4;
	double rate = bytes + packets * SLOT_BYTES, held = (double)write_delay_ns / S;
	double size = (double)ring->block_bytes * ring->blocks;
	double seconds = counted * ring->block_timeout_ms / 1000;

	if (rate > 0) {
		seconds = minimum(seconds, counted * ring->block_bytes / rate);
		/* then they are written: part_of_ring() of worker/ringloop.c */
		held = minimum(held, minimum(size / 8, WRITE_BYTES) / rate);
	}
	return seconds - minimum(held, seconds / 3); /* at most a quarter of the ring */
}

double stall_bytes(double packets, double bytes, const struct counters *received)
{
	double mean = received->received
			      ? (double)received->received_bytes / (double)received->received
			      : 0;

	return bytes > packets * mean ? bytes : packets * mean;
}

/* Cut, not rounded: never more than there are. */
static const char *seconds_text(double seconds, char text[SECONDS_BYTES])
{
	int digits = seconds < 1 ? 2 : seconds < 10 ? 1 : 0;
	double unit = digits == 2 ? 100 : digits == 1 ? 10 : 1;

	snprintf(text, SECONDS_BYTES, "%.*f s", digits, (double)(uint64_t)(seconds * unit) / unit);
	return text;
}

void stall_describe(const struct config_capture *capture, const struct plan *plan, char *text,
		    size_t size)
{
	const uint64_t delay_ns = capture->worker.write_delay_ns;
	const struct afcap_geometry *ring = &plan->ring;
	char low[SECONDS_BYTES], high[SECONDS_BYTES], limit[64] = "";

	if (plan_snaplen_is_a_block(plan->snaplen, ring->block_bytes))
		snprintf(limit, sizeof(limit), ", and hold %u bytes of a packet", plan->snaplen);
	snprintf(
		text, size,
		"rings of %u blocks of %u bytes, which last %s at low rates, %s at 1 Gbit/s each%s",
		ring->blocks, ring->block_bytes,
		seconds_text(stall_seconds(ring, delay_ns, 0, 0), low),
		seconds_text(
			stall_seconds(ring, delay_ns, GIGABIT_BYTES / LARGE_BYTES, GIGABIT_BYTES),
			high),
		limit);
}

bool stall_is_short(const struct config *config, const struct config_capture *capture,
		    const struct plan *plan, char *text, size_t size)
{
	double seconds = stall_seconds(&plan->ring, capture->worker.write_delay_ns, 0, 0);
	double drain = (double)capture->drain_timeout_ns / S;
	double replaced = (double)capture->worker.timeout_ns / S + REPLACED_SECONDS;
	bool timeout_auto = capture->group.block_timeout_ns == (uint64_t)CONFIG_AUTO;
	const char *key = timeout_auto ? "ring_size" : "block_timeout";
	char where[256], lasts[SECONDS_BYTES], needed[SECONDS_BYTES];

	if (seconds >= drain && seconds >= replaced)
		return false;
	snprintf(
		text, size,
		"%s: %s: the ring of a worker lasts %s at low rates, shorter than %s (%s): packets "
		"are dropped when it is not read for so long; use %sa larger ring_size",
		config_where(config, capture, key, where, sizeof(where)), key,
		seconds_text(seconds, lasts),
		seconds < replaced ? "worker_timeout and a restart" : "drain_timeout",
		seconds_text(seconds < replaced ? replaced : drain, needed),
		timeout_auto ? "" : "block_timeout = auto or ");
	return true;
}
