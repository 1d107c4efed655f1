/* A capture continues with what the previous instance left (inherited.h). */
#ifndef RESUME_H
#define RESUME_H

#include "capture.h"

/* The rings go on, each with a worker as soon as its file is found again. */
void resume_start(struct capture *capture);

/* Sets the filter of rings that go on; capture->filter_due where it has to be tried again.
 * resume_filtered(): it is compiled, or cannot be (*error). */
void resume_filter(struct capture *capture);
void resume_filtered(struct capture *capture, const struct capture_error *error);

#endif
