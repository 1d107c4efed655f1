/* The period of a file (file_duration): it is that of its packets. Once it is over, the first chunk
 * that begins with a packet from after its end goes to the next file, and earlier ones that are
 * late to this one. Setting the clock neither ends a file nor keeps it open: its deadline was fixed
 * when it came into use, or when this worker first saw it. */
#ifndef PERIOD_H
#define PERIOD_H

#include "../base/message.h"

#include <stdbool.h>

struct period {
	uint64_t length_ns; /* multiples of it since 1970 are the ends; 0: files have none */
	uint64_t late_ns;   /* after the end a packet from before may still come for so long */
	uint64_t delay_ns;  /* a packet is written so long after it was received at the latest */
	uint64_t due_ns;    /* boottime: the end of the period ... */
	uint64_t due_after; /* ... of the file whose serial + 1 this is; 0: none */
};

struct period period_new(const struct message_worker *what);

/* Nanoseconds until the file, which has packets, must end for its period; 0: now. If the packets
 * have this machine's clock, late ones are waited for. */
int64_t period_left(struct period *period, const struct ledger_file *file);

/* Whether, `left_ns` before that, late packets are being waited for. */
bool period_late(const struct period *period, const struct ledger_file *file, int64_t left_ns);

/* Whether a chunk's first packet is from after the end of the file's period, which is over. What
 * was received before that, and is written only now, belongs to this file. */
bool period_over(struct period *period, const struct ledger_file *file, uint64_t first_ns);

#endif
