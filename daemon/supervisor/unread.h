/* The number of packets in a ring that no process will read. */
#ifndef UNREAD_H
#define UNREAD_H

#include <stdbool.h>
#include <stdint.h>

/* Adds the packets in the ring's blocks, whatever its ledger says; the ring must not accept packets
 * any more. False: it is no ring of this geometry, or the number is unknown. */
bool unread_count(int ring, uint32_t blocks, uint32_t block_bytes, uint64_t *packets);

#endif
