/* daemon/supervisor/plan.c: what a configuration means for rings and workers, and what of it cannot
 * change under a ring. */
#include "suites.h"
#include "../../daemon/base/config_reader.h"
#include "../../daemon/base/config_rules.h"
#include "../../daemon/base/config_schema.h"
#include "../../daemon/base/linktype.h"
#include "../../daemon/supervisor/filter.h"
#include "../../daemon/supervisor/plan.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

static struct config config;
static struct config_capture *c;
static struct plan plan;

static void set(const char *setting)
{
	struct config_error error;

	ck_assert_msg(config_override(&config, setting, &error) == 0, "%s", error.text);
}

/* "KEY=VALUE KEY=VALUE ..." on top of the defaults, interface eth0, two workers. */
static void begin(const char *settings)
{
	struct config_error error;
	char copy[256], *next;

	config_init(&config);
	c = config_add(&config, "a", 1, "test", &error);
	set("interface=eth0");
	set("workers=2");
	snprintf(copy, sizeof(copy), "%s", settings);
	for (char *one = strtok_r(copy, " ", &next); one; one = strtok_r(NULL, " ", &next))
		set(one);
}

static void finish(void)
{
	struct config_error error;

	ck_assert_msg(config_finish(&config, &error) == 0, "%s", error.text);
}

static void configure(const char *settings)
{
	begin(settings);
	finish();
	memset(&plan, 0, sizeof(plan));
	ck_assert_int_eq(plan_make(c, &plan, NULL), 0);
}

static const struct {
	const char *settings;
	uint32_t snaplen;
} snaplens[] = {
	{ "snaplen=100", 100 },
	{ "block_size=64K", 65536 - 160 },
	{ "", 262144 },
	{ "ring_size=8M", 131072 - 160 },
	{ "interface=any block_size=1M", 262144 - 20 }, /* a cooked header is before it */
	{ "interface=any block_size=64K", 65536 - 160 },
	{ "interface=any snaplen=100", 100 },
};

START_TEST(no_packet_fills_a_block_to_its_last_byte)
{
	configure(snaplens[_i].settings);
	ck_assert_uint_eq(plan.snaplen, snaplens[_i].snaplen);
}
END_TEST

START_TEST(a_ring_has_the_blocks_that_its_size_has)
{
	struct afcap_error error;

	configure("ring_size=8M block_size=256K block_timeout=20ms");
	ck_assert_uint_eq(plan.ring.block_bytes, 262144);
	ck_assert_uint_eq(plan.ring.blocks, 32);
	ck_assert_uint_eq(plan.ring.block_timeout_ms, 20);
	ck_assert_int_eq(afcap_geometry_check(&plan.ring, NULL), 0);
	plan.link_type = 7;
	c->group.ring_bytes = 1000;
	ck_assert_int_eq(plan_make(c, &plan, &error), -EINVAL);
	ck_assert_uint_gt(strlen(error.text), 0);
	ck_assert_uint_eq(plan.link_type, 0); /* that of a device which is not known yet */
}
END_TEST

static const struct {
	uint32_t hardware, link_type; /* 0: refused */
} devices[] = {
	{ ARPHRD_ETHER, LINKTYPE_ETHERNET },
	{ ARPHRD_LOOPBACK, LINKTYPE_ETHERNET },
	{ ARPHRD_NONE, LINKTYPE_RAW },
	{ ARPHRD_RAWIP, LINKTYPE_RAW },
	{ ARPHRD_CAN, 0 },
	{ ARPHRD_IEEE80211_RADIOTAP, 0 },
};

START_TEST(a_device_has_the_link_type_of_its_hardware)
{
	uint32_t type = 0;

	configure("");
	ck_assert_int_eq(plan_link_type(c, devices[_i].hardware, &type),
			 devices[_i].link_type ? 0 : -EPFNOSUPPORT);
	ck_assert_uint_eq(type, devices[_i].link_type);
	ck_assert(!type || plan_link_type_known(c, type));
	ck_assert_uint_eq(plan_link_type_like(c, type), type);
	configure("interface=any cooked=sll");
	ck_assert_int_eq(plan_link_type(c, devices[_i].hardware, &type), 0);
	ck_assert_uint_eq(type, LINKTYPE_LINUX_SLL);
}
END_TEST

/* Rings of all interfaces have either of two, which a restart may change; of one, never these. */
START_TEST(cooked_packets_are_of_all_interfaces)
{
	configure("interface=any");
	ck_assert(plan_any(c));
	ck_assert_uint_eq(plan.link_type, LINKTYPE_LINUX_SLL2);
	ck_assert(plan_link_type_known(c, LINKTYPE_LINUX_SLL));
	ck_assert(!plan_link_type_known(c, LINKTYPE_ETHERNET));
	ck_assert_uint_eq(plan_link_type_like(c, LINKTYPE_LINUX_SLL), LINKTYPE_LINUX_SLL2);
	ck_assert_uint_eq(plan_link_type_like(c, LINKTYPE_RAW), LINKTYPE_RAW);
	ck_assert_str_eq(plan_filter_for(c, "eth0"), INTERFACE_ANY);
	configure("interface=any cooked=sll");
	ck_assert_str_eq(plan_filter_for(c, "eth0"), FILTER_ANY_SLL);
	configure("");
	ck_assert(!plan_any(c));
	ck_assert(!plan_link_type_known(c, LINKTYPE_LINUX_SLL2));
	ck_assert_uint_eq(plan_link_type_like(c, LINKTYPE_LINUX_SLL), LINKTYPE_LINUX_SLL);
	ck_assert_str_eq(plan_filter_for(c, "eth1"), "eth1");
}
END_TEST

/* The loopback has each packet twice: without those that go out once. */
START_TEST(fanout_flags_are_the_configured_ones_or_the_devices)
{
	const uint32_t ignore = AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;

	configure("fanout_flags=auto");
	ck_assert(plan_fanout_flags(c, true, ARPHRD_LOOPBACK) & ignore);
	ck_assert(!(plan_fanout_flags(c, true, ARPHRD_ETHER) & ignore));
	ck_assert_uint_eq(plan_fanout_flags(c, false, ARPHRD_LOOPBACK), c->group.fanout_flags);
	configure("fanout_flags=defrag");
	ck_assert_uint_eq(plan_fanout_flags(c, true, ARPHRD_LOOPBACK), AFCAP_FANOUT_FLAG_DEFRAG);
}
END_TEST

START_TEST(a_worker_gets_what_is_configured)
{
	struct message_worker w;

	configure("block_size=256K file_size=4M file_duration=60s write_delay=2s worker_timeout=5s "
		  "promiscuous=no vlan=strip cpus=3,5 layout=compact");
	plan.link_type = LINKTYPE_RAW;
	c->group.fanout_flags_auto = 1;
	ck_assert_int_ne(c->group.cooked, 0);
	plan_worker(c, &plan, 2, 1, &w);
	ck_assert_int_eq(w.group.cooked,
			 0); /* groups are compared: what is not in effect is zero */
	ck_assert_uint_eq(w.group.fanout_flags_auto, 0);
	ck_assert_str_eq(w.capture, "a");
	ck_assert_str_eq(w.group.interface, "eth0");
	ck_assert_int_eq(w.group.workers, 2);
	ck_assert_uint_eq(w.worker, 1);
	ck_assert_int_eq(w.cpu, 5);
	ck_assert_uint_eq(w.group.block_bytes, plan.ring.block_bytes);
	ck_assert_uint_eq(w.blocks, plan.ring.blocks);
	ck_assert_uint_eq(w.group.ring_bytes, 64 << 20);
	ck_assert_uint_eq(w.group.block_timeout_ns, plan.ring.block_timeout_ms * 1000000);
	ck_assert_uint_eq(w.group.snaplen, 262144 - 160);
	ck_assert_uint_eq(w.link_type, LINKTYPE_RAW);
	ck_assert_uint_eq(w.group.output, OUTPUT_PCAPNG);
	ck_assert_uint_eq(w.config.layout, LAYOUT_COMPACT);
	ck_assert_uint_eq(w.config.file_bytes, 4 << 20);
	ck_assert_uint_eq(w.config.file_duration_ns, UINT64_C(60000000000));
	ck_assert_uint_eq(w.config.write_delay_ns, UINT64_C(2000000000));
	ck_assert_uint_eq(w.config.timeout_ns, UINT64_C(5000000000));
	ck_assert_uint_eq(w.group.promiscuous + w.group.vlan_keep, 0);
	ck_assert_uint_eq(w.resume + w.ifindex + w.generation + w.quarantine, 0);
}
END_TEST

static struct checkpoint_fingerprint fingerprint_of(const char *settings)
{
	configure(settings);
	plan.link_type =
		plan_link_type_like(c, plan_any(c) ? LINKTYPE_LINUX_SLL2 : LINKTYPE_ETHERNET);
	return plan_fingerprint(c, &plan, (unsigned)c->group.workers);
}

/* What a ring cannot become by another configuration, by the keys that a user knows; and what it
 * can. */
static const struct {
	const char *before, *after, *keys;
} changes[] = {
	{ "", "", "" },
	{ "", "workers=3", "workers" },
	{ "", "ring_size=32M", "ring_size" },
	{ "", "ring_size=32M snaplen=100", "ring_size, snaplen" },
	{ "ring_size=32M", "ring_size=16M", "ring_size" }, /* which limits the snaplen, too */
	{ "block_size=1M block_timeout=64ms", "", "block_size" }, /* the default of 0.1.0 */
	{ "block_size=64K", "block_size=32K block_timeout=7ms", "block_size, block_timeout" },
	{ "", "block_size=2M", "block_size" },
	{ "", "block_size=2M ring_size=128M", "block_size, ring_size" },
	{ "", "block_timeout=10ms", "block_timeout" },
	{ "", "snaplen=128", "snaplen" },
	{ "", "output=none", "output" },
	{ "", "vlan=strip", "vlan" },
	{ "", "promiscuous=no", "promiscuous" },
	{ "", "fanout=cpu", "fanout" },
	{ "", "fanout_flags=defrag", "fanout_flags" },
	{ "", "fanout_id=7", "fanout_id" },
	{ "", "interface=eth1", "interface" },
	{ "", "directory=/x", "directory" },
	{ "", "workers=3 interface=eth1", "workers, interface" },
	{ "interface=any", "interface=any cooked=sll", "cooked" },
	{ "", "cooked=sll", "" },
	{ "", "filter=udp", "" },
	{ "", "file_size=2G file_duration=60s file_mode=0600 file_group=wheel", "" },
	{ "", "disk_budget=8G max_age=7d disk_reserve=1G sync=none", "" },
	{ "", "write_delay=2s worker_timeout=9s drain_timeout=9s cpus=0,1 layout=compact", "" },
	{ "", "direct=no on_missing=wait burst=1G", "" },
};

START_TEST(what_a_ring_cannot_become_is_told_by_its_keys)
{
	struct checkpoint_fingerprint before = fingerprint_of(changes[_i].before);
	char keys[96];

	configure(changes[_i].after);
	plan_differences(&before, c, keys, sizeof(keys));
	ck_assert_str_eq(keys, changes[_i].keys);
	ck_assert_int_eq(plan_resumable(&before, c), !*keys);
}
END_TEST

START_TEST(keys_are_cut_where_there_is_no_more_space)
{
	struct checkpoint_fingerprint before = fingerprint_of("");
	char keys[12];

	configure("workers=3 interface=eth1 directory=/x");
	plan_differences(&before, c, keys, sizeof(keys));
	ck_assert_str_eq(keys, "workers, in");
}
END_TEST

/* What a change of each key costs: a key has at least one row, with another value than the one that
 * `before` gives it. */
static const struct {
	const char *key, *value;
	enum plan_change cost;
	const char *before;
} costs[] = {
	{ "interface", "eth1", PLAN_RING, "" },
	{ "cooked", "sll", PLAN_NOTHING, "" },
	{ "cooked", "sll", PLAN_RING, "interface=any" },
	{ "workers", "3", PLAN_RING, "" },
	{ "workers", "auto", PLAN_NOTHING, "" }, /* stays at two */
	{ "on_missing", "wait", PLAN_NOTHING, "" },
	{ "worker_timeout", "9s", PLAN_ROTATE, "" },
	{ "drain_timeout", "9s", PLAN_NOTHING, "" },
	{ "cpus", "0,1", PLAN_ROTATE, "" },
	{ "fanout", "cpu", PLAN_RING, "" },
	{ "fanout_flags", "defrag", PLAN_RING, "" },
	{ "fanout_flags", "none", PLAN_NOTHING, "" }, /* as the device has them */
	{ "fanout_id", "7", PLAN_RING, "" },
	{ "filter", "udp", PLAN_FILTER, "" },
	{ "filter", "udp", PLAN_FILTER, "filter=udp[8]=1" },
	{ "snaplen", "128", PLAN_RING, "" },
	{ "snaplen", "200000", PLAN_NOTHING, "block_size=64K" }, /* no block has so many */
	{ "promiscuous", "no", PLAN_RING, "" },
	{ "vlan", "strip", PLAN_RING, "" },
	{ "ring_size", "32M", PLAN_RING, "" },
	{ "ring_size", "66000K", PLAN_NOTHING, "" }, /* as many whole blocks */
	{ "block_size", "2M", PLAN_RING, "" },
	{ "block_size", "auto", PLAN_RING, "block_size=1M" },
	{ "block_size", "512K", PLAN_NOTHING, "" }, /* what auto means */
	{ "block_timeout", "10ms", PLAN_RING, "" },
	{ "block_timeout", "334ms", PLAN_NOTHING, "" }, /* likewise */
	{ "burst", "1G", PLAN_ROTATE, "" },
	{ "write_delay", "2s", PLAN_ROTATE, "" },
	{ "output", "none", PLAN_RING, "" },
	{ "directory", "/x", PLAN_RING, "" },
	{ "layout", "compact", PLAN_ROTATE, "" },
	{ "direct", "no", PLAN_ANNOUNCE, "" },
	{ "file_size", "2G", PLAN_ROTATE, "" },
	{ "file_duration", "60s", PLAN_ROTATE, "" },
	{ "file_mode", "0600", PLAN_ANNOUNCE, "" },
	{ "file_group", "wheel", PLAN_ANNOUNCE, "" },
	{ "disk_budget", "8G", PLAN_ANNOUNCE, "" },
	{ "max_age", "7d", PLAN_ANNOUNCE, "" },
	{ "disk_reserve", "1G", PLAN_ANNOUNCE, "" },
	{ "sync", "none", PLAN_ANNOUNCE, "" },
};
#define COSTS (sizeof(costs) / sizeof(*costs))

/* The record of the rings does not say whose choice the flags were. */
START_TEST(a_loopback_by_another_name_gets_its_outgoing_packets_when_that_is_configured)
{
	const uint32_t ignore = AFCAP_FANOUT_FLAG_IGNORE_OUTGOING;
	struct checkpoint_fingerprint fingerprint =
		fingerprint_of("interface=loop0 fanout_flags=auto");

	configure("interface=loop0 fanout_flags=auto");
	ck_assert(!plan_packets_missed(c, ARPHRD_LOOPBACK, ignore));
	ck_assert(plan_packets_missed(c, ARPHRD_ETHER, ignore));
	configure("interface=loop0 fanout_flags=ignore_outgoing");
	ck_assert(!plan_packets_missed(c, ARPHRD_LOOPBACK, ignore));
	configure("interface=loop0 fanout_flags=none");
	ck_assert(plan_resumable(&fingerprint, c));
	ck_assert(plan_packets_missed(c, ARPHRD_LOOPBACK, ignore));
	ck_assert(!plan_packets_missed(c, ARPHRD_LOOPBACK, AFCAP_FANOUT_FLAG_DEFRAG));
}
END_TEST

static char *printed(void)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	config_print(&config, out);
	fclose(out);
	return text;
}

static void change(unsigned row)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=%s", costs[row].key, costs[row].value);
	set(text);
}

START_TEST(a_change_costs_what_its_key_says)
{
	struct config_capture then;
	char *before, *after;

	configure(costs[_i].before);
	then = *c;
	before = printed();
	ck_assert_int_eq(plan_change(&then, c), PLAN_NOTHING);
	begin(costs[_i].before);
	change((unsigned)_i);
	finish();
	after = printed();
	ck_assert_msg(strcmp(before, after) != 0, "%s: no change", costs[_i].key);
	ck_assert_msg(plan_change(&then, c) == costs[_i].cost, "%s = %s costs %d", costs[_i].key,
		      costs[_i].value, plan_change(&then, c));
	if (c->group.workers != CONFIG_AUTO)
		ck_assert_int_eq(plan_change(c, &then), costs[_i].cost);
	free(before);
	free(after);
}
END_TEST

static bool priced(const char *key)
{
	for (unsigned i = 0; i < COSTS; i++)
		if (strcmp(costs[i].key, key) == 0)
			return true;
	return false;
}

START_TEST(each_key_says_what_its_change_costs)
{
	for (unsigned i = 0; i < config_capture_section.count; i++)
		ck_assert_msg(priced(config_capture_section.keys[i].name),
			      "%s: what a change costs is not said",
			      config_capture_section.keys[i].name);
}
END_TEST

START_TEST(changes_together_cost_the_most_of_them)
{
	struct config_capture then, unfinished;

	begin("");
	unfinished = *c;
	finish();
	then = *c;
	for (unsigned i = 0; i < COSTS; i++)
		for (unsigned k = 0; k < COSTS; k++) {
			enum plan_change most =
				costs[i].cost > costs[k].cost ? costs[i].cost : costs[k].cost;

			if (*costs[i].before || *costs[k].before ||
			    strcmp(costs[i].key, costs[k].key) == 0)
				continue;
			*c = unfinished;
			change(i);
			change(k);
			finish();
			ck_assert_msg(plan_change(&then, c) == most, "%s and %s cost %d",
				      costs[i].key, costs[k].key, plan_change(&then, c));
		}
}
END_TEST

/* A restart that has a record of the rings alone decides as the configurations would. */
START_TEST(a_record_says_the_same_of_the_rings)
{
	struct checkpoint_fingerprint fingerprint = fingerprint_of(costs[_i].before);

	begin(costs[_i].before);
	change((unsigned)_i);
	finish();
	ck_assert_int_eq(plan_resumable(&fingerprint, c), costs[_i].cost != PLAN_RING);
}
END_TEST

/* From any of those: what is made of a record's fingerprint has that fingerprint again. */
START_TEST(a_configuration_made_of_a_fingerprint_has_that_fingerprint)
{
	struct checkpoint_fingerprint fingerprint = fingerprint_of(changes[_i].after), again;
	struct plan then = plan_of_fingerprint(&fingerprint);

	ck_assert(plan_fingerprint_valid(&fingerprint));
	ck_assert_uint_eq(then.link_type, plan.link_type);
	ck_assert_mem_eq(&then.ring, &plan.ring, sizeof(then.ring));
	configure("disk_budget=8G max_age=7d");
	plan_configure(c, &fingerprint);
	ck_assert_int_eq(plan_make(c, &plan, NULL), 0);
	plan.link_type = plan_link_type_like(c, fingerprint.link_type);
	again = plan_fingerprint(c, &plan, (unsigned)c->group.workers);
	ck_assert_mem_eq(&again, &fingerprint, sizeof(fingerprint));
	ck_assert_int_eq(c->archive.disk_budget + c->archive.max_age_ns + c->archive.disk_reserve,
			 0);
}
END_TEST

/* A record is another process's word. */
START_TEST(a_fingerprint_that_cannot_be_is_seen)
{
	const struct checkpoint_fingerprint good = fingerprint_of("");
	struct checkpoint_fingerprint bad = good;

	ck_assert(plan_fingerprint_valid(&bad));
#define BAD(change)                                                                                \
	do {                                                                                       \
		bad = good;                                                                        \
		change;                                                                            \
		ck_assert_msg(!plan_fingerprint_valid(&bad), "%s", #change);                       \
	} while (0)
	BAD(bad.workers = 0);
	BAD(bad.workers = WORKERS_MAX + 1);
	BAD(bad.blocks = 0);
	BAD(bad.block_bytes = 12345);
	BAD(bad.block_timeout_ms = 70000);
	BAD(bad.snaplen = bad.block_bytes);
	BAD(bad.output = OUTPUT_NONE + 1);
	BAD(bad.interface[0] = '\0');
	BAD(memset(bad.interface, 'x', sizeof(bad.interface)));
	BAD(memset(bad.directory, '/', sizeof(bad.directory)));
	BAD(strcpy(bad.directory, "relative"));
#undef BAD
	strcpy(bad.directory, "");
	bad.output = OUTPUT_NONE;
	ck_assert(plan_fingerprint_valid(&bad));
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof(*(table))))

Suite *suite_plan(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("plan");

	tcase_add_loop_test(t, no_packet_fills_a_block_to_its_last_byte, 0, ROWS(snaplens));
	tcase_add_test(t, a_ring_has_the_blocks_that_its_size_has);
	tcase_add_loop_test(t, a_device_has_the_link_type_of_its_hardware, 0, ROWS(devices));
	tcase_add_test(t, cooked_packets_are_of_all_interfaces);
	tcase_add_test(t, fanout_flags_are_the_configured_ones_or_the_devices);
	tcase_add_test(t, a_worker_gets_what_is_configured);
	tcase_add_loop_test(t, what_a_ring_cannot_become_is_told_by_its_keys, 0, ROWS(changes));
	tcase_add_test(t, keys_are_cut_where_there_is_no_more_space);
	tcase_add_loop_test(t, a_change_costs_what_its_key_says, 0, (int)COSTS);
	tcase_add_test(
		t, a_loopback_by_another_name_gets_its_outgoing_packets_when_that_is_configured);
	tcase_add_test(t, each_key_says_what_its_change_costs);
	tcase_add_test(t, changes_together_cost_the_most_of_them);
	tcase_add_loop_test(t, a_record_says_the_same_of_the_rings, 0, (int)COSTS);
	tcase_add_loop_test(t, a_configuration_made_of_a_fingerprint_has_that_fingerprint, 0,
			    ROWS(changes));
	tcase_add_test(t, a_fingerprint_that_cannot_be_is_seen);
	suite_add_tcase(s, t);
	return s;
}
