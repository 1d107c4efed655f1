/* Messages for the user about the configuration: what, where, which rule. */
#ifndef CONFIG_ERROR_H
#define CONFIG_ERROR_H

#include "config.h"

#include <stddef.h>

#define CONFIG_ERROR_BYTES 2048

struct config_error {
	char text[CONFIG_ERROR_BYTES];
};

/* Stores a message in *error and returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int config_fail(struct config_error *error,
						      const char *format, ...);

/* Where a key of [daemon] was set: "FILE:LINE", "-o daemon.KEY", or FILE where it was not. Returns
 * `buffer`. */
const char *config_where_daemon(const struct config *config, const char *key, char *buffer,
				size_t size);

/* Where a key of a capture was set, or its section where it was not. */
const char *config_where(const struct config *config, const struct config_capture *capture,
			 const char *key, char *buffer, size_t size);

#endif
