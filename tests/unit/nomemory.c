/* The double of calloc(3). */
#include "nomemory.h"

#include <errno.h>
#include <stddef.h>

bool no_memory;

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes)
{
	if (!no_memory)
		return __real_calloc(count, bytes);
	errno = ENOMEM;
	return NULL;
}
