/* What a capture needs to know before it can begin: its device, link type, filter. */
#ifndef CAPTURE_SETUP_H
#define CAPTURE_SETUP_H

#include "capture.h"
#include "link.h"

/* Fills *error in; returns -1. */
__attribute__((format(printf, 3, 4))) int capture_error(struct capture_error *error, int exit_code,
							const char *format, ...);

/* LINKTYPE_* of the packets of a device (NULL: of all). Returns 0 or -1. */
int capture_link_type(const struct config_capture *config, const struct link *link,
		      uint32_t *link_type, struct capture_error *error);

/* Why no device has the configured name, in words. */
void capture_missing(const struct config_capture *config, const struct links *links, char *text,
		     size_t size);

/* Whether outgoing packets are left to the filter: the kernel does not know the flag for that. The
 * group is known. */
bool capture_incoming_only(const struct capture *capture);

/* The filter for the interface as it is now, into capture->filter. Returns 0, -1, or 1 where it has
 * to be compiled first, which capture_filtered() hears of. */
int capture_filter(struct capture *capture, bool incoming_only, struct capture_error *error);
void capture_filter_free(struct capture *capture);

#endif
