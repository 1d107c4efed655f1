/* What must hold, whatever happens. */
#ifndef ORACLE_H
#define ORACLE_H

#include "../../daemon/supervisor/capture.h"
#include "../../daemon/supervisor/capture_state.h"

struct supervisor;

/* The captures of the instance that there is: those that are configured, and behind them former
 * ones. NULL behind the last one, and where there is no instance. */
const struct capture *oracle_capture(unsigned i);

/* Nothing was recorded ever. */
void oracle_begin(void);

/* An instance is being made; it is made; it has come to its end or has died, with or without what
 * it had queued for the service manager. */
void oracle_instance(void);
void oracle_made(struct supervisor *supervisor);
void oracle_gone(bool queue_lost);

/* What it is not to account for: a ledger of the capture cannot be believed. */
void oracle_doubt(const struct capture *capture);

/* Packets came into a ring of it. */
void oracle_traffic(const struct capture *capture, uint32_t packets, uint32_t drops);

/* A worker of the slot joins this group. */
void oracle_joins(const struct slot *slot, uint32_t group);

/* After each step. */
void oracle_check(void);

/* Whether each capture that is to record does, as it is configured, and there is one. */
bool oracle_recovered(void);

/* Whether any was left with rings that must be continued with. */
bool oracle_left(void);

/* What the service manager is to call. */
struct manager_events;
extern const struct manager_events oracle_events;

/* What all that ended have counted. */
const struct counters *oracle_played(void);
unsigned oracle_failed(void);

#endif
