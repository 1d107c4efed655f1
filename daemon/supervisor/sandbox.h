/* The end of the set-up: the daemon drops its privileges. */
#ifndef SUPERVISOR_SANDBOX_H
#define SUPERVISOR_SANDBOX_H

#include "../base/privileges.h"

/* Becomes the configured user, retains only CAP_NET_RAW (permitted, for workers that start;
 * effective only after privileges_raise()), and applies the list of system calls that it and its
 * children need: others fail with EPERM. Returns 0 or the exit code, the reason logged. */
int supervisor_sandbox(const struct privileges *privileges);

#endif
