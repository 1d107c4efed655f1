/* A capture whose rings an earlier configuration made. What they hold is written out as that one
 * says; then the capture begins as it is configured now, its counters go on. */
#ifndef EARLIER_H
#define EARLIER_H

#include "capture.h"

/* As it is configured now, whatever becomes of the rings. */
void earlier_forget(struct capture *capture);

/* Its rings are written out and gone: it is what it is configured to be. False: files of the
 * earlier one are not finished yet, its rings not gone everywhere, or it has failed. */
bool earlier_adopt(struct capture *capture);

#endif
