/* What afctl prints: tables, and JSON. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <jansson.h>
#include <stdbool.h>

enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* Whether to use colors on stdout. */
bool output_colored(enum color color);

/* Compact JSON and a newline, flushed. */
void output_json(const json_t *value);

/* `afctl status`: captures and their workers. */
void output_status(const json_t *parameters, bool colored);

/* Whether a capture of `status` is healthy: it runs, and no worker is missing. */
bool output_good(const json_t *capture);

/* `afctl stats`: all counters, a row each, a column for each worker and the sum. */
void output_stats(const json_t *parameters, bool colored);

/* `afctl stats --watch`: one line a capture, with what changed since the answer `before`.
 */
void output_watch(const json_t *parameters, const json_t *before, double seconds);
void output_watch_header(void);

#endif
