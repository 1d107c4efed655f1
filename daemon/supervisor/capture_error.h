/* Why a capture cannot run, and the exit code of afcapd for that. */
#ifndef CAPTURE_ERROR_H
#define CAPTURE_ERROR_H

#include "../base/config_error.h"

struct capture_error {
	int exit_code; /* of sysexits.h; 0: there is no error */
	char text[CONFIG_ERROR_BYTES];
};

/* What a fault of a capture's configuration leads to. */
enum capture_fault {
	FAULT_ENDS_DAEMON, /* nothing has begun yet */
	FAULT_FAILS_IT,	   /* added by a restart: the others continue */
	FAULT_IS_RETRIED,  /* it was valid before: the cause is in its environment */
};

/* Fills *error in; returns -1. */
__attribute__((format(printf, 3, 4))) int capture_error(struct capture_error *error, int exit_code,
							const char *format, ...);

#endif
