/* The characters of a name. Knows no configuration: afctl reads files' names, too. */
#include "capture_name.h"
#include "sizes.h"

#include <string.h>

bool capture_name_valid(const char *name)
{
	size_t n =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return n > 0 && n < CAPTURE_NAME_BYTES && !name[n] && *name != '.';
}
