/* A capture as others may see it: copies of what there is now, and of what was counted. */
#ifndef CAPTURE_VIEW_H
#define CAPTURE_VIEW_H

#include "../base/counters.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VIEW_FLAGS_MAX 4

struct capture;

struct capture_view {
	const char *name, *interface; /* borrowed while the supervisor lives, as all strings here */
	const char
		*device; /* as the kernel calls the interface now; NULL: it is not there, or all */
	const char *state, *reason; /* reason: NULL where there is none */
	const char *fanout;
	const char *fanout_flags[VIEW_FLAGS_MAX]; /* ended by NULL unless full */
	bool fanout_known;
	unsigned fanout_id;
	unsigned workers;
	bool degraded; /* not as it should be: a worker is missing, the disk full, the link down */
	bool link_up;
	bool ready;	     /* records, or may wait: its link is down */
	uint64_t since_ns;   /* realtime of arming; 0: not yet */
	uint64_t ring_bytes; /* a worker's */
	uint32_t ring_blocks;
	uint64_t disk_available; /* bytes where the files go; UINT64_MAX: not known */
	struct counters total;
};

struct worker_view {
	pid_t pid; /* -1: none now */
	const char *state;
	bool up;
	uint64_t started_ns; /* realtime */
	double packets_per_second, bytes_per_second;
	const char *file; /* in use, without its directory; NULL: none */
	struct counters counters;
};

/* The states that capture_view.state can have, ended by NULL. */
extern const char *const view_capture_states[];

void capture_show(const struct capture *capture, struct capture_view *view);
void capture_show_worker(const struct capture *capture, unsigned worker, struct worker_view *view);

/* Whether workers still have to finish a file after a rotation. */
bool capture_rotating(const struct capture *capture);

/* Why a file in use cannot end, as there is no room for the next one; NULL: it can. */
const char *capture_rotation_refused(const struct capture *capture);

/* At the end, of one worker, also of one that it has no more. False: it never had so many. */
bool capture_worker(const struct capture *capture, unsigned worker, struct counters *counters);

/* The sum over all of them: for readers, and at the end. */
void capture_counters(const struct capture *capture, struct counters *sum);
void capture_account(const struct capture *capture, struct counters *sum);

/* Drops in packets seen, 0 to 1. */
double view_loss(const struct counters *counters);

#endif
