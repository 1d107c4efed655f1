/* Translates loads from a cooked packet to loads from the kernel's packet. */
#include "filter_cooked.h"

#include "../base/linktype.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define NO_CELL (-1)

/* The fields of the header that libpcap's compiler reads, and their sizes. */
struct field {
	uint32_t offset, size;
	int ancillary;
};

static const struct layout {
	uint32_t link_type;
	unsigned count;
	struct field fields[4];
} layouts[] = { { LINKTYPE_LINUX_SLL2,
		  4,
		  { { 0, BPF_H, SKF_AD_PROTOCOL },
		    { 4, BPF_W, SKF_AD_IFINDEX },
		    { 8, BPF_H, SKF_AD_HATYPE },
		    { 10, BPF_B, SKF_AD_PKTTYPE } } },
		{ LINKTYPE_LINUX_SLL,
		  3,
		  { { 0, BPF_H, SKF_AD_PKTTYPE },
		    { 2, BPF_H, SKF_AD_HATYPE },
		    { 14, BPF_H, SKF_AD_PROTOCOL } } } };

static int refuse(char *error, size_t error_size, const char *what)
{
	snprintf(error, error_size, "%s cannot be filtered on with interface = any", what);
	return -EINVAL;
}

/* A load from a fixed offset. Negative offsets have another meaning in the kernel. */
static int absolute_translate(struct sock_filter *insn, const struct layout *layout, char *error,
			      size_t error_size)
{
	uint32_t head = COOKED_HEADER(layout->link_type);
	char what[64];

	if (insn->k >= head && insn->k <= INT32_MAX) {
		insn->k -= head;
		return 0;
	}
	for (unsigned i = 0; i < layout->count; i++) {
		const struct field *f = &layout->fields[i];

		if (BPF_MODE(insn->code) == BPF_ABS && insn->k == f->offset &&
		    BPF_SIZE(insn->code) == f->size) {
			insn->k = (uint32_t)(SKF_AD_OFF + f->ancillary);
			return 0;
		}
	}
	snprintf(what, sizeof(what), "byte %u of the link-layer header", insn->k);
	return refuse(error, error_size, what);
}

/* A load from a computed offset: its constant part must be within the packet itself. */
static int indirect_translate(struct sock_filter *insn, uint32_t head, char *error,
			      size_t error_size)
{
	if (insn->k < head || insn->k > INT32_MAX)
		return refuse(error, error_size,
			      "a computed offset that may lie in the link-layer header");
	insn->k -= head;
	return 0;
}

/* The packet's length, from a memory cell, which includes the header's. */
static void length_translate(struct sock_filter *insn, int cell)
{
	insn->code = BPF_CLASS(insn->code) | BPF_MEM;
	insn->k = (uint32_t)cell;
}

static bool loads(const struct sock_filter *insn)
{
	return BPF_CLASS(insn->code) == BPF_LD || BPF_CLASS(insn->code) == BPF_LDX;
}

static bool loads_length(const struct sock_filter *insn)
{
	return loads(insn) && BPF_MODE(insn->code) == BPF_LEN;
}

static bool uses_cell(const struct sock_filter *insn)
{
	return BPF_CLASS(insn->code) == BPF_ST || BPF_CLASS(insn->code) == BPF_STX ||
	       (loads(insn) && BPF_MODE(insn->code) == BPF_MEM);
}

/* A memory cell that the program does not use. */
static int cell_find(const struct sock_filter *code, unsigned count)
{
	uint32_t used = 0;

	for (unsigned i = 0; i < count; i++)
		if (uses_cell(&code[i]))
			used |= 1u << code[i].k % BPF_MEMWORDS;
	for (int cell = BPF_MEMWORDS - 1; cell >= 0; cell--)
		if (!(used >> cell & 1))
			return cell;
	return NO_CELL;
}

static int load_translate(struct sock_filter *insn, const struct layout *layout, int cell,
			  char *error, size_t error_size)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
	case BPF_MSH:
		return absolute_translate(insn, layout, error, error_size);
	case BPF_IND:
		return indirect_translate(insn, COOKED_HEADER(layout->link_type), error,
					  error_size);
	case BPF_LEN:
		if (cell == NO_CELL)
			return refuse(error, error_size,
				      "the length in an expression of this size");
		length_translate(insn, cell);
		return 0;
	}
	return 0; /* constants, memory cells */
}

int filter_cooked(const struct sock_fprog *program, uint32_t link_type,
		  struct sock_filter before[FILTER_COOKED_BEFORE], char *error, size_t error_size)
{
	const struct layout *layout = &layouts[link_type == LINKTYPE_LINUX_SLL];
	struct sock_filter *code = program->filter;
	int cell = cell_find(code, program->len);
	bool length = false;

	for (unsigned i = 0; i < program->len; i++) {
		length |= loads_length(&code[i]);
		if (loads(&code[i]) && load_translate(&code[i], layout, cell, error, error_size))
			return -EINVAL;
	}
	if (!length)
		return 0;
	before[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0);
	before[1] =
		(struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, COOKED_HEADER(link_type));
	before[2] = (struct sock_filter)BPF_STMT(BPF_ST, (uint32_t)cell);
	return FILTER_COOKED_BEFORE;
}
