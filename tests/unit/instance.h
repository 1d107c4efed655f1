/* An instance of the supervisor, as a whole, without processes: the archive process and the workers
 * are played on their channels (children.h), the service manager is manager.h's, interfaces and
 * signals are the kernel's. Needs root. */
#ifndef INSTANCE_H
#define INSTANCE_H

#include "../../daemon/supervisor/supervisor.h"
#include "../../daemon/supervisor/view.h"

#include <stdbool.h>
#include <stdint.h>

struct instance {
	struct config config;
	struct event_base *base;
	struct supervisor *supervisor;
	char account[4096]; /* what it printed */
	/* How the processes behave */
	bool worker_stubborn, archive_deaf; /* nothing that they are sent has an effect */
	bool archive_dies;		    /* each does, at once */
	int directory_error, open_error;    /* errno: the archive refuses directories, files */
	bool reserve_gone;		    /* disk_reserve cannot be kept */
};

extern struct instance instance;

/* A capture of the loopback by two workers */
#define INSTANCE_LOOPBACK "interface=lo workers=2 ring_size=256K block_size=64K directory=/d"

/* A network namespace whose loopback is up; nothing is configured yet; what is logged is
 * place_logged()'s. */
void instance_setup(void);
void instance_teardown(void);

void instance_configure(const char *name, const char *settings);

/* Starts one with this configuration. Returns as supervisor_new(). */
int instance_begin(void);

/* Runs it until it is over. Meanwhile each of `steps`, ended by NULL, is called again and again
 * until it returns true, then the next one; all processes do what they should. Returns its exit
 * code. */
typedef bool instance_step(void);
int instance_run(instance_step *const *steps);

/* ---- for steps ---- */

struct capture_view instance_view(unsigned capture);
struct worker_view instance_worker(unsigned capture, unsigned worker);
bool instance_is(unsigned capture, const char *state);

/* So many packets come and are written by a worker of the first capture, which reports that. */
void instance_record(unsigned worker, uint64_t packets);

/* The service manager reads by itself from now on, also while the supervisor waits for that: the
 * last step. */
bool instance_manager_wakes(void);

/* A worker of the first capture dies of this signal. */
void instance_kill(unsigned worker, int signal);

/* ---- steps ---- */

bool instance_records(void);   /* the first capture does */
bool instance_is_ready(void);  /* READY=1 was sent */
bool instance_stops(void);     /* SIGTERM */
bool instance_hand_over(void); /* SIGUSR2 */

/* 20 packets come to the first worker and 10 to the other one; they are shown; the files in use
 * have their names. */
bool instance_packets_come(void);
bool instance_packets_shown(void);
bool instance_files_named(void);

#endif
