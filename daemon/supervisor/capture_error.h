/* Why a capture cannot be, and what afcapd exits with for that. */
#ifndef CAPTURE_ERROR_H
#define CAPTURE_ERROR_H

#include "../base/config_error.h"

struct capture_error {
	int exit_code; /* of sysexits.h; 0: there is no error */
	char text[CONFIG_ERROR_BYTES];
};

/* Fills *error in; returns -1. */
__attribute__((format(printf, 3, 4))) int capture_error(struct capture_error *error, int exit_code,
							const char *format, ...);

#endif
