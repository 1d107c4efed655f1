/* The world of a supervisor without processes and time: chance, the clock, timers, signals,
 * children. The linker puts these in the place of fork(), kill(), waitpid(), the clocks and
 * libevent's timers (tests/tests.mk). */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What must hold; where it does not the seed is printed, and the program aborts. */
#define demand(held, ...)                                                                          \
	do {                                                                                       \
		if (!(held))                                                                       \
			world_failed(__FILE__, __LINE__, __VA_ARGS__);                             \
	} while (0)
__attribute__((format(printf, 3, 4))) _Noreturn void world_failed(const char *file, int line,
								  const char *format, ...);

/* ---- chance: a linear congruential generator, so that a seed says all ---- */

void world_seed(uint64_t seed);
uint64_t world_seeded(void);
/* 0 to below - 1 */
unsigned world_random(unsigned below);
/* true once in so many times */
bool world_chance(unsigned times);

/* ---- time: it passes where the test says so, and timers come then ---- */

void world_pass(uint64_t ns);
uint64_t world_ns(void);

/* What the process does when this signal comes. */
void world_signal(int number);

/* ---- processes ---- */

#define WORLD_PROCESSES 48

struct world_process {
	pid_t pid;   /* 0: none here */
	int channel; /* its end; -1: it has ended, and is not waited for yet */
	int status;  /* with which it has ended */
	bool killed;
};

/* All that were started and not waited for. */
struct world_process *world_processes(void);
struct world_process *world_process(pid_t pid);
/* It ends: its channel is closed. SIGCHLD is the caller's. */
void world_exit(struct world_process *process, int status);
/* The process whose children they were is gone, and they with it. */
void world_end(void);
/* fork() fails from now on, or no more. */
void world_refuse(bool refused);
bool world_refuses(void);

/* Descriptors that are open. */
unsigned world_descriptors(void);

#endif
