/* Starting a group in order, arming it, stopping it. */
#include "capture.h"
#include "filter.h"
#include "slotfiles.h"
#include "supervisor.h"

#include "../base/clock.h"
#include "../base/linktype.h"
#include "../base/log.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define SNAPLEN_SPARE                                                                              \
	160 /* in a block, beside a packet: descriptor, slot header, address, alignment */

__attribute__((format(printf, 3, 4))) static int
capture_error(struct capture_error *error, int exit_code, const char *format, ...)
{
	va_list ap;

	error->exit_code = exit_code;
	va_start(ap, format);
	vsnprintf(error->text, sizeof(error->text), format, ap);
	va_end(ap);
	return -1;
}

static bool any(const struct config_capture *c)
{
	return strcmp(c->interface, INTERFACE_ANY) == 0;
}

static uint32_t snaplen_of(const struct config_capture *c)
{
	int64_t most = c->block_size - SNAPLEN_SPARE;

	if (any(c) && most > PACKET_BYTES_MAX - COOKED_HEAD_BYTES)
		most = PACKET_BYTES_MAX - COOKED_HEAD_BYTES;
	return (uint32_t)(c->snaplen < most ? c->snaplen : most);
}

static int ring_of(const struct config_capture *c, struct afcap_geometry *ring,
		   struct afcap_error *error)
{
	*ring = (struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
					 .block_bytes = (uint32_t)c->block_size,
					 .block_timeout_ms =
						 (uint32_t)(c->block_timeout / 1000000) };
	return afcap_geometry_solve(ring, (uint64_t)c->ring_size, snaplen_of(c), error);
}

int capture_check(const struct config *config, const struct config_capture *c,
		  struct capture_error *error)
{
	struct afcap_geometry ring;
	struct afcap_error why;
	char where[256], words[256];

	if (ring_of(c, &ring, &why))
		return capture_error(error, EX_CONFIG, "%s: %s",
				     config_where(config, c, "ring_size", where, sizeof(where)),
				     why.text);
	if (*c->filter &&
	    filter_check(c->interface, c->filter, snaplen_of(c), words, sizeof(words)))
		return capture_error(error, EX_CONFIG, "%s: filter = %.200s: %s",
				     config_where(config, c, "filter", where, sizeof(where)),
				     c->filter, words);
	return 0;
}

/* Link types whose frames stand in the ring as the file has them; all interfaces at once have
 * cooked packets. */
static int link_type_of(const struct config_capture *c, uint32_t *link_type,
			struct capture_error *error)
{
	int arp;

	if (any(c)) {
		*link_type = LINKTYPE_LINUX_SLL2;
		return 0;
	}
	arp = afcap_link_type(c->interface);
	switch (arp) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		*link_type = LINKTYPE_ETHERNET;
		return 0;
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
		*link_type = LINKTYPE_RAW;
		return 0;
	default:
		if (arp < 0)
			return capture_error(error, EXIT_FAILURE, "capture %s: interface %s: %s",
					     c->name, c->interface, strerror(-arp));
		return capture_error(error, EX_CONFIG,
				     "capture %s: interface %s has link type %d: only Ethernet, "
				     "loopback and raw IP interfaces can be recorded",
				     c->name, c->interface, arp);
	}
}

static int filter_make(struct capture *capture, bool incoming_only, struct capture_error *error)
{
	const struct config_capture *c = capture->config;
	struct sock_fprog program;
	char words[256], where[256];
	int rc = filter_compile(&program, c->interface, c->filter, capture->snaplen, incoming_only,
				words, sizeof(words));

	if (rc == -ENETDOWN)
		return capture_error(error, EXIT_FAILURE,
				     "interface %s is down (ip link set %s up)", c->interface,
				     c->interface);
	if (rc)
		return capture_error(
			error,
			rc == -EINVAL  ? EX_CONFIG
			: rc == -EPERM ? EX_NOPERM
				       : EXIT_FAILURE,
			"%s: filter = %.200s: %s",
			config_where(capture->source, c, "filter", where, sizeof(where)), c->filter,
			words);
	free(capture->filter.filter);
	capture->filter = program;
	return 0;
}

static void archive_tell(struct capture *capture)
{
	const struct config_capture *c = capture->config;
	uint32_t head = capture->link_type == LINKTYPE_LINUX_SLL2 ? COOKED_HEAD_BYTES : 0;
	struct message_capture m = {
		.capture = capture->index,
		.link_type = capture->link_type,
		.snaplen = capture->snaplen + head,
		.direct = (uint32_t)c->direct,
		.file_mode = (uint32_t)c->file_mode,
		.workers = config_workers(c),
		.sync = c->sync != CONFIG_SYNC_NONE,
		.file_bytes = (uint64_t)c->file_size,
		.disk_budget = (uint64_t)c->disk_budget,
		.max_age_ns = (uint64_t)c->max_age,
		.disk_reserve = c->disk_reserve > 0 ? (uint64_t)c->disk_reserve : 0,
		.disk_reserve_percent = c->disk_reserve < 0 ? (uint32_t)-c->disk_reserve : 0,
		.token = supervisor_token(capture->supervisor),
	};

	memcpy(m.name, c->name, sizeof(m.name));
	memcpy(m.interface, c->interface, sizeof(m.interface));
	memcpy(m.filter, c->filter, sizeof(m.filter));
	memcpy(m.directory, c->directory, sizeof(m.directory));
	memcpy(m.file_group, c->file_group, sizeof(m.file_group));
	files_capture(capture->files, &m, &capture->slots[0]);
}

static void capture_keep(struct capture *capture)
{
	if (capture->keeping || capture->config->output != OUTPUT_PCAPNG)
		return;
	capture->keeping = true;
	files_keep(capture->files, capture->index, &capture->slots[0]);
}

static int slots_make(struct capture *capture)
{
	unsigned workers = config_workers(capture->config);
	int rc = 0;

	capture->slots = calloc(workers, sizeof(*capture->slots));
	if (!capture->slots)
		return -ENOMEM;
	if (capture->config->output == OUTPUT_PCAPNG)
		archive_tell(capture);
	while (rc == 0 && capture->workers < workers) {
		rc = slot_init(&capture->slots[capture->workers], capture, capture->workers);
		capture->workers++;
	}
	if (rc == 0)
		capture_keep(capture);
	return rc;
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct capture *capture = arg;

	(void)fd;
	(void)what;
	if (capture->state != CAPTURE_STOPPING)
		return;
	log_warning("%s: not drained within drain_timeout", capture->config->name);
	capture_stop(capture, true);
}

int capture_init(struct capture *capture, struct supervisor *supervisor, struct event_base *base,
		 struct files *files, const struct config *config, unsigned index,
		 struct capture_error *error)
{
	const struct config_capture *c = &config->capture[index];
	char where[256];
	int rc;

	*capture = (struct capture){ .supervisor = supervisor,
				     .base = base,
				     .files = files,
				     .source = config,
				     .config = c,
				     .index = index,
				     .available = UINT64_MAX,
				     .snaplen = snaplen_of(c) };
	capture->deadline = event_new(base, -1, 0, deadline_cb, capture);
	if (!capture->deadline)
		return capture_error(error, EXIT_FAILURE, "capture %s: no memory", c->name);
	rc = capture_check(config, c, error);
	if (rc)
		return rc;
	ring_of(c, &capture->ring, NULL);
	if (!any(c) && if_nametoindex(c->interface) == 0)
		return capture_error(error, EX_CONFIG,
				     "%s: no such interface: %s (ip link shows those there are)",
				     config_where(config, c, "interface", where, sizeof(where)),
				     c->interface);
	rc = link_type_of(c, &capture->link_type, error);
	if (rc == 0)
		rc = filter_make(capture, false, error);
	if (rc)
		return rc;
	capture->group =
		(struct message_group){ .mode = (uint32_t)c->fanout, .flags = c->fanout_flags };
	if (c->fanout_id == CONFIG_AUTO)
		capture->group.flags |= AFCAP_FANOUT_FLAG_UNIQUEID;
	else
		capture->group.id = (uint32_t)c->fanout_id;
	rc = slots_make(capture);
	if (rc)
		return capture_error(error, EXIT_FAILURE, "capture %s: making slots: %s", c->name,
				     strerror(-rc));
	return 0;
}

int capture_start(struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++) {
		int rc = slot_spawn(&capture->slots[i]);

		if (rc)
			return rc;
	}
	capture_advance(capture);
	return 0;
}

/* Sockets are made in slot order and the group is joined in slot order (the kernel joins them again
 * in the order of their making when the link was down); the rings in between are allocated in
 * parallel. */
static void capture_sequence(struct capture *capture)
{
	unsigned *n = &capture->sockets_asked, *j = &capture->joins_asked;

	if (*n < capture->workers &&
	    (*n == 0 || capture->slots[*n - 1].progress >= PROGRESS_SOCKET))
		slot_say(&capture->slots[(*n)++], MESSAGE_SOCKET);
	if (*j < capture->workers && capture->slots[*j].progress >= PROGRESS_RING &&
	    (*j == 0 || capture->slots[*j - 1].progress >= PROGRESS_JOINED)) {
		struct message message = { .type = MESSAGE_JOIN, .group = capture->group };

		slot_send(&capture->slots[(*j)++], &message, -1);
	}
}

static void capture_arm(struct capture *capture)
{
	const struct config_capture *c = capture->config;

	for (unsigned i = 0; i < capture->workers; i++) {
		int rc = afcap_filter_set(capture->slots[i].ring_fd, &capture->filter);

		if (rc) {
			capture_start_failed(capture, EXIT_FAILURE, strerror(-rc));
			return;
		}
	}
	capture->state = CAPTURE_RUNNING;
	capture->since_real_ns = clock_real_ns();
	log_info("%s: recording %s with %u worker%s, fanout %s, group %u, rings of %u blocks of %u "
		 "bytes",
		 c->name, c->interface, capture->workers, capture->workers == 1 ? "" : "s",
		 afcap_fanout_mode_name((enum afcap_fanout_mode)c->fanout), capture->group.id,
		 capture->ring.blocks, capture->ring.block_bytes);
	supervisor_armed(capture->supervisor);
}

void capture_advance(struct capture *capture)
{
	if (capture->state != CAPTURE_STARTING)
		return;
	capture_sequence(capture);
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->slots[i].progress != PROGRESS_READY)
			return;
	capture_arm(capture);
}

void capture_joined(struct capture *capture, const struct message_group *group)
{
	struct capture_error error;

	if (capture->group_known)
		return;
	capture->group_known = true;
	capture->group = *group; /* the others join this id, with the flags that the kernel knows */
	if (capture->config->fanout_flags & ~group->flags & AFCAP_FANOUT_FLAG_IGNORE_OUTGOING &&
	    filter_make(capture, true, &error))
		capture_start_failed(capture, error.exit_code, error.text);
}

void capture_start_failed(struct capture *capture, int exit_code, const char *text)
{
	char full[CONFIG_ERROR_BYTES + 64];

	snprintf(full, sizeof(full), "capture %s: %s", capture->config->name, text);
	supervisor_failed(capture->supervisor, exit_code, full);
}

void capture_files_failed(struct capture *capture, bool retried, int error, const char *text)
{
	if (retried) {
		log_error("%s: %s; the current file goes on", capture->config->name, text);
		return;
	}
	capture_start_failed(capture,
			     error == EACCES || error == EPERM ? EX_NOPERM
			     : error == ENOENT || error == ENOTDIR || error == EROFS ||
					     error == EINVAL
				     ? EX_CONFIG
				     : EXIT_FAILURE,
			     text);
}

void capture_changed(struct capture *capture)
{
	if (capture->state == CAPTURE_STOPPING) {
		for (unsigned i = 0; i < capture->workers; i++)
			if (capture->slots[i].state != SLOT_ENDED)
				return;
		capture->state = CAPTURE_STOPPED;
		event_del(capture->deadline);
	}
	supervisor_changed(capture->supervisor);
}

bool capture_abandoned(const struct capture *capture)
{
	return capture->abandoned;
}

void capture_stop(struct capture *capture, bool abandon)
{
	bool starting = capture->state == CAPTURE_STARTING;

	if (capture->state == CAPTURE_STOPPED)
		return;
	capture->abandoned = abandon || starting;
	if (capture->state != CAPTURE_STOPPING) {
		uint64_t us = (uint64_t)capture->config->drain_timeout / 1000;

		capture->state = CAPTURE_STOPPING;
		event_add(capture->deadline,
			  &(struct timeval){ (time_t)(us / 1000000), (suseconds_t)(us % 1000000) });
		for (unsigned i = 0; i < capture->workers; i++)
			if (capture->slots[i].ring_fd >= 0)
				afcap_filter_drop_all(capture->slots[i].ring_fd);
	}
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->abandoned)
			slot_kill(&capture->slots[i]);
		else
			slot_drain(&capture->slots[i]);
	capture_changed(capture);
}

static bool stopping(const struct capture *capture)
{
	return capture->state == CAPTURE_STOPPING || capture->state == CAPTURE_STOPPED;
}

void capture_tick(struct capture *capture)
{
	uint64_t now = clock_mono_ns();
	int64_t sync = capture->config->sync;

	for (unsigned i = 0; i < capture->workers; i++)
		slotfiles_tick(&capture->slots[i]);
	if (stopping(capture))
		return;
	capture_keep(capture);
	if (sync <= 0 || now < capture->sync_at_ns)
		return;
	capture->sync_at_ns = now + (uint64_t)sync;
	for (unsigned i = 0; i < capture->workers; i++)
		slotfiles_sync(&capture->slots[i]);
}

void capture_cared(struct capture *capture, const struct message_result *result, bool last)
{
	if (!result->error)
		capture->available = result->available;
	if (!last)
		return;
	capture->keeping = false;
	if (stopping(capture) || result->error)
		return;
	if (result->again)
		capture_keep(capture);
	if (!capture->full && result->full)
		log_warning("%s: %s: disk_reserve cannot be kept, and there is no file left to "
			    "remove: packets are discarded until there is room",
			    capture->config->name, capture->config->directory);
	else if (capture->full && !result->full)
		log_notice("%s: there is room again: packets are written", capture->config->name);
	capture->full = result->full;
	for (unsigned i = 0; i < capture->workers; i++)
		slotfiles_suspend(&capture->slots[i]);
}

void capture_rotate(struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers && !stopping(capture); i++)
		slotfiles_rotate(&capture->slots[i]);
}

bool capture_rotating(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->slots[i].rotating)
			return true;
	return false;
}

bool capture_suspended(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (capture->slots[i].no_space || slotfiles_suspended(&capture->slots[i]))
			return true;
	return false;
}

bool capture_reaped(struct capture *capture, pid_t pid, int status)
{
	for (unsigned i = 0; i < capture->workers; i++)
		if (slot_reaped(&capture->slots[i], pid, status))
			return true;
	return false;
}

void capture_counters(const struct capture *capture, struct counters *sum)
{
	*sum = (struct counters){ 0 };
	for (unsigned i = 0; i < capture->workers; i++) {
		struct counters one;

		slot_counters(&capture->slots[i], &one);
		counters_add(sum, &one);
	}
}

void capture_free(struct capture *capture)
{
	for (unsigned i = 0; i < capture->workers; i++)
		slot_free(&capture->slots[i]);
	free(capture->slots);
	free(capture->filter.filter);
	if (capture->deadline)
		event_free(capture->deadline);
}
