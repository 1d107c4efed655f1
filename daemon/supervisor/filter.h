/* Filter expressions into programs for the kernel. The only door to libpcap. */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In place of "any": cooked packets are LINKTYPE_LINUX_SLL, not SLL2. No device can be called so.
 */
#define FILTER_ANY_SLL "any:sll"

/* What a program is made of. */
struct filter_source {
	const char *interface;	/* its name; "any", FILTER_ANY_SLL: cooked packets of all */
	const char *expression; /* pcap-filter(7); "": lets everything in */
	uint32_t snaplen;	/* what the program returns for what it lets in */
	bool incoming_only;	/* refuses all outgoing packets */
};

/* Checks a pcap-filter(7) expression without permissions: its syntax, and with "any" that the
 * kernel can be told. Asks the name service for names. Returns 0, -EINVAL, or -ENOENT where a name
 * is not known, with libpcap's or filter_cooked()'s words. */
int filter_check(const struct filter_source *source, char *error, size_t error_size);

/* Compiles an expression on a live handle of the interface: only so does "vlan" find tags that the
 * kernel keeps beside the packet. For "any" it is compiled for cooked packets and translated (of
 * "vlan" libpcap knows nothing there); what goes out of the loopback is refused, it comes in, too.
 * Asks the name service for names, as long as that takes. The caller frees program->filter. Returns
 * 0, -EINVAL, -ENOENT, -E2BIG, -ENOMEM, -EPERM, -ENETDOWN or -EIO with words in `error`. */
int filter_compile(struct sock_fprog *program, const struct filter_source *source, char *error,
		   size_t error_size);

/* A copy, which with `incoming_only` refuses all outgoing packets. The caller frees copy->filter.
 * Returns 0, -E2BIG or -ENOMEM with words in `error`. */
int filter_copy(struct sock_fprog *copy, const struct sock_fprog *program, bool incoming_only,
		char *error, size_t error_size);

/* Has it refuse packets of another link type (ARPHRD_*) than it was compiled for: an interface's
 * may change, and what comes until that is known would be read wrongly. Returns 0, -E2BIG or
 * -ENOMEM with words in `error`; then the program is freed. */
int filter_of_type(struct sock_fprog *program, uint32_t hardware, char *error, size_t error_size);

#endif
