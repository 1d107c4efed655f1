/* A capture as clients see it: copies of its present state and its counters. */
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
	const char *device;	    /* the interface's present name; NULL: there is none, or all */
	const char *state, *reason; /* reason: NULL where there is none */
	const char *fanout;
	const char *fanout_flags[VIEW_FLAGS_MAX]; /* ended by NULL unless full */
	bool fanout_known;
	unsigned fanout_id;
	unsigned workers;
	bool degraded; /* impaired: a worker is missing, the disk full, the link down */
	bool link_up;
	bool ready;	     /* records, or waits only for its link */
	uint64_t since_ns;   /* realtime of arming; 0: not yet */
	uint64_t ring_bytes; /* of one worker */
	uint32_t ring_blocks;
	double ring_seconds;	 /* at low rates: how long it takes packets without being read */
	uint64_t disk_available; /* bytes where the files go; UINT64_MAX: unknown */
	struct counters total;
};

struct worker_view {
	pid_t pid; /* -1: none */
	const char *state;
	bool up;
	uint64_t started_ns; /* realtime */
	double packets_per_second, bytes_per_second;
	double ring_seconds; /* likewise, at these rates */
	const char *file;    /* in use, without its directory; NULL: none */
	struct counters counters;
};

/* The states that capture_view.state can have, ended by NULL. */
extern const char *const view_capture_states[];

void capture_show(const struct capture *capture, struct capture_view *view);
void capture_show_worker(const struct capture *capture, unsigned worker, struct worker_view *view);

/* Whether workers still have to finish a file after a rotation. */
bool capture_rotating(const struct capture *capture);

/* Why a file in use cannot end, as there is no space for the next one; NULL: it can. */
const char *capture_rotation_refused(const struct capture *capture);

/* The counters of one worker for the account, also of one that it no longer has. False: it never
 * had so many. */
bool capture_worker(const struct capture *capture, unsigned worker, struct counters *counters);

/* The sum over all workers: for clients, and for the account. */
void capture_counters(const struct capture *capture, struct counters *sum);
void capture_account(const struct capture *capture, struct counters *sum);

/* Drops in packets seen, 0 to 1. */
double view_loss(const struct counters *counters);

#endif
