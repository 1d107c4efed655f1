/* The table of all keys: type, destination, default, range. */
#include "config_schema.h"
#include "linktype.h"

#include <linux/if_packet.h>
#include <string.h>
#include <syslog.h>

#define IGNORE_OUTGOING 0x4000 /* PACKET_FANOUT_FLAG_IGNORE_OUTGOING, missing in older headers */
#define MS		INT64_C(1000000)
#define S		(1000 * MS)
#define DAY		(86400 * S)
#define KIB		INT64_C(1024)
#define GIB		(KIB * KIB * KIB)

static const struct config_word yes_no[] = { { "yes", 1 },   { "no", 0 }, { "true", 1 },
					     { "false", 0 }, { "on", 1 }, { "off", 0 },
					     { NULL, 0 } };
static const struct config_word log_levels[] = {
	{ "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO }, { "debug", LOG_DEBUG },	  { NULL, 0 }
};
static const struct config_word fanout_modes[] = { { "hash", PACKET_FANOUT_HASH },
						   { "lb", PACKET_FANOUT_LB },
						   { "cpu", PACKET_FANOUT_CPU },
						   { "rollover", PACKET_FANOUT_ROLLOVER },
						   { "rnd", PACKET_FANOUT_RND },
						   { "qm", PACKET_FANOUT_QM },
						   { NULL, 0 } };
static const struct config_word fanout_flags[] = { { "defrag", PACKET_FANOUT_FLAG_DEFRAG },
						   { "rollover", PACKET_FANOUT_FLAG_ROLLOVER },
						   { "ignore_outgoing", IGNORE_OUTGOING },
						   { "auto", CONFIG_FLAGS_AUTO },
						   { NULL, 0 } };
static const struct config_word vlan_words[] = { { "keep", 1 }, { "strip", 0 }, { NULL, 0 } };
static const struct config_word cooked_words[] = { { "sll2", LINKTYPE_LINUX_SLL2 },
						   { "sll", LINKTYPE_LINUX_SLL },
						   { NULL, 0 } };
static const struct config_word output_words[] = { { "pcapng", OUTPUT_PCAPNG },
						   { "none", OUTPUT_NONE },
						   { NULL, 0 } };
static const struct config_word on_missing_words[] = { { "fail", ON_MISSING_FAIL },
						       { "wait", ON_MISSING_WAIT },
						       { NULL, 0 } };
static const struct config_word direct_words[] = {
	{ "auto", DIRECT_AUTO }, { "yes", DIRECT_YES }, { "no", DIRECT_NO }, { NULL, 0 }
};

static const struct config_word auto_words[] = { { "auto", CONFIG_AUTO }, { NULL, 0 } };
static const struct config_word layout_words[] = { { "auto", LAYOUT_AUTO },
						   { "inplace", LAYOUT_INPLACE },
						   { "compact", LAYOUT_COMPACT },
						   { NULL, 0 } };
static const struct config_word sync_words[] = { { "none", CONFIG_SYNC_NONE },
						 { "file", CONFIG_SYNC_FILE },
						 { NULL, 0 } };

#define D(field)	    offsetof(struct config_daemon, field)
#define LENGTH(type, field) (sizeof(((struct type *)0)->field) - 1)
static const struct config_key daemon_keys[] = {
	{ "control", CONFIG_STRING, D(control), "/run/afcap/control.sock", 1, 107, NULL },
	{ "control_group", CONFIG_STRING, D(control_group), "afcap", 0,
	  LENGTH(config_daemon, control_group), NULL },
	{ "control_admins", CONFIG_STRING, D(control_admins), "afcap-admin", 0,
	  LENGTH(config_daemon, control_admins), NULL },
	{ "metrics", CONFIG_STRING, D(metrics), "127.0.0.1:9748", 1, LENGTH(config_daemon, metrics),
	  NULL },
	{ "user", CONFIG_STRING, D(user), "", 0, LENGTH(config_daemon, user), NULL },
	{ "group", CONFIG_STRING, D(group), "", 0, LENGTH(config_daemon, group), NULL },
	{ "log_level", CONFIG_CHOICE, D(log_level), "info", 0, 0, log_levels },
};

#define C(field) offsetof(struct config_capture, field)
static const struct config_key capture_keys[] = {
	{ "interface", CONFIG_STRING, C(group.interface), "", 0,
	  LENGTH(config_capture, group.interface), NULL },
	{ "cooked", CONFIG_CHOICE, C(group.cooked), "sll2", 0, 0, cooked_words },
	{ "workers", CONFIG_NUMBER, C(group.workers), "auto", 1, WORKERS_MAX, auto_words },
	{ "on_missing", CONFIG_CHOICE, C(on_missing), "fail", 0, 0, on_missing_words },
	{ "worker_timeout", CONFIG_DURATION, C(worker.timeout_ns), "3s", 2 * S, 3600 * S, NULL },
	{ "drain_timeout", CONFIG_DURATION, C(drain_timeout_ns), "10s", 100 * MS, DAY, NULL },
	{ "cpus", CONFIG_STRING, C(cpus), "auto", 1, LENGTH(config_capture, cpus), NULL },
	{ "fanout", CONFIG_CHOICE, C(group.fanout), "hash", 0, 0, fanout_modes },
	{ "fanout_flags", CONFIG_FLAGS, C(group.fanout_flags), "", 0, 0, fanout_flags },
	{ "fanout_id", CONFIG_NUMBER, C(group.fanout_id), "auto", 0, 65535, auto_words },
	{ "filter", CONFIG_STRING, C(filter), "", 0, LENGTH(config_capture, filter), NULL },
	{ "snaplen", CONFIG_NUMBER, C(group.snaplen), "262144", 1, 262144, NULL },
	{ "promiscuous", CONFIG_CHOICE, C(group.promiscuous), "yes", 0, 0, yes_no },
	{ "vlan", CONFIG_CHOICE, C(group.vlan_keep), "keep", 0, 0, vlan_words },
	{ "ring_size", CONFIG_SIZE, C(group.ring_bytes), "64M", 4 * KIB, 1024 * GIB, auto_words },
	{ "block_size", CONFIG_SIZE, C(group.block_bytes), "auto", 4 * KIB, GIB, auto_words },
	{ "block_timeout", CONFIG_DURATION, C(group.block_timeout_ns), "auto", MS, 65535 * MS,
	  auto_words },
	{ "burst", CONFIG_SIZE, C(worker.burst_bytes), "0", 0, 1024 * GIB, NULL },
	{ "write_delay", CONFIG_DURATION, C(worker.write_delay_ns), "1s", 0, 3600 * S, NULL },
	{ "output", CONFIG_CHOICE, C(group.output), "pcapng", 0, 0, output_words },
	{ "directory", CONFIG_STRING, C(group.directory), "/var/lib/afcap", 1,
	  LENGTH(config_capture, group.directory), NULL },
	{ "layout", CONFIG_CHOICE, C(worker.layout), "auto", 0, 0, layout_words },
	{ "direct", CONFIG_CHOICE, C(archive.direct), "auto", 0, 0, direct_words },
	{ "file_size", CONFIG_SIZE, C(worker.file_bytes), "1G", 64 * KIB, 1024 * 1024 * GIB, NULL },
	{ "file_duration", CONFIG_DURATION, C(worker.file_duration_ns), "1h", 0, 366 * DAY, NULL },
	{ "file_mode", CONFIG_MODE, C(archive.file_mode), "0640", 0, 0777, NULL },
	{ "file_group", CONFIG_STRING, C(file_group), "", 0, LENGTH(config_capture, file_group),
	  NULL },
	{ "disk_budget", CONFIG_SIZE, C(archive.disk_budget), "0", 0, 1024 * 1024 * GIB, NULL },
	{ "max_age", CONFIG_DURATION, C(archive.max_age_ns), "0", 0, 36600 * DAY, NULL },
	{ "disk_reserve", CONFIG_SHARE, C(archive.disk_reserve), "5%", 0, 1024 * 1024 * GIB, NULL },
	{ "sync", CONFIG_DURATION, C(archive.sync), "file", 500 * MS, DAY, sync_words },
};

#define ROWS(table) (sizeof(table) / sizeof(*(table)))
_Static_assert(ROWS(daemon_keys) <= CONFIG_KEYS_MAX && ROWS(capture_keys) <= CONFIG_KEYS_MAX,
	       "lines[] is long enough");

const struct config_section config_daemon_section = { "daemon", daemon_keys, ROWS(daemon_keys) };
const struct config_section config_capture_section = { "capture", capture_keys,
						       ROWS(capture_keys) };

const struct config_key *config_key_find(const struct config_section *section, const char *name)
{
	for (unsigned i = 0; i < section->count; i++)
		if (strcmp(section->keys[i].name, name) == 0)
			return &section->keys[i];
	return NULL;
}
