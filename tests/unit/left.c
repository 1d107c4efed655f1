/* A record, ledgers, rings. */
#include "left.h"
#include "packetring.h"
#include "place.h"
#include "settings.h"
#include "suites.h"

#include "../../daemon/supervisor/notify.h"
#include "../../daemon/supervisor/plan.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

struct left left;

static struct notify *notify;

static void capture_configure(const char *settings)
{
	settings_begin(&left.config);
	left.capture = settings_capture(&left.config, "a", settings);
	settings_finish(&left.config);
}

void left_put(const char *format, unsigned worker, int fd)
{
	char name[64];

	ck_assert_int_ge(fd, 0);
	snprintf(name, sizeof(name), format, worker);
	fdstore_inherit(left.store, name, fd);
}

static void record_leave(void)
{
	struct plan plan;
	uint64_t ignored;
	int fd;

	fd = left.record_fd = checkpoint_create();
	ck_assert_int_eq(plan_make(left.capture, &plan, NULL), 0);
	plan.link_type = 1;
	left.record = checkpoint_map(fd, &ignored);
	left.record->fingerprint = plan_fingerprint(left.capture, &plan, LEFT_WORKERS);
	left.record->since_ns = LEFT_AT - NS(1000);
	left.record->alive_ns = LEFT_AT;
	left.record->armed = 1;
	left_put("capture.a", 0, fd);
}

static void ledger_leave(unsigned worker)
{
	int fd = ledger_create();

	left.ledgers[worker] = ledger_map(fd);
	ck_assert_ptr_nonnull(left.ledgers[worker]);
	left_put("ledger.a.%u", worker, fd);
}

static void ring_leave(unsigned worker)
{
	left.rings[worker] = packetring_open(0);
	ck_assert_msg(left.rings[worker] >= 0, "a packet socket needs root");
	left_put("ring.a.%u.1", worker, fcntl(left.rings[worker], F_DUPFD_CLOEXEC, 0));
}

void left_setup(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network namespace needs root");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	place_log();
	ck_assert_int_eq(notify_new(&notify), 0);
	ck_assert_int_eq(fdstore_new(&left.store, notify), 0);
	capture_configure("interface=lo workers=2 ring_size=256K block_size=64K directory=/d");
	record_leave();
	for (unsigned i = 0; i < LEFT_WORKERS; i++) {
		ledger_leave(i);
		ring_leave(i);
	}
}

void left_teardown(void)
{
	fdstore_free(left.store);
	notify_free(notify);
}
