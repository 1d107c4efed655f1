/* The double of calloc(3). */
#include "nomemory.h"

#include <errno.h>
bool no_memory;
size_t no_memory_of;

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes)
{
	if (!no_memory && (!no_memory_of || count * bytes != no_memory_of))
		return __real_calloc(count, bytes);
	errno = ENOMEM;
	return NULL;
}
