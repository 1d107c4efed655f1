/* The verbs of afctl, a file each. */
#ifndef VERBS_H
#define VERBS_H

#include "command.h"

extern const struct verb verb_status, verb_stats, verb_rotate, verb_version;

#endif
