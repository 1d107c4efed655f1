/* Replaces a stale socket at the path, and refuses a live one or another kind of file. */
#include "unixsocket.h"

#include "../base/failure.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

const char *unixsocket_error(int rc)
{
	switch (-rc) {
	case EADDRINUSE:
		return "a running daemon listens there (stop it, or use another path)";
	case ENOTSOCK:
		return "a file that is not a socket is there";
	case ENAMETOOLONG:
		return "path too long for a socket (107 characters)";
	default:
		return failure_text(-rc);
	}
}

/* Removes a socket at which no process listens. Returns 0, or the -errno for which the path is not
 * free. */
static int stale_remove(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, rc = 0;

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		rc = -EADDRINUSE;
	else if (errno != ECONNREFUSED || unlink(address->sun_path))
		rc = -errno;
	close(fd);
	return rc;
}

/* Returns 0, also if it exists already, or -errno. */
static int directory_make(const char *path)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return 0;
	memcpy(directory, path, (size_t)(slash - path));
	directory[slash - path] = '\0';
	return mkdir(directory, 0755) && errno != EEXIST ? -errno : 0;
}

int unixsocket_listen(const char *path, mode_t mode)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	bool bound;
	int fd, rc;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	rc = directory_make(path);
	if (rc == 0)
		rc = stale_remove(&address);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0777 & ~mode); /* never accessible to others, not even for a moment */
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	bound = rc == 0;
	if (rc == 0 && listen(fd, BACKLOG))
		rc = -errno;
	if (rc == 0)
		return fd;
	if (bound)
		unlink(path);
	close(fd);
	return rc;
}
