/* From one configuration of a capture to the next, over the rings that the earlier one made. */
#include "earlier.h"
#include "capture_setup.h"
#include "fdstore.h"
#include "limits.h"
#include "resume.h"

#include "../base/linktype.h"
#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLED_US 20000 /* until that is looked at again */

/* What is compared, and the key that a user knows it by. */
static const struct {
	size_t offset, bytes;
	const char *key;
} fields[] = {
#define FIELD(name, key)                                                                           \
	{                                                                                          \
		offsetof(struct checkpoint_shape, name),                                           \
			sizeof(((struct checkpoint_shape *)0)->name), key                          \
	}
	FIELD(workers, "workers"),     FIELD(block_bytes, "block_size"),
	FIELD(blocks, "ring_size"),    FIELD(block_timeout_ms, "block_timeout"),
	FIELD(snaplen, "snaplen"),     FIELD(output, "output"),
	FIELD(vlan_keep, "vlan"),      FIELD(promiscuous, "promiscuous"),
	FIELD(fanout_mode, "fanout"),  FIELD(fanout_flags, "fanout_flags"),
	FIELD(fanout_id, "fanout_id"), FIELD(interface, "interface"),
	FIELD(directory, "directory"), FIELD(link_type, "cooked"),
#undef FIELD
};

void earlier_differences(const struct capture *capture, const struct checkpoint_shape *shape,
			 char *text, size_t size)
{
	struct checkpoint_shape now = resume_shape(capture);
	size_t n = 0;

	*text = '\0';
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields) && n < size; i++)
		if (memcmp((const char *)&now + fields[i].offset,
			   (const char *)shape + fields[i].offset, fields[i].bytes) != 0)
			n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "",
					      fields[i].key);
}

static struct afcap_geometry ring_of(const struct checkpoint_shape *shape)
{
	return (struct afcap_geometry){ .version = AFCAP_TPACKET_V3,
					.block_bytes = shape->block_bytes,
					.blocks = shape->blocks,
					.block_timeout_ms = shape->block_timeout_ms };
}

bool earlier_valid(const struct checkpoint_shape *shape)
{
	struct afcap_geometry ring = ring_of(shape);

	return shape->workers >= 1 && shape->workers <= WORKERS_MAX &&
	       afcap_geometry_check(&ring, NULL) == 0 && shape->snaplen < shape->block_bytes &&
	       shape->output <= OUTPUT_NONE && *shape->interface &&
	       memchr(shape->interface, '\0', sizeof(shape->interface)) &&
	       memchr(shape->directory, '\0', sizeof(shape->directory)) &&
	       (shape->output == OUTPUT_NONE || *shape->directory == '/');
}

void earlier_config(struct config_capture *config, const struct checkpoint_shape *shape)
{
	config->workers = shape->workers;
	config->block_size = shape->block_bytes;
	config->ring_size = (int64_t)shape->block_bytes * shape->blocks;
	config->block_timeout = (int64_t)shape->block_timeout_ms * 1000000;
	config->snaplen = shape->snaplen;
	config->output = (int)shape->output;
	config->vlan_keep = (int)shape->vlan_keep;
	config->promiscuous = (int)shape->promiscuous;
	config->fanout = (int)shape->fanout_mode;
	config->fanout_flags = shape->fanout_flags;
	config->fanout_id = shape->fanout_id;
	if (IS_COOKED(shape->link_type))
		config->cooked = (int)shape->link_type;
	memcpy(config->interface, shape->interface, sizeof(config->interface));
	memcpy(config->directory, shape->directory, sizeof(config->directory));
	/* Today's limits may be meant for another directory. */
	config->disk_budget = config->max_age = config->disk_reserve = 0;
}

int earlier_make(struct capture *capture, const struct checkpoint_shape *shape)
{
	struct config_capture *config = malloc(sizeof(*config));

	if (!config)
		return -ENOMEM;
	*config = *capture->config;
	earlier_config(config, shape);
	capture->wanted = capture->config;
	capture->config = capture->earlier = config;
	capture->ring = ring_of(shape);
	capture->snaplen = shape->snaplen;
	return 0;
}

void earlier_forget(struct capture *capture)
{
	if (!capture->earlier)
		return;
	capture->config = capture->wanted;
	free(capture->earlier);
	capture->earlier = NULL;
	capture_ring(capture->config, &capture->ring, NULL);
	capture->snaplen = capture_snaplen(capture->config);
}

/* Slots that it has no more leave their counters in the record, those that it has again take them
 * back; `workers` in the record says which is so, whenever this is interrupted. */
static int slots_resize(struct capture *capture, unsigned workers)
{
	struct checkpoint *saved = capture->saved;
	unsigned before = capture->workers;
	int rc = 0;

	for (unsigned i = before; i < workers && rc == 0; i++) {
		saved->slots[i].before = saved->slots[i].ended;
		rc = slot_init(&capture->slots[i], capture, i, -1);
		if (rc)
			slot_free(&capture->slots[i]);
		else
			capture->workers = i + 1;
	}
	for (unsigned i = workers; i < before; i++) {
		slot_sum(&capture->slots[i], &saved->slots[i].ended);
		saved->slots[i].had = 1;
	}
	__atomic_store_n(&saved->shape.workers,
			 capture->workers < workers ? capture->workers : workers, __ATOMIC_RELEASE);
	for (unsigned i = workers; i < before; i++) {
		slot_end(&capture->slots[i]);
		slot_free(&capture->slots[i]);
		capture->workers = workers;
	}
	return rc;
}

bool earlier_adopt(struct capture *capture)
{
	const struct config_capture *now = capture->wanted, *then = capture->config;
	unsigned workers = now->workers == CONFIG_AUTO ? capture->workers : (unsigned)now->workers;
	int rc;

	if ((workers != capture->workers || strcmp(now->directory, then->directory) != 0 ||
	     now->output != then->output) &&
	    !files_done(capture->files, capture->index))
		return false;
	if (!fdstore_settled(capture->store)) { /* the store's copy of a ring is memory, and a
						 * member of the group
						 */
		event_add(capture->again, &(struct timeval){ 0, SETTLED_US });
		return false;
	}
	capture->saved->armed = 0;
	rc = slots_resize(capture, workers);
	if (rc)
		capture_log(capture, LOG_ERR, "%s: it goes on with %u workers", failure_text(-rc),
			    capture->workers);
	earlier_forget(capture);
	capture->saved->shape = resume_shape(capture);
	if (limits_memory(capture, 1, true)) {
		capture_fail(capture, "there is not enough memory for its rings");
		return false;
	}
	capture->placed = false;
	capture_tell(capture);
	return true;
}
