/* Fuzz target: what systemd's descriptor store may hold: names, the checkpoint of a capture, a
 * ledger, of arbitrary bytes, taken by the supervisor as at its start. What is gone on with is as
 * its record says, which can be; what is refused leaves nothing open. A name is of one capture at
 * most.
 *
 * Input: options; a name's length and the name; a ledger; the checkpoint, zeros behind. */
#include "fuzz.h"

#include "../../daemon/base/log.h"
#include "../../daemon/supervisor/inherited.h"
#include "../../daemon/supervisor/notify.h"
#include "../../daemon/supervisor/plan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	HEAD_RIGHT = 1,
	SHAPE_RIGHT = 2,
	SIZE_RIGHT = 4,
	LEDGER_THERE = 8,
	LEDGER_RIGHT = 16,
	RING_THERE = 32,
	COUNT_ONLY = 64,
};

struct input {
	uint8_t options;
	const uint8_t *name, *ledger, *checkpoint;
	size_t name_bytes, ledger_bytes, checkpoint_bytes;
};

static struct config_capture config = {
	.name = "a.1",
	.group = { .interface = "eth0",
		   .directory = "/d",
		   .workers = 1,
		   .ring_bytes = 8 * 4096,
		   .block_bytes = 4096,
		   .block_timeout_ns = 64000000,
		   .snaplen = 2000 },
};

static bool input_cut(struct input *in, const uint8_t *data, size_t bytes)
{
	if (bytes < 2)
		return false;
	*in = (struct input){ .options = data[0], .name = data + 2, .name_bytes = data[1] % 64 };
	bytes -= 2;
	if (in->name_bytes > bytes)
		in->name_bytes = bytes;
	bytes -= in->name_bytes;
	in->ledger = in->name + in->name_bytes;
	in->ledger_bytes = bytes < sizeof(struct ledger) ? bytes : sizeof(struct ledger);
	in->checkpoint = in->ledger + in->ledger_bytes;
	in->checkpoint_bytes = bytes - in->ledger_bytes;
	return true;
}

/* "kind.CAPTURE..." is of CAPTURE or of another one whose name is longer or shorter, never of two.
 */
static void name_check(const struct input *in, struct fdstore *store)
{
	char name[64], capture[64];
	unsigned found = 0;
	const char *dot;

	snprintf(name, sizeof(name), "%.*s", (int)in->name_bytes, (const char *)in->name);
	dot = strchr(name, '.');
	if (!dot)
		return;
	for (size_t n = 1; n <= strlen(dot + 1); n++) {
		snprintf(capture, sizeof(capture), "%.*s", (int)n, dot + 1);
		found += fdstore_is_of(name, capture);
	}
	if (found > 1)
		abort();
	if (strncmp(name, "ring.a.1.0.", 11) != 0) /* that one is below */
		fdstore_inherit(store, name, eventfd(0, EFD_CLOEXEC));
}

static int ledger_make(const struct input *in)
{
	int fd = ledger_create();
	struct ledger *l = ledger_map(fd), fresh = *l;

	memset(l, 0, sizeof(*l));
	memcpy(l, in->ledger, in->ledger_bytes);
	if (in->options & LEDGER_RIGHT) {
		l->magic = fresh.magic;
		l->layout = fresh.layout;
		l->bytes = fresh.bytes;
	}
	ledger_unmap(l);
	return fd;
}

static int checkpoint_make(const struct input *in, const struct checkpoint_fingerprint *fingerprint)
{
	uint64_t alive_ns;
	struct checkpoint *s;
	int fd;

	if (!(in->options & SIZE_RIGHT)) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		if (write(fd, in->checkpoint, in->checkpoint_bytes) !=
		    (ssize_t)in->checkpoint_bytes)
			abort();
		return fd;
	}
	fd = checkpoint_create();
	s = checkpoint_map(fd, &alive_ns);
	memcpy(in->options & HEAD_RIGHT ? (void *)&s->alive_ns : (void *)s, in->checkpoint,
	       in->checkpoint_bytes);
	if (in->options & SHAPE_RIGHT) {
		uint32_t link_type = s->fingerprint.link_type;

		s->fingerprint = *fingerprint;
		s->fingerprint.link_type = link_type;
	}
	checkpoint_unmap(s);
	return fd;
}

/* The records as the files of the slot are found again and put. */
static void files_check(struct checkpoint_slot *slot, const struct ledger_totals *t)
{
	struct checkpoint_file *f = checkpoint_find(slot, t->current.serial);

	if (f && f->serial_after != t->current.serial + 1)
		abort();
	checkpoint_end(f, &t->current);
	if (f && !f->ended)
		abort();
	checkpoint_put(slot, t->current.serial + 1, 1, 2);
	f = checkpoint_find(slot, t->current.serial + 1);
	if (f && (f->ended || f->device != 1 || f->inode != 2))
		abort();
	checkpoint_drop(f);
	for (unsigned i = 0; i < CHECKPOINT_FILES; i++)
		if (f == &slot->files[i] && f->serial_after)
			abort();
}

static void continued(struct inherited *in, int ring_fd)
{
	struct checkpoint *s = in->saved;
	int fd = inherited_ledger(in, 0);
	struct ledger *l = ledger_map(fd);
	struct ledger_totals t;
	uint64_t since_ns;

	if (!l || !s || !s->since_ns || !memchr(s->gap_why, '\0', sizeof(s->gap_why)) ||
	    !plan_fingerprint_valid(&s->fingerprint) || !checkpoint_valid(s) || in->workers != 1 ||
	    s->fingerprint.workers != 1 || !in->found || in->gap.since_ns ||
	    strcmp(s->fingerprint.interface,
		   (in->earlier ? in->earlier : &config)->group.interface) ||
	    (s->fingerprint.link_type != 1 && s->fingerprint.link_type != 101 &&
	     s->fingerprint.link_type != 276 &&
	     (s->fingerprint.link_type || in->rings[0].ring_fd >= 0)))
		abort();
	if (in->earlier && plan_resumable(&s->fingerprint, &config))
		abort();
	if (!inherited_whole(in) && !inherited_gap(in, &since_ns))
		abort();
	t = ledger_totals(l);
	if (t.next_block >= s->fingerprint.blocks || t.received > COUNTER_MAX)
		abort();
	files_check(&s->slots[0], &t);
	ledger_unmap(l);
	close(fd);
	if (ring_fd >= 0)
		close(ring_fd);
	checkpoint_unmap(s);
	close(in->saved_fd);
	inherited_taken(in);
	free(in->earlier);
}

static int fd_lowest(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct inherited inherited;
	struct plan plan;
	int before = fd_lowest(), ring_fd = -1;
	struct fdstore *store = NULL;
	struct notify *notify = NULL;
	struct checkpoint_fingerprint fingerprint;
	struct input in;
	char name[64];

	if (!input_cut(&in, data, bytes))
		return 0;
	log_open(-1, "");
	if (notify_new(&notify) || fdstore_new(&store, notify))
		abort();
	config.group.output = in.options & COUNT_ONLY ? OUTPUT_NONE : OUTPUT_PCAPNG;
	if (plan_make(&config, &plan, NULL))
		abort();
	plan.link_type = 1;
	fingerprint = plan_fingerprint(&config, &plan, 1);
	name_check(&in, store);
	fdstore_inherit(store, "capture.a.1", checkpoint_make(&in, &fingerprint));
	if (in.options & LEDGER_THERE)
		fdstore_inherit(store, "ledger.a.1.0", ledger_make(&in));
	if (in.options & RING_THERE) {
		struct ledger l = { 0 };

		memcpy(&l, in.ledger, in.ledger_bytes);
		snprintf(name, sizeof(name), "ring.a.1.0.%llu",
			 (unsigned long long)ledger_totals(&l).generation);
		ring_fd = eventfd(0, EFD_CLOEXEC);
		fdstore_inherit(store, name, ring_fd);
	}
	if (inherited_take(&inherited, store, &config))
		continued(&inherited, in.options & LEDGER_THERE && ring_fd >= 0 ? ring_fd : -1);
	else if (inherited.saved || inherited.saved_fd >= 0 || !inherited.found ||
		 inherited.earlier || inherited.rings)
		abort();
	fdstore_end(store);
	fdstore_free(store);
	notify_free(notify);
	if (fd_lowest() != before)
		abort();
	return 0;
}
