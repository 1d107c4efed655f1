/* To be preloaded: the first process that is called $HOLD_NAME (and is about $HOLD_ABOUT, its first
 * argument, where that is set) writes its pid into $HOLD_FILE and stops before its main(), so that
 * a tracer may come; with $HOLD_EXIT each of them ends there. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void hold(int argc, char **argv)
{
	const char *name = getenv("HOLD_NAME"), *about = getenv("HOLD_ABOUT"),
		   *file = getenv("HOLD_FILE");
	int fd;

	if (!name || argc < 1 || strcmp(argv[0], name) != 0)
		return;
	if (about && (argc < 2 || strcmp(argv[1], about) != 0))
		return;
	if (getenv("HOLD_EXIT"))
		_exit(EXIT_FAILURE);
	if (!file)
		return;
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return; /* one was held */
	dprintf(fd, "%d\n", (int)getpid());
	close(fd);
	raise(SIGSTOP);
}
