/* Version, option defaults, error texts. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

AFCAP_PUBLIC const char *afcap_version(void)
{
	return AFCAP_VERSION;
}

AFCAP_PUBLIC void afcap_options_init(struct afcap_options *options)
{
	*options = (struct afcap_options){
		.size = sizeof(*options),
		.socket = -1,
		.ring = { .block_bytes = 512 << 10, .blocks = 128, .block_timeout_ms = 64 },
	};
}

int error_set(struct afcap_error *error, int code, const char *format, ...)
{
	va_list ap;

	if (error) {
		error->code = code;
		va_start(ap, format);
		vsnprintf(error->text, sizeof(error->text), format, ap);
		va_end(ap);
	}
	return -code;
}
