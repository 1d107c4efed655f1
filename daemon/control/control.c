/* The control socket, its access rights, and the interfaces served there. */
#include "control.h"
#include "interface.h"
#include "listener.h"
#include "methods.h"
#include "peer.h"
#include "unixsocket.h"
#include "varlink_service.h"

#include "../base/log.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { INTERFACE_SERVICE, INTERFACE_CONTROL, INTERFACE_COUNT };

struct control {
	struct event_base *base;
	char path[PATH_BYTES]; /* to be removed at the end; empty: the socket was passed in */
	int listener;
	struct varlink *varlink;
	gid_t askers, admins; /* -1: none */
	char *description;
	char asks_text[2 * ACCOUNT_BYTES + 128], change_text[ACCOUNT_BYTES + 128];
	struct varlink_interface interfaces[INTERFACE_COUNT + 1]; /* ended by a NULL name */
	struct varlink_about about;
	struct varlink_service service;
};

static enum varlink_access control_access(void *context, int socket)
{
	static const enum varlink_access access[] = {
		[PEER_NOTHING] = VARLINK_NOTHING,
		[PEER_ASK] = VARLINK_READ,
		[PEER_CHANGE] = VARLINK_CHANGE,
	};
	const struct control *control = context;

	return access[peer_rights(socket, control->askers, control->admins)];
}

static void control_call(void *context, struct varlink_call *call, const char *method,
			 json_t *parameters)
{
	const struct control *control = context;

	varlink_method_run(control->interfaces, call, method, parameters);
}

/* Looked up once: a name service may be slow. */
static gid_t group_find(const char *name, const char *without)
{
	struct group *group = *name ? getgrnam(name) : NULL;

	if (*name && !group)
		log_info("no group %s: %s", name, without);
	return group ? group->gr_gid : (gid_t)-1;
}

/* Returns 0, or the exit code, the reason logged. */
static int listener_open(struct control *c, const struct config *config, int handed)
{
	if (handed != -ENOENT) {
		c->listener = handed;
		return listener_adopt(handed, "control", config->daemon.control, false);
	}
	/* Every client may connect: its credentials are checked, and a refusal is answered with the
	 * reason */
	c->listener = unixsocket_listen(config->daemon.control, 0666);
	if (c->listener >= 0) {
		memcpy(c->path, config->daemon.control, sizeof(c->path));
		log_info("control: listening at %s", c->path);
		return 0;
	}
	log_error("control = %s: %s", config->daemon.control, unixsocket_error(c->listener));
	return c->listener == -EACCES || c->listener == -EPERM ? EX_NOPERM
	       : c->listener == -ENAMETOOLONG		       ? EX_CONFIG
							       : EXIT_FAILURE;
}

/* The texts that name the clients with access, by the groups that exist: a configured one may not
 * exist. */
static void text_make(struct control *c, const struct config_daemon *d)
{
	const char *ask = c->askers == (gid_t)-1 ? NULL : d->control_group,
		   *change = c->admins == (gid_t)-1 ? NULL : d->control_admins;

	snprintf(c->change_text, sizeof(c->change_text), "%s%s may do this",
		 change ? "root, the daemon's user and the group " : "root and the daemon's user",
		 change ? change : "");
	snprintf(c->asks_text, sizeof(c->asks_text), "%s%s%s%s%s may read",
		 ask || change ? "root, the daemon's user and " : "root and the daemon's user",
		 ask && change	 ? "the groups "
		 : ask || change ? "the group "
				 : "",
		 ask	  ? ask
		 : change ? change
			  : "",
		 ask && change ? " and " : "", ask && change ? change : "");
}

static void interfaces_make(struct control *c)
{
	c->about = (struct varlink_about){
		.vendor = "afcap",
		.product = "afcapd",
		.version = AFCAP_VERSION,
		.url = "man:afcapd(8)",
		.interfaces = c->interfaces,
	};
	c->interfaces[INTERFACE_SERVICE] = varlink_service_interface(&c->about);
	c->interfaces[INTERFACE_CONTROL] = (struct varlink_interface){
		.name = INTERFACE,
		.description = c->description,
		.methods = methods_table,
		.denied = { INTERFACE ".PermissionDenied", c->change_text },
	};
}

int control_new(struct control **out, struct event_base *base, const struct config *config,
		int listener)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return EXIT_FAILURE;
	c->base = base;
	c->askers = group_find(config->daemon.control_group, "only root, this user and "
							     "control_admins may ask");
	c->admins = group_find(config->daemon.control_admins, "only root and this user may change "
							      "anything");
	c->description = interface_describe();
	if (!c->description) {
		free(c);
		return EXIT_FAILURE;
	}
	text_make(c, &config->daemon);
	rc = listener_open(c, config, listener);
	if (rc) {
		free(c->description);
		free(c);
		return rc;
	}
	interfaces_make(c);
	c->service = (struct varlink_service){
		.access = control_access,
		.call = control_call,
		.denied = { INTERFACE ".PermissionDenied", c->asks_text },
		.busy = { INTERFACE ".Busy", "all slots for clients are in use" },
	};
	*out = c;
	return 0;
}

int control_serve(struct control *control, struct supervisor *supervisor)
{
	int rc;

	control->interfaces[INTERFACE_CONTROL].owner = supervisor;
	rc = varlink_new(&control->varlink, control->base, control->listener, &control->service,
			 control);
	if (rc == 0)
		control->listener = -1;
	return rc;
}

void control_leave(struct control *control)
{
	if (control->varlink && !*control->path)
		varlink_accept_stop(control->varlink);
}

void control_finish(struct control *control)
{
	static const struct varlink_refusal restarting = { INTERFACE ".Busy",
							   "afcapd is being restarted: try again" };

	if (control->varlink)
		varlink_later_end(control->varlink, &restarting);
}

void control_free(struct control *control)
{
	if (!control)
		return;
	if (*control->path)
		unlink(control->path); /* before it is closed: later the path may belong to a
					  successor */
	varlink_free(control->varlink);
	if (control->listener >= 0)
		close(control->listener);
	free(control->description);
	free(control);
}
