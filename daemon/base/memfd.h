/* Memory that outlives its process (memfd_create(2)): its size. */
#ifndef MEMFD_H
#define MEMFD_H

#include <stddef.h>

/* Fixes the size for good. Returns 0 or -errno of fcntl(2). */
int memfd_seal(int fd);

/* Whether it can be mapped and read without a SIGBUS, whoever else has the descriptor: it has
 * exactly so many bytes and none of them can go (F_SEAL_SHRINK of fcntl(2); mmap(2) says that a
 * page behind the end of a file raises the signal). To be asked of every descriptor that another
 * process passed. Returns 0; -EPROTO: it is none, or of another size; -errno of fstat(2). */
int memfd_check(int fd, size_t bytes);

#endif
