/* What the library's files share: the handle, and how errors are told. */
#ifndef AFCAP_INTERNAL_H
#define AFCAP_INTERNAL_H

#include "afcap.h"

#include <pthread.h>
#include <stdatomic.h>

#define AFCAP_PUBLIC __attribute__((visibility("default")))

struct afcap {
	int fd;
	int epoll;
	int event; /* eventfd: stop and wake */
	atomic_bool stopped;
	atomic_bool woken;
	bool down; /* told as AFCAP_DOWN, nothing came since: it may be gone by now */
	struct afcap_geometry ring;
	uint8_t *map;
	size_t map_bytes;
	uint32_t next; /* index of the block to be acquired next */
	uint32_t held; /* blocks acquired and not yet released */
	pthread_mutex_t stats_lock;
	struct afcap_stats stats;
};

/* Fills `error` unless it is NULL, and returns -code. */
__attribute__((format(printf, 3, 4))) int error_set(struct afcap_error *error, int code,
						    const char *format, ...);

/* afcap_fanout_join() without the handle. */
int fanout_join(int fd, struct afcap_fanout *fanout, struct afcap_error *error);

#endif
