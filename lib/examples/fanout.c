/* N threads share the packets of an interface, each flow with both directions in one thread:
 *
 *     cc -o fanout fanout.c $(pkg-config --cflags --libs afcap) -pthread
 *     fanout INTERFACE THREADS [SECONDS]
 *
 * Prints the statistics of each thread. The kernel chooses the group's id, so that it is not
 * another program's. */
#include <afcap.h>
#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX 64

static struct member {
	struct afcap *handle;
	pthread_t thread;
	int result;
} members[THREADS_MAX];

static void *member_run(void *arg)
{
	struct member *member = arg;
	const struct afcap_packet *packet;

	while ((member->result = afcap_read(member->handle, &packet, -1)) == AFCAP_READY)
		;			     /* a real reader would look at packet->data here */
	if (member->result != AFCAP_STOPPED) /* the interface is gone: main ends the others */
		kill(getpid(), SIGTERM);
	return NULL;
}

/* All members are opened paused and in order; then packets are let in. */
static void group_open(const char *interface, int threads)
{
	struct afcap_options options;
	struct afcap_fanout group;
	struct afcap_error error;

	afcap_fanout_init(&group, sizeof(group));
	group.mode = AFCAP_FANOUT_HASH;
	group.flags = AFCAP_FANOUT_FLAG_UNIQUEID;
	afcap_options_init(&options, sizeof(options));
	options.interface = interface;
	options.paused = true;
	options.fanout = &group;
	for (int i = 0; i < threads; i++) {
		if (afcap_open(&members[i].handle, &options, &error))
			errx(1, "%s", error.text);
		afcap_fanout_get(members[i].handle, &group);
	}
	printf("group %u, mode %s, %d threads\n", group.id, afcap_fanout_mode_name(group.mode),
	       threads);
	fflush(stdout);
	for (int i = 0; i < threads; i++)
		afcap_filter_clear(afcap_fd(members[i].handle));
}

static void member_print(int number)
{
	struct afcap_stats stats;

	if (afcap_stats(members[number].handle, &stats) == 0)
		printf("thread %d: %" PRIu64 " packets seen, %" PRIu64 " dropped, %" PRIu64
		       " received, %" PRIu64 " bytes\n",
		       number, stats.packets, stats.drops, stats.received, stats.received_bytes);
	if (members[number].result != AFCAP_STOPPED)
		printf("thread %d: %s\n", number, afcap_strerror(members[number].result));
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[2]) : 0, number;
	sigset_t signals;

	if (argc < 3 || argc > 4 || threads < 1 || threads > THREADS_MAX)
		errx(2, "usage: fanout INTERFACE THREADS [SECONDS], 1 to %d threads", THREADS_MAX);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL); /* in all threads; main waits for the signals */
	group_open(argv[1], threads);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&members[i].thread, NULL, member_run, &members[i]))
			errx(1, "no thread");
	if (argc == 4)
		alarm((unsigned)atoi(argv[3]));
	sigwait(&signals, &number);
	for (int i = 0; i < threads; i++)
		afcap_stop(members[i].handle);
	for (int i = 0; i < threads; i++) {
		pthread_join(members[i].thread, NULL);
		member_print(i);
	}
	for (int i = 0; i < threads; i++)
		afcap_close(members[i].handle);
	return 0;
}
