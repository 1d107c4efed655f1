/* Methods as a table, and the socket they are called at. */
#include "control.h"
#include "listener.h"
#include "peer.h"
#include "render.h"
#include "unixsocket.h"
#include "varlink.h"

#include "../supervisor/command.h"
#include "../supervisor/view.h"

#include "../base/log.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define INTERFACE	   "org.afcap.control"
#define STREAM_SECONDS	   1.0
#define STREAM_SECONDS_MIN 0.1
#define STREAM_SECONDS_MAX 86400.0
#define ROTATE_SECONDS	   30.0

struct control {
	struct event_base *base;
	char path[PATH_BYTES]; /* to be removed at the end; empty: it was handed over */
	int listener;
	struct varlink *varlink;
	struct supervisor *supervisor;
	gid_t askers, admins; /* -1: none */
	char *description;
	char ask_words[2 * ACCOUNT_BYTES + 128], change_words[ACCOUNT_BYTES + 128];
	struct varlink_interface interfaces[2];
	struct varlink_service service;
};

/* With a comma in front of each. */
static const char counter_fields[] =
#define COUNTER(name, unit, family, reason, help) ",\n  " #name ": int"
#include "../base/counters.def"
#undef COUNTER
	;

/* Twice the counters: behind a worker's other fields, and alone. */
static const char description_format[] =
	"# What afcapd does with every packet\n"
	"interface " INTERFACE "\n\n"
	"type Fanout (mode: string, flags: []string, id: ?int)\n\n"
	"type WorkerStatus (worker: int, pid: ?int, state: string, restarts: int, "
	"packets_per_second: float,\n"
	"  bytes_per_second: float, loss_ratio: float, file: ?string, since: ?string)\n\n"
	"type Rates (packets_per_second: float, bytes_per_second: float, loss_ratio: float)\n\n"
	"type CaptureStatus (name: string, interface: string, device: ?string, state: string,\n"
	"  reason: ?string, fanout: Fanout,\n"
	"  since: ?string, degraded: bool, workers: []WorkerStatus, total: Rates)\n\n"
	"type WorkerStats (worker: int, pid: ?int, state: string%s\n)\n\n"
	"type Counters (%s\n)\n\n"
	"type CaptureStats (name: string, interface: string, device: ?string, state: string,\n"
	"  reason: ?string, fanout: Fanout,\n"
	"  workers: []WorkerStats, total: Counters)\n\n"
	"# State, rates and files of all captures\n"
	"method Status() -> (captures: []CaptureStatus)\n\n"
	"# All counters, of one capture or of all; with more: again every `interval` seconds (1 "
	"unless given)\n"
	"method Stats(capture: ?string, interval: ?float) -> (captures: []CaptureStats)\n\n"
	"# Goes on in the next files; answers when the ones before are finished\n"
	"method Rotate(capture: ?string) -> ()\n\n"
	"error NoSuchCapture (capture: string)\n"
	"# Only root, the daemon's user, control_group and control_admins may ask; only root, the "
	"daemon's user\n# and control_admins may change anything\n"
	"error PermissionDenied (reason: string)\n"
	"# As many clients as can be are connected, the disk is too slow, or has no room for a "
	"next "
	"file\n"
	"error Busy (reason: string)\n";

static const struct varlink_refusal rotate_late = {
	INTERFACE ".Busy", "the disk is slow: not all files are finished yet"
};

static void run_status(void *owner, struct varlink_call *call, json_t *parameters)
{
	const struct control *control = owner;

	(void)parameters;
	varlink_reply(call, render_status(control->supervisor));
}

static json_t *stats_next(void *owner, json_t *parameters)
{
	const struct control *control = owner;

	return render_stats(control->supervisor,
			    json_string_value(json_object_get(parameters, "capture")));
}

static void run_stats(void *owner, struct varlink_call *call, json_t *parameters)
{
	json_t *capture = json_object_get(parameters, "capture"),
	       *interval = json_object_get(parameters, "interval");
	double seconds = json_is_number(interval) ? json_number_value(interval) : STREAM_SECONDS;
	json_t *stats;

	if (!(seconds >= STREAM_SECONDS_MIN && seconds <= STREAM_SECONDS_MAX)) {
		varlink_invalid(call, "interval");
		return;
	}
	stats = stats_next(owner, parameters);
	if (!stats) {
		varlink_error(call, INTERFACE ".NoSuchCapture",
			      json_pack("{s:O}", "capture", capture));
	} else if (varlink_more(call)) {
		json_decref(stats);
		varlink_stream(call, seconds, stats_next, parameters);
	} else {
		varlink_reply(call, stats);
	}
}

static json_t *rotate_ready(void *owner, json_t *parameters)
{
	const struct control *control = owner;

	return view_rotating(control->supervisor,
			     json_string_value(json_object_get(parameters, "capture")))
		       ? NULL
		       : json_object();
}

static void run_rotate(void *owner, struct varlink_call *call, json_t *parameters)
{
	struct control *control = owner;
	json_t *capture = json_object_get(parameters, "capture");
	const struct varlink_refusal stuck = { INTERFACE ".Busy",
					       view_rotation_refused(control->supervisor,
								     json_string_value(capture)) };

	if (peer_rights(varlink_socket(call), control->askers, control->admins) != PEER_CHANGE)
		varlink_refuse(call, &(struct varlink_refusal){ INTERFACE ".PermissionDenied",
								control->change_words });
	else if (!supervisor_rotate(control->supervisor, json_string_value(capture)))
		varlink_error(call, INTERFACE ".NoSuchCapture",
			      json_pack("{s:O}", "capture", capture));
	else if (stuck.reason) /* the others go on in their next files */
		varlink_refuse(call, &stuck);
	else
		varlink_later(call, ROTATE_SECONDS, &rotate_late, rotate_ready, parameters);
}

static const struct varlink_parameter no_parameters[] = { VARLINK_PARAMETERS_END };
static const struct varlink_parameter one_or_all[] = { { "capture", VARLINK_STRING, true },
						       VARLINK_PARAMETERS_END };
static const struct varlink_parameter of_stats[] = { { "capture", VARLINK_STRING, true },
						     { "interval", VARLINK_NUMBER, true },
						     VARLINK_PARAMETERS_END };

static const struct varlink_method methods[] = {
	{ INTERFACE ".Rotate", one_or_all, run_rotate },
	{ INTERFACE ".Status", no_parameters, run_status },
	{ INTERFACE ".Stats", of_stats, run_stats },
	{ NULL, NULL, NULL },
};

/* Who could stop the captures is not kept out by who can only watch them. */
static enum varlink_rank control_rank(void *owner, int socket)
{
	static const enum varlink_rank ranks[] = {
		[PEER_NOTHING] = VARLINK_DENIED,
		[PEER_ASK] = VARLINK_ORDINARY,
		[PEER_CHANGE] = VARLINK_PREFERRED,
	};
	const struct control *control = owner;

	return ranks[peer_rights(socket, control->askers, control->admins)];
}

/* Once: a name service may take its time. */
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
	/* Who connects is looked at, so that a stranger is told why he is sent away */
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

/* Who may, by the names that are in force: a key is no group. */
static void words_make(struct control *c, const struct config_daemon *d)
{
	const char *ask = c->askers == (gid_t)-1 ? NULL : d->control_group,
		   *change = c->admins == (gid_t)-1 ? NULL : d->control_admins;

	snprintf(c->change_words, sizeof(c->change_words), "%s%s may do this",
		 change ? "root, the daemon's user and the group " : "root and the daemon's user",
		 change ? change : "");
	snprintf(c->ask_words, sizeof(c->ask_words), "%s%s%s%s%s may ask",
		 ask || change ? "root, the daemon's user and " : "root and the daemon's user",
		 ask && change	 ? "the groups "
		 : ask || change ? "the group "
				 : "",
		 ask	  ? ask
		 : change ? change
			  : "",
		 ask && change ? " and " : "", ask && change ? change : "");
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
	if (asprintf(&c->description, description_format, counter_fields,
		     counter_fields + 1 /* no comma */) < 0) {
		free(c);
		return EXIT_FAILURE;
	}
	words_make(c, &config->daemon);
	rc = listener_open(c, config, listener);
	if (rc) {
		free(c->description);
		free(c);
		return rc;
	}
	c->interfaces[0] = (struct varlink_interface){ INTERFACE, c->description };
	c->service = (struct varlink_service){
		.vendor = "afcap",
		.product = "afcapd",
		.version = AFCAP_VERSION,
		.url = "man:afcapd(8)",
		.interfaces = c->interfaces,
		.methods = methods,
		.rank = control_rank,
		.denied = { INTERFACE ".PermissionDenied", c->ask_words },
		.busy = { INTERFACE ".Busy", "all places for clients are taken" },
	};
	*out = c;
	return 0;
}

int control_serve(struct control *control, struct supervisor *supervisor)
{
	int rc = varlink_new(&control->varlink, control->base, control->listener, &control->service,
			     control);

	control->supervisor = supervisor;
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
							   "afcapd is being restarted: ask again" };

	if (control->varlink)
		varlink_later_end(control->varlink, &restarting);
}

void control_free(struct control *control)
{
	if (!control)
		return;
	if (*control->path)
		unlink(control->path); /* before it is closed: after that the path may be a
					  successor's */
	varlink_free(control->varlink);
	if (control->listener >= 0)
		close(control->listener);
	free(control->description);
	free(control);
}
