/* The output files of a slot: the file in use and the spare file, in which the worker continues
 * when the first one ends. Decides what the worker must be sent about them, and never sends it
 * itself.
 *
 * Invariants (output_check()):
 * (O1) The worker is offered the spare file only after the current one.
 * (O2) Without a current file there is no spare file.
 * (O3) The current file changes only by a worker's report or its ledger, and by one step: the file
 *      after the spare file does not exist before that. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "files.h"
#include "tally.h"

/* The lack for which a file cannot be made, or a write was refused. */
enum output_lack { LACKS_NOTHING, LACKS_SPACE, LACKS_INODES, LACKS_QUOTA };

struct slot_output {
	struct files *files; /* borrowed, as all of these */
	struct archive_target target;
	const char *capture; /* its name */
	struct tally *tally;
	struct ledger *ledger;
	struct checkpoint_slot *saved;

	struct output_file *current, *spare;
	unsigned offered;	   /* the number of these offered to the current worker: 0 to 2 */
	struct ledger_file record; /* the current file, as last reported */
	enum output_lack lack;	   /* of a file that could not be made */
	bool reserve_gone;	   /* nothing may be written, as disk_reserve is not met */
	bool suspended;		   /* as last sent to the worker */
	bool rotate;		   /* to be sent to the worker */
	int open_error;		   /* errno of making a file, logged last */
	uint64_t retry_ns;	   /* monotonic: MISSING files are not requested before */
	uint64_t rotating;	   /* waits for files below this serial; 0: none */
	unsigned finishing;	   /* files that the archive must finish */
	uint64_t lost_ns;	   /* monotonic: when a file was lost last; 0: never */
};

/* Without files; the slot owns `saved`, `tally` and `ledger`. */
void output_init(struct slot_output *output, struct files *files, const char *capture,
		 const struct archive_target *target);

/* Checks its invariants, in builds that do so. */
void output_check(const struct slot_output *output);

/* Requests the first two files. Returns 0 or -ENOMEM. */
int output_begin(struct slot_output *output);

/* No process writes any more: `record` is the last one of the current file. */
void output_end(struct slot_output *output, const struct ledger_file *record);

/* Frees the files, after output_end(), or to leave them to the next instance. */
void output_free(struct slot_output *output);

/* ---- what the previous instance left: see inherited_files.h ---- */

/* Whether the file in which the worker continues is still sought. */
bool output_awaits(const struct slot_output *output);

/* Whether any file is still sought: nothing may be repaired or removed until then. */
bool output_seeks(const struct slot_output *output);

/* Requests a spare file if there is none; not while any output of the capture is seeking. */
void output_spare(struct slot_output *output);

/* ---- the worker ---- */

/* A new worker has started: it has none of the files yet. */
void output_forget(struct slot_output *output);

/* The next message for the worker; `fd` is borrowed, -1: none. False: none. To be called repeatedly
 * while there is a worker that has its ring. */
bool output_message(struct slot_output *output, struct message *message, int *fd);

/* Whether a report of this file is valid. */
bool output_known(const struct slot_output *output, const struct ledger_file *record);

/* The serial of the last file that a ledger may be in; UINT64_MAX: of any. */
uint64_t output_serial_max(const struct slot_output *output);

/* Updates the current file by a worker's report or its ledger. */
void output_follow(struct slot_output *output, const struct ledger_file *current,
		   const struct ledger_file *previous);

/* Sets whether disk_reserve is met. */
void output_reserve(struct slot_output *output, bool gone);

/* Whether packets must be discarded for lack of space. */
bool output_suspended(const struct slot_output *output);

/* The lack for which a write was refused with this errno (0: none), or a file could not be made. */
enum output_lack output_lacks(const struct slot_output *output, int refused);

/* ---- the files ---- */

/* To be called about twice a second: retries to make and name files, and checks the file in use. */
void output_tick(struct slot_output *output, uint64_t now_ns);

/* Requests a sync of the data written so far. */
void output_sync(struct slot_output *output);

/* Requests that the worker continue in the next file, if the current one has packets. */
void output_rotate(struct slot_output *output);

/* Whether a rotation is in progress, or earlier files are not finished. */
bool output_rotating(const struct slot_output *output);

/* Whether its file cannot end, as there is no space for the next one. */
bool output_stuck(const struct slot_output *output);

/* ---- what the archive answers: struct files_events ---- */

void output_opened(struct slot_output *output, struct output_file *file);
void output_finished(struct slot_output *output, const struct ledger_file *record, bool spoiled,
		     const struct message_result *result);
void output_astray(struct slot_output *output, struct output_file *file, const char *what);
void output_spoiled(struct slot_output *output, struct output_file *file);

void output_retained(struct slot_output *output, const struct message_result *result);

enum output_failure {
	OUTPUT_HANDLED,	      /* retried when there is space */
	OUTPUT_REFUSED,	      /* it cannot be made: to be logged; retried */
	OUTPUT_REFUSED_AGAIN, /* likewise, as it was logged */
};

/* A file could not be made. */
enum output_failure output_failed(struct slot_output *output, struct output_file *file,
				  const struct message_result *result);

/* ---- for inherited_files.c ---- */

/* The file is no longer written to: it is finished, if it was ever used; if it is still sought, as
 * soon as it is found. */
void output_file_end(struct slot_output *output, struct output_file *file,
		     const struct ledger_file *record);

/* The file is lost, but for `kept` packets that can still be read. `what` is for the log. */
void output_lose(struct slot_output *output, const struct ledger_file *record, uint64_t kept,
		 const char *what);

/* A MISSING file is not requested again at once. */
void output_later(struct slot_output *output);

/* A line about one of its files; NULL: about the worker. */
#define output_log(output, file, level, ...)                                                       \
	log_about(level,                                                                           \
		  &(struct log_subject){ (output)->capture, (int)(output)->target.worker, file },  \
		  __VA_ARGS__)

#endif
