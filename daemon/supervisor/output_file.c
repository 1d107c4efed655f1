/* Creates files, changes their states, frees them. */
#include "output_file.h"

#include "../base/invariant.h"
#include "../base/log.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const state_names[] = {
	[FILE_NEW] = "new",	    [FILE_SOUGHT] = "sought", [FILE_ASKED] = "asked",
	[FILE_MISSING] = "missing", [FILE_READY] = "ready",   [FILE_USED] = "used",
	[FILE_ASTRAY] = "astray",   [FILE_ENDING] = "ending",
};

/* The states that may follow, as bits. */
static const unsigned next_states[] = {
	[FILE_NEW] = 1 << FILE_SOUGHT | 1 << FILE_ASKED,
	[FILE_SOUGHT] = 1 << FILE_MISSING | 1 << FILE_READY | 1 << FILE_USED | 1 << FILE_ENDING,
	[FILE_ASKED] = 1 << FILE_MISSING | 1 << FILE_READY | 1 << FILE_ENDING,
	[FILE_MISSING] = 1 << FILE_SOUGHT | 1 << FILE_ASKED | 1 << FILE_ENDING,
	[FILE_READY] = 1 << FILE_USED | 1 << FILE_ENDING,
	[FILE_USED] = 1 << FILE_ASTRAY | 1 << FILE_ENDING,
	[FILE_ASTRAY] = 1 << FILE_ENDING,
	[FILE_ENDING] = 0,
};

void output_file_enter(struct output_file *file, enum output_file_state state)
{
	bool follows = next_states[file->state] & 1U << state;

	if (file->state == state)
		return;
	invariant(follows);
	log_at(follows ? LOG_DEBUG : LOG_ERR, "file %llu of capture %u, worker %u: %s -> %s%s",
	       (unsigned long long)file->serial, file->target.capture, file->target.worker,
	       state_names[file->state], state_names[state], follows ? "" : ": refused");
	if (follows)
		file->state = state;
}

struct output_file *output_file_new(const struct archive_target *target, uint64_t serial,
				    struct archive_request *end)
{
	struct output_file *file = end ? calloc(1, sizeof(*file)) : NULL;

	if (file)
		*file = (struct output_file){
			.target = *target, .serial = serial, .fd = -1, .end = end
		};
	else
		free(end);
	return file;
}

bool output_file_sought(const struct output_file *file)
{
	return file && file->inode && file->fd < 0;
}

bool output_file_used(const struct output_file *file)
{
	return file && (file->state == FILE_USED || file->state == FILE_ASTRAY);
}

bool output_file_visible(const struct output_file *file)
{
	return *file->name && *file->name != '.';
}

void output_file_free(struct output_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file->end);
	free(file);
}
