/* One output file's way: hidden, named, finished. Called by the archive process alone; every call
 * may wait for the disk. */
#ifndef FILE_H
#define FILE_H

#include "../base/message.h"

/* A capture's place for files. */
struct file_place {
	struct message_capture capture;
	int directory;	/* -1: none */
	int plain_told; /* said once that O_DIRECT is not used */
};

/* Opens the directory. On failure result->error and text say why. */
void file_place_open(struct file_place *place, struct message_result *result);

/* Makes a hidden, locked file with its head. Returns its descriptor, owned by the caller, or -1
 * with result->error; result->name and align are filled in. */
int file_open(struct file_place *place, const struct message_archive *request,
	      struct message_result *result);

/* Gives a hidden file in use its name, "NAME-wW-TIME.pcapng.partial". Repeating it is harmless. */
void file_name(struct file_place *place, const struct message_archive *request, int fd,
	       struct message_result *result);

/* Cuts a file behind its last chunk, adds the statistics, syncs, takes ".partial" away, syncs the
 * directory. Where the file cannot be synced its name ends in ".suspect.pcapng". Repeating it is
 * harmless. */
void file_finish(struct file_place *place, const struct message_archive *request, int fd,
		 struct message_result *result);

/* Removes a hidden file that never came into use. */
void file_discard(struct file_place *place, const struct message_archive *request,
		  struct message_result *result);

#endif
