/* libpcap's compiler. */
#include "filter.h"
#include "filter_cooked.h"

#include "../base/linktype.h"
#include "../base/privileges.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE_BUFFER_BYTES (64 << 10) /* no packet is read from it */

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter),
	       "libpcap's instructions are the kernel's");

/* The link type of cooked packets, or 0. */
static uint32_t any(const char *interface)
{
	if (strcmp(interface, FILTER_ANY_SLL) == 0)
		return LINKTYPE_LINUX_SLL;
	return strcmp(interface, INTERFACE_ANY) == 0 ? LINKTYPE_LINUX_SLL2 : 0;
}

static int handle_error(int status)
{
	switch (status) {
	case PCAP_ERROR_PERM_DENIED:
		return -EPERM;
	case PCAP_ERROR_IFACE_NOT_UP:
		return -ENETDOWN;
	default:
		return -EIO;
	}
}

static int handle_activate(pcap_t *pcap, uint32_t snaplen)
{
	int status = pcap_set_snaplen(pcap, (int)snaplen);

	if (status == 0)
		status = pcap_set_promisc(pcap, 0);
	if (status == 0)
		status = pcap_set_timeout(pcap, 1000);
	if (status == 0)
		status = pcap_set_buffer_size(pcap, HANDLE_BUFFER_BYTES);
	if (status)
		return status;
	privileges_raise();
	status = pcap_activate(pcap);
	privileges_lower();
	return status;
}

/* A live handle of the interface, for compiling alone. */
static int handle_open(pcap_t **out, const char *interface, uint32_t snaplen, char *error,
		       size_t error_size)
{
	char buffer[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_create(interface, buffer);
	int status, rc;

	if (!pcap) {
		snprintf(error, error_size, "%s", buffer);
		return -EIO;
	}
	status = handle_activate(pcap, snaplen);
	if (status < 0) {
		snprintf(error, error_size, "%s: %s", interface,
			 *pcap_geterr(pcap) ? pcap_geterr(pcap) : pcap_statustostr(status));
		rc = handle_error(status);
		pcap_close(pcap);
		return rc;
	}
	*out = pcap;
	return 0;
}

/* For compiling alone, without an interface. */
static int handle_dead(pcap_t **out, int link_type, uint32_t snaplen, char *error,
		       size_t error_size)
{
	*out = pcap_open_dead(link_type, (int)snaplen);
	if (*out)
		return 0;
	snprintf(error, error_size, "no memory");
	return -ENOMEM;
}

/* The parts of a program. */
struct part {
	const struct sock_filter *code;
	unsigned count;
};

/* The prefix of every program: rejects outgoing packets. On all interfaces it rejects those of the
 * loopback interface, where every packet passes twice, outgoing and incoming. */
static struct part direction_part(const char *interface, bool incoming_only)
{
	static const struct sock_filter incoming[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	static const struct sock_filter loopback_once[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_HATYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	if (incoming_only)
		return (struct part){ incoming, sizeof(incoming) / sizeof(*incoming) };
	if (any(interface))
		return (struct part){ loopback_once,
				      sizeof(loopback_once) / sizeof(*loopback_once) };
	return (struct part){ NULL, 0 };
}

/* Joins the parts to one program, in their order. */
static int program_join(struct sock_fprog *out, const struct part parts[3], char *error,
			size_t error_size)
{
	unsigned count = parts[0].count + parts[1].count + parts[2].count;
	struct sock_filter *filter = calloc(count, sizeof(*filter)), *at = filter;

	if (!filter || count > BPF_MAXINSNS) {
		free(filter);
		snprintf(error, error_size, "%s",
			 filter ? "more instructions than the kernel accepts (4096)" : "no memory");
		return filter ? -E2BIG : -ENOMEM;
	}
	for (unsigned i = 0; i < 3; i++) {
		if (parts[i].count)
			memcpy(at, parts[i].code, parts[i].count * sizeof(*at));
		at += parts[i].count;
	}
	*out = (struct sock_fprog){ (unsigned short)count, filter };
	return 0;
}

/* libpcap makes a loop of "protochain"; the kernel takes jumps forward alone. */
static int loop_refuse(const struct bpf_program *compiled, char *error, size_t error_size)
{
	for (unsigned i = 0; i < compiled->bf_len; i++)
		if (compiled->bf_insns[i].code == (BPF_JMP | BPF_JA) &&
		    compiled->bf_insns[i].k >= compiled->bf_len - i - 1) {
			snprintf(error, error_size,
				 "a loop (protochain), which the kernel does not accept");
			return -EINVAL;
		}
	return 0;
}

/* "unknown host", "unknown network" and the like: a name that is unknown now. All other errors are
 * permanent. */
static int compile_error(pcap_t *pcap, char *error, size_t error_size)
{
	snprintf(error, error_size, "%s", pcap_geterr(pcap));
	return strncmp(error, "unknown ", strlen("unknown ")) == 0 ? -ENOENT : -EINVAL;
}

/* Compiles the expression on a handle, after the prefix. */
static int program_make(struct sock_fprog *program, pcap_t *pcap,
			const struct filter_source *source, char *error, size_t error_size)
{
	struct sock_filter before[FILTER_COOKED_BEFORE], *code;
	uint32_t cooked = any(source->interface);
	struct bpf_program compiled;
	int rc;

	if (pcap_compile(pcap, &compiled, source->expression, 1, PCAP_NETMASK_UNKNOWN))
		return compile_error(pcap, error, error_size);
	code = (struct sock_filter *)(void *)compiled.bf_insns;
	rc = loop_refuse(&compiled, error, error_size);
	if (rc == 0 && cooked)
		rc = filter_cooked(&(struct sock_fprog){ (unsigned short)compiled.bf_len, code },
				   cooked, before, error, error_size);
	if (rc >= 0) {
		const struct part parts[] = { direction_part(source->interface,
							     source->incoming_only),
					      { before, (unsigned)rc },
					      { code, compiled.bf_len } };

		rc = program_join(program, parts, error, error_size);
	}
	pcap_freecode(&compiled);
	return rc;
}

static int cooked_handle(uint32_t link_type)
{
	return link_type == LINKTYPE_LINUX_SLL ? DLT_LINUX_SLL : DLT_LINUX_SLL2;
}

int filter_compile(struct sock_fprog *program, const struct filter_source *source, char *error,
		   size_t error_size)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, source->snaplen) };
	const struct part parts[] = { direction_part(source->interface, source->incoming_only),
				      { NULL, 0 },
				      { all, 1 } };
	uint32_t cooked = any(source->interface);
	pcap_t *pcap;
	int rc;

	if (!*source->expression)
		return program_join(program, parts, error, error_size);
	rc = cooked ? handle_dead(&pcap, cooked_handle(cooked), source->snaplen, error, error_size)
		    : handle_open(&pcap, source->interface, source->snaplen, error, error_size);
	if (rc)
		return rc;
	rc = program_make(program, pcap, source, error, error_size);
	pcap_close(pcap);
	return rc;
}

int filter_copy(struct sock_fprog *copy, const struct sock_fprog *program, bool incoming_only,
		char *error, size_t error_size)
{
	const struct part parts[] = { incoming_only ? direction_part("", true)
						    : (struct part){ NULL, 0 },
				      { NULL, 0 },
				      { program->filter, program->len } };

	return program_join(copy, parts, error, error_size);
}

int filter_of_type(struct sock_fprog *program, uint32_t hardware, char *error, size_t error_size)
{
	const struct sock_filter type[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_HATYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, hardware, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_filter *before = program->filter;
	const struct part parts[] = { { type, sizeof(type) / sizeof(*type) },
				      { NULL, 0 },
				      { before, program->len } };
	int rc = program_join(program, parts, error, error_size);

	free(before);
	return rc;
}

/* Not optimized: only a live handle, which knows about stripped tags, may report "matches
 * nothing". */
static int syntax_check(const char *expression, uint32_t snaplen, char *error, size_t error_size)
{
	struct bpf_program program;
	pcap_t *pcap;
	int rc = handle_dead(&pcap, DLT_EN10MB, snaplen, error, error_size);

	if (rc)
		return rc;
	if (pcap_compile(pcap, &program, expression, 0, PCAP_NETMASK_UNKNOWN)) {
		rc = compile_error(pcap, error, error_size);
	} else {
		rc = loop_refuse(&program, error, error_size);
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return rc;
}

int filter_check(const struct filter_source *source, char *error, size_t error_size)
{
	struct sock_fprog program;
	int rc;

	if (!any(source->interface))
		return syntax_check(source->expression, source->snaplen, error, error_size);
	rc = filter_compile(&program, source, error, error_size);
	if (rc == 0)
		free(program.filter);
	return rc;
}
