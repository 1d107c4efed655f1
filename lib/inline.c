/* The inline functions of afcap_inline.h once more, as symbols of the same names: for languages
 * that bind a shared object and compile no C (as liburing-ffi has liburing's). */
#define AFCAP_INLINE __attribute__((visibility("default")))
#include "afcap.h"
