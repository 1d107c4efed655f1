/* What a configuration means for its rings, workers and files: sizes, link type, flags, and what of
 * it a ring cannot change any more. Pure: numbers and texts alone, no capture, no device, no
 * process.
 *
 * The rules: a block of PACKET_RX_RING holds whole packets behind its descriptor (struct
 * tpacket_block_desc, tpacket3_hdr and sockaddr_ll of linux/if_packet.h); ARPHRD_* of
 * linux/if_arp.h and LINKTYPE_* of www.tcpdump.org/linktypes.html for what stands in front of a
 * packet; PACKET_FANOUT_FLAG_IGNORE_OUTGOING of linux/if_packet.h. */
#ifndef PLAN_H
#define PLAN_H

#include "checkpoint.h"

#include "../base/config.h"
#include "../base/message.h"
#include "../../lib/afcap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan {
	struct afcap_geometry ring; /* of each worker */
	uint32_t snaplen;   /* what the filter lets through of a packet: none fills a block */
	uint32_t link_type; /* LINKTYPE_*, once a device is known */
};

/* Ring and snaplen; the link type stays as it is. Returns 0, or -EINVAL with *error, which may be
 * NULL. */
int plan_make(const struct config_capture *config, struct plan *plan, struct afcap_error *error);

/* Whether all interfaces are recorded at once, as cooked packets. */
bool plan_any(const struct config_capture *config);

/* What its filter is compiled for (filter.h): the device, or cooked packets. Borrowed. */
const char *plan_filter_for(const struct config_capture *config, const char *device);

/* LINKTYPE_* of the packets of a device of this hardware type (ARPHRD_*): of those whose frames are
 * in the ring as a file has them. With all interfaces `hardware` is not looked at. Returns 0, or
 * -EPFNOSUPPORT: such a device cannot be recorded alone. */
int plan_link_type(const struct config_capture *config, uint32_t hardware, uint32_t *link_type);

/* Whether rings may have this link type, as a record says. */
bool plan_link_type_known(const struct config_capture *config, uint32_t link_type);

/* What it would be now where rings have `link_type`: which cooked one is configured. */
uint32_t plan_link_type_like(const struct config_capture *config, uint32_t link_type);

/* The fanout flags as configured, or as the kind of the device decides, whose name may be any;
 * `bound`: it is known. */
uint32_t plan_fanout_flags(const struct config_capture *config, bool bound, uint32_t hardware);

/* The group's configuration as it is in effect, but for what the device decides (fanout flags, link
 * type): what the plan limits and the number of `workers` are in place of what is written, and what
 * has no effect is zero. */
struct group_config plan_group(const struct config_capture *config, const struct plan *plan,
			       unsigned workers);

/* Fills in what of a worker's description the configuration decides; the rest is zero. `workers`:
 * how many there are, which says what CPU worker number `index` is for. */
void plan_worker(const struct config_capture *config, const struct plan *plan, unsigned workers,
		 unsigned index, struct message_worker *worker);

/* ---- what a change costs ---- */

/* Each with all that the ones before it cost: several changes together cost the most of them. */
enum plan_change {
	PLAN_NOTHING,  /* what changed is read where it is used */
	PLAN_ANNOUNCE, /* the archive is told again; no file ends */
	PLAN_ROTATE,   /* the workers are told again; the files in use end, new ones begin */
	PLAN_FILTER, /* every ring gets another filter: a file has the packets of one filter, which
			its header names */
	PLAN_RING,   /* new rings: the group is drained and begins again */
};

/* What it costs to go from one configuration of a capture to another one; both are finished
 * (config_finish()). `then` has the number of workers that there are: "auto" is decided once, and
 * stays what it is if `now` has it. */
enum plan_change plan_change(const struct config_capture *then, const struct config_capture *now);

/* Whether it costs no new rings: the same answer where only a record of the rings is left. */
bool plan_resumable(const struct checkpoint_shape *then, const struct config_capture *now);

/* Whether a group that has `flags` leaves out packets that are to be recorded from a device of this
 * hardware type: outgoing ones, of a loopback device that is called otherwise, whose flags were
 * left to it and are configured now. (What a group lets in too many, the filter can leave out.) */
bool plan_packets_missed(const struct config_capture *now, uint32_t hardware, uint32_t flags);

/* Fills in the keys for which it does, for "its configuration has changed (...)"; "": for none. */
void plan_differences(const struct checkpoint_shape *then, const struct config_capture *now,
		      char *text, size_t size);

/* ---- what must stay the same for a ring to be continued with ---- */

struct checkpoint_shape plan_shape(const struct config_capture *config, const struct plan *plan,
				   unsigned workers);

/* Whether a record can be believed so far that a plan and a configuration are made of it. */
bool plan_shape_valid(const struct checkpoint_shape *shape);

/* The plan and the configuration that have this shape; it is valid. What the record does not have
 * stays in the configuration, but for the archive's limits: nothing is removed for room. */
struct plan plan_of_shape(const struct checkpoint_shape *shape);
void plan_configure(struct config_capture *config, const struct checkpoint_shape *shape);

#endif
