/* Which machine this is, and which boot of it: ids of afcap's own, made from the machine's, which
 * are not to be given away (machine-id(5)). */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "../base/sizes.h"

#include <stdint.h>

/* Zeros where it is not known. */
void identity_get(uint8_t machine[ID_BYTES], uint8_t boot[ID_BYTES]);

#endif
