/* Where a slot's packets go, without a slot: an output with its ledger and counters, its archive
 * process is archiveside.h's, and its worker the test. */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include "../../daemon/supervisor/output.h"

#include <event2/event.h>

#define OUTPUTS_LATER UINT64_C(2000000000) /* ns: by then what failed is tried again */

struct outputs {
	struct event_base *base;
	struct files *files;
	struct tally tally;
	struct checkpoint_slot saved;
	struct ledger *ledger;
	int failure; /* enum output_failure of the last file that could not be made; -1: none */
};

extern struct outputs outputs;
extern struct slot_output output; /* worker 0 of capture 0, "a" */

/* Fixtures: it has not begun; what is logged is place_logged(). */
void outputs_setup(void);
void outputs_teardown(void);

/* Both files are made, and the worker has them. `used`: there are ten packets in the first one,
 * which has its name. */
void outputs_begin(bool used);

/* A file that holds `packets` packets behind `before` in others; 0: it is not used yet. */
struct ledger_file outputs_record(uint64_t serial, uint64_t packets, uint64_t before);

/* Nothing, as what was before a first file. */
extern const struct ledger_file outputs_none;

/* The worker commits that its file holds so many packets; outputs_write(): and reports that;
 * outputs_move(): and that it continues in the next one, in which there is nothing yet. */
void outputs_commit(uint64_t serial, uint64_t packets);
void outputs_write(uint64_t serial, uint64_t packets);
void outputs_move(uint64_t serial, uint64_t packets);

/* What the worker is sent next: this file; this message, with `suspended` where it says that;
 * nothing. */
void outputs_offered(uint64_t serial);
void outputs_told(uint32_t type, bool suspended);
void outputs_told_nothing(void);

#endif
