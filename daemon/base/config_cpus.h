/* The CPUs of a capture's workers, and how many workers it has. */
#ifndef CONFIG_CPUS_H
#define CONFIG_CPUS_H

#include "config.h"

#include <stdbool.h>

/* The number of workers: as configured, or one for each CPU this process may use, at most 8. */
unsigned config_workers(const struct config_capture *capture);

/* The CPU that worker number `worker` runs on: the one with that number in the capture's list, or
 * -1 for any. `workers` is the resolved number of workers. */
int config_cpu(const struct config_capture *capture, unsigned workers, unsigned worker);

/* Whether a list like 0-3,8 can be read. */
bool config_cpus_valid(const char *text);

#endif
