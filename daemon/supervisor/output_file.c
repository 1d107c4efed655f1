/* Made and freed. */
#include "output_file.h"
#include "archive_queue.h"

#include <stdlib.h>
#include <unistd.h>

struct output_file *output_file_new(const struct archive_target *target, uint64_t serial)
{
	struct output_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	*file = (struct output_file){
		.target = *target, .serial = serial, .fd = -1, .end = calloc(1, sizeof(*file->end))
	};
	if (file->end)
		return file;
	free(file);
	return NULL;
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
