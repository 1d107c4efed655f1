/* Names and descriptors. */
#include "fdstore.h"
#include "notify.h"

#include "../base/log.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES 128

struct left {
	char name[NAME_BYTES];
	int fd; /* -1: taken */
};

static struct left *left;
static unsigned left_count;

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

void fdstore_put(const struct fdstore_key *key, int fd)
{
	char name[NAME_BYTES];

	name_make(name, key);
	notify_keep(name, fd);
}

void fdstore_drop(const struct fdstore_key *key)
{
	char name[NAME_BYTES];

	name_make(name, key);
	notify_drop(name);
}

void fdstore_inherit(const char *name, int fd)
{
	struct left *more = realloc(left, (left_count + 1) * sizeof(*left));

	if (!more) {
		close(fd);
		return;
	}
	left = more;
	snprintf(left[left_count].name, NAME_BYTES, "%s", name);
	left[left_count++].fd = fd;
}

static void take(void *context, const char *name, int fd)
{
	(void)context;
	fdstore_inherit(name, fd);
}

void fdstore_receive(void)
{
	notify_kept(take, NULL);
}

int fdstore_take(const struct fdstore_key *key)
{
	char name[NAME_BYTES];
	int fd;

	name_make(name, key);
	for (unsigned i = 0; i < left_count; i++)
		if (left[i].fd >= 0 && strcmp(left[i].name, name) == 0) {
			fd = left[i].fd;
			left[i].fd = -1;
			return fd;
		}
	return -1;
}

const char *fdstore_capture(unsigned i, int *fd)
{
	static const char kind[] = "capture.";

	if (i >= left_count)
		return NULL;
	*fd = left[i].fd;
	return strncmp(left[i].name, kind, strlen(kind)) == 0 ? left[i].name + strlen(kind) : "";
}

static void left_drop(struct left *l)
{
	notify_drop(l->name);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->name[0] = '\0';
}

/* A capture's name may hold dots and digits itself. False: it is none of this capture's. *worker
 * stays as it is where it is no worker's. */
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

int fdstore_take_ring(const char *capture, int worker)
{
	for (unsigned i = 0; i < left_count; i++) {
		int fd = left[i].fd;

		if (fd < 0 || strncmp(left[i].name, "ring.", 5) != 0 ||
		    !is_of_worker(left[i].name, capture, worker))
			continue;
		left[i].fd = -1;
		return fd;
	}
	return -1;
}

static void discard(const char *capture, int worker)
{
	for (unsigned i = 0; i < left_count; i++)
		if (*left[i].name && is_of_worker(left[i].name, capture, worker))
			left_drop(&left[i]);
}

void fdstore_discard(const char *capture)
{
	discard(capture, FDSTORE_ANY);
}

void fdstore_discard_worker(const char *capture, unsigned worker)
{
	discard(capture, (int)worker);
}

bool fdstore_end(void)
{
	bool any = false;

	for (unsigned i = 0; i < left_count; i++) {
		if (left[i].fd < 0)
			continue;
		if (strncmp(left[i].name, "ring.", 5) == 0)
			log_error("%s, kept from a process before, is of no use: what it may hold "
				  "is lost",
				  left[i].name);
		else if (strcmp(left[i].name, "test.store") != 0) /* storelimit.c's */
			log_notice("%s, kept from a process before, is of no use any more",
				   left[i].name);
		left_drop(&left[i]);
		any = true;
	}
	free(left);
	left = NULL;
	left_count = 0;
	return any;
}
