/* What a capture is configured as, and what the archive, its workers and the next instance are told
 * of that; from one configuration to the next, over the rings that the earlier one made: these are
 * written out as that one says, then the capture begins as it is configured now, and its counters
 * continue. */
#ifndef CAPTURE_SETUP_H
#define CAPTURE_SETUP_H

#include "limits.h"

struct capture;

/* As it is configured now, whatever its rings are of. */
const struct config_capture *setup_wanted(const struct capture *capture);

/* Its section is not configured any more: what is left of it is finished. */
bool setup_former(const struct capture *capture);

/* Whether the archive is to know of it, or does: it has files, or may have. */
bool setup_has_files(const struct capture *capture);

/* What it needs of the machine. */
struct limits_need setup_need(const struct capture *capture);

/* Sends the archive what it is. */
void setup_announce(struct capture *capture);

/* What its next workers will be sent. */
void setup_tasks(struct capture *capture);

/* Writes down for the next instance what rings it makes. None of them is armed. */
void setup_save(struct capture *capture);

/* The rings of the earlier configuration are written out and gone: the capture is what it is
 * configured to be. False: files of the earlier one are not finished yet, its rings not gone
 * everywhere, or it has failed. */
bool setup_adopt(struct capture *capture);

#endif
