/* The end of the set-up: from here on the daemon is nobody's root. */
#ifndef SUPERVISOR_SANDBOX_H
#define SUPERVISOR_SANDBOX_H

#include "../base/privileges.h"

/* Becomes the configured user, keeps CAP_NET_RAW alone (permitted, to be given to workers that
 * begin; effective only where privileges_raise() says so), and the list of system calls that it and
 * its children need at most: others fail with EPERM. Returns 0 or the exit code, told. */
int supervisor_sandbox(const struct privileges *privileges);

#endif
