/* Names and descriptors. */
#include "fdstore.h"
#include "notify.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES 128
#define TEXT_BYTES (NAME_BYTES + 64)
#define TRIAL_NAME "test.store"
#define TRIAL_MOST 200 /* of one message; the kernel takes 253 (SCM_MAX_FD) */

struct entry {
	char name[NAME_BYTES]; /* "": free */
	int fd;		       /* inherited and not taken; -1 */
	bool inherited;
	bool stored; /* as far as this process knows */
};

struct fdstore {
	struct notify *notify;
	struct entry *entries;
	unsigned count;
	struct {
		struct event *event; /* of the barrier; NULL: nothing is tried */
		int barrier;
		int pipes[TRIAL_MOST];
		unsigned tried, needed;
	} trial;
};

void fdstore_free(struct fdstore *store)
{
	if (!store)
		return;
	fdstore_check_end(store);
	for (unsigned i = 0; i < store->count; i++)
		if (store->entries[i].fd >= 0)
			close(store->entries[i].fd);
	free(store->entries);
	free(store);
}

static void name_make(char name[NAME_BYTES], const struct fdstore_key *key)
{
	switch (key->kind) {
	case FDSTORE_CAPTURE:
		snprintf(name, NAME_BYTES, "capture.%s", key->capture);
		break;
	case FDSTORE_LEDGER:
		snprintf(name, NAME_BYTES, "ledger.%s.%u", key->capture, key->worker);
		break;
	case FDSTORE_RING:
		snprintf(name, NAME_BYTES, "ring.%s.%u.%" PRIu64, key->capture, key->worker,
			 key->generation);
		break;
	}
}

/* Not polled by the manager: a ring's socket has an error when its link goes down, which is no
 * reason to drop it. */
static void put_text(char text[TEXT_BYTES], const char *name)
{
	snprintf(text, TEXT_BYTES, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
}

/* Adds an entry with its own copy of the name. NULL: no memory. */
static struct entry *entry_add(struct fdstore *store, const char *name)
{
	struct entry *more = realloc(store->entries, (store->count + 1) * sizeof(*more)), *e;

	if (!more)
		return NULL;
	store->entries = more;
	e = &more[store->count++];
	*e = (struct entry){ .fd = -1, .stored = true };
	snprintf(e->name, NAME_BYTES, "%s", name);
	return e;
}

/* (6): an inherited entry is unchanged, others reuse a dropped one's. */
static void put_note(struct fdstore *store, const char *name)
{
	struct entry *place = NULL;

	for (unsigned i = 0; i < store->count; i++) {
		struct entry *e = &store->entries[i];

		if (strcmp(e->name, name) == 0) {
			e->stored = true;
			return;
		}
		if (!*e->name && !e->inherited)
			place = e;
	}
	if (!place)
		entry_add(store, name);
	else
		snprintf(place->name, NAME_BYTES, "%s", name);
	if (place)
		place->stored = true;
}

/* (F1) */
static void name_drop(struct fdstore *store, const char *name)
{
	char text[TEXT_BYTES];

	put_text(text, name);
	notify_cancel(store->notify, text);
	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notify_send(store->notify, text, NULL, 0);
	for (unsigned i = 0; i < store->count; i++) {
		struct entry *e = &store->entries[i];

		if (strcmp(e->name, name) != 0)
			continue;
		e->stored = false;
		if (!e->inherited)
			e->name[0] = '\0';
	}
}

void fdstore_drop(struct fdstore *store, const struct fdstore_key *key)
{
	char name[NAME_BYTES];

	name_make(name, key);
	name_drop(store, name);
}

bool fdstore_has(const struct fdstore *store, const struct fdstore_key *key)
{
	char name[NAME_BYTES];

	name_make(name, key);
	for (unsigned i = 0; i < store->count; i++)
		if (store->entries[i].stored && strcmp(store->entries[i].name, name) == 0)
			return true;
	return false;
}

bool fdstore_settled(struct fdstore *store)
{
	return notify_settled(store->notify);
}

void fdstore_inherit(struct fdstore *store, const char *name, int fd)
{
	struct entry *e = entry_add(store, name);

	if (!e) {
		close(fd);
		return;
	}
	e->fd = fd;
	e->inherited = true;
}

static void inherit(void *context, const char *name, int fd)
{
	fdstore_inherit(context, name, fd);
}

int fdstore_new(struct fdstore **out, struct notify *notify)
{
	struct fdstore *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->notify = notify;
	notify_passed(inherit, store);
	*out = store;
	return 0;
}

static int entry_take(struct entry *e)
{
	int fd = e->fd;

	e->fd = -1;
	return fd;
}

int fdstore_take(struct fdstore *store, const struct fdstore_key *key)
{
	char name[NAME_BYTES];

	name_make(name, key);
	for (unsigned i = 0; i < store->count; i++)
		if (store->entries[i].fd >= 0 && strcmp(store->entries[i].name, name) == 0)
			return entry_take(&store->entries[i]);
	return -1;
}

const char *fdstore_capture(const struct fdstore *store, unsigned i, int *fd)
{
	static const char kind[] = "capture.";
	const struct entry *e;

	if (i >= store->count)
		return NULL;
	e = &store->entries[i];
	*fd = e->fd;
	return strncmp(e->name, kind, strlen(kind)) == 0 ? e->name + strlen(kind) : "";
}

/* A capture's name may contain dots and digits. False: the name is not of this capture. *worker is
 * unchanged if it is not a worker's. */
static bool name_parse(const char *name, const char *capture, unsigned *worker)
{
	static const char *const kinds[] = { "capture.%n", "ledger.%n", "ring.%n" };
	size_t length = strlen(capture);
	uint64_t generation;

	for (int kind = FDSTORE_CAPTURE; kind <= FDSTORE_RING; kind++) {
		int n = 0, end = 0;
		const char *rest;

		sscanf(name, kinds[kind], &n);
		if (!n || strncmp(name + n, capture, length) != 0)
			continue;
		rest = name + n + length;
		if (kind == FDSTORE_LEDGER)
			sscanf(rest, ".%3u%n", worker, &end);
		else if (kind == FDSTORE_RING)
			sscanf(rest, ".%3u.%20" SCNu64 "%n", worker, &generation, &end);
		if (rest[end] == '\0' && (end > 0 || kind == FDSTORE_CAPTURE))
			return true;
	}
	return false;
}

bool fdstore_is_of(const char *name, const char *capture)
{
	unsigned worker;

	return name_parse(name, capture, &worker);
}

static bool is_of_worker(const char *name, const char *capture, int worker)
{
	unsigned named = UINT_MAX;

	return name_parse(name, capture, &named) &&
	       (worker == FDSTORE_ANY || named == (unsigned)worker);
}

static bool is_ring(const struct entry *e)
{
	return strncmp(e->name, "ring.", 5) == 0;
}

int fdstore_take_ring(struct fdstore *store, const char *capture, int worker)
{
	for (unsigned i = 0; i < store->count; i++) {
		struct entry *e = &store->entries[i];

		if (e->fd >= 0 && is_ring(e) && is_of_worker(e->name, capture, worker))
			return entry_take(e);
	}
	return -1;
}

/* Closes and drops an inherited entry. */
static void entry_drop(struct fdstore *store, struct entry *e)
{
	name_drop(store, e->name);
	if (e->fd >= 0)
		close(entry_take(e));
	e->name[0] = '\0';
}

/* No capture takes it: (8) */
static void entry_refuse(struct fdstore *store, struct entry *e)
{
	if (is_ring(e))
		log_error("dropping stored descriptor %s: it is unusable, and the packets that it "
			  "may hold are lost",
			  e->name);
	else if (strcmp(e->name, TRIAL_NAME) != 0)
		log_notice("dropping stored descriptor %s: it is not needed any more", e->name);
	entry_drop(store, e);
}

/* What was inherited under this name and not taken would be dropped later, and this with it (F1).
 */
void fdstore_put(struct fdstore *store, const struct fdstore_key *key, int fd)
{
	char name[NAME_BYTES], text[TEXT_BYTES];

	name_make(name, key);
	for (unsigned i = 0; i < store->count; i++)
		if (store->entries[i].fd >= 0 && strcmp(store->entries[i].name, name) == 0)
			entry_refuse(store, &store->entries[i]);
	put_note(store, name);
	put_text(text, name);
	notify_send(store->notify, text, &fd, 1);
}

static void discard(struct fdstore *store, const char *capture, int worker)
{
	for (unsigned i = 0; i < store->count; i++) {
		struct entry *e = &store->entries[i];

		if (e->inherited && *e->name && is_of_worker(e->name, capture, worker))
			entry_drop(store, e);
	}
}

void fdstore_discard(struct fdstore *store, const char *capture)
{
	discard(store, capture, FDSTORE_ANY);
}

void fdstore_discard_worker(struct fdstore *store, const char *capture, unsigned worker)
{
	discard(store, capture, (int)worker);
}

bool fdstore_end(struct fdstore *store)
{
	bool any = false;

	for (unsigned i = 0; i < store->count; i++) {
		struct entry *e = &store->entries[i];

		if (e->fd >= 0) {
			entry_refuse(store, e);
			any = true;
		}
		e->inherited = false;
		if (!e->stored)
			e->name[0] = '\0';
	}
	return any;
}

/* ---- FileDescriptorStoreMax= ----
 *
 * A manager before systemd 254 does not say its limit, and answers nothing: it closes what it does
 * not store. So it gets the write ends of some pipes, as many as it is yet to store and one more,
 * and then a barrier (sd_notify_barrier(3)): a pipe that hangs up before that is one that was not
 * stored. */

static void too_small(unsigned needed)
{
	log_warning("the service manager does not store the %u descriptors of these captures: a "
		    "restart will lose what their rings hold (set FileDescriptorStoreMax=%u, or "
		    "more, in the unit)",
		    needed - 1, needed);
}

void fdstore_check_end(struct fdstore *store)
{
	if (!store->trial.event)
		return;
	name_drop(store, TRIAL_NAME);
	event_free(store->trial.event);
	store->trial.event = NULL;
	close(store->trial.barrier);
	while (store->trial.tried > 0)
		close(store->trial.pipes[--store->trial.tried]);
}

static void barrier_cb(evutil_socket_t fd, short what, void *arg)
{
	struct fdstore *store = arg;
	bool kept = true;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < store->trial.tried; i++) {
		struct pollfd p = { store->trial.pipes[i], POLLIN, 0 };

		kept = kept && poll(&p, 1, 0) == 0;
	}
	if (!kept)
		too_small(store->trial.needed);
	fdstore_check_end(store);
}

/* Returns 0, or -errno without a trial. */
static int try(struct fdstore *store, struct event_base *base, unsigned count)
{
	int theirs[TRIAL_MOST], barrier[2], ends[2], rc = 0;
	char text[TEXT_BYTES];
	unsigned n = 0;

	if (pipe2(barrier, O_CLOEXEC))
		return -errno;
	for (; n < count && n < TRIAL_MOST && rc == 0; n++) {
		if (pipe2(ends, O_CLOEXEC)) {
			rc = -errno;
			break;
		}
		store->trial.pipes[n] = ends[0];
		theirs[n] = ends[1];
	}
	store->trial.tried = n;
	store->trial.barrier = barrier[0];
	store->trial.event = event_new(base, barrier[0], EV_READ, barrier_cb, store);
	if (!store->trial.event || event_add(store->trial.event, NULL))
		rc = -ENOMEM;
	if (rc == 0) {
		put_text(text, TRIAL_NAME);
		notify_send(store->notify, text, theirs, n);
		notify_barrier(store->notify, barrier[1]);
	}
	while (n > 0)
		close(theirs[--n]);
	close(barrier[1]);
	return rc;
}

/* The number of descriptors that the manager stores; false: unknown, as it is older than systemd
 * 254, or stores none. */
static bool store_max(unsigned *max)
{
	const char *text = getenv("FDSTORE");

	return text && sscanf(text, "%u", max) == 1;
}

void fdstore_check(struct fdstore *store, struct event_base *base, unsigned needed,
		   unsigned missing)
{
	unsigned allowed;
	int rc;

	if (!notify_manager(store->notify))
		return;
	store->trial.needed = needed + 1; /* including the one for the trial */
	if (store_max(&allowed)) {
		if (allowed < needed)
			too_small(store->trial.needed);
		return;
	}
	rc = try(store, base, missing + 1);
	if (rc) {
		log_warning("how many descriptors the service manager keeps cannot be tried: %s",
			    failure_text(-rc));
		if (store->trial.event)
			fdstore_check_end(store);
	}
}
