/* The administrator: writes a configuration, and another one. */
#ifndef ADMIN_H
#define ADMIN_H

#include "../../daemon/base/config.h"

#include <stdbool.h>

#define ADMIN_CAPTURES 3
#define ADMIN_WORKERS  3 /* at most, of each */

/* Chooses the first configuration. */
void admin_begin(void);

/* Changes it: sections come, go, and change. Where nothing is `left` of an earlier instance there
 * is one at least. */
void admin_change(bool left);

/* As it is now. */
void admin_config(struct config *config);

#endif
