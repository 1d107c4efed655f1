/* Sums, printed. */
#include "account.h"

#include <inttypes.h>
#include <stdio.h>

bool account_balanced(const struct counters *c, enum output output)
{
	return c->packets == c->drops + c->received &&
	       (output == OUTPUT_NONE || c->received == c->written + counters_discarded(c));
}

static bool line_print(const struct counters *c, enum output output, FILE *out)
{
	bool balanced = account_balanced(c, output);

	fprintf(out,
		"%" PRIu64 " packets seen, %" PRIu64 " dropped by the kernel, %" PRIu64
		" received, %" PRIu64 " written, %" PRIu64 " discarded, %" PRIu64 " files%s\n",
		c->packets, c->drops, c->received, c->written, counters_discarded(c),
		c->files_opened, balanced ? "" : " (DOES NOT BALANCE)");
	return balanced;
}

static bool account_print(const struct capture *capture, FILE *out)
{
	enum output output = (enum output)capture->config->output;
	struct counters counters;
	bool balanced;

	capture_counters(capture, &counters);
	fprintf(out, "%s: ", capture->config->name);
	balanced = line_print(&counters, output, out);
	for (unsigned i = 0; i < capture->workers; i++) {
		slot_counters(&capture->slots[i], &counters);
		fprintf(out, "%s worker %u: ", capture->config->name, i);
		balanced &= line_print(&counters, output, out);
	}
	return balanced;
}

bool account_all(const struct capture *captures, unsigned count, bool begun, FILE *out)
{
	bool balanced = true;

	for (unsigned i = 0; i < count; i++) {
		if (captures[i].since_real_ns || !begun)
			balanced &= account_print(&captures[i], out);
		balanced &= !captures[i].failed;
	}
	return balanced;
}
