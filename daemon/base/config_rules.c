/* One function a kind of rule. */
#include "config_rules.h"
#include "config_cpus.h"
#include "config_ring.h"
#include "config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define BURST_MIN	   (UINT64_C(16) << 20)
#define INTERFACE_LOOPBACK "lo"
#define IGNORE_OUTGOING	   0x4000
#define MS		   INT64_C(1000000)
#define DAY		   (86400000 * MS)

/* Reported as "FILE:LINE: KEY = VALUE: RULE". */
__attribute__((format(printf, 5, 6))) static int
rule_broken(struct config_error *error, const struct config *config, const struct config_capture *c,
	    const char *name, const char *format, ...)
{
	const struct config_key *key = config_key_find(&config_capture_section, name);
	char where[256], value[160] = "", rule[256];
	FILE *out = fmemopen(value, sizeof(value), "w");
	va_list ap;

	if (out) {
		config_value_print(key, c, out);
		fclose(out);
	}
	va_start(ap, format);
	vsnprintf(rule, sizeof(rule), format, ap);
	va_end(ap);
	return config_fail(error, "%s: %s = %s: %s",
			   config_where(config, c, name, where, sizeof(where)), name, value, rule);
}

static int ring_rules(const struct config *config, const struct config_capture *c,
		      struct config_error *error)
{
	const struct config_ring ring = config_ring(&c->group);
	long page = sysconf(_SC_PAGESIZE);
	char minimum[CONFIG_SIZE_BYTES];

	if (ring.block_bytes % (uint64_t)page)
		return rule_broken(error, config, c, "block_size",
				   "must be a multiple of the page size, %ld", page);
	if (ring.ring_bytes < ring.block_bytes)
		return rule_broken(error, config, c, "ring_size",
				   "must be at least one block (block_size = %s)",
				   config_size_text((int64_t)ring.block_bytes, minimum));
	if (ring.block_timeout_ns % MS)
		return rule_broken(error, config, c, "block_timeout", "must be whole milliseconds");
	if (c->drain_timeout_ns <= ring.block_timeout_ns)
		return rule_broken(error, config, c, "drain_timeout",
				   "must be longer than block_timeout (%" PRIu64 "ms)",
				   ring.block_timeout_ns / MS);
	return 0;
}

static int file_rules(const struct config *config, const struct config_capture *c,
		      struct config_error *error)
{
	const uint64_t blocks = 4 * config_block_max(&c->group);
	const uint64_t burst = blocks > BURST_MIN ? blocks : BURST_MIN; /* a few writes */
	unsigned workers = config_workers(c);
	char minimum[CONFIG_SIZE_BYTES];

	if (c->group.output != OUTPUT_PCAPNG)
		return 0;
	if (c->worker.file_bytes < blocks)
		return rule_broken(error, config, c, "file_size", "must be at least %s (4 blocks)",
				   config_size_text((int64_t)blocks, minimum));
	if (c->worker.burst_bytes && c->worker.burst_bytes < burst)
		return rule_broken(error, config, c, "burst",
				   "must be 0 or at least %s (16M, and 4 blocks)",
				   config_size_text((int64_t)burst, minimum));
	if (c->archive.disk_budget && c->archive.disk_budget / 2 / workers < c->worker.file_bytes)
		return rule_broken(error, config, c, "disk_budget",
				   "must be at least %s (2 x %u workers x file_size): each worker "
				   "writes one file and has the next one ready",
				   config_size_text(2 * workers * c->worker.file_bytes, minimum),
				   workers);
	/* Files rotate on multiples of it since midnight UTC, or since 1970 if it is days */
	if (c->worker.file_duration_ns &&
	    (c->worker.file_duration_ns < 1000 * MS ||
	     (c->worker.file_duration_ns < DAY ? DAY % c->worker.file_duration_ns
					       : c->worker.file_duration_ns % DAY)))
		return rule_broken(error, config, c, "file_duration",
				   "must be whole days, or divide a day, and be at least 1s");
	return 0;
}

static int capture_finish(const struct config *config, struct config_capture *c,
			  struct config_error *error)
{
	int rc;

	if (!*c->group.interface)
		strcpy(c->group.interface, c->name); /* a name is shorter */
	if (strcmp(c->cpus, "none") && strcmp(c->cpus, "auto") && !config_cpus_valid(c->cpus))
		return rule_broken(error, config, c, "cpus",
				   "must be none, auto, or a list like 0-3,8");
	if (c->group.fanout == PACKET_FANOUT_ROLLOVER &&
	    c->group.fanout_flags & PACKET_FANOUT_FLAG_ROLLOVER)
		return rule_broken(error, config, c, "fanout_flags",
				   "not together with fanout = rollover");
	rc = ring_rules(config, c, error);
	return rc ? rc : file_rules(config, c, error);
}

/* On the loopback interface every packet passes twice, outgoing and incoming. By default it is
 * captured once. An interface named lo is taken for it until its kind is known. */
static void loopback_finish(struct config_capture *c)
{
	if (c->group.fanout_flags != CONFIG_FLAGS_AUTO)
		return;
	c->group.fanout_flags_auto = 1;
	c->group.fanout_flags =
		strcmp(c->group.interface, INTERFACE_LOOPBACK) == 0 ? IGNORE_OUTGOING : 0;
}

/* off, unix:PATH, IPV4:PORT or [IPV6]:PORT */
static bool metrics_valid(const char *text)
{
	const char *colon = strrchr(text, ':');
	char address[64], unused[16];
	size_t n = colon ? (size_t)(colon - text) : 0;
	char *end;
	long port;

	if (strcmp(text, "off") == 0)
		return true;
	if (strncmp(text, "unix:", 5) == 0)
		return text[5] != '\0';
	if (n == 0 || n >= sizeof(address) || !isdigit((unsigned char)colon[1]))
		return false;
	port = strtol(colon + 1, &end, 10);
	if (*end || port < 1 || port > 65535)
		return false;
	if (text[0] == '[' && text[n - 1] == ']') {
		snprintf(address, sizeof(address), "%.*s", (int)n - 2, text + 1);
		return inet_pton(AF_INET6, address, unused) == 1;
	}
	snprintf(address, sizeof(address), "%.*s", (int)n, text);
	return inet_pton(AF_INET, address, unused) == 1;
}

/* Two captures in the same group would share its packets. */
static int groups_rules(const struct config *config, const struct config_capture *c,
			struct config_error *error)
{
	for (const struct config_capture *other = config->capture; other < c; other++)
		if (c->group.fanout_id != CONFIG_AUTO &&
		    other->group.fanout_id == c->group.fanout_id)
			return rule_broken(error, config, c, "fanout_id",
					   "must differ from that of capture %s: each capture "
					   "needs its own group (auto: an unused one)",
					   other->name);
	return 0;
}

int config_finish(struct config *config, struct config_error *error)
{
	char where[256];

	if (!metrics_valid(config->daemon.metrics))
		return config_fail(error,
				   "%s: metrics = %s: must be ADDRESS:PORT, unix:PATH or off",
				   config_where_daemon(config, "metrics", where, sizeof(where)),
				   config->daemon.metrics);
	if (strncmp(config->daemon.metrics, "unix:", 5) == 0 &&
	    strlen(config->daemon.metrics + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return config_fail(error,
				   "%s: metrics = %s: path too long for a socket (107 characters)",
				   config_where_daemon(config, "metrics", where, sizeof(where)),
				   config->daemon.metrics);
	if (config->captures == 0)
		return config_fail(error, "%s: no [capture NAME] section: nothing to record",
				   config->source);
	for (unsigned i = 0; i < config->captures; i++) {
		int rc = capture_finish(config, &config->capture[i], error);

		if (rc == 0)
			rc = groups_rules(config, &config->capture[i], error);
		if (rc)
			return rc;
		loopback_finish(&config->capture[i]);
	}
	return 0;
}
