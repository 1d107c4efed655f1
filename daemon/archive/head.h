/* The pcapng blocks around the packets: Section Header and Interface Description at the beginning
 * of a file, the Interface Statistics at its end (draft-ietf-opsawg-pcapng 4.1, 4.2, 4.6). Pure. */
#ifndef HEAD_H
#define HEAD_H

#include "../base/message.h"

#include <stdbool.h>

#define HEAD_BYTES	    4096 /* of every file: a page, filled up by a pad */
#define HEAD_FILTER_MOST    2048 /* a longer filter has no room in a head */
#define HEAD_STATISTICS_MAX 128
#define HEAD_ID_BYTES	    16
#define HEAD_PROGRAM	    "afcapd" /* how `application` begins; its version follows */

/* Fills `page` (HEAD_BYTES). `os` and `application` name who wrote the file; cut at 255 bytes. */
void head_make(uint8_t *page, const struct message_capture *capture, uint32_t worker,
	       const char *os, const char *application);

/* Whether `page` (HEAD_BYTES) is such a head: every length and every option within its block. */
bool head_valid(const uint8_t *page);

/* Whether the first `bytes` of a page, less than HEAD_BYTES, may be of a head that was not written
 * to its end: zeros, or a section's begin that is not another program's. */
bool head_begun(const uint8_t *page, uint32_t bytes);

/* The id of the machine that made the file of a valid head (HEAD_ID_BYTES), within the page; NULL:
 * it is not in there. */
const uint8_t *head_machine(const uint8_t *page);

/* Whether a valid head is one that afcapd made, and for this worker of this capture, where it names
 * one. */
bool head_is_of(const uint8_t *page, const char *capture, uint32_t worker);

/* Fills `block` with the statistics of a finished file; returns the length, at most
 * HEAD_STATISTICS_MAX. */
uint32_t head_statistics(uint8_t *block, const struct ledger_file *file);

#endif
