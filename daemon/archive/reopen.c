/* Searches the directory for the file. */
#include "reopen.h"
#include "subject.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int named_open(const struct directory *dir, const char *text, struct name name, bool *direct)
{
	int fd;

	if (name.kind == NAME_FINISHED)
		return -EEXIST;
	if (name.kind == NAME_SUSPECT)
		return -ESTALE;
	*direct = dir->capture.config.direct != DIRECT_NO;
	fd = file_lock(dir, text, O_RDWR | (*direct ? O_DIRECT : 0));
	if (fd == -EINVAL && dir->capture.config.direct == DIRECT_AUTO) {
		*direct = false;
		fd = file_lock(dir, text, O_RDWR);
	}
	return fd;
}

/* Made by a previous instance, the file may name another filter, or have another mode and group. */
static void renew(const struct directory *dir, uint32_t worker, const char *name, int fd)
{
	int rc = file_header_renew(dir, worker, fd);

	if (rc)
		file_log(name, LOG_WARNING, "rewriting the header of %s: %s", name,
			 failure_text(-rc));
	rc = file_permit(dir, fd);
	if (rc)
		file_log(name, LOG_WARNING,
			 "setting file_mode and file_group of %s: %s; they stay as they are until "
			 "the file is finished",
			 name, failure_text(-rc));
}

int file_reopen(struct directory *dir, const struct message_archive *request,
		struct message_result *result)
{
	struct name name;
	bool direct = false;
	const struct stat file = { .st_dev = request->device, .st_ino = request->inode };
	int fd = directory_find(dir, request->worker, &file, &name, result->name);

	if (fd == 0)
		fd = named_open(dir, result->name, name, &direct);
	if (fd >= 0) {
		renew(dir, request->worker, result->name, fd);
		result->align = file_align(fd, direct);
		result->device = request->device;
		result->inode = request->inode;
		return fd;
	}
	result->error = -fd;
	snprintf(result->text, sizeof(result->text),
		 "the file of the previous instance cannot be opened in %s (inode %llu, %.*s): %s",
		 dir->capture.directory, (unsigned long long)request->inode, FILE_NAME_BYTES,
		 result->name, fd == -EEXIST ? "it is finished" : failure_text(-fd));
	return -1;
}
