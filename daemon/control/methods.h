/* The methods of org.afcap.control. */
#ifndef METHODS_H
#define METHODS_H

#include "varlink_method.h"

/* The methods, ended by a NULL name. Their owner is the struct supervisor. */
extern const struct varlink_method methods_table[];

#endif
