/* A capture resumes the inherited state of the previous instance (inherited.h). */
#ifndef CAPTURE_RESUME_H
#define CAPTURE_RESUME_H

#include "capture_error.h"

struct capture;

/* Resumes its rings, each by a worker as soon as the worker's file is found. */
void resume_start(struct capture *capture);

/* Sets the filter of resumed rings; sets filter_due where that has to be retried.
 * resume_filtered(): compiling it has ended. */
void resume_filter(struct capture *capture);
void resume_filtered(struct capture *capture);

#endif
