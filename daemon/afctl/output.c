/* Tables. Counters come from counters.def, in its order. */
#include "output.h"

#include "../base/counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RED   "\033[31m"
#define GREEN "\033[32m"
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

bool output_colored(enum color color)
{
	if (color != COLOR_AUTO)
		return color == COLOR_ALWAYS;
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

void output_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static uint64_t number_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static double real_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void state_print(const char *state, bool good, bool colored)
{
	printf("%s%-10s%s", colored ? (good ? GREEN : RED) : "", state, colored ? PLAIN : "");
}

static void fanout_print(const json_t *fanout)
{
	const json_t *flag;
	size_t i;

	printf("fanout %s", text_of(fanout, "mode"));
	json_array_foreach (json_object_get(fanout, "flags"), i, flag)
		printf("+%s", json_string_value(flag));
	if (json_is_integer(json_object_get(fanout, "id")))
		printf(" (group %" PRIu64 ")", number_of(fanout, "id"));
}

/* An afcapd before 0.2 does not say it. */
static void ring_print(const json_t *ring)
{
	if (ring)
		printf("  rings of %.4g MiB last %.3g s at this rate, %.3g s at low rates\n",
		       real_of(ring, "bytes") / (1 << 20), real_of(ring, "seconds"),
		       real_of(ring, "low_rate_seconds"));
}

bool output_good(const json_t *capture)
{
	return strcmp(text_of(capture, "state"), "running") == 0 &&
	       !json_is_true(json_object_get(capture, "degraded"));
}

static void capture_status(const json_t *capture, bool colored)
{
	const json_t *total = json_object_get(capture, "total"), *worker;
	size_t i;

	printf("%s%s%s: ", colored ? BOLD : "", text_of(capture, "name"), colored ? PLAIN : "");
	state_print(text_of(capture, "state"), output_good(capture), colored);
	printf(" interface %s", text_of(capture, "interface"));
	if (json_is_string(json_object_get(capture, "device")) &&
	    strcmp(text_of(capture, "device"), text_of(capture, "interface")) != 0)
		printf(" (%s)", text_of(capture, "device"));
	printf(", ");
	fanout_print(json_object_get(capture, "fanout"));
	printf(", since %s\n", text_of(capture, "since"));
	if (json_is_string(json_object_get(capture, "reason")))
		printf("  %s\n", text_of(capture, "reason"));
	printf("  %.0f packets/s, %.1f Mbit/s, %.4f %% lost\n",
	       real_of(total, "packets_per_second"), real_of(total, "bytes_per_second") * 8 / 1e6,
	       real_of(total, "loss_ratio") * 100);
	ring_print(json_object_get(capture, "ring"));
	printf("  %-6s %-8s %-10s %-8s %12s %10s  %s\n", "WORKER", "PID", "STATE", "RESTARTS",
	       "PACKETS/S", "LOST %", "FILE");
	json_array_foreach (json_object_get(capture, "workers"), i, worker) {
		bool up = strcmp(text_of(worker, "state"), "running") == 0;

		printf("  %-6" PRIu64 " %-8" PRIu64 " ", number_of(worker, "worker"),
		       number_of(worker, "pid"));
		state_print(text_of(worker, "state"), up, colored);
		printf(" %-8" PRIu64 " %12.0f %10.4f  %s\n", number_of(worker, "restarts"),
		       real_of(worker, "packets_per_second"), real_of(worker, "loss_ratio") * 100,
		       text_of(worker, "file"));
	}
}

void output_status(const json_t *parameters, bool colored)
{
	const json_t *capture;
	size_t i;

	json_array_foreach (json_object_get(parameters, "captures"), i, capture)
		capture_status(capture, colored);
	fflush(stdout);
}

static void capture_stats(const json_t *capture, bool colored)
{
	const json_t *total = json_object_get(capture, "total"),
		     *workers = json_object_get(capture, "workers"), *worker;
	size_t i;

	printf("%s%-22s%s %16s", colored ? BOLD : "", text_of(capture, "name"),
	       colored ? PLAIN : "", "total");
	json_array_foreach (workers, i, worker) {
		char header[32];

		snprintf(header, sizeof(header), "worker %zu", i);
		printf(" %16s", header);
	}
	putchar('\n');
	for (unsigned k = 0; k < counter_count; k++) {
		const char *name = counter_infos[k].name;

		printf("%-22s %16" PRIu64, name, number_of(total, name));
		json_array_foreach (workers, i, worker)
			printf(" %16" PRIu64, number_of(worker, name));
		putchar('\n');
	}
}

void output_stats(const json_t *parameters, bool colored)
{
	const json_t *capture;
	size_t i;

	json_array_foreach (json_object_get(parameters, "captures"), i, capture) {
		if (i)
			putchar('\n');
		capture_stats(capture, colored);
	}
	fflush(stdout);
}

void output_watch_header(void)
{
	printf("%-8s %-12s %11s %10s %13s %13s %10s %8s %10s\n", "TIME", "CAPTURE", "PACKETS/S",
	       "MBIT/S", "RECEIVED", "WRITTEN", "DROPS", "FREEZES", "DISCARDED");
}

/* The capture of the same name in an earlier answer. */
static const json_t *capture_before(const json_t *before, const char *name)
{
	const json_t *capture;
	size_t i;

	json_array_foreach (json_object_get(before, "captures"), i, capture)
		if (strcmp(text_of(capture, "name"), name) == 0)
			return json_object_get(capture, "total");
	return NULL;
}

void output_watch(const json_t *parameters, const json_t *before, double seconds)
{
	const json_t *capture;
	time_t now = time(NULL);
	char clock[16];
	struct tm tm;
	size_t i;

	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	json_array_foreach (json_object_get(parameters, "captures"), i, capture) {
		const json_t *t = json_object_get(capture, "total");
		const json_t *b = capture_before(before, text_of(capture, "name"));
		double packets =
			(double)(number_of(t, "packets") - number_of(b, "packets")) / seconds;
		double bits =
			(double)(number_of(t, "received_bytes") - number_of(b, "received_bytes")) *
			8 / seconds;

		printf("%-8s %-12s %11.0f %10.1f %13" PRIu64 " %13" PRIu64 " %10" PRIu64
		       " %8" PRIu64 " %10" PRIu64 "\n",
		       clock, text_of(capture, "name"), packets, bits / 1e6,
		       number_of(t, "received"), number_of(t, "written"), number_of(t, "drops"),
		       number_of(t, "freezes"),
		       number_of(t, "discarded_no_space") + number_of(t, "discarded_io_error") +
			       number_of(t, "discarded_abandoned") +
			       number_of(t, "discarded_file_lost"));
	}
	fflush(stdout);
}
