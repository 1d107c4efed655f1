/* A capture continues with what the previous instance left (inherited.h). */
#ifndef CAPTURE_RESUME_H
#define CAPTURE_RESUME_H

#include "capture_error.h"

struct capture;

/* Its rings are resumed, each by a worker as soon as its file is found again. */
void resume_start(struct capture *capture);

/* Sets the filter of rings that are resumed; filter_due where it has to be tried again.
 * resume_filtered(): it is compiled, or cannot be. */
void resume_filter(struct capture *capture);
void resume_filtered(struct capture *capture);

#endif
