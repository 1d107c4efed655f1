/* A capture: an interface, a fanout group, its slots. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "slot.h"

#include "../base/config.h"
#include "../../lib/afcap.h"

struct supervisor;

enum capture_state { CAPTURE_STARTING, CAPTURE_RUNNING, CAPTURE_STOPPING, CAPTURE_STOPPED };

struct capture {
	struct supervisor *supervisor;
	struct event_base *base;
	struct files *files;
	const struct config *source; /* for places in messages */
	const struct config_capture *config;
	unsigned index;
	enum capture_state state;
	bool abandoned;		/* what is left is not waited for */
	uint64_t since_real_ns; /* armed */
	struct afcap_geometry ring;
	uint32_t snaplen;   /* what the filter lets through of a packet: no packet fills a block to
			       its last byte */
	uint32_t link_type; /* LINKTYPE_* */
	struct sock_fprog filter;
	struct message_group group; /* as joined; id valid once group_known */
	bool group_known;
	unsigned sockets_asked, joins_asked; /* slots that were told so far: in slot order */
	struct event *deadline;
	bool full;	     /* disk_reserve cannot be kept: nothing is written */
	bool keeping;	     /* files_keep() is asked for */
	uint64_t available;  /* bytes of the file system; UINT64_MAX: not known */
	uint64_t sync_at_ns; /* monotonic; when files are synced next */
	unsigned workers;
	struct slot *slots;
};

/* Why a capture cannot be, in words, and what afcapd exits with. */
struct capture_error {
	int exit_code;
	char text[CONFIG_ERROR_BYTES];
};

/* The rules that need the library and libpcap, but no privilege and no interface. Returns 0 or
 * -EINVAL. */
int capture_check(const struct config *config, const struct config_capture *capture,
		  struct capture_error *error);

/* Checks the interface, compiles the filter, makes slots and asks for files. No process yet.
 * Returns 0 or -1. */
int capture_init(struct capture *capture, struct supervisor *supervisor, struct event_base *base,
		 struct files *files, const struct config *config, unsigned index,
		 struct capture_error *error);

/* Starts the workers. capture_advance() does the rest. Returns 0 or -errno. */
int capture_start(struct capture *capture);

/* Nothing comes in any more; the workers finish. With `abandon` what they have not written is given
 * up. */
void capture_stop(struct capture *capture, bool abandon);

/* Twice a second or so. */
void capture_tick(struct capture *capture);

/* All its workers go on in their next files. capture_rotating(): they do not yet. */
void capture_rotate(struct capture *capture);
bool capture_rotating(const struct capture *capture);

/* Packets are discarded for want of room. */
bool capture_suspended(const struct capture *capture);
bool capture_reaped(struct capture *capture, pid_t pid, int status);

/* The sum over the slots. */
void capture_counters(const struct capture *capture, struct counters *sum);

void capture_free(struct capture *capture);

/* ---- what slots tell ---- */

/* A worker got further: the next in order may go on; when all read, the group is armed. */
void capture_advance(struct capture *capture);
void capture_joined(struct capture *capture, const struct message_group *group);
void capture_start_failed(struct capture *capture, int exit_code, const char *text);
/* `retried`: the capture goes on without that file and it is tried again. */
void capture_files_failed(struct capture *capture, bool retried, int error, const char *text);
/* What the archive did; `last`: it is done with what it was asked for. */
void capture_cared(struct capture *capture, const struct message_result *result, bool last);
/* A slot ended, or a file was finished. */
void capture_changed(struct capture *capture);
bool capture_abandoned(const struct capture *capture);

#endif
