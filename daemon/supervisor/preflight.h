/* Checks before anything runs: the configuration, the existing interfaces, the user. Knows no
 * capture. */
#ifndef PREFLIGHT_H
#define PREFLIGHT_H

#include "capture_error.h"
#include "link.h"
#include "plan.h"

/* Checks all captures of a configuration by the rules that need no privilege and no interface; on
 * failure fills in `error` (of `size`) and returns the exit code, else 0. `filters`: their filters,
 * too, whose names are looked up, which may be slow. */
int preflight_config(const struct config *config, bool filters, char *error, size_t size);

/* Checks one capture. Returns 0 or -1. */
int preflight_capture(const struct config *config, const struct config_capture *capture,
		      bool filters, struct capture_error *error);

/* Decides the size of the rings with ring_size = auto, by the memory that is available now. */
void preflight_rings(struct config *config);

/* Logs the rings that there would be, and warns of temporary conditions for which a start would
 * fail now: a directory or an interface that does not exist, too little available memory. Only for
 * -n: it waits for a directory's server. Returns 0, or the exit code if the machine never has
 * memory for them, which is logged. */
int preflight_foresee(const struct config *config);

/* Whether packet sockets can be made. Returns 0, or the exit code, the reason logged. */
int preflight_privileges(void);

/* The number of a capture's file_group; -1: as files come. Asks the name service, which may be
 * slow: only at the start. Returns 0 or -1. */
int preflight_file_group(const struct config *config, const struct config_capture *capture,
			 int64_t *number, struct capture_error *error);

/* Checks that its interface exists (on_missing = fail). Returns 0 or -1. */
int preflight_interface(const struct config *config, const struct config_capture *capture,
			const struct links *links, struct capture_error *error);

/* LINKTYPE_* of the packets of a device (NULL: of all). Returns 0 or -1. */
int preflight_link_type(const struct config_capture *config, const struct link *link,
			uint32_t *link_type, struct capture_error *error);

/* Why no device has the configured name, as text. */
void preflight_missing(const struct config_capture *config, const struct links *links, char *text,
		       size_t size);

#endif
