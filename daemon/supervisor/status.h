/* One line about all captures, for the service manager: problems come first. */
#ifndef STATUS_H
#define STATUS_H

#include "view.h"

#include <stdbool.h>
#include <stddef.h>

/* Three lines of a terminal; systemd accepts 4 KiB, and shows it as one line. */
#define STATUS_BYTES 240

struct status_item {
	struct capture_view view;
	unsigned up; /* workers */
};

/* Pure. Writes the line to `text`: `prefix`, then as many captures as fit, each complete unless it
 * fills the line alone, and the number of the remaining ones. The worst first, by state, then by
 * loss; equal ones in their order. `items` is sorted by that. */
void status_text(char text[STATUS_BYTES], const char *prefix, struct status_item *items,
		 unsigned count);

/* Sends the line to the service manager. */
void status_send(struct supervisor *supervisor);

#endif
