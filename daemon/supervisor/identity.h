/* Identifies this machine and this boot by ids specific to afcap, derived from the machine's id,
 * which must not be disclosed (machine-id(5)). */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "../base/sizes.h"

#include <stdint.h>

/* Zeros if unknown. */
void identity_get(uint8_t machine[ID_BYTES], uint8_t boot[ID_BYTES]);

#endif
