/* JSON objects from the view. */
#include "render.h"

#include "../base/printable.h"
#include "../supervisor/view.h"

#include <string.h>
#include <time.h>

static json_t *counters_add_to(json_t *object, const struct counters *counters)
{
	for (unsigned i = 0; i < counter_count; i++)
		json_object_set_new(
			object, counter_infos[i].name,
			json_integer((json_int_t)counters_get(counters, &counter_infos[i])));
	return object;
}

/* RFC 3339, UTC; null for never. */
static json_t *time_render(uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char text[40];
	struct tm tm;

	if (ns == 0)
		return json_null();
	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* JSON is UTF-8, and its readers print it: names of interfaces may contain any bytes. */
static json_t *text_render(const char *text)
{
	char plain[1024];

	if (!text)
		return json_null();
	printable(plain, sizeof(plain), text);
	return json_string(plain);
}

/* The members that both kinds of capture objects begin with. */
static json_t *capture_common(const struct capture_view *c)
{
	json_t *flags = json_array();

	for (unsigned i = 0; i < VIEW_FLAGS_MAX && c->fanout_flags[i]; i++)
		json_array_append_new(flags, json_string(c->fanout_flags[i]));
	return json_pack("{s:s,s:o,s:o,s:s,s:o,s:{s:s,s:o,s:o}}", "name", c->name, "interface",
			 text_render(c->interface), "device", text_render(c->device), "state",
			 c->state, "reason", text_render(c->reason), "fanout", "mode", c->fanout,
			 "flags", flags, "id",
			 c->fanout_known ? json_integer(c->fanout_id) : json_null());
}

static json_t *worker_common(unsigned index, const struct worker_view *w)
{
	return json_pack("{s:i,s:o,s:s,s:I}", "worker", (int)index, "pid",
			 w->pid > 0 ? json_integer(w->pid) : json_null(), "state", w->state,
			 "restarts", (json_int_t)w->counters.restarts);
}

static json_t *capture_stats(const struct supervisor *s, unsigned index,
			     const struct capture_view *c)
{
	json_t *capture = capture_common(c), *workers = json_array();

	for (unsigned i = 0; i < c->workers; i++) {
		struct worker_view w;

		view_worker(s, index, i, &w);
		json_array_append_new(workers, counters_add_to(worker_common(i, &w), &w.counters));
	}
	json_object_set_new(capture, "workers", workers);
	json_object_set_new(capture, "total", counters_add_to(json_object(), &c->total));
	return capture;
}

json_t *render_stats(const struct supervisor *supervisor, const char *capture)
{
	json_t *captures = json_array();

	for (unsigned i = 0; i < view_captures(supervisor); i++) {
		struct capture_view c;

		view_capture(supervisor, i, &c);
		if (!capture || strcmp(capture, c.name) == 0)
			json_array_append_new(captures, capture_stats(supervisor, i, &c));
	}
	if (capture && json_array_size(captures) == 0) {
		json_decref(captures);
		return NULL;
	}
	return json_pack("{s:o}", "captures", captures);
}

static json_t *rates(double packets, double bytes, double loss)
{
	return json_pack("{s:f,s:f,s:f}", "packets_per_second", packets, "bytes_per_second", bytes,
			 "loss_ratio", loss);
}

static json_t *capture_status(const struct supervisor *s, unsigned index,
			      const struct capture_view *c)
{
	json_t *capture = capture_common(c), *workers = json_array();
	double packets = 0, bytes = 0, seconds = c->ring_seconds;

	for (unsigned i = 0; i < c->workers; i++) {
		struct worker_view w;
		json_t *worker, *rate;

		view_worker(s, index, i, &w);
		worker = worker_common(i, &w);
		rate = rates(w.packets_per_second, w.bytes_per_second, view_loss(&w.counters));
		json_object_update(worker, rate);
		json_decref(rate);
		json_object_set_new(worker, "file", text_render(w.file));
		json_object_set_new(worker, "since", time_render(w.started_ns));
		json_object_set_new(worker, "ring_seconds", json_real(w.ring_seconds));
		json_array_append_new(workers, worker);
		packets += w.packets_per_second;
		bytes += w.bytes_per_second;
		seconds = w.ring_seconds < seconds ? w.ring_seconds : seconds;
	}
	json_object_set_new(capture, "since", time_render(c->since_ns));
	json_object_set_new(capture, "degraded", json_boolean(c->degraded));
	json_object_set_new(capture, "workers", workers);
	json_object_set_new(capture, "total", rates(packets, bytes, view_loss(&c->total)));
	json_object_set_new(capture, "ring",
			    json_pack("{s:I,s:I,s:f,s:f}", "bytes", (json_int_t)c->ring_bytes,
				      "blocks", (json_int_t)c->ring_blocks, "seconds", seconds,
				      "low_rate_seconds", c->ring_seconds));
	return capture;
}

json_t *render_status(const struct supervisor *supervisor)
{
	json_t *captures = json_array();

	for (unsigned i = 0; i < view_captures(supervisor); i++) {
		struct capture_view c;

		view_capture(supervisor, i, &c);
		json_array_append_new(captures, capture_status(supervisor, i, &c));
	}
	return json_pack("{s:o}", "captures", captures);
}
