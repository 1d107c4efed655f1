/* One line about all captures, for the service manager: what is wrong comes first. */
#ifndef STATUS_H
#define STATUS_H

#include "view.h"

#include <stdbool.h>
#include <stddef.h>

/* Three lines of a terminal; systemd itself would take 4 KiB, and shows all of it as one line. */
#define STATUS_BYTES 240

struct status_item {
	struct capture_view view;
	unsigned up; /* workers */
};

/* Pure. Writes the line to `text`: `prefix`, then as many captures as fit, each whole unless it
 * fills the line alone, and how many more there are. The worst first, by state, then by loss;
 * equals keep their order. `items` is sorted by that. */
void status_text(char text[STATUS_BYTES], const char *prefix, struct status_item *items,
		 unsigned count);

/* Sends it to the service manager. */
void status_send(struct supervisor *supervisor);

#endif
