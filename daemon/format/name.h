/* The names of a capture's files. Pure.
 *
 *   NAME-YYYYMMDDTHHMMSS.UUUUUUZ-wW.pcapng            finished
 *   NAME-YYYYMMDDTHHMMSS.UUUUUUZ-wW.suspect.pcapng    finished, but a write or the sync failed
 *   NAME-YYYYMMDDTHHMMSS.UUUUUUZ-wW.pcapng.partial    being written
 *   .NAME-wW-TOKEN-SERIAL.spare                       made ahead; TOKEN, hexadecimal, is the
 *                                                     daemon's, SERIAL the file's
 *
 * so that a listing by name is one by time. Version 0.1.0 had the worker in front of the time,
 * NAME-wW-YYYYMMDDTHHMMSS.UUUUUUZ: such files are the capture's like all others, and keep their
 * names.
 *
 * NAME may hold '-', digits and dots itself, and what looks like a worker or a time: a name is read
 * from the right. */
#ifndef NAME_H
#define NAME_H

#include "../base/sizes.h"

#include <stdbool.h>
#include <stdint.h>

enum name_kind { NAME_FINISHED, NAME_SUSPECT, NAME_PARTIAL, NAME_SPARE };

struct name {
	enum name_kind kind;
	uint32_t worker;
	uint64_t time_us;  /* of the first use, since 1970, UTC; a spare has none: 0 */
	bool worker_first; /* as version 0.1.0 wrote it; never a spare */
};

/* Writes the name of any kind but a spare to `text`, which has FILE_NAME_BYTES. */
void name_make(char *text, const char *capture, const struct name *name);

/* Likewise, of a spare. */
void name_make_spare(char *text, const char *capture, uint32_t worker, uint64_t token,
		     uint64_t serial);

/* Whether `text` is, to the byte, a name that is made here for this capture; then *name says which.
 */
bool name_parse(struct name *name, const char *text, const char *capture);

/* Whether it is one for any capture that can be configured; then `capture`, which has
 * CAPTURE_NAME_BYTES, says which. */
bool name_read(struct name *name, const char *text, char *capture);

#endif
