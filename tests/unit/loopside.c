/* The ring loop's surroundings. */
#include "loopside.h"

#include "../../daemon/archive/file.h"
#include "../../daemon/base/linktype.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#define ALIGN_MIN 4096u

struct loopside loopside;

void loopside_open(void)
{
	loopside = (struct loopside){ .crossing.notify = -1 };
	failing = (struct handring_failing){ 0 };
	handring_open(&loopside.ring);
	loopside.what = (struct message_worker){ .group.block_bytes = HANDRING_BLOCK_BYTES,
						 .blocks = HANDRING_BLOCKS,
						 .group.snaplen = 262144,
						 .link_type = LINKTYPE_ETHERNET,
						 .config.layout = LAYOUT_INPLACE,
						 .config.write_delay_ns = 1000000000,
						 .config.file_bytes = 1u << 30 };
	loopside.ledger = ledger_map(ledger_create());
	ck_assert_ptr_nonnull(loopside.ledger);
	loopside.fds[0] = handring_file();
	loopside.fds[1] = handring_file();
	loopside.align = file_align(loopside.fds[0], true);
	if (loopside.align < ALIGN_MIN)
		loopside.align = ALIGN_MIN;
}

/* Nothing in the product frees what a worker has, which ends with it. */
static void loop_free(void)
{
	burst_stop(&loopside.loop.writer.burst);
	if (loopside.loop.writer.burst.writeback)
		writeback_free(loopside.loop.writer.burst.writeback);
	free(loopside.loop.held);
	free(loopside.loop.chunks);
	loopside.loop = (struct ringloop){ 0 };
}

void loopside_close(void)
{
	atomic_store(&failing.held_back, false);
	loop_free();
	handring_close(&loopside.ring);
	ledger_unmap(loopside.ledger);
	close(loopside.fds[0]);
	close(loopside.fds[1]);
}

void loopside_begin(void)
{
	const struct crossing_file file = { .serial = 0,
					    .fd = dup(loopside.fds[0]),
					    .align = loopside.align };

	loop_free();
	ck_assert_int_eq(ringloop_init(&loopside.loop, &loopside.ring.handle, loopside.ledger,
				       &loopside.what, &loopside.crossing),
			 0);
	writer_begin(&loopside.loop.writer, &file);
	ck_assert_int_eq(burst_start(&loopside.loop.writer.burst, &loopside.ring.handle), 0);
}

void loopside_next_give(void)
{
	ck_assert(crossing_spare_give(
		&loopside.crossing,
		&(struct crossing_file){ 1, dup(loopside.fds[1]), loopside.align }));
}

void loopside_put(unsigned blocks, unsigned packets, uint32_t captured)
{
	for (unsigned i = 0; i < blocks; i++)
		handring_put(&loopside.ring, packets, captured, false);
}

void loopside_run(void)
{
	afcap_stop(&loopside.ring.handle);
	ringloop_run(&loopside.loop);
	atomic_store(&loopside.ring.handle.signals, 0);
}
