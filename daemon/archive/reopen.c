/* A look through the directory. */
#include "reopen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its name into `text`, which has FILE_NAME_BYTES. Returns 0 or -errno. */
static int inode_find(const struct file_place *place, const struct message_archive *request,
		      char *text, struct name *name)
{
	int fd = openat(place->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -ENOENT;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (!directory) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == -ENOENT && (entry = readdir(directory)))
		if (name_parse(name, entry->d_name, place->capture.name) &&
		    name->worker == request->worker &&
		    fstatat(place->directory, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_dev == request->device && st.st_ino == request->inode) {
			snprintf(text, FILE_NAME_BYTES, "%.*s", FILE_NAME_BYTES - 1, entry->d_name);
			rc = 0;
		}
	closedir(directory);
	return rc;
}

static int named_open(const struct file_place *place, const char *text, struct name name,
		      bool *direct)
{
	int fd;

	if (name.kind == NAME_FINISHED)
		return -EEXIST;
	if (name.kind == NAME_SUSPECT)
		return -ESTALE;
	*direct = place->capture.direct != DIRECT_NO;
	fd = file_lock(place, text, O_RDWR | (*direct ? O_DIRECT : 0));
	if (fd == -EINVAL && place->capture.direct == DIRECT_AUTO) {
		*direct = false;
		fd = file_lock(place, text, O_RDWR);
	}
	return fd;
}

int file_reopen(struct file_place *place, const struct message_archive *request,
		struct message_result *result)
{
	struct name name;
	bool direct = false;
	int fd = inode_find(place, request, result->name, &name);

	if (fd == 0)
		fd = named_open(place, result->name, name, &direct);
	if (fd >= 0) {
		result->align = file_align(fd, direct);
		result->device = request->device;
		result->inode = request->inode;
		return fd;
	}
	result->error = -fd;
	snprintf(result->text, sizeof(result->text),
		 "the file of a daemon before is not to be had in %s (inode %llu, %.*s): %s",
		 place->capture.directory, (unsigned long long)request->inode, FILE_NAME_BYTES,
		 result->name, fd == -EEXIST ? "it is finished" : strerror(-fd));
	return -1;
}
