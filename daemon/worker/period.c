/* When a file's period ends. */
#include "period.h"

#include "../base/clock.h"

#define LATE_NS UINT64_C(1000000000) /* how late a packet may be, beyond the configured delays */

struct period period_new(const struct message_worker *what)
{
	return (struct period){
		.length_ns = what->config.file_duration_ns,
		/* The block that was being filled is handed over by its timeout. */
		.late_ns = what->group.block_timeout_ns + LATE_NS,
		.delay_ns = what->config.write_delay_ns,
	};
}

/* Whether the file's first packet was written soon after its time: its clock is this process's. */
static bool clocks_agree(const struct period *p, const struct ledger_file *file)
{
	return file->first_ns <= file->since_ns &&
	       file->since_ns - file->first_ns < p->late_ns + p->delay_ns;
}

/* The period's time is that of the file's first packet, as its name tells; if the clocks differ,
 * that of its first use. */
static uint64_t time_of(const struct period *p, const struct ledger_file *file)
{
	return clocks_agree(p, file) ? file->first_ns : file->since_ns;
}

/* Until `late_ns` after the end. */
static int64_t time_left(struct period *p, const struct ledger_file *file, uint64_t late_ns)
{
	uint64_t since = time_of(p, file), real = clock_real_ns(), boot = clock_boot_ns();

	if (p->due_after != file->serial + 1) {
		p->due_after = file->serial + 1;
		p->due_ns = clock_due(p->length_ns, since, real, boot);
	}
	return clock_left(p->length_ns, since, real - late_ns, p->due_ns + late_ns, boot);
}

int64_t period_left(struct period *p, const struct ledger_file *file)
{
	if (!p->length_ns)
		return INT64_MAX;
	return time_left(p, file, clocks_agree(p, file) ? p->late_ns : 0);
}

bool period_late(const struct period *p, const struct ledger_file *file, int64_t left_ns)
{
	return clocks_agree(p, file) && left_ns <= (int64_t)p->late_ns;
}

bool period_over(struct period *p, const struct ledger_file *file, uint64_t first_ns)
{
	return p->length_ns && file->since_ns &&
	       first_ns / p->length_ns > time_of(p, file) / p->length_ns &&
	       time_left(p, file, 0) == 0;
}
