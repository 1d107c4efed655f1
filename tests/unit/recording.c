/* Output files, for tests. */
#include "recording.h"

#include "../../daemon/format/header.h"

#include <stdlib.h>
#include <string.h>

static void put32(struct recording *o, uint32_t v)
{
	memcpy(o->bytes + o->size, &v, sizeof(v));
	o->size += sizeof(v);
}

static void put64(struct recording *o, uint64_t v)
{
	memcpy(o->bytes + o->size, &v, sizeof(v));
	o->size += sizeof(v);
}

static void put_zeros(struct recording *o, size_t n)
{
	memset(o->bytes + o->size, 0, n);
	o->size += n;
}

/* In place there are options behind each packet, as many as there is room to the next one. */
static void packet_put(struct recording *o, unsigned most, bool options, uint64_t ns)
{
	uint32_t captured = (uint32_t)random() % (most + 1), padded = (captured + 3) / 4 * 4,
		 fill = options ? 12 + (uint32_t)random() % 12 * 4 : 0, total = 32 + padded + fill;
	size_t data;

	put32(o, 6);
	put32(o, total);
	put32(o, 0);
	put32(o, (uint32_t)(ns >> 32));
	put32(o, (uint32_t)ns);
	put32(o, captured);
	put32(o, captured + (uint32_t)random() % 100);
	data = o->size;
	put_zeros(o, padded);
	for (uint32_t i = 0; i < captured; i++)
		o->bytes[data + i] = (uint8_t)random();
	if (fill) {
		put32(o, 19373 | (fill - 8) << 16);
		put32(o, 32473);
		put_zeros(o, fill - 8);
	}
	put32(o, total);
}

void recording_chunk(struct recording *o, uint32_t head, unsigned packets, unsigned most)
{
	struct recording_chunk *c = &o->chunks[o->count], *last = o->count ? c - 1 : NULL;
	uint64_t ns = last ? last->last_ns + 1 : UINT64_C(1700000000123456789);
	uint32_t length;

	*c = (struct recording_chunk){ .begin = o->size,
				       .packets = packets,
				       .first_ns = ns,
				       .last_ns = ns + 10 * (packets - 1),
				       .drops =
					       last ? last->drops + (uint64_t)random() % 3 : 1000 };
	put32(o, 0x8AFCA901);
	put32(o, head);
	put32(o, 32473);
	put32(o, packets);
	put32(o, 0);
	put32(o, 1 | 1 << 16);
	put64(o, o->count++);
	put64(o, c->first_ns);
	put64(o, 0);
	put64(o, c->drops);
	put64(o, 0);
	put64(o, c->last_ns);
	put_zeros(o, head - 76);
	put32(o, head);
	for (unsigned i = 0; i < packets; i++)
		packet_put(o, most, head > 80, ns + 10 * i);
	c->end = o->size;
	length = (uint32_t)(c->end - c->begin);
	memcpy(o->bytes + c->begin + 16, &length, sizeof(length));
}

static void pad_put(struct recording *o, uint32_t total)
{
	put32(o, 0x8AFCA902);
	put32(o, total);
	put_zeros(o, total - 12);
	put32(o, total);
}

void recording_header(uint8_t *page, const struct message_capture *capture, uint32_t worker,
		      const char *os, const char *application)
{
	const struct header header = { .capture = capture->name,
				       .worker = worker,
				       .link_type = capture->link_type,
				       .interface = capture->interface,
				       .device = capture->device,
				       .filter = capture->filter,
				       .machine = capture->machine,
				       .boot = capture->boot,
				       .os = os,
				       .application = application };

	header_make(page, &header);
}

void recording_build(struct recording *o, unsigned chunks, unsigned seed, bool finished)
{
	static const uint32_t heads[] = { 80, 96, 100, 104 };
	static const struct message_capture capture = { .link_type = 1,
							.name = "eth0",
							.interface = "eth0" };
	struct ledger_file record = { .first_ns = 1, .until_ns = 2, .finish = { 3, 1, 2 } };

	srandom(seed);
	memset(o, 0, sizeof(*o));
	recording_header(o->bytes, &capture, 0, "Linux", "afcapd");
	o->size = FILE_HEADER_BYTES;
	while (o->count < chunks) {
		recording_chunk(o, heads[random() % 4], 1 + (unsigned)random() % 8, 300);
		for (long pads = random() % 3; pads > 0; pads--)
			pad_put(o, 12 + (uint32_t)random() % 100 * 4);
	}
	if (finished)
		o->size += header_statistics(o->bytes + o->size, &record);
}

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

size_t recording_end(const struct recording *o, size_t size)
{
	size_t end = FILE_HEADER_BYTES;

	for (unsigned i = 0; i < o->count && o->chunks[i].end <= size; i++)
		end = o->chunks[i].end;
	while (end > FILE_HEADER_BYTES && end + 8 <= size && word(o->bytes + end) == 0x8AFCA902 &&
	       end + word(o->bytes + end + 4) <= size)
		end += word(o->bytes + end + 4);
	return end;
}

/* ---- the reader ---- */

/* A number of the statistics, or ~0. */
static uint64_t option(const uint8_t *at, const uint8_t *end, uint16_t code)
{
	while (end - at >= 12) {
		uint16_t head[2];
		uint64_t value;

		memcpy(head, at, sizeof(head));
		memcpy(&value, at + 4, sizeof(value));
		if (head[0] == code && head[1] == 8)
			return value;
		at += 4 + (head[1] + 3) / 4 * 4;
	}
	return UINT64_MAX;
}

static uint64_t time_of(uint64_t value)
{
	return value << 32 | value >> 32;
}

static bool packet_valid(const uint8_t *block, uint32_t total)
{
	return total >= 32 && word(block + 8) == 0 && word(block + 20) <= total - 32;
}

bool recording_read(const uint8_t *bytes, size_t size, struct recording_found *found)
{
	unsigned blocks = 0;

	*found = (struct recording_found){ 0 };
	for (size_t at = 0; at < size; blocks++) {
		const uint8_t *block = bytes + at;
		uint32_t type, total;

		if (found->statistics || size - at < 12)
			return false;
		type = word(block);
		total = word(block + 4);
		if (total < 12 || total % 4 || total > size - at ||
		    word(block + total - 4) != total)
			return false;
		if (blocks < 2 && type != (blocks == 0 ? 0x0A0D0D0A : 1))
			return false;
		if (type == 6 && !packet_valid(block, total))
			return false;
		found->packets += type == 6;
		found->chunks += type == 0x8AFCA901;
		if (type == 5) {
			const uint8_t *options = block + 20, *end = block + total;

			found->statistics = at;
			found->start_ns = time_of(option(options, end, 2));
			found->end_ns = time_of(option(options, end, 3));
			found->received = option(options, end, 4);
			found->if_dropped = option(options, end, 5);
			found->os_dropped = option(options, end, 7);
			found->delivered = option(options, end, 8);
		}
		at += total;
	}
	return found->statistics != 0;
}
