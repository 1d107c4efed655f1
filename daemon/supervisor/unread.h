/* How many packets are in a ring that nobody will read. */
#ifndef UNREAD_H
#define UNREAD_H

#include <stdbool.h>
#include <stdint.h>

/* Adds what the ring's blocks hold, whatever its ledger says; nothing comes in any more. False: it
 * is no ring of this shape, or what it holds cannot be known. */
bool unread_count(int ring, uint32_t blocks, uint32_t block_bytes, uint64_t *packets);

#endif
