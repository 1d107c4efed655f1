/* The world of a supervisor without processes, devices, disks and time: what the linker puts in the
 * place of fork(), kill(), the clocks, timers, interfaces and packet sockets. */
#ifndef WORLD_H
#define WORLD_H

#include "../../daemon/supervisor/link.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- chance: a linear congruential generator, so that a seed says all ---- */

void world_seed(uint64_t seed);
/* 0 to below - 1 */
unsigned world_random(unsigned below);

/* ---- time: it passes where the test says so, and timers come then ---- */

void world_pass(uint64_t ns);
uint64_t world_ns(void);

/* ---- processes ---- */

#define WORLD_PROCESSES 32

struct world_process {
	pid_t pid;   /* 0: none here */
	int channel; /* its end */
	bool killed;
};

/* All that were started and are not buried. */
struct world_process *world_processes(void);
struct world_process *world_process(pid_t pid);
/* It has ended: its channel is closed, its number is free. */
void world_bury(struct world_process *process);
/* All of them. */
void world_end(void);
/* fork() fails from now on, or no more. */
void world_refuse(bool refused);

/* ---- one interface, "va" ---- */

struct world_link {
	bool there;
	struct link link;
};
extern struct world_link world_link;

/* ---- rings: what the kernel has of a packet socket ---- */

int world_ring(void);
bool world_armed(int ring);
/* So many packets come, of which some are dropped; none where it is not armed. */
void world_traffic(int ring, uint32_t packets, uint32_t drops);

/* Descriptors that are open. */
unsigned world_descriptors(void);

#endif
