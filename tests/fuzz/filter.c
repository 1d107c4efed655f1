/* Fuzz target: filter expressions for all interfaces at once, compiled by libpcap and translated,
 * for both kinds of cooked packets. The kernel takes every program, and it says of a packet what
 * the untranslated one says of the same packet as the file will have it.
 *
 * Input: an expression, a NUL, a cooked packet. */
#include "fuzz.h"

#include "../../daemon/base/linktype.h"
#include "../../daemon/base/sizes.h"
#include "../../daemon/supervisor/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netdb.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SNAPLEN	     262144u
#define PACKET_BYTES 256u

struct packet {
	uint8_t bytes[PACKET_BYTES]; /* cooked header first */
	uint32_t length, head;
};

/* Where a cooked header has what the kernel tells beside the packet; size 0: it has not. */
struct field {
	uint32_t offset, size;
};

static const struct kind {
	const char *interface;
	int dlt;
	uint32_t link_type;
	struct field protocol, ifindex, hatype, pkttype;
} kinds[] = {
	{ INTERFACE_ANY,
	  DLT_LINUX_SLL2,
	  LINKTYPE_LINUX_SLL2,
	  { 0, 2 },
	  { 4, 4 },
	  { 8, 2 },
	  { 10, 1 } },
	{ FILTER_ANY_SLL, DLT_LINUX_SLL, LINKTYPE_LINUX_SLL, { 14, 2 }, { 0 }, { 2, 2 }, { 0, 2 } },
};

static const struct kind *kind;

/* No name is asked for: a resolver is no part of this. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)out;
	return EAI_NONAME;
}

static uint32_t big_endian(const uint8_t *p, uint32_t size)
{
	uint32_t v = 0;

	while (size--)
		v = v << 8 | *p++;
	return v;
}

static uint32_t told(const struct packet *p, struct field field)
{
	return big_endian(p->bytes + field.offset, field.size);
}

/* What the kernel tells beside the packet, from the header that it will get. */
static bool ancillary(const struct packet *p, uint32_t k, uint32_t *value)
{
	const struct {
		int at;
		struct field field;
	} fields[] = { { SKF_AD_PROTOCOL, kind->protocol },
		       { SKF_AD_IFINDEX, kind->ifindex },
		       { SKF_AD_HATYPE, kind->hatype },
		       { SKF_AD_PKTTYPE, kind->pkttype } };

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (fields[i].field.size && k == (uint32_t)(SKF_AD_OFF + fields[i].at)) {
			*value = told(p, fields[i].field);
			return true;
		}
	return false;
}

static uint32_t insn_size(const struct sock_filter *f)
{
	return BPF_SIZE(f->code) == BPF_W ? 4 : BPF_SIZE(f->code) == BPF_H ? 2 : 1;
}

/* A load as the kernel does it, of a packet without its cooked header. False: outside. */
static bool load(const struct packet *p, const struct sock_filter *f, uint32_t x, uint32_t *value)
{
	uint32_t length = p->length - p->head, size = insn_size(f), at = f->k;

	if (BPF_MODE(f->code) == BPF_ABS && ancillary(p, f->k, value))
		return true;
	if (BPF_MODE(f->code) == BPF_IND)
		at += x;
	if (at > INT32_MAX || at > length || size > length - at)
		return false;
	*value = big_endian(p->bytes + p->head + at, size);
	return true;
}

static uint32_t alu(unsigned code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_MOD:
		return a % b;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return b < 32 ? a << b : 0;
	case BPF_RSH:
		return b < 32 ? a >> b : 0;
	default:
		return 0 - a; /* BPF_NEG */
	}
}

static bool jumps(unsigned code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default:
		return a & b; /* BPF_JSET */
	}
}

static uint32_t loaded(const struct packet *p, const struct sock_filter *f, uint32_t x,
		       const uint32_t *cells, bool *outside)
{
	uint32_t value = 0;

	switch (BPF_MODE(f->code)) {
	case BPF_IMM:
		return f->k;
	case BPF_LEN:
		return p->length - p->head;
	case BPF_MEM:
		return cells[f->k % BPF_MEMWORDS];
	case BPF_MSH:
		*outside = f->k > INT32_MAX || f->k >= p->length - p->head;
		return *outside ? 0 : (p->bytes[p->head + f->k] & 15u) * 4;
	default:
		*outside = !load(p, f, x, &value);
		return value;
	}
}

/* The program on the packet; the kernel took it, so that every jump is forward. */
static uint32_t run(const struct sock_fprog *program, const struct packet *p)
{
	uint32_t a = 0, x = 0, b, cells[BPF_MEMWORDS] = { 0 };
	bool outside = false;

	for (unsigned i = 0; i < program->len; i++) {
		const struct sock_filter *f = &program->filter[i];

		b = BPF_SRC(f->code) == BPF_X ? x : f->k;
		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			a = loaded(p, f, x, cells, &outside);
			break;
		case BPF_LDX:
			x = loaded(p, f, x, cells, &outside);
			break;
		case BPF_ST:
			cells[f->k % BPF_MEMWORDS] = a;
			break;
		case BPF_STX:
			cells[f->k % BPF_MEMWORDS] = x;
			break;
		case BPF_ALU:
			if ((BPF_OP(f->code) == BPF_DIV || BPF_OP(f->code) == BPF_MOD) && !b)
				return 0;
			a = alu(f->code, a, b);
			break;
		case BPF_JMP:
			i += BPF_OP(f->code) == BPF_JA ? f->k
			     : jumps(f->code, a, b)    ? f->jt
						       : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
		}
		if (outside)
			return 0;
	}
	abort();
}

/* Of the loopback what goes out is refused. */
static bool loops_back(const struct packet *p)
{
	return told(p, kind->hatype) == ARPHRD_LOOPBACK &&
	       told(p, kind->pkttype) == PACKET_OUTGOING;
}

/* What libpcap itself makes of the packet in the file. */
static uint32_t expected(const char *expression, const struct packet *p)
{
	pcap_t *pcap = pcap_open_dead(kind->dlt, SNAPLEN);
	struct bpf_program program;
	uint32_t verdict;

	if (!pcap || pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN))
		abort();
	verdict = bpf_filter(program.bf_insns, p->bytes, p->length, p->length);
	pcap_freecode(&program);
	pcap_close(pcap);
	return loops_back(p) ? 0 : verdict;
}

static void kernel_takes(const struct sock_fprog *program)
{
	static int fd = -1;

	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* ENOMEM: a long one, beside what the socket may have of memory */
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, sizeof(*program)) &&
	    errno != ENOMEM)
		abort();
	setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, NULL, 0);
}

static void one_kind(const char *expression, const uint8_t *packet, size_t bytes)
{
	struct packet p = { .head = COOKED_HEADER(kind->link_type) };
	struct sock_fprog program;
	char error[256] = "";

	bytes = bytes < PACKET_BYTES ? bytes : PACKET_BYTES;
	if (bytes)
		memcpy(p.bytes, packet, bytes);
	p.length = bytes > p.head ? (uint32_t)bytes : p.head;
	if (filter_compile(&program,
			   &(struct filter_source){ kind->interface, expression, SNAPLEN, false },
			   error, sizeof(error))) {
		if (!*error || !filter_check(&(struct filter_source){ kind->interface, expression,
								      SNAPLEN, false },
					     error, sizeof(error)))
			abort();
		return;
	}
	kernel_takes(&program);
	if (*expression && run(&program, &p) != expected(expression, &p))
		abort();
	free(program.filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char expression[FILTER_BYTES], error[256] = "";
	const uint8_t *end = memchr(data, '\0', bytes);
	size_t n = end ? (size_t)(end - data) : bytes;

	if (n >= sizeof(expression))
		return 0;
	memcpy(expression, data, n);
	expression[n] = '\0';
	filter_check(&(struct filter_source){ "eth0", expression, SNAPLEN, false }, error,
		     sizeof(error));
	for (kind = kinds; kind < kinds + sizeof(kinds) / sizeof(*kinds); kind++)
		one_kind(expression, end ? end + 1 : NULL, end ? bytes - n - 1 : 0);
	return 0;
}
