/* Removes one file at a time. */
#include "shortage.h"
#include "inventory.h"

#include "../base/clock.h"
#include "../base/log.h"

#include <errno.h>

#define YIELD_NS UINT64_C(1000000000)

static const char *refusal(const struct directory *dir, int error)
{
	if (error == EDQUOT)
		return "a quota is exhausted";
	return directory_inodes_out(dir) ? "the file system is out of inodes" : "the disk is full";
}

/* A reader or a snapshot may keep the space in use: a few files more than wanted are removed, then
 * no more. */
static void yield_count(struct directory *dir, const struct inventory_file *file, uint64_t wanted)
{
	if (dir->yielded >= wanted && ++dir->in_vain == SHORTAGE_FILES)
		directory_log(dir, LOG_WARNING,
			      "removing files frees no space in %s (are they open, or in a "
			      "snapshot?): no more are removed until there is space",
			      dir->capture.directory);
	dir->yielded += file->freed;
}

void shortage_end(struct directory *dir)
{
	dir->yielded = 0;
	dir->in_vain = 0;
}

bool shortage_yield(struct directory *dir, uint64_t bytes, int error, struct message_result *result)
{
	struct inventory list = { .dir = dir };
	struct directory_space space;
	uint64_t sum = 0;
	bool yielded = false;

	if (!directory_is_refusal(error) || dir->in_vain >= SHORTAGE_FILES ||
	    inventory_take(&list) || !list.count) {
		inventory_free(&list);
		return false;
	}
	inventory_sort(&list);
	for (size_t i = 0; i < list.count; i++)
		sum += list.files[i].freed;
	for (size_t i = 0; i < list.count && !yielded && sum >= bytes; i++) {
		yielded = list.files[i].alone &&
			  inventory_remove(&list, &list.files[i], refusal(dir, error), result);
		if (yielded)
			yield_count(dir, &list.files[i],
				    bytes > DIRECTORY_TRY_BYTES ? bytes : DIRECTORY_TRY_BYTES);
	}
	if (list.failed)
		dir->remove_logged = list.failed;
	inventory_free(&list);
	result->available = directory_space(dir, &space) ? UINT64_MAX : space.available;
	return yielded;
}

void shortage_note(struct directory *dir, int error, struct message_result *result)
{
	uint64_t now = clock_mono_ns();
	int own, before = (int)result->removed;

	if (!error) {
		if (dir->refused_ns)
			shortage_end(dir);
		dir->refused_ns = 0;
		dir->yields = 0;
		return;
	}
	while ((own = directory_space_try(dir)) && shortage_yield(dir, 0, own, result))
		;
	if (!own)
		shortage_end(dir);
	if (own || (int)result->removed != before || !dir->refused_ns) {
		dir->refused_ns = now;
	} else if (now - dir->refused_ns >= YIELD_NS && dir->yields < SHORTAGE_FILES &&
		   shortage_yield(dir, 0, error, result)) {
		dir->refused_ns = now;
		dir->yields++;
	}
}
