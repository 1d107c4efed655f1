/* The names of a capture's files. Pure.
 *
 *   NAME-YYYYMMDDTHHMMSS.UUUUUUZ-wW.pcapng            finished
 *   NAME-YYYYMMDDTHHMMSS.UUUUUUZ-wW.suspect.pcapng    finished, but a write or the sync failed
 *   NAME-YYYYMMDDTHHMMSS.UUUUUUZ-wW.pcapng.partial    being written
 *   .NAME-wW-TOKEN-SERIAL.spare                       spare file; TOKEN, hexadecimal, is the
 *                                                     daemon's, SERIAL the file's
 *
 * so that sorting by name sorts by time. Version 0.1.0 put the worker before the time,
 * NAME-wW-YYYYMMDDTHHMMSS.UUUUUUZ: such files belong to the capture like all others and keep their
 * names.
 *
 * NAME itself may contain '-', digits, dots, and text that looks like a worker or a time: names are
 * parsed from the right. */
#ifndef NAME_H
#define NAME_H

#include "../base/sizes.h"

#include <stdbool.h>
#include <stdint.h>

enum name_kind { NAME_FINISHED, NAME_SUSPECT, NAME_PARTIAL, NAME_SPARE };

struct name {
	enum name_kind kind;
	uint32_t worker;
	uint64_t time_us;  /* of the first packet, since 1970, UTC; 0 for a spare file */
	bool worker_first; /* version 0.1.0's order; never a spare file */
};

/* Writes a name of any kind but NAME_SPARE to `text` (FILE_NAME_BYTES). */
void name_make(char *text, const char *capture, const struct name *name);

/* Likewise, for a spare file. */
void name_make_spare(char *text, const char *capture, uint32_t worker, uint64_t token,
		     uint64_t serial);

/* Whether `text` is exactly a name that name_make() or name_make_spare() makes for this capture;
 * fills in *name if so. */
bool name_parse(struct name *name, const char *text, const char *capture);

/* Likewise, for any capture that can be configured; also fills in `capture`
 * (CAPTURE_NAME_BYTES). */
bool name_read(struct name *name, const char *text, char *capture);

#endif
