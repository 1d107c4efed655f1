/* A packet socket with a small ring, as the previous instance leaves one. Needs root. */
#ifndef PACKETRING_H
#define PACKETRING_H

#include <stdint.h>

#define PACKETRING_BLOCKS      4
#define PACKETRING_BLOCK_BYTES 65536

/* It is bound to this device (0: none, it takes nothing). Returns the descriptor; -1: not root. */
int packetring_open(int ifindex);

/* As if the kernel had filled its headers, each with 3 packets, the first block handed over and the
 * second in progress: 6 packets are unread. */
void packetring_fill(int fd);

#endif
