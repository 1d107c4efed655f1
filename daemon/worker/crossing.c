/* Handing over: each barrier names its partner. */
#include "crossing.h"

#include <unistd.h>

void crossing_notify(const struct crossing *crossing)
{
	uint64_t one = 1;
	ssize_t n = crossing->notify >= 0 ? write(crossing->notify, &one, sizeof(one)) : 0;

	(void)n; /* full: a wake-up is pending anyway */
}

bool crossing_spare_give(struct crossing *crossing, const struct crossing_file *file)
{
	/* Pairs with the release in crossing_spare_take(): the previous file was copied before it
	 * is overwritten. */
	if (atomic_load_explicit(&crossing->spare_ready, memory_order_acquire))
		return false;
	crossing->spare = *file;
	/* Pairs with the acquire in crossing_spare_take(). */
	atomic_store_explicit(&crossing->spare_ready, true, memory_order_release);
	return true;
}

bool crossing_spare_take(struct crossing *crossing, uint64_t serial, struct crossing_file *file)
{
	/* Pairs with the release in crossing_spare_give(): the file is visible. */
	if (!atomic_load_explicit(&crossing->spare_ready, memory_order_acquire) ||
	    crossing->spare.serial != serial)
		return false;
	*file = crossing->spare;
	/* Pairs with the acquire in crossing_spare_give(). */
	atomic_store_explicit(&crossing->spare_ready, false, memory_order_release);
	return true;
}

void crossing_late_give(struct crossing *crossing, const struct crossing_file *file)
{
	crossing->late = *file;
	/* Pairs with the acquire in crossing_late_take(). */
	atomic_store_explicit(&crossing->late_ready, true, memory_order_release);
}

bool crossing_late_take(struct crossing *crossing, struct crossing_file *file)
{
	/* Pairs with the release in crossing_late_give(): the file is visible. */
	if (!atomic_load_explicit(&crossing->late_ready, memory_order_acquire))
		return false;
	*file = crossing->late;
	/* No partner: the main thread does not read it again. */
	atomic_store_explicit(&crossing->late_ready, false, memory_order_relaxed);
	return true;
}
