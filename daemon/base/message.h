/* The messages of the channels: fixed width, no pointers, strings ended by NUL within their
 * arrays. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "clock.h"
#include "config_parts.h"
#include "counters.h"
#include "ledger.h"
#include "sizes.h"

#include <stdint.h>

#define CHANNEL_FD 3 /* a child's end */
#define LEDGER_FD  4 /* a worker's ledger */
#define RING_FD	   5 /* a later worker's ring */

#define MESSAGE_TEXT   2048
#define TRACE_FRAMES   12
#define TRACE_OBJECT   24
#define LEFT_NO_PACKET 1 /* in place of a time */

enum message_type {
	/* supervisor -> worker */
	MESSAGE_WORKER = 1, /* message_worker: the first one, its task */
	MESSAGE_SOCKET,	    /* empty: make the socket (it is the slot's turn) */
	MESSAGE_JOIN,	    /* message_group: join this fanout group */
	MESSAGE_FILE,	    /* message_file + fd: the file to write, or the spare file */
	MESSAGE_DRAIN,	    /* empty: no more packets come in; finish and exit */
	MESSAGE_ROTATE,	    /* empty: continue in the next file, if the current one has packets */
	MESSAGE_SUSPEND,    /* message_suspend: discard instead of writing, or write again */
	MESSAGE_HANDOVER,   /* empty: commit the blocks taken and exit; a successor continues */
	/* worker -> supervisor */
	MESSAGE_SOCKET_MADE, /* empty */
	MESSAGE_RING_MADE,   /* empty: bound, ready to join */
	MESSAGE_JOINED,	     /* message_group + fd: a duplicate of the ring's socket */
	MESSAGE_READY,	     /* empty: reading */
	MESSAGE_REPORT,	     /* message_report */
	MESSAGE_FAILED,	     /* message_failed: cannot start; exits */
	/* supervisor -> archive */
	MESSAGE_CAPTURE,  /* message_capture: where and how a capture's files are made */
	MESSAGE_OPEN,	  /* message_archive: make a hidden spare file -> MESSAGE_OPENED */
	MESSAGE_REOPEN,	  /* message_archive: find a previous instance's file again, by its inode ->
			     MESSAGE_OPENED */
	MESSAGE_NAME,	  /* message_archive + fd: it is in use: name it -> MESSAGE_NAMED */
	MESSAGE_FINISH,	  /* message_archive + fd: cut, close with its statistics, sync, rename ->
			     MESSAGE_FINISHED */
	MESSAGE_DISCARD,  /* message_archive + fd: never used, remove -> MESSAGE_DISCARDED */
	MESSAGE_MAINTAIN, /* message_archive: remove files by budget, age, reserve; repair one that
			 an earlier instance left -> MESSAGE_MAINTAINED */
	MESSAGE_SYNC,	  /* message_archive + fd: what is written so far -> MESSAGE_SYNCED */
	MESSAGE_LOOK,	  /* message_archive + fd: whether it still is the file that was written ->
			     MESSAGE_LOOKED */
	/* archive -> supervisor */
	MESSAGE_CAPTURE_OK, /* message_result */
	MESSAGE_OPENED,	    /* message_result + fd */
	MESSAGE_NAMED,	    /* message_result */
	MESSAGE_FINISHED,   /* message_result */
	MESSAGE_DISCARDED,  /* message_result */
	MESSAGE_MAINTAINED, /* message_result */
	MESSAGE_SYNCED,	    /* message_result */
	MESSAGE_LOOKED,	    /* message_result */
	/* child -> supervisor */
	MESSAGE_CRASHED, /* message_crashed: its last one */
	MESSAGE_TYPES,
};

struct message_worker {
	struct worker_config config;
	struct group_config group; /* as it is in effect: plan_group() of supervisor/plan.h */
	uint32_t worker;
	uint32_t blocks; /* of its ring */
	uint32_t link_type;
	uint32_t resume;     /* the ring is at RING_FD: continue where the ledger says */
	int32_t cpu;	     /* to run on; -1: any */
	uint32_t ifindex;    /* of the interface; 0: all */
	uint64_t generation; /* of the ring */
	uint64_t quarantine; /* sequence of a block that must not be read; 0: none */
	char capture[CAPTURE_NAME_BYTES];
};

struct message_suspend {
	uint32_t suspended;
	uint32_t unused;
};

struct message_group {
	uint32_t id, mode, flags;
};

struct message_file {
	uint64_t serial;
	uint32_t align; /* what offsets and lengths of writes must be multiples of */
	uint32_t unused;
};

struct message_report {
	struct counters counters;
	struct ledger_file current, previous;
	uint32_t gone;	  /* the interface is: no more packets come in */
	uint32_t refused; /* errno: a write found no space, and is being retried */
	uint32_t unused;
	uint32_t no_space; /* errno: the last write found no space, and none was found since */
};

struct message_failed {
	uint32_t exit_code; /* the exit code of the daemon */
	char text[MESSAGE_TEXT];
};

struct message_capture {
	uint32_t capture; /* its number */
	uint32_t link_type;
	struct archive_config config;
	uint64_t file_bytes; /* maximum size of a file */
	uint64_t token;	     /* of this instance: its hidden names are unique */
	int64_t file_group;  /* its number; -1: not changed */
	uint32_t together;   /* captures that record into files */
	uint32_t cached;     /* its files may be written through the page cache, in bursts */
	uint8_t machine[ID_BYTES], boot[ID_BYTES]; /* ids, for file headers; zeros: not known */
	char name[CAPTURE_NAME_BYTES];
	char interface[INTERFACE_BYTES]; /* as it is configured */
	char device[DEVICE_BYTES];	 /* the kernel's name; empty: not known yet */
	char filter[FILTER_BYTES];
	char directory[PATH_BYTES];
};

struct message_archive {
	uint32_t capture, worker;
	uint64_t device, inode;	    /* REOPEN */
	struct clock_now clock;	    /* as the supervisor sees it */
	struct ledger_file file;    /* OPEN: serial; NAME: and since_ns, first_ns; LOOK: and end;
				       FINISH: all;    KEEP: error of a write that found no space */
	char name[FILE_NAME_BYTES]; /* as the archive named it last; not in OPEN */
};

struct message_result {
	uint32_t capture, worker;
	uint64_t serial;
	uint64_t device, inode;	    /* OPENED */
	uint32_t align;		    /* OPENED */
	int32_t error;		    /* 0, or errno, which `text` describes */
	uint32_t removed, repaired; /* files, by budget, age or reserve; at MAINTAINED */
	uint32_t full;		    /* the reserve cannot be met, there is no file left to remove */
	uint32_t again;	 /* MAINTAINED: there is more to repair. Else: the directory was removed, a
			    new  process is to open its path and serve this */
	uint32_t later;	 /* NAMED, FINISHED: failed, and may succeed later */
	uint32_t lost;	 /* NAMED, FINISHED, LOOKED: another program has interfered with the file */
	int32_t spoiled; /* FINISHED: errno for which it ends as a suspect; 0: none */
	uint64_t readable; /* FINISHED, where lost: packets of it that can be read */
	uint32_t no_inode; /* OPENED, with ENOSPC; MAINTAINED, with full: inodes are exhausted */
	uint32_t held; /* MAINTAINED: another process has unfinished files, and may keep them for
			  some seconds yet */
	uint64_t available; /* bytes of the file system, for this user */
	/* OPENED, MAINTAINED: for each worker with files of an earlier instance, the time of the
	 * last packet in those that were repaired; LEFT_NO_PACKET: there was none in them; 0: no
	 * such file */
	uint64_t until_ns[WORKERS_MAX];
	char name[FILE_NAME_BYTES];
	char text[MESSAGE_TEXT];
};

struct message_crashed {
	int32_t signal, code;
	int32_t call;	 /* SIGSYS: its number */
	uint32_t thread; /* 0: the main thread */
	uint64_t address;
	uint32_t frames, unused;
	struct message_frame {
		char object[TRACE_OBJECT]; /* a file's name; empty: unknown, the offset is absolute
					    */
		uint64_t offset;
	} frame[TRACE_FRAMES];
};

struct message {
	uint32_t type;
	uint32_t bytes;
	union {
		struct message_worker worker;
		struct message_group group;
		struct message_file file;
		struct message_suspend suspend;
		struct message_report report;
		struct message_failed failed;
		struct message_capture capture;
		struct message_archive archive;
		struct message_result result;
		struct message_crashed crashed;
	};
};

/* The length of a type's body, or -1 for an unknown type. */
int message_bytes(uint32_t type);

/* The type that answers a request to the archive; 0 for all others. */
uint32_t message_answer(uint32_t type);

/* Its name, for logs. Static. */
const char *message_name(uint32_t type);

#endif
