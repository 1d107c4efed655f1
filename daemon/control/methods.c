/* The table of the methods, and their functions. */
#include "methods.h"
#include "interface.h"
#include "render.h"

#include "../supervisor/command.h"
#include "../supervisor/view.h"

#define STREAM_SECONDS 1.0
#define ROTATE_SECONDS 30.0

/* The capture that a call is about; NULL: all. */
static const char *capture_of(json_t *parameters)
{
	return json_string_value(json_object_get(parameters, "capture"));
}

static void capture_unknown(struct varlink_call *call, json_t *parameters)
{
	varlink_error(call, INTERFACE ".NoSuchCapture",
		      json_pack("{s:O}", "capture", json_object_get(parameters, "capture")));
}

static bool run_status(void *owner, struct varlink_call *call, json_t *parameters)
{
	(void)parameters;
	varlink_reply(call, render_status(owner));
	return true;
}

static json_t *stats_next(void *owner, json_t *parameters)
{
	return render_stats(owner, capture_of(parameters));
}

static bool run_stats(void *owner, struct varlink_call *call, json_t *parameters)
{
	json_t *interval = json_object_get(parameters, "interval"),
	       *stats = stats_next(owner, parameters);

	if (!stats) {
		capture_unknown(call, parameters);
	} else if (varlink_more(call)) {
		json_decref(stats);
		varlink_stream(call,
			       json_is_number(interval) ? json_number_value(interval)
							: STREAM_SECONDS,
			       stats_next, parameters);
	} else {
		varlink_reply(call, stats);
	}
	return true;
}

/* Captures that can rotate do so, even if another one's disk is full. */
static bool run_rotate(void *owner, struct varlink_call *call, json_t *parameters)
{
	if (command_rotate(owner, capture_of(parameters)))
		return false;
	capture_unknown(call, parameters);
	return true;
}

static const char *rotate_busy(void *owner, json_t *parameters)
{
	return view_rotation_refused(owner, capture_of(parameters));
}

static json_t *rotate_ready(void *owner, json_t *parameters)
{
	return view_rotating(owner, capture_of(parameters)) ? NULL : json_object();
}

static const struct varlink_wait rotate_wait = {
	.busy = rotate_busy,
	.ready = rotate_ready,
	.seconds = ROTATE_SECONDS,
	.late = { INTERFACE ".Busy", "the disk is slow: not all files are finished yet" },
};

#define NULLABLE true
#define REQUIRED false
#define ONCE	 false
#define STREAM	 true

const struct varlink_method methods_table[] = {
#define METHOD(name_, access_, answers, run_, wait_)                                               \
	{                                                                                          \
		.name = #name_, .access = VARLINK_##access_, .more = answers, .run = run_,         \
		.wait = wait_, .parameters = (const struct varlink_parameter[])                    \
		{
#define PARAMETER(name, type, nullable) { #name, VARLINK_##type, nullable, 0, 0 },
#define PARAMETER_WITHIN(name, type, nullable, minimum, maximum)                                   \
	{ #name, VARLINK_##type, nullable, minimum, maximum },
#define RETURNS                                                                                    \
	VARLINK_PARAMETERS_END                                                                     \
	}                                                                                          \
	}                                                                                          \
	,
#include "interface.def"
	{ .name = NULL },
};
