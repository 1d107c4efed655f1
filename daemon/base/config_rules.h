/* The rules between keys, and defaults that depend on other keys. */
#ifndef CONFIG_RULES_H
#define CONFIG_RULES_H

#include "config_error.h"

/* After the last change: fills in those defaults and checks the rules. Returns 0, or -EINVAL with
 * *error. */
int config_finish(struct config *config, struct config_error *error);

#endif
