/* Sums the counters and prints the account. */
#include "account.h"
#include "capture_view.h"

#include "../base/failure.h"
#include "../base/log.h"
#include "../base/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	enum output output = capture_output(capture);
	struct counters counters;
	bool balanced;

	capture_account(capture, &counters);
	fprintf(out, "%s: ", capture_name(capture));
	balanced = line_print(&counters, output, out) && counters.files_lost == 0;
	if (counters.files_lost)
		log_about(LOG_ERR, &(struct log_subject){ capture_name(capture), -1, NULL },
			  "%" PRIu64 " files were lost, with %" PRIu64 " packets: exit code 1",
			  counters.files_lost, counters.discarded_file_lost);
	for (unsigned i = 0; capture_worker(capture, i, &counters); i++) {
		fprintf(out, "%s worker %u: ", capture_name(capture), i);
		balanced &= line_print(&counters, output, out);
	}
	return balanced;
}

static bool all_print(struct capture *const *captures, unsigned count, bool begun, FILE *out)
{
	bool balanced = true;

	for (unsigned i = 0; i < count; i++) {
		if ((capture_recorded(captures[i]) || !begun) && !capture_accounted(captures[i]))
			balanced &= account_print(captures[i], out);
		balanced &= !capture_failed(captures[i]);
	}
	return balanced;
}

/* Standard output cannot be written to: logs the account. */
static void account_log(char *text)
{
	char *rest, *line = strtok_r(text, "\n", &rest);

	for (; line; line = strtok_r(NULL, "\n", &rest))
		log_error("%s", line);
}

bool account_put(struct capture *const *captures, unsigned count, bool begun, unsigned seconds)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	bool balanced;
	int rc;

	if (!out) {
		log_error("no memory to print the account");
		return false;
	}
	balanced = all_print(captures, count, begun, out);
	rc = fclose(out) ? -ENOMEM : stream_finish(STDOUT_FILENO, text, bytes, seconds);
	if (rc) {
		log_error("the account cannot be written to standard output: %s; logging it:",
			  rc == -ETIMEDOUT ? "it is not read" : failure_text(-rc));
		if (text)
			account_log(text);
	}
	free(text);
	return balanced && rc == 0;
}

void account_put_ended(struct capture *const *captures, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (capture_ended(captures[i]))
			account_put(&captures[i], 1, true, 0);
}
