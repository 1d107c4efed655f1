/* org.varlink.service, the interface that every varlink service has. */
#ifndef VARLINK_SERVICE_H
#define VARLINK_SERVICE_H

#include "varlink_method.h"

/* The description of the service. */
struct varlink_about {
	const char *vendor, *product, *version, *url;
	const struct varlink_interface *interfaces; /* all of them; ended by a NULL name */
};

/* The interface's row; `about` is borrowed while clients are served. */
struct varlink_interface varlink_service_interface(struct varlink_about *about);

#endif
