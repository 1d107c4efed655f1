/* What daemons that died without a successor have left of a capture, and what is missing for it.
 * Each worker writes on its own: behind the last packet in its files whatever its ring held is
 * lost, while another worker's may go on. Pure. */
#ifndef REPAIRED_H
#define REPAIRED_H

#include "../base/message.h"

#include <stdbool.h>

#define REPAIRED_TEXT 512

struct repaired {
	uint64_t until_ns[WORKERS_MOST]; /* as in message_result */
	bool news;			 /* packets, since it was last told */
};

/* Adds what the archive has repaired: file by file, and again when what another process held is
 * free. */
void repaired_take(struct repaired *repaired, const struct message_result *result);

/* Says in `text` from when to when packets are missing, `since_ns` being when this daemon began to
 * record; 0: it has not. False: there is nothing (new) to be told, or not yet. Once told it is
 * told again only when there is more, and then as a whole. */
bool repaired_text(struct repaired *repaired, uint64_t since_ns, char text[REPAIRED_TEXT]);

#endif
