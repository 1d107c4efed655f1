/* calloc() without memory: the linker puts nomemory.c in its place. */
#ifndef NOMEMORY_H
#define NOMEMORY_H

#include <stdbool.h>
#include <stddef.h>

extern bool no_memory;	    /* every call fails while this is set */
extern size_t no_memory_of; /* those of just so many bytes; 0: none */

#endif
