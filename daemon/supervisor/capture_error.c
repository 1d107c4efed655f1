/* Fills in the error. */
#include "capture_error.h"

#include <stdarg.h>
#include <stdio.h>

int capture_error(struct capture_error *error, int exit_code, const char *format, ...)
{
	va_list ap;

	error->exit_code = exit_code;
	va_start(ap, format);
	vsnprintf(error->text, sizeof(error->text), format, ap);
	va_end(ap);
	return -1;
}
