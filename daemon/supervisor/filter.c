/* libpcap's compiler. */
#include "filter.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE_BUFFER_BYTES (64 << 10) /* nothing is read from it */

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter),
	       "libpcap's instructions are the kernel's");

int filter_check(const char *expression, uint32_t snaplen, char *error, size_t error_size)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, (int)snaplen);
	struct bpf_program program;
	int rc = 0;

	if (!pcap) {
		snprintf(error, error_size, "no memory");
		return -ENOMEM;
	}
	/* Not optimized: "matches nothing" is for a live handle to say, which knows of stripped
	 * tags. */
	if (pcap_compile(pcap, &program, expression, 0, PCAP_NETMASK_UNKNOWN)) {
		snprintf(error, error_size, "%s", pcap_geterr(pcap));
		rc = -EINVAL;
	} else {
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return rc;
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
	pcap_set_snaplen(pcap, (int)snaplen);
	pcap_set_promisc(pcap, 0);
	pcap_set_timeout(pcap, 1000);
	pcap_set_buffer_size(pcap, HANDLE_BUFFER_BYTES);
	status = pcap_activate(pcap);
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

/* Puts "outgoing packets: none" in front. */
static int program_make(struct sock_fprog *out, const struct sock_filter *code, unsigned count,
			bool incoming_only)
{
	static const struct sock_filter incoming[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	unsigned before = incoming_only ? sizeof(incoming) / sizeof(*incoming) : 0;
	struct sock_filter *filter;

	if (before + count > BPF_MAXINSNS)
		return -E2BIG;
	filter = calloc(before + count, sizeof(*filter));
	if (!filter)
		return -ENOMEM;
	memcpy(filter, incoming, before * sizeof(*filter));
	memcpy(filter + before, code, count * sizeof(*filter));
	*out = (struct sock_fprog){ (unsigned short)(before + count), filter };
	return 0;
}

int filter_compile(struct sock_fprog *program, const char *interface, const char *expression,
		   uint32_t snaplen, bool incoming_only, char *error, size_t error_size)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, snaplen) };
	struct bpf_program compiled;
	pcap_t *pcap;
	int rc;

	if (!*expression)
		return program_make(program, all, 1, incoming_only);
	rc = handle_open(&pcap, interface, snaplen, error, error_size);
	if (rc)
		return rc;
	if (pcap_compile(pcap, &compiled, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(error, error_size, "%s", pcap_geterr(pcap));
		rc = -EINVAL;
	} else {
		rc = program_make(program,
				  (const struct sock_filter *)(const void *)compiled.bf_insns,
				  compiled.bf_len, incoming_only);
		if (rc)
			snprintf(error, error_size, "%s",
				 rc == -E2BIG ? "more instructions than the kernel takes (4096)"
					      : "no memory");
		pcap_freecode(&compiled);
	}
	pcap_close(pcap);
	return rc;
}
