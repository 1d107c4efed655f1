/* The archive's directory, for tests. */
#include "place.h"
#include "suites.h"

#include "../../daemon/archive/common.h"
#include "../../daemon/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct directory place;

static struct common common;
static int log_file;

void place_setup(void)
{
	struct message_result result = { 0 };
	char size[32];

	ck_assert_msg(unshare(CLONE_NEWNS) == 0, "a mount namespace needs root: %s",
		      strerror(errno));
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	snprintf(size, sizeof(size), "size=%u", PLACE_BYTES);
	ck_assert_int_eq(mount("none", PLACE_DIRECTORY, "tmpfs", 0, size), 0);
	log_open(LOG_EMERG, "");
	memset(&common, 0, sizeof(common));
	place = (struct directory){ .common = &common,
				    .capture = { .link_type = 1,
						 .config = { .file_mode = 0640,
							     .sync = CONFIG_SYNC_FILE },
						 .file_group = -1,
						 .file_bytes = 1000000,
						 .token = 0xabcdef,
						 .name = "eth0",
						 .interface = "eth0",
						 .directory = PLACE_DIRECTORY } };
	directory_open(&place, &result);
	ck_assert_msg(result.error == 0, "%s", result.text);
}

void place_teardown(void)
{
	directory_close(&place);
}

void place_file(const char *name, const void *bytes, size_t count)
{
	int fd = openat(place.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	if (bytes)
		ck_assert_int_eq(write(fd, bytes, count), (ssize_t)count);
	else
		ck_assert_int_eq(posix_fallocate(fd, 0, (off_t)count + !count), 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)count), 0);
	place_finished(name, PLACE_FINISHED);
	close(fd);
}

void place_finished(const char *name, uint64_t ns)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { (time_t)(ns / 1000000000), (long)(ns % 1000000000) } };

	ck_assert_int_eq(utimensat(place.fd, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

int64_t place_size(const char *name)
{
	struct stat st;

	return fstatat(place.fd, name, &st, AT_SYMLINK_NOFOLLOW) ? -1 : st.st_size;
}

/* Counts, or removes. */
static unsigned entries(bool removing)
{
	DIR *directory = opendir(PLACE_DIRECTORY);
	struct dirent *entry;
	unsigned n = 0;

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		n++;
		if (removing)
			unlinkat(place.fd, entry->d_name,
				 entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	}
	closedir(directory);
	return n;
}

unsigned place_count(void)
{
	return entries(false);
}

void place_clear(void)
{
	entries(true);
}

size_t place_read(const char *name, void *bytes, size_t room)
{
	int fd = openat(place.fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	n = read(fd, bytes, room);
	ck_assert_int_ge(n, 0);
	close(fd);
	return (size_t)n;
}

void place_log(void)
{
	log_file = memfd_create("log", MFD_CLOEXEC);
	dup2(log_file, STDERR_FILENO);
	log_open(LOG_DEBUG, "");
}

unsigned place_logged(const char *text)
{
	static char lines[1 << 20];
	ssize_t n = pread(log_file, lines, sizeof(lines) - 1, 0);
	unsigned found = 0;

	ck_assert_int_ge(n, 0);
	lines[n] = '\0';
	for (char *at = lines; (at = strstr(at, text)); at++)
		found++;
	return found;
}
