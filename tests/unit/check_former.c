/* daemon/supervisor/former.c: sections that are not configured any more. */
#include "manager.h"
#include "place.h"
#include "settings.h"
#include "suites.h"

#include "../../daemon/supervisor/capture_state.h"
#include "../../daemon/supervisor/fdstore.h"
#include "../../daemon/supervisor/former.h"
#include "../../daemon/supervisor/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config;
static struct notify *notify;
static struct fdstore *store;

static void setup(void)
{
	manager_begin();
	place_log();
	ck_assert_int_eq(notify_new(&notify), 0);
	ck_assert_int_eq(fdstore_new(&store, notify), 0);
	settings_begin(&config);
	settings_capture(&config, "a", "interface=va directory=/a workers=3");
	settings_finish(&config);
}

static void teardown(void)
{
	fdstore_free(store);
	notify_free(notify);
	manager_end();
}

/* The record of a capture that was configured so, and recorded. Borrowed until the test ends. */
static struct checkpoint *record_leave(const char *name, const char *settings)
{
	struct plan plan = { .link_type = 1 };
	static struct config then;
	struct config_capture *c;
	struct checkpoint *record;
	int fd = checkpoint_create();
	char stored[64];
	uint64_t ignored;

	settings_begin(&then);
	c = settings_capture(&then, "x", settings);
	settings_finish(&then);
	ck_assert_int_eq(plan_make(c, &plan, NULL), 0);
	record = checkpoint_map(fd, &ignored);
	ck_assert_ptr_nonnull(record);
	record->fingerprint = plan_fingerprint(c, &plan, (unsigned)c->group.workers);
	record->since_ns = 1;
	snprintf(stored, sizeof(stored), "capture.%s", name);
	fdstore_inherit(store, stored, fd);
	return record;
}

START_TEST(what_recorded_is_a_section_again)
{
	const struct config_capture *b = &config.capture[1];

	fdstore_inherit(store, "ledger.b.0", ledger_create());
	record_leave("a", "interface=vx directory=/x workers=1");
	record_leave("b", "interface=vb directory=/b workers=2 ring_size=4M block_size=64K "
			  "fanout=lb disk_budget=10G");
	former_add(&config, store);
	ck_assert_uint_eq(config.captures, 2);
	ck_assert_str_eq(b->name, "b");
	ck_assert_str_eq(b->group.interface, "vb");
	ck_assert_str_eq(b->group.directory, "/b");
	ck_assert_int_eq(b->group.workers, 2);
	ck_assert_uint_eq(b->group.block_bytes, 65536);
	ck_assert_int_eq(b->group.fanout, AFCAP_FANOUT_LB);
	ck_assert_uint_eq(b->archive.disk_budget, 0);		   /* nothing is removed for it */
	ck_assert_str_eq(config.capture[0].group.interface, "va"); /* as it is configured */
	ck_assert_int_eq(config.capture[0].group.workers, 3);
	ck_assert_uint_eq(manager_read(), 0); /* nothing of either is dropped */
	ck_assert_uint_eq(place_logged("<"), 0);
}
END_TEST

/* There is nothing to be written out, nor anything to be logged. */
START_TEST(what_recorded_nothing_is_dropped)
{
	struct checkpoint *record = record_leave("b", "interface=vb directory=/b workers=2");

	record->since_ns = 0;
	fdstore_inherit(store, "ledger.b.0", ledger_create());
	former_add(&config, store);
	ck_assert_uint_eq(config.captures, 1);
	ck_assert(!fdstore_end(store));
	manager_read();
	ck_assert_str_eq(manager.texts, "FDSTOREREMOVE=1 FDNAME=capture.b\n"
					"FDSTOREREMOVE=1 FDNAME=ledger.b.0\n");
	ck_assert_uint_eq(place_logged("<"), 0);
}
END_TEST

static void version_change(struct checkpoint *record)
{
	record->version++;
}

static void fingerprint_damage(struct checkpoint *record)
{
	record->fingerprint.workers = 0;
}

static void (*const damages[])(struct checkpoint *) = { version_change, fingerprint_damage };

/* What its rings held is logged when the store ends. */
START_TEST(a_record_that_says_nothing_is_left_to_the_store)
{
	damages[_i](record_leave("b", "interface=vb directory=/b workers=2"));
	fdstore_inherit(store, "ring.b.0.1", ledger_create());
	former_add(&config, store);
	ck_assert_uint_eq(config.captures, 1);
	ck_assert_uint_eq(manager_read(), 0);
	ck_assert(fdstore_end(store));
	ck_assert_uint_eq(place_logged("dropping stored descriptor ring.b.0.1: it is unusable"), 1);
}
END_TEST

START_TEST(a_name_that_no_section_can_have_is_logged)
{
	record_leave("b/b", "interface=vb directory=/b workers=2");
	record_leave("c", "interface=vc directory=/c workers=1");
	former_add(&config, store);
	ck_assert_uint_eq(place_logged("<3>"), 1);
	ck_assert_uint_eq(place_logged("the previous instance"), 1);
	ck_assert_uint_eq(config.captures, 2); /* the next one is */
	ck_assert_str_eq(config.capture[1].name, "c");
	ck_assert(fdstore_end(store));
}
END_TEST

/* The manager's copies are members, too, until it has closed them. (Whose rings hold one:
 * check_captures.c.) */
START_TEST(a_group_is_held_until_the_manager_has_closed_its_rings)
{
	const struct fdstore_key ring = { FDSTORE_RING, "b", 0, 1 };
	const struct capture_context context = { .configured = 1 };
	struct config_capture sections[2] = { { .group.fanout_id = 7 }, { .group.fanout_id = 8 } };
	struct capture now = { .context = &context, .config = &sections[0] };
	struct capture former = { .context = &context,
				  .config = &sections[1],
				  .slots.index = 1,
				  .state = CAPTURE_STOPPED };
	struct capture *const captures[2] = { &now, &former };

	ck_assert(!former_group_held(captures, 2, store, 8));
	fdstore_drop(store, &ring);
	ck_assert(former_group_held(captures, 2, store, 8));
	ck_assert(!former_group_held(captures, 1, store, 8)); /* there is no former one */
	manager_read();
	ck_assert(!former_group_held(captures, 2, store, 8));
}
END_TEST

Suite *suite_former(void)
{
	Suite *s = suite_create("former");
	TCase *t = tcase_create("former");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_recorded_is_a_section_again);
	tcase_add_test(t, what_recorded_nothing_is_dropped);
	tcase_add_loop_test(t, a_record_that_says_nothing_is_left_to_the_store, 0,
			    sizeof(damages) / sizeof(*damages));
	tcase_add_test(t, a_name_that_no_section_can_have_is_logged);
	tcase_add_test(t, a_group_is_held_until_the_manager_has_closed_its_rings);
	suite_add_tcase(s, t);
	return s;
}
