/* A capture's directory for the tests of the archive: a file system in memory, in a mount namespace
 * that ends with the test's process. Needs root. */
#ifndef PLACE_H
#define PLACE_H

#include "../../daemon/archive/file.h"

#include <stddef.h>

#define PLACE_DIRECTORY "/mnt"
#define PLACE_BYTES	(256u << 20)

extern struct directory place;

/* Fixtures: the capture "eth0" in an empty directory; nothing is logged. */
void place_setup(void);
void place_teardown(void);

/* Makes a file of so many bytes: those given, or zeros. */
void place_file(const char *name, const void *bytes, size_t count);

/* Its modification time, which place_file() makes the same for all. */
#define PLACE_FINISHED (UINT64_C(1700000000) * 1000000000)
void place_finished(const char *name, uint64_t ns);

/* Its size, or -1 where there is none. */
int64_t place_size(const char *name);

/* How many names there are. */
unsigned place_count(void);

/* Removes everything, also the directories. */
void place_clear(void);

/* Reads a file; returns its bytes. */
size_t place_read(const char *name, void *bytes, size_t room);

/* What is logged goes to a file from now on; place_logged() is how many lines have `text`. */
void place_log(void);
unsigned place_logged(const char *text);

#endif
