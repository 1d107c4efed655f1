/* What a configuration means for its rings, workers and files: sizes, link type, flags, and which
 * parts of it cannot change for an existing ring. Pure: only numbers and texts, no capture, no
 * device, no process.
 *
 * The rules: a block of PACKET_RX_RING holds whole packets behind its descriptor (struct
 * tpacket_block_desc, tpacket3_hdr and sockaddr_ll of linux/if_packet.h); ARPHRD_* of
 * linux/if_arp.h and LINKTYPE_* of www.tcpdump.org/linktypes.html for a packet's header;
 * PACKET_FANOUT_FLAG_IGNORE_OUTGOING of linux/if_packet.h. */
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
	uint32_t snaplen;	    /* the filter's return value: no packet fills a block */
	uint32_t link_type;	    /* LINKTYPE_*; 0: that of a device that is not known yet */
};

/* All of it, as far as the configuration says it: a device's link type is the device's. Returns 0,
 * or -EINVAL with *error, which may be NULL. */
int plan_make(const struct config_capture *config, struct plan *plan, struct afcap_error *error);

/* The same with rings of so many bytes, whatever ring_size is. */
int plan_make_sized(const struct config_capture *config, uint64_t ring_bytes, struct plan *plan,
		    struct afcap_error *error);

/* Whether a snaplen is the maximum of a block: the configured one is larger, or the same. */
bool plan_snaplen_is_a_block(uint32_t snaplen, uint32_t block_bytes);

/* Whether all interfaces are recorded at once, as cooked packets. */
bool plan_any(const struct config_capture *config);

/* The interface that its filter is compiled for (filter.h): the device, or cooked packets.
 * Borrowed. */
const char *plan_filter_for(const struct config_capture *config, const char *device);

/* LINKTYPE_* of the packets of a device of this hardware type (ARPHRD_*): of devices whose frames
 * have the same form in the ring and in a file. With all interfaces `hardware` is ignored. Returns
 * 0, or -EPFNOSUPPORT: such a device cannot be recorded alone. */
int plan_link_type(const struct config_capture *config, uint32_t hardware, uint32_t *link_type);

/* Whether rings of a checkpoint may have this link type; without one there are no rings. */
bool plan_link_type_known(const struct config_capture *config, uint32_t link_type);

/* The link type that rings with `link_type` would have now: the configured one, if cooked. */
uint32_t plan_link_type_like(const struct config_capture *config, uint32_t link_type);

/* The fanout flags as configured, or by the kind of the device, whatever its name; `bound`: it is
 * known. */
uint32_t plan_fanout_flags(const struct config_capture *config, bool bound, uint32_t hardware);

/* The group's configuration as it is in effect, but for what the device decides (fanout flags, link
 * type): values limited by the plan and the number of `workers` replace the configured ones, and
 * keys without effect are zero. */
struct group_config plan_group(const struct config_capture *config, const struct plan *plan,
			       unsigned workers);

/* Fills in the part of a worker's description that the configuration decides; the remainder is
 * zero. `workers`: their number, which decides the CPU of worker number `index`. */
void plan_worker(const struct config_capture *config, const struct plan *plan, unsigned workers,
		 unsigned index, struct message_worker *worker);

/* ---- what a change costs ---- */

/* Each includes the costs before it: several changes together cost the maximum of them. */
enum plan_change {
	PLAN_NOTHING,  /* changed keys are read where they are used */
	PLAN_ANNOUNCE, /* the capture is announced to the archive again; no file ends */
	PLAN_ROTATE,   /* the workers get the change; the files in use end, new ones begin */
	PLAN_FILTER, /* every ring gets another filter: a file has the packets of one filter, which
			its header names */
	PLAN_RING,   /* new rings: the group is drained and begins again */
};

/* The cost of changing a capture from one configuration to another; both are finished
 * (config_finish()). `then` has the current number of workers: "auto" is decided once, and does not
 * change if `now` has it; nor does the size of rings that auto may have. */
enum plan_change plan_change(const struct config_capture *then, const struct config_capture *now);

/* Whether it costs no new rings: the same answer from a checkpoint of the rings. */
bool plan_resumable(const struct checkpoint_fingerprint *then, const struct config_capture *now);

/* Whether a group that has `flags` leaves out packets that are to be recorded from a device of this
 * hardware type: outgoing ones of a loopback device with another name, whose flags were automatic
 * and are configured now. (The filter can reject packets that a group should not accept.) */
bool plan_packets_missed(const struct config_capture *now, uint32_t hardware, uint32_t flags);

/* Fills in the keys that cause the cost, for "its configuration has changed (...)"; "": none. */
void plan_differences(const struct checkpoint_fingerprint *then, const struct config_capture *now,
		      char *text, size_t size);

/* ---- what must stay the same for a ring to be continued with ---- */

struct checkpoint_fingerprint plan_fingerprint(const struct config_capture *config,
					       const struct plan *plan, unsigned workers);

/* Whether a checkpoint is valid enough to derive a plan and a configuration from it. */
bool plan_fingerprint_valid(const struct checkpoint_fingerprint *fingerprint);

/* The plan and the configuration that have this fingerprint; it is valid. Keys that the checkpoint
 * does not have are unchanged, except the archive's limits: nothing is removed for space. */
struct plan plan_of_fingerprint(const struct checkpoint_fingerprint *fingerprint);
void plan_configure(struct config_capture *config,
		    const struct checkpoint_fingerprint *fingerprint);

#endif
