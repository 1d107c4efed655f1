/* Which machine this is, and which boot of it: ids of afcap's own, made from the machine's, which
 * are not to be given away (machine-id(5)). */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdint.h>

/* 16 bytes each; zeros where it is not known. */
void identity_get(uint8_t machine[16], uint8_t boot[16]);

#endif
