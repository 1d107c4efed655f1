/* Methods and their parameters, and org.varlink.service, which every varlink service has. */
#ifndef VARLINK_SERVICE_H
#define VARLINK_SERVICE_H

#include "varlink.h"

/* Calls the method, of `service` (whose `owner` is passed to it) or of org.varlink.service, where
 * its parameters are right; else answers what is wrong. */
void varlink_method_run(const struct varlink_service *service, void *owner,
			struct varlink_call *call, const char *method, json_t *parameters);

#endif
