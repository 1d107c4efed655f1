/* Where a slot's packets go: the file in use and the spare file, which the worker continues in when
 * the first one ends. Decides what the worker is to be sent of them, and never sends it itself.
 *
 * Invariants (output_check()):
 * (O1) The worker is offered the spare file only after the current one.
 * (O2) Without a current file there is no spare file.
 * (O3) Which file is current changes only by what a worker or its ledger says, and by one step: the
 *      file after the spare one does not exist before that. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "files.h"
#include "tally.h"

/* For want of what a file cannot be made, or a write was refused. */
enum output_lack { LACKS_NOTHING, LACKS_SPACE, LACKS_INODES, LACKS_QUOTA };

struct slot_output {
	struct files *files; /* borrowed, as all of these */
	struct archive_target target;
	const char *capture; /* its name */
	struct tally *tally;
	struct ledger *ledger;
	struct checkpoint_slot *saved;

	struct output_file *current, *spare;
	unsigned offered;	   /* of these, to the worker that there is: 0 to 2 */
	struct ledger_file record; /* the current file, as it was reported last */
	enum output_lack lack;	   /* of a file that could not be made */
	bool reserve_gone;	   /* nothing may be written, since disk_reserve is not kept */
	bool suspended;		   /* as the worker was told */
	bool rotate;		   /* the worker is to be told */
	int open_error;		   /* errno of making a file, logged last */
	uint64_t retry_ns;	   /* monotonic: files that are MISSING are not asked for before */
	uint64_t rotating;	   /* files below this serial are waited for; 0: none */
	unsigned finishing;	   /* files that the archive has to finish */
	uint64_t lost_ns;	   /* monotonic: when a file was lost last; 0: never */
};

/* Nothing yet; `saved` is the slot's, as `tally` and `ledger` are. */
void output_init(struct slot_output *output, struct files *files, const char *capture,
		 const struct archive_target *target);

/* What must be true of it, in builds that check invariants. */
void output_check(const struct slot_output *output);

/* Asks for the first two files. Returns 0 or -ENOMEM. */
int output_begin(struct slot_output *output);

/* No process writes any more: `record` is the current file's last. */
void output_end(struct slot_output *output, const struct ledger_file *record);

/* After output_end(), or where the next instance is to have them. */
void output_free(struct slot_output *output);

/* ---- what the previous instance left: see inherited_files.h ---- */

/* Whether the file that the worker continues in is still sought. */
bool output_awaits(const struct slot_output *output);

/* Whether any is still sought: nothing may be repaired until then, also by making room. */
bool output_seeks(const struct slot_output *output);

/* Asks for the spare file where there is none; not while any output of the capture seeks. */
void output_spare(struct slot_output *output);

/* ---- the worker ---- */

/* A new one: it has none of the files yet. */
void output_forget(struct slot_output *output);

/* What the worker has to be sent next; `fd` is borrowed, -1: none. False: nothing. To be called
 * until then, while there is a worker that has its ring. */
bool output_message(struct slot_output *output, struct message *message, int *fd);

/* Whether a worker may report this file: it may report anything. */
bool output_known(const struct slot_output *output, const struct ledger_file *record);

/* Which file is current, as the worker or its ledger says. */
void output_follow(struct slot_output *output, const struct ledger_file *current,
		   const struct ledger_file *previous);

/* disk_reserve is, or is not, kept. */
void output_reserve(struct slot_output *output, bool gone);

/* Whether packets are to be discarded for want of room. */
bool output_suspended(const struct slot_output *output);

/* What a write, which was refused with this errno (0: none), or the making of a file lacks. */
enum output_lack output_lacks(const struct slot_output *output, int refused);

/* ---- the files ---- */

/* Twice a second or so: what could not be made or named is tried again, the file in use is looked
 * at. */
void output_tick(struct slot_output *output, uint64_t now_ns);

/* Has what is written so far synced. */
void output_sync(struct slot_output *output);

/* The worker is to continue in the next file, if the current one has packets. */
void output_rotate(struct slot_output *output);

/* Whether it has not yet, or files before that are not finished. */
bool output_rotating(const struct slot_output *output);

/* Whether its file cannot end: there is no room for the next one. */
bool output_stuck(const struct slot_output *output);

/* ---- what the archive answers: struct files_events ---- */

void output_opened(struct slot_output *output, struct output_file *file);
void output_finished(struct slot_output *output, const struct ledger_file *record, bool spoiled,
		     const struct message_result *result);
void output_astray(struct slot_output *output, struct output_file *file, const char *what);
void output_spoiled(struct slot_output *output, struct output_file *file);

void output_retained(struct slot_output *output, const struct message_result *result);

enum output_failure {
	OUTPUT_HANDLED,	      /* tried again when there is room */
	OUTPUT_REFUSED,	      /* it cannot be made: to be logged; tried again */
	OUTPUT_REFUSED_AGAIN, /* likewise, as it was logged */
};

/* A file could not be made. */
enum output_failure output_failed(struct slot_output *output, struct output_file *file,
				  const struct message_result *result);

/* ---- for inherited_files.c ---- */

/* The file is written to no more: it is finished, if it was ever used; one that is still sought as
 * soon as it is found. */
void output_file_end(struct slot_output *output, struct output_file *file,
		     const struct ledger_file *record);

/* The file is lost, but for `kept` packets that can still be read. `what` is for the log. */
void output_lose(struct slot_output *output, const struct ledger_file *record, uint64_t kept,
		 const char *what);

/* What is MISSING is not asked for again at once. */
void output_later(struct slot_output *output);

/* A line about one of its files; NULL: about the worker. */
#define output_log(output, file, level, ...)                                                       \
	log_about(level,                                                                           \
		  &(struct log_subject){ (output)->capture, (int)(output)->target.worker, file },  \
		  __VA_ARGS__)

#endif
