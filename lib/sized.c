/* Structs of callers that may be older or newer than the library: they begin with their size. */
#include "internal.h"

#include <errno.h>
#include <string.h>

#define SIZED_MAX 4096u /* no struct of options is larger: no more of a caller's memory is read */

void sized_init(void *to, size_t size, const void *from, size_t bytes)
{
	memset(to, 0, size);
	memcpy(to, from, size < bytes ? size : bytes);
	memcpy(to, &size, sizeof(size));
}

int sized_read(void *to, size_t bytes, const void *from, const char *what,
	       struct afcap_error *error)
{
	const uint8_t *given = from;
	size_t size;

	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size) || size % sizeof(size))
		return error_set(error, EINVAL, "%s of %zu bytes: call afcap_%s_init()", what, size,
				 what);
	if (size > SIZED_MAX)
		return error_set(error, E2BIG, "%s of %zu bytes: at most %u", what, size,
				 SIZED_MAX);
	for (size_t i = bytes; i < size; i++)
		if (given[i])
			return error_set(error, E2BIG,
					 "%s of %zu bytes, of which this version (%s) knows %zu: "
					 "byte %zu is set",
					 what, size, AFCAP_VERSION, bytes, i);
	memcpy(to, from, size < bytes ? size : bytes);
	memcpy(to, &bytes, sizeof(bytes));
	return 0;
}

void sized_write(void *to, const void *from, size_t bytes)
{
	size_t size;

	memcpy(&size, to, sizeof(size));
	memcpy(to, from, size < bytes ? size : bytes);
	memcpy(to, &size, sizeof(size));
}
