/* The pcapng blocks around the packets: Section Header and Interface Description at the beginning
 * of a file, the Interface Statistics at its end (draft-ietf-opsawg-pcapng 4.1, 4.2, 4.6). Pure. */
#ifndef HEADER_H
#define HEADER_H

#include "../base/ledger.h"
#include "../base/sizes.h"

#include <stdbool.h>
#include <stdint.h>

#define FILE_HEADER_BYTES     LEDGER_FILE_BEGIN /* of every file: one page, padded */
#define HEADER_FILTER_MAX     2048		/* a longer filter is left out */
#define HEADER_STATISTICS_MAX 128
#define HEADER_PROGRAM	      "afcapd" /* prefix of `application`; the version follows */

/* The contents of a header. All pointers are borrowed. */
struct header {
	const char *capture;
	uint32_t worker;
	uint32_t link_type;
	const char *interface;	       /* as configured */
	const char *device;	       /* the kernel's name; empty: unknown */
	const char *filter;	       /* less than FILTER_BYTES */
	const uint8_t *machine, *boot; /* ID_BYTES each; zeros: unknown */
	const char *os, *application;  /* of the writing system; cut at 255 bytes */
};

/* Fills `page` (FILE_HEADER_BYTES). */
void header_make(uint8_t *page, const struct header *header);

/* Whether `page` (FILE_HEADER_BYTES) is a valid header: all lengths and options lie within their
 * blocks. */
bool header_valid(const uint8_t *page);

/* Whether the first `bytes` of a page, less than FILE_HEADER_BYTES, may be a partly written header:
 * zeros, or the beginning of a section that is not another program's. */
bool header_begun(const uint8_t *page, uint32_t bytes);

/* Returns the machine id in a valid header, followed by the boot id (ID_BYTES each); points into
 * the page. NULL: the header has none. */
const uint8_t *header_machine(const uint8_t *page);

/* Whether a valid header was written by afcapd and, if it names a capture and a worker, names
 * these. */
bool header_is_of(const uint8_t *page, const char *capture, uint32_t worker);

/* Fills `block` with the statistics of a finished file; returns the length, at most
 * HEADER_STATISTICS_MAX. */
uint32_t header_statistics(uint8_t *block, const struct ledger_file *file);

#endif
