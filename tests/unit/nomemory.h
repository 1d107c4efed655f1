/* calloc() without memory: the linker puts nomemory.c in its place. */
#ifndef NOMEMORY_H
#define NOMEMORY_H

#include <stdbool.h>

extern bool no_memory; /* every call fails while this is set */

#endif
