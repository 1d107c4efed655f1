/* Files in use, or ended and not finished yet, that another program removed, moved away, emptied or
 * replaced: what was written to them counts as discarded_file_lost
 * ((T4) of tally.h). */
#ifndef LOST_H
#define LOST_H

#include "../base/ledger.h"

struct capture;
struct output_file;
struct slot;

/* Has the file in use looked at, and named where that failed. Twice a second or so. */
void lost_tick(struct slot *slot);

/* A look, or the naming, has shown that the file is gone: the worker continues in the next one. */
void lost_seen(struct slot *slot, struct output_file *file, const char *what);

/* A file has ended as lost. `what` is for the log. */
void lost_ended(struct slot *slot, const struct ledger_file *record, uint64_t kept,
		const char *what);

/* The file that the ledger, or the record of the previous instance, tells of is not there. */
void lost_missing(struct slot *slot, uint64_t serial);

/* What readers are told of it: fills capture->files_reason, "" where all is well. */
void lost_reason(struct capture *capture);

#endif
