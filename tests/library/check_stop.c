/* Open, stop, close: again and again, with a reader in another thread. */
#include "lab.h"
#include "suites.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIMES 100 /* AFCAP_STOPS: another number */

static unsigned times(void)
{
	const char *stops = getenv("AFCAP_STOPS");

	return stops ? (unsigned)atoi(stops) : TIMES;
}

static unsigned descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static atomic_int reader_tid;

static void *reader(void *h)
{
	const struct afcap_packet *packet;
	intptr_t packets = 0;
	int rc;

	atomic_store(&reader_tid, gettid());
	while ((rc = afcap_read(h, &packet, -1)) == AFCAP_READY || rc == AFCAP_WOKEN)
		packets += rc == AFCAP_READY;
	ck_assert_int_eq(rc, AFCAP_STOPPED);
	return (void *)packets;
}

/* The reader may be anywhere when it is stopped: not there yet, reading, asleep. */
static void reader_read(void)
{
	struct afcap_stats stats;

	do
		ck_assert_int_eq(afcap_stats(handle, &stats), 0);
	while (stats.received == 0);
}

/* The state of a thread in /proc is S while it sleeps; of this program's only its waits do. */
static void reader_asleep(void)
{
	char path[64], state = 0;

	while (state != 'S') {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&reader_tid));
		f = fopen(path, "r");
		if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		if (f)
			fclose(f);
	}
}

START_TEST(a_reader_is_stopped_and_its_handle_closed)
{
	unsigned before = descriptors();
	struct afcap_stats stats;
	pthread_t thread;

	options.ring.blocks = 2;
	for (unsigned i = 0; i < times(); i++) {
		options.ring.version = (enum afcap_tpacket)(1 + i % 3);
		lab_open();
		atomic_store(&reader_tid, 0);
		ck_assert_int_eq(pthread_create(&thread, NULL, reader, handle), 0);
		if (i % 4 == 0)
			lab_send(3, TEST_TYPE);
		if (i % 4 == 1)
			afcap_wake(handle);
		if (i % 8 == 4)
			reader_read();
		if (i % 4 == 3)
			reader_asleep();
		if (i % 4 == 2) /* from another thread, while it reads or waits */
			ck_assert_int_eq(afcap_stats(handle, &stats), 0);
		afcap_stop(handle);
		pthread_join(thread, NULL);
		afcap_close(handle);
	}
	ck_assert_uint_eq(descriptors(), before);
}
END_TEST

START_TEST(the_handle_is_closed_on_exec_and_null_is_safe)
{
	char command[200];

	lab_open();
	snprintf(command, sizeof(command), "test ! -e /proc/self/fd/%d -a ! -e /proc/self/fd/%d",
		 afcap_fd(handle), afcap_poll_fd(handle));
	lab_run("%s", command);
	afcap_close(handle);
	afcap_close(NULL);
}
END_TEST

/* All packets sent before stop() that the reader has seen are counted, none twice. */
START_TEST(statistics_are_read_while_a_reader_reads)
{
	struct afcap_stats stats, last = { 0 };
	pthread_t thread;
	void *packets;

	lab_open();
	ck_assert_int_eq(pthread_create(&thread, NULL, reader, handle), 0);
	for (unsigned i = 0; i < 200; i++) {
		lab_send(20, TEST_TYPE);
		ck_assert_int_eq(afcap_stats(handle, &stats), 0);
		ck_assert_uint_ge(stats.packets, last.packets);
		ck_assert_uint_ge(stats.received, last.received);
		ck_assert_uint_ge(stats.packets, stats.received + stats.drops);
		last = stats;
	}
	LAB_SOON(lab_stats().received + lab_stats().drops == 4000);
	afcap_stop(handle);
	pthread_join(thread, &packets);
	ck_assert_uint_eq((uintptr_t)packets, lab_stats().received);
	afcap_close(handle);
}
END_TEST

Suite *suite_stop(void)
{
	Suite *s = suite_create("stop");
	TCase *t = lab_case(s, "NewTPacket Close", lab_setup, 600);

	tcase_add_test(t, a_reader_is_stopped_and_its_handle_closed);
	tcase_add_test(t, the_handle_is_closed_on_exec_and_null_is_safe);
	tcase_add_test(t, statistics_are_read_while_a_reader_reads);
	return s;
}
