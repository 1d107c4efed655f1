/* Families: those of counters.def, then the gauges. */
#include "metrics.h"

#include "../base/printable.h"
#include "../supervisor/view.h"

#include <inttypes.h>
#include <string.h>

/* A name that is not UTF-8 would make the whole scrape fail. */
static void value_escape(const char *value, FILE *out)
{
	char plain[1024], *text = plain;

	printable(plain, sizeof(plain), value);
	for (; *text; text++)
		if (*text == '\n')
			fputs("\\n", out);
		else
			fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
}

static void family_print(const char *name, const char *help, const char *type, FILE *out)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void labels_print(const char *name, const struct capture_view *c, FILE *out)
{
	fprintf(out, "%s{capture=\"", name);
	value_escape(c->name, out);
	fputs("\",device=\"", out);
	value_escape(c->interface, out);
	fputc('"', out);
}

/* A sample for every worker: `print` writes further labels and the value that `what` selects. */
static void samples_print(const struct supervisor *s, const char *name,
			  void (*print)(const void *what, const struct capture_view *c,
					const struct worker_view *w, FILE *out),
			  const void *what, FILE *out)
{
	for (unsigned i = 0; i < view_captures(s); i++) {
		struct capture_view c;

		view_capture(s, i, &c);
		for (unsigned k = 0; k < c.workers; k++) {
			struct worker_view w;

			view_worker(s, i, k, &w);
			labels_print(name, &c, out);
			fprintf(out, ",worker=\"%u\"", k);
			print(what, &c, &w, out);
		}
	}
}

static void counter_print(const void *what, const struct capture_view *c,
			  const struct worker_view *w, FILE *out)
{
	const struct counter_info *info = what;

	(void)c;
	if (*info->reason)
		fprintf(out, ",reason=\"%s\"", info->reason);
	fprintf(out, "} %" PRIu64 "\n", counters_get(&w->counters, info));
}

/* The help text that the rows of a family with reasons share. */
static const char *family_help(const struct counter_info *info)
{
	static const struct {
		const char *family, *help;
	} helps[] = {
		{ "blocks", "Ring blocks that the kernel handed over, by reason." },
		{ "discarded", "Packets that were received and not written, by reason." },
	};

	for (unsigned i = 0; i < sizeof(helps) / sizeof(*helps); i++)
		if (strcmp(helps[i].family, info->family) == 0)
			return helps[i].help;
	return info->help;
}

static void counters_print(const struct supervisor *s, FILE *out)
{
	const char *family = "";
	char name[64];

	for (unsigned i = 0; i < counter_count; i++) {
		const struct counter_info *info = &counter_infos[i];

		snprintf(name, sizeof(name), "afcap_%s_total", info->family);
		if (strcmp(info->family, family) != 0)
			family_print(name, family_help(info), "counter", out);
		family = info->family;
		samples_print(s, name, counter_print, info, out);
	}
}

static double worker_up(const struct capture_view *c, const struct worker_view *w)
{
	(void)c;
	return w->up;
}

static double worker_start_time(const struct capture_view *c, const struct worker_view *w)
{
	(void)c;
	return (double)(w->started_ns / 1000000) / 1000.0;
}

static double ring_size(const struct capture_view *c, const struct worker_view *w)
{
	(void)w;
	return (double)c->ring_bytes;
}

static double ring_blocks(const struct capture_view *c, const struct worker_view *w)
{
	(void)w;
	return c->ring_blocks;
}

struct gauge {
	const char *name, *help;
	double (*value)(const struct capture_view *capture, const struct worker_view *worker);
};

static const struct gauge gauges[] = {
	{ "afcap_worker_up", "Whether the worker reads its ring.", worker_up },
	{ "afcap_worker_start_time_seconds", "When the worker's process was started, in Unix time.",
	  worker_start_time },
	{ "afcap_ring_size_bytes", "Size of the worker's ring.", ring_size },
	{ "afcap_ring_blocks", "Blocks of the worker's ring.", ring_blocks },
};

static void gauge_print(const void *what, const struct capture_view *c, const struct worker_view *w,
			FILE *out)
{
	const struct gauge *gauge = what;

	fprintf(out, "} %.15g\n", gauge->value(c, w));
}

static void gauges_print(const struct supervisor *s, FILE *out)
{
	for (unsigned g = 0; g < sizeof(gauges) / sizeof(*gauges); g++) {
		family_print(gauges[g].name, gauges[g].help, "gauge", out);
		samples_print(s, gauges[g].name, gauge_print, &gauges[g], out);
	}
}

static void states_print(const struct supervisor *s, FILE *out)
{
	family_print("afcap_capture_state", "1 for the state that the capture is in.", "gauge",
		     out);
	for (unsigned i = 0; i < view_captures(s); i++) {
		struct capture_view c;

		view_capture(s, i, &c);
		for (const char *const *state = view_capture_states; *state; state++) {
			labels_print("afcap_capture_state", &c, out);
			fprintf(out, ",state=\"%s\"} %d\n", *state, strcmp(*state, c.state) == 0);
		}
	}
}

static void links_print(const struct supervisor *s, FILE *out)
{
	family_print("afcap_interface_up", "Whether it is being recorded, is up and has a carrier.",
		     "gauge", out);
	for (unsigned i = 0; i < view_captures(s); i++) {
		struct capture_view c;

		view_capture(s, i, &c);
		labels_print("afcap_interface_up", &c, out);
		fprintf(out, "} %d\n", c.link_up);
	}
}

/* Only for captures that write files. */
static void disk_print(const struct supervisor *s, FILE *out)
{
	family_print("afcap_disk_available_bytes", "Space available to the capture's files.",
		     "gauge", out);
	for (unsigned i = 0; i < view_captures(s); i++) {
		struct capture_view c;

		view_capture(s, i, &c);
		if (c.disk_available == UINT64_MAX)
			continue;
		labels_print("afcap_disk_available_bytes", &c, out);
		fprintf(out, "} %" PRIu64 "\n", c.disk_available);
	}
}

void metrics_print(const struct supervisor *supervisor, FILE *out)
{
	counters_print(supervisor, out);
	gauges_print(supervisor, out);
	states_print(supervisor, out);
	links_print(supervisor, out);
	disk_print(supervisor, out);
	family_print("afcap_build_info", "The version that runs; always 1.", "gauge", out);
	fprintf(out, "afcap_build_info{version=\"%s\"} 1\n", AFCAP_VERSION);
}
