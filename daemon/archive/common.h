/* What the directories of one archive process have in common: the files that it has in use, its
 * records of files that it found, and buffers that are too large for a stack. */
#ifndef COMMON_H
#define COMMON_H

#include "foreign.h"
#include "givenup.h"
#include "openfiles.h"

#include "../format/header.h"

#define COMMON_BUFFER_BYTES (1u << 20)

/* Zeros at the start of the process. */
struct common {
	/* Valid within one call */
	_Alignas(FILE_HEADER_BYTES) uint8_t header_page[FILE_HEADER_BYTES]; /* file_header() */
	uint8_t buffer[COMMON_BUFFER_BYTES]; /* of the one file that is read */
	struct openfiles open;
	struct foreign seen;
	struct givenup given_up;
};

#endif
