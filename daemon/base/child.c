/* Sets up a child process. */
#include "child.h"
#include "message.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME_BYTES 16 /* the kernel's TASK_COMM_LEN */

void child_name(char **argv)
{
	static const char prefix[] = "afcapd: ";
	const char *what = *argv[1] ? argv[1] : argv[0] + sizeof(prefix) - 1;
	size_t length = strlen(what), space = NAME_BYTES - sizeof(prefix);
	char name[NAME_BYTES];

	snprintf(name, sizeof(name), "%s%s", prefix, what + (length > space ? length - space : 0));
	prctl(PR_SET_NAME, name);
	memset(argv[2], 0, strlen(argv[2]));
	if (*argv[1] && argv[0] + strlen(argv[0]) + 1 == argv[1]) /* as the kernel lays them out */
		argv[1][-1] = ' ';
}

void child_init(void)
{
	static const int ignored[] = {
		SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ
	};
	sigset_t none;

	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* First of all: another process of this user could attach to it and take its descriptors */
	prctl(PR_SET_DUMPABLE, 0);
	/* Standard input and output belong to the process that started the daemon */
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
	}
	/* A stopped child would keep its ring mapped for ever after the supervisor died: SIGCONT
	 * resumes it, and it finds its channel closed and exits. */
	prctl(PR_SET_PDEATHSIG, SIGCONT);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none); /* blocked since before the fork */
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC);
}
