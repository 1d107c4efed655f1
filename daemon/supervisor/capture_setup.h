/* The configuration of a capture, and what the archive, its workers and the next instance are sent
 * of it. After a change of the configuration, rings of the earlier one are written out as that one
 * says; then the capture begins with the present one, and its counters continue. */
#ifndef CAPTURE_SETUP_H
#define CAPTURE_SETUP_H

#include "limits.h"

struct capture;

/* Its present configuration, whatever that of its rings is. */
const struct config_capture *setup_wanted(const struct capture *capture);

/* Its section is no longer configured: its inherited rings and files are finished. */
bool setup_former(const struct capture *capture);

/* Whether it is announced to the archive, or will be: it has files, or may have. */
bool setup_has_files(const struct capture *capture);

/* Its requirements (limits.h). */
struct limits_need setup_need(const struct capture *capture);

/* Announces it to the archive. */
void setup_announce(struct capture *capture);

/* Updates what its next workers will be sent. */
void setup_tasks(struct capture *capture);

/* Records for the next instance what rings it makes. None of them is armed. */
void setup_save(struct capture *capture);

/* The rings of the earlier configuration are written out and closed: adopts the present one. False:
 * files of the earlier one are not finished yet, duplicates of its rings in the store not closed,
 * or the capture has failed. */
bool setup_adopt(struct capture *capture);

#endif
