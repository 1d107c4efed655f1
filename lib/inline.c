/* The inline functions of afcap_inline.h as symbols of the same names: for languages that bind a
 * shared object without compiling C (as liburing-ffi has liburing's). */
#define AFCAP_INLINE __attribute__((visibility("default")))
#include "afcap.h"
