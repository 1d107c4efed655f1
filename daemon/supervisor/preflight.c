/* Checks a configuration, a device, a user before anything runs. */
#include "preflight.h"
#include "filter.h"
#include "limits.h"
#include "stall.h"

#include "../base/config_cpus.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

int preflight_file_group(const struct config *config, const struct config_capture *c,
			 int64_t *number, struct capture_error *error)
{
	struct group *group = NULL;
	char where[256];
	int rc;

	*number = -1;
	if (!*c->file_group || c->group.output != OUTPUT_PCAPNG)
		return 0;
	errno = 0;
	group = getgrnam(c->file_group);
	rc = errno;
	if (group) {
		*number = group->gr_gid;
		return 0;
	}
	if (rc == 0 || rc == ENOENT || rc == ESRCH) /* getgrnam(3): any of these */
		return capture_error(error, EX_CONFIG, "%s: file_group = %s: no such group",
				     config_where(config, c, "file_group", where, sizeof(where)),
				     c->file_group);
	return capture_error(error, EXIT_FAILURE, "%s: file_group = %s: %s",
			     config_where(config, c, "file_group", where, sizeof(where)),
			     c->file_group, failure_text(rc));
}

int preflight_capture(const struct config *config, const struct config_capture *c, bool filters,
		      struct capture_error *error)
{
	struct filter_source source = { plan_filter_for(c, c->group.interface), c->filter, 0,
					false };
	struct plan plan;
	struct afcap_error why;
	char where[256], text[256];
	int rc = 0;

	if (plan_make(c, &plan, &why))
		return capture_error(error, EX_CONFIG, "%s: ring_size: %s",
				     config_where(config, c, "ring_size", where, sizeof(where)),
				     why.text);
	source.snaplen = plan.snaplen;
	if (filters && *c->filter)
		rc = filter_check(&source, text, sizeof(text));
	if (rc)
		return capture_error(error, EX_CONFIG, "%s: filter = %.200s: %s",
				     config_where(config, c, "filter", where, sizeof(where)),
				     c->filter, text);
	return 0;
}

static int directory_check(const struct config *config, const struct config_capture *c,
			   struct capture_error *error)
{
	char where[256];
	struct stat st;
	int rc = 0;

	if (c->group.output != OUTPUT_PCAPNG)
		return 0;
	if (stat(c->group.directory, &st))
		rc = errno == ENOENT || errno == ENOTDIR ? errno : 0; /* opening it reports more */
	else if (!S_ISDIR(st.st_mode))
		rc = ENOTDIR;
	if (rc)
		return capture_error(error, EX_CONFIG,
				     "%s: directory %s: %s (create it first, owned by the user "
				     "that runs afcapd)",
				     config_where(config, c, "directory", where, sizeof(where)),
				     c->group.directory, failure_text(rc));
	return 0;
}

void preflight_missing(const struct config_capture *c, const struct links *links, char *text,
		       size_t size)
{
	size_t n = strcspn(c->group.interface, ":");
	char device[INTERFACE_BYTES];
	struct link link;

	snprintf(device, sizeof(device), "%.*s", (int)n, c->group.interface);
	if (c->group.interface[n] && links_by_name(links, device, &link))
		snprintf(text, size,
			 "%s (which names an address of %s, not an interface: interface = %s "
			 "records it)",
			 c->group.interface, device, device);
	else
		snprintf(text, size, "%s", c->group.interface);
}

int preflight_interface(const struct config *config, const struct config_capture *c,
			const struct links *links, struct capture_error *error)
{
	char where[256], text[REASON_BYTES];
	struct link link;

	if (plan_any(c) || c->on_missing != ON_MISSING_FAIL ||
	    links_by_name(links, c->group.interface, &link))
		return 0;
	preflight_missing(c, links, text, sizeof(text));
	return capture_error(error, EX_CONFIG,
			     "%s: no such interface: %s (ip link shows those there are; on_missing "
			     "= wait lets it come later)",
			     config_where(config, c, "interface", where, sizeof(where)), text);
}

int preflight_link_type(const struct config_capture *c, const struct link *link,
			uint32_t *link_type, struct capture_error *error)
{
	if (plan_link_type(c, link ? link->type : 0, link_type) == 0)
		return 0;
	return capture_error(error, EX_CONFIG,
			     "capture %s: interface %s has link type %u: only Ethernet, loopback "
			     "and raw IP interfaces can be recorded, and all at once (interface = "
			     "any)",
			     c->name, c->group.interface, link->type);
}

/* What works, but loses packets where others would not. */
static void ring_warn(const struct config *config, const struct config_capture *c)
{
	const struct log_subject about = { c->name, -1, NULL };
	char text[CONFIG_ERROR_BYTES];
	struct plan plan;

	if (plan_make(c, &plan, NULL) == 0 && stall_is_short(config, c, &plan, text, sizeof(text)))
		log_about(LOG_WARNING, &about, "%s", text);
}

int preflight_config(const struct config *config, bool filters, char *error, size_t size)
{
	struct capture_error why;
	int64_t ignored;

	for (unsigned i = 0; i < config->captures; i++)
		if (preflight_capture(config, &config->capture[i], filters, &why) ||
		    limits_file_size(config, &config->capture[i], &why) ||
		    preflight_file_group(config, &config->capture[i], &ignored, &why)) {
			snprintf(error, size, "%s", why.text);
			return why.exit_code;
		}
	for (unsigned i = 0; i < config->captures; i++)
		ring_warn(config, &config->capture[i]);
	return 0;
}

static bool ring_is_auto(const struct config_capture *c)
{
	return c->group.ring_bytes == (uint64_t)CONFIG_AUTO;
}

static uint64_t ring_auto(const struct config *config)
{
	unsigned workers = 0;

	for (unsigned i = 0; i < config->captures; i++)
		if (ring_is_auto(&config->capture[i]))
			workers += config_workers(&config->capture[i]);
	return limits_ring_auto(workers);
}

void preflight_rings(struct config *config)
{
	uint64_t bytes = ring_auto(config);

	for (unsigned i = 0; i < config->captures; i++) {
		struct group_config *group = &config->capture[i].group;

		if (!ring_is_auto(&config->capture[i]))
			continue;
		group->ring_auto = 1;
		group->ring_bytes = bytes;
	}
}

/* The rings that it would have, and whether there is memory for them. */
static int rings_foresee(const struct config *config)
{
	struct limits_need needs[CAPTURES_MAX];
	uint64_t bytes = ring_auto(config);
	char text[256];

	for (unsigned i = 0; i < config->captures; i++) {
		const struct config_capture *c = &config->capture[i];
		struct plan plan = { 0 };

		plan_make_sized(c, ring_is_auto(c) ? bytes : c->group.ring_bytes, &plan, NULL);
		needs[i] = (struct limits_need){ .capture = c->name,
						 .ring = plan.ring,
						 .workers = config_workers(c) };
		stall_describe(c, &plan, text, sizeof(text));
		log_about(LOG_INFO, &(struct log_subject){ c->name, -1, NULL }, "%u worker%s, %s",
			  needs[i].workers, needs[i].workers == 1 ? "" : "s", text);
	}
	return limits_foresee(needs, config->captures);
}

int preflight_foresee(const struct config *config)
{
	struct capture_error why;
	struct links *links = NULL;
	int rc = links_new(&links, NULL, NULL, NULL);

	if (rc)
		log_warning("the interfaces are not known (rtnetlink: %s)", failure_text(-rc));
	for (unsigned i = 0; i < config->captures; i++) {
		if (links && preflight_interface(config, &config->capture[i], links, &why))
			log_warning("%s", why.text);
		if (directory_check(config, &config->capture[i], &why))
			log_warning("%s", why.text);
	}
	links_free(links);
	return rings_foresee(config);
}

int preflight_privileges(void)
{
	int fd = afcap_socket(AFCAP_RAW);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	log_error("packet socket: %s%s", failure_text(-fd),
		  fd == -EPERM ? ": CAP_NET_RAW is missing (run as root, or by the systemd unit, "
				 "which gives it)"
			       : "");
	return fd == -EPERM ? EX_NOPERM : EXIT_FAILURE;
}
