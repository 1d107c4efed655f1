/* The parts of a capture's configuration, by the process that receives them: the part that a key is
 * in decides the cost of changing it (plan_change() of supervisor/plan.h). Each part is carried
 * whole in messages (message.h) and compared as bytes: fixed width, no padding, and what is behind
 * the end of a text is zero. A key that two processes need is in the part whose change costs
 * more. */
#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H

#include "sizes.h"

#include <stdint.h>

#define CONFIG_AUTO	 (-1)
#define CONFIG_SYNC_NONE 0
#define CONFIG_SYNC_FILE (-1)

enum output { OUTPUT_PCAPNG, OUTPUT_NONE };
enum layout { LAYOUT_AUTO, LAYOUT_INPLACE, LAYOUT_COMPACT };
enum direct { DIRECT_AUTO, DIRECT_YES, DIRECT_NO };

/* How a worker writes. */
struct worker_config {
	uint64_t timeout_ns;	 /* how long the ring thread may be busy with one block */
	uint64_t write_delay_ns; /* at most so long until a packet is in its file */
	uint64_t file_bytes;	 /* rotate when a chunk would make it larger */
	uint64_t burst_bytes; /* of the page cache, for what the disk does not take yet; 0: none */
	uint64_t file_duration_ns; /* rotate on multiples of the wall clock; 0: never */
	int32_t layout;		   /* enum layout */
	uint32_t unused;
};

/* How the archive makes and retains files. */
struct archive_config {
	uint64_t disk_budget; /* bytes, 0: no limit */
	uint64_t max_age_ns;  /* 0: never */
	int64_t disk_reserve; /* bytes; negative: percent of the file system */
	int64_t sync;	      /* CONFIG_SYNC_NONE, CONFIG_SYNC_FILE, or every so many ns */
	int64_t file_mode;
	int32_t direct; /* enum direct */
	uint32_t unused;
};

/* What stays the same for the life of a fanout group: how its sockets and rings are made, and where
 * their packets go. */
struct group_config {
	char interface[INTERFACE_BYTES];
	char directory[PATH_BYTES];
	int64_t workers;   /* CONFIG_AUTO or 1-64 */
	int64_t fanout_id; /* CONFIG_AUTO or 0-65535 */
	/* CONFIG_AUTO: config_ring() of config_ring.h decides, of the first one preflight_rings()
	 */
	uint64_t ring_bytes, block_bytes;
	uint64_t block_timeout_ns; /* whole milliseconds */
	uint64_t snaplen;	   /* bytes */
	int32_t fanout;		   /* enum afcap_fanout_mode */
	uint32_t fanout_flags;
	uint32_t fanout_flags_auto; /* decided by the kind of interface */
	int32_t cooked; /* with interface = any: LINKTYPE_LINUX_SLL2 or LINKTYPE_LINUX_SLL */
	int32_t promiscuous, vlan_keep;
	int32_t output;	    /* enum output */
	uint32_t ring_auto; /* ring_bytes was CONFIG_AUTO */
};

_Static_assert(sizeof(struct worker_config) == 5 * 8 + 2 * 4, "no padding");
_Static_assert(sizeof(struct archive_config) == 5 * 8 + 2 * 4, "no padding");
_Static_assert(sizeof(struct group_config) == INTERFACE_BYTES + PATH_BYTES + 6 * 8 + 8 * 4,
	       "no padding");

#endif
