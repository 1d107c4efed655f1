/* The supervisor as clients see it: its captures and their workers. */
#ifndef VIEW_H
#define VIEW_H

#include "capture_view.h"

struct supervisor;

unsigned view_captures(const struct supervisor *supervisor);
void view_capture(const struct supervisor *supervisor, unsigned capture, struct capture_view *view);
void view_worker(const struct supervisor *supervisor, unsigned capture, unsigned worker,
		 struct worker_view *view);

/* Whether files of a capture (NULL: of any) are not finished yet after a rotation. */
bool view_rotating(const struct supervisor *supervisor, const char *capture);

/* Why a file in use cannot end, as there is no space for the next one; NULL: it can. */
const char *view_rotation_refused(const struct supervisor *supervisor, const char *capture);

#endif
