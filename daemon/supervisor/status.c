/* Orders captures by their state, and fits them into the line. */
#include "status.h"
#include "notify.h"
#include "supervisor.h"

#include "../base/printable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MORE_BYTES  sizeof("; and 4294967295 more")
#define SHOWN_BYTES 100 /* so that the counts still fit after it */

/* The bad states, the worst first; a degraded capture precedes all others. */
static const char *const wrong[] = { "failed", "suspended", "down" };
#define WRONG (sizeof(wrong) / sizeof(*wrong))

static unsigned severity(const struct status_item *item)
{
	for (unsigned i = 0; i < WRONG; i++)
		if (strcmp(item->view.state, wrong[i]) == 0)
			return (unsigned)(WRONG - i) + 1;
	return item->view.degraded || item->up < item->view.workers;
}

static double loss(const struct counters *c)
{
	return c->packets ? (double)(c->drops + counters_discarded(c)) / (double)c->packets : 0.0;
}

static bool worse(const struct status_item *a, const struct status_item *b)
{
	unsigned of_a = severity(a), of_b = severity(b);

	return of_a != of_b ? of_a > of_b : loss(&a->view.total) > loss(&b->view.total);
}

static void sort(struct status_item *items, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		for (unsigned k = i; k > 0 && worse(&items[k], &items[k - 1]); k--) {
			struct status_item between = items[k];

			items[k] = items[k - 1];
			items[k - 1] = between;
		}
}

/* As much of the text as fits; an omission is marked. */
static void reason_print(char out[SHOWN_BYTES], const char *reason)
{
	size_t end = SHOWN_BYTES - sizeof("...");

	printable(out, SHOWN_BYTES, reason);
	if (strlen(out) <= end)
		return;
	while (((unsigned char)out[end] & 0xc0) == 0x80) /* within a character */
		end--;
	strcpy(out + end, "...");
}

static void item_print(char *text, size_t size, const struct status_item *item)
{
	const struct capture_view *v = &item->view;
	const struct counters *c = &v->total;
	char reason[SHOWN_BYTES] = "", discarded[48] = "";
	/* The prefix says that it stops */
	bool plain = strcmp(v->state, "running") == 0 || strcmp(v->state, "stopping") == 0;

	if (v->reason)
		reason_print(reason, v->reason);
	if (counters_discarded(c))
		snprintf(discarded, sizeof(discarded), ", %" PRIu64 " discarded",
			 counters_discarded(c));
	snprintf(text, size,
		 "%s: %s%s%s%s%u of %u worker%s, %" PRIu64 " packets, %" PRIu64
		 " dropped%s (%.3f %%)",
		 v->name, plain ? "" : v->state, plain ? "" : ", ", reason, *reason ? ", " : "",
		 item->up, v->workers, v->workers == 1 ? "" : "s", c->packets, c->drops, discarded,
		 100.0 * loss(c));
}

void status_text(char text[STATUS_BYTES], const char *prefix, struct status_item *items,
		 unsigned count)
{
	int used = snprintf(text, STATUS_BYTES, "%s", prefix);
	size_t n = (size_t)used;

	sort(items, count);
	for (unsigned i = 0; i < count; i++) {
		size_t space = STATUS_BYTES - n - (i + 1 < count ? MORE_BYTES : 0);
		char one[2 * STATUS_BYTES];
		size_t length;

		item_print(one, sizeof(one), &items[i]);
		length = strlen(one) + (i ? strlen("; ") : 0);
		if (i && length >= space) {
			snprintf(text + n, STATUS_BYTES - n, "; and %u more", count - i);
			return;
		}
		snprintf(text + n, space, "%s%s", i ? "; " : "", one);
		n += strlen(text + n);
	}
}

void status_send(struct supervisor *s)
{
	static struct status_item items[CAPTURES_MAX];
	char text[STATUS_BYTES];

	for (unsigned i = 0; i < supervisor_captures(s); i++) {
		struct worker_view worker;

		items[i].up = 0;
		view_capture(s, i, &items[i].view);
		for (unsigned w = 0; w < items[i].view.workers; w++) {
			view_worker(s, i, w, &worker);
			items[i].up += worker.up;
		}
	}
	status_text(text, supervisor_phase(s), items, supervisor_captures(s));
	if (supervisor_captures(s))
		supervisor_status(s, text);
}
