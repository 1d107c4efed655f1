/* The supervisor's captures, for clients. */
#include "view.h"
#include "capture.h"
#include "supervisor.h"

#include <string.h>

unsigned view_captures(const struct supervisor *supervisor)
{
	return supervisor_captures(supervisor);
}

void view_capture(const struct supervisor *supervisor, unsigned capture, struct capture_view *view)
{
	capture_show(supervisor_capture(supervisor, capture), view);
}

void view_worker(const struct supervisor *supervisor, unsigned capture, unsigned worker,
		 struct worker_view *view)
{
	capture_show_worker(supervisor_capture(supervisor, capture), worker, view);
}

bool view_rotating(const struct supervisor *supervisor, const char *capture)
{
	for (unsigned i = 0; i < supervisor_captures(supervisor); i++) {
		const struct capture *c = supervisor_capture(supervisor, i);

		if ((!capture || strcmp(capture, capture_name(c)) == 0) && capture_rotating(c))
			return true;
	}
	return false;
}

const char *view_rotation_refused(const struct supervisor *supervisor, const char *capture)
{
	const char *refused = NULL;

	for (unsigned i = 0; i < supervisor_captures(supervisor) && !refused; i++) {
		const struct capture *c = supervisor_capture(supervisor, i);

		if (!capture || strcmp(capture, capture_name(c)) == 0)
			refused = capture_rotation_refused(c);
	}
	return refused;
}
