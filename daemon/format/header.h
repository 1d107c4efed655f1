/* The pcapng blocks around the packets: Section Header and Interface Description at the beginning
 * of a file, the Interface Statistics at its end (draft-ietf-opsawg-pcapng 4.1, 4.2, 4.6). Pure. */
#ifndef HEADER_H
#define HEADER_H

#include "../base/ledger.h"
#include "../base/sizes.h"

#include <stdbool.h>
#include <stdint.h>

#define FILE_HEADER_BYTES     LEDGER_FILE_BEGIN /* of every file: a page, filled up by a pad */
#define HEADER_FILTER_MAX     2048		/* a longer filter has no room in it */
#define HEADER_STATISTICS_MAX 128
#define HEADER_PROGRAM	      "afcapd" /* how `application` begins; its version follows */

/* What a header says. All is borrowed. */
struct header {
	const char *capture;
	uint32_t worker;
	uint32_t link_type;
	const char *interface;	       /* as it is configured */
	const char *device;	       /* as the kernel calls it; empty: not known */
	const char *filter;	       /* less than FILTER_BYTES */
	const uint8_t *machine, *boot; /* ID_BYTES each; zeros: not known */
	const char *os, *application;  /* of the system that wrote the file; cut at 255 bytes */
};

/* Fills `page` (FILE_HEADER_BYTES). */
void header_make(uint8_t *page, const struct header *header);

/* Whether `page` (FILE_HEADER_BYTES) is such a header: every length and every option within its
 * block.
 */
bool header_valid(const uint8_t *page);

/* Whether the first `bytes` of a page, less than FILE_HEADER_BYTES, may be of a header that was not
 * written to its end: zeros, or a section's begin that is not another program's. */
bool header_begun(const uint8_t *page, uint32_t bytes);

/* The id of the machine that made the file of a valid header, then that of its boot (ID_BYTES
 * each), within the page; NULL: they are not in there. */
const uint8_t *header_machine(const uint8_t *page);

/* Whether a valid header is one that afcapd made, and for this worker of this capture, where it
 * names one. */
bool header_is_of(const uint8_t *page, const char *capture, uint32_t worker);

/* Fills `block` with the statistics of a finished file; returns the length, at most
 * HEADER_STATISTICS_MAX. */
uint32_t header_statistics(uint8_t *block, const struct ledger_file *file);

#endif
