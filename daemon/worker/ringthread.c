/* Making the ring thread, and the main thread's side of the crossing. */
#include "ringthread.h"
#include "ringloop.h"

#include "../base/trace.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

struct ringthread {
	struct ringloop loop; /* owned by the ring thread once it runs */
	struct crossing crossing;
	pthread_t thread;
	sem_t made, go;
	bool running;
	bool first_there; /* the first file was handed over */
};

int ringthread_new(struct ringthread **out, struct afcap *ring, struct ledger *ledger,
		   const struct message_worker *what, int notify)
{
	struct ringthread *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->crossing.notify = notify;
	if (ringloop_init(&t->loop, ring, ledger, what, &t->crossing)) {
		free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

/* Passes a file on: to the writer before the thread runs, else as the late first file, else as the
 * spare file. */
static bool file_give(struct ringthread *t, const struct crossing_file *file)
{
	if (!t->running && t->loop.writer.current.fd < 0 &&
	    file->serial == t->loop.totals.current.serial) {
		t->first_there = true;
		writer_begin(&t->loop.writer, file);
		return true;
	}
	if (t->running && !t->first_there) {
		t->first_there = true;
		crossing_late_give(&t->crossing, file);
		return true;
	}
	return crossing_spare_give(&t->crossing, file);
}

int ringthread_file(struct ringthread *t, const struct message_file *file, int fd)
{
	const struct crossing_file f = { file->serial, fd, file->align };

	if (fd < 0 || f.align < OUTFILE_ALIGN_MIN || f.align > OUTFILE_ALIGN_MAX ||
	    (f.align & (f.align - 1)) || !file_give(t, &f))
		return -EINVAL;
	if (t->running)
		afcap_wake(t->loop.ring); /* it may be waiting for the file */
	return 0;
}

bool ringthread_ready(const struct ringthread *t)
{
	return t->loop.what->group.output != OUTPUT_PCAPNG || t->loop.writer.current.fd >= 0 ||
	       atomic_load(&t->crossing.suspended);
}

void ringthread_suspend(struct ringthread *t, bool suspended)
{
	atomic_store(&t->crossing.suspended, suspended);
}

void ringthread_rotate(struct ringthread *t)
{
	atomic_store(&t->crossing.rotate, true);
	if (t->running)
		afcap_wake(t->loop.ring);
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) && errno == EINTR)
		;
}

static void *thread_run(void *arg)
{
	struct ringthread *t = arg;

	pthread_setname_np(pthread_self(), "afcap-ring");
	trace_thread();
	sem_post(&t->made);
	wait_for(&t->go);
	ringloop_run(&t->loop);
	return NULL;
}

int ringthread_start(struct ringthread *t)
{
	int rc = burst_start(&t->loop.writer.burst, t->loop.ring);
	if (rc)
		return rc;
	sem_init(&t->made, 0, 0);
	sem_init(&t->go, 0, 0);
	rc = pthread_create(&t->thread, NULL, thread_run, t);
	if (rc)
		return -rc;
	wait_for(&t->made);
	return 0;
}

void ringthread_go(struct ringthread *t)
{
	t->running = true;
	sem_post(&t->go);
}

bool ringthread_running(const struct ringthread *t)
{
	return t && t->running;
}

void ringthread_drain(struct ringthread *t)
{
	atomic_store(&t->crossing.draining, true);
	afcap_wake(t->loop.ring);
}

void ringthread_stop(struct ringthread *t)
{
	if (!t->running)
		return;
	atomic_store(&t->crossing.stopping, true); /* also ends a loop that never waits */
	afcap_stop(t->loop.ring);
	pthread_join(t->thread, NULL);
	t->running = false;
}

bool ringthread_statistics_wanted(const struct ringthread *t)
{
	return atomic_load(&t->crossing.statistics_wanted);
}

void ringthread_statistics_taken(struct ringthread *t)
{
	atomic_store(&t->crossing.statistics_wanted, false);
	afcap_wake(t->loop.ring);
}

void ringthread_news(struct ringthread *t, struct ringthread_news *news)
{
	*news = (struct ringthread_news){
		.link = atomic_exchange(&t->crossing.link, 0),
		.error = atomic_exchange(&t->crossing.error, 0),
		.fatal = atomic_load(&t->crossing.fatal),
		.refused = atomic_load(&t->crossing.refused),
		.burst = atomic_exchange(&t->crossing.burst, false),
		.no_space = atomic_load(&t->crossing.no_space),
		.waiting_bytes = burst_waiting(&t->loop.writer.burst),
	};
}
