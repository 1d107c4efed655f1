/* Fuzz target: output files of arbitrary bytes, walked chunk by chunk. What is told must hold: the
 * file cut where it says is the same chunks to whoever walks it again.
 *
 * Input: byte 0 chooses the buffer, small ones make every place in a chunk a border of it; the rest
 * is the file behind its head. */
#include "fuzz.h"

#include "../../daemon/format/header.h"
#include "../../daemon/format/walk.h"

#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *data;
	size_t bytes;
};

static ssize_t input_read(void *context, void *buffer, size_t bytes, uint64_t offset)
{
	const struct input *in = context;
	size_t left;

	if (offset < FILE_HEADER_BYTES || offset - FILE_HEADER_BYTES > in->bytes)
		abort(); /* nobody looks there */
	left = in->bytes - (size_t)(offset - FILE_HEADER_BYTES);
	if (bytes > left)
		bytes = left;
	memcpy(buffer, in->data + (offset - FILE_HEADER_BYTES), bytes);
	return (ssize_t)bytes;
}

static struct walk walk(struct input in, size_t buffer_bytes)
{
	uint8_t *buffer = malloc(buffer_bytes); /* so that a sanitizer sees its end */
	struct walk_source source = { .read = input_read,
				      .context = &in,
				      .size = FILE_HEADER_BYTES + in.bytes,
				      .buffer = buffer,
				      .buffer_bytes = buffer_bytes };
	struct walk chunks;

	if (!buffer || walk_chunks(&source, &chunks))
		abort();
	free(buffer);
	return chunks;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct walk found, again;
	struct input in;

	if (bytes < 1)
		return 0;
	in = (struct input){ data + 1, bytes - 1 };
	found = walk(in, WALK_BUFFER_MIN + data[0]);
	if (found.end < FILE_HEADER_BYTES || found.end > FILE_HEADER_BYTES + in.bytes ||
	    (found.count == 0) != (found.end == FILE_HEADER_BYTES))
		abort();
	if (found.finished && FILE_HEADER_BYTES + in.bytes - found.end < 28)
		abort();
	in.bytes = (size_t)(found.end - FILE_HEADER_BYTES);
	again = walk(in, 1 << 16);
	if (again.finished || again.end != found.end || again.count != found.count ||
	    again.packets != found.packets || again.first_ns != found.first_ns ||
	    again.last_ns != found.last_ns || again.first_drops != found.first_drops ||
	    again.last_drops != found.last_drops)
		abort();
	return 0;
}
