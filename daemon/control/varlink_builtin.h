/* org.varlink.service, which every varlink service has. */
#ifndef VARLINK_BUILTIN_H
#define VARLINK_BUILTIN_H

#include "varlink.h"

/* Answers what `service` has no method for: its own description, or which part of the name is
 * unknown. */
void varlink_builtin_run(const struct varlink_service *service, struct varlink_call *call,
			 const char *method, json_t *parameters);

#endif
