/* Assertions of what must always hold. A build with -DINVARIANTS (tests/tests.mk makes one) checks
 * them and aborts; in all others nothing is compiled. */
#ifndef INVARIANT_H
#define INVARIANT_H

#ifdef INVARIANTS
#include "log.h"

#include <stdlib.h>

#define invariant(held)                                                                            \
	do {                                                                                       \
		if (!(held)) {                                                                     \
			log_error("%s:%d: invariant does not hold: %s", __FILE__, __LINE__,        \
				  #held);                                                          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
#else
#define invariant(held) ((void)0)
#endif

#endif
