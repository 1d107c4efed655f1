/* Text from outside (names of files, of interfaces) as a terminal, a journal and JSON can take it.
 * Pure. */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include <stddef.h>

/* Copies `text` to `out` (room bytes, at least 1), cut where it does not fit: control characters
 * (C0, DEL, C1) and bytes that are no UTF-8 as \xNN, all else as it is. A line stays one line, and
 * contains no terminal control sequences. */
void printable(char *out, size_t size, const char *text);

#endif
