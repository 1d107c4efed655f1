/* Compiles filter expressions to programs for the kernel. The only user of libpcap. */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instead of "any": cooked packets are LINKTYPE_LINUX_SLL, not SLL2. No device can have this
 * name. */
#define FILTER_ANY_SLL "any:sll"

/* The source of a program. */
struct filter_source {
	const char *interface;	/* its name; "any", FILTER_ANY_SLL: cooked packets of all */
	const char *expression; /* pcap-filter(7); "": accepts everything */
	uint32_t snaplen;	/* the program's return value for accepted packets */
	bool incoming_only;	/* rejects all outgoing packets */
};

/* Checks a pcap-filter(7) expression without permissions: its syntax, and with "any" that the
 * kernel can run it. Asks the name service for names. Returns 0, -EINVAL, or -ENOENT if a name is
 * unknown, with the text of libpcap or filter_cooked(). */
int filter_check(const struct filter_source *source, char *error, size_t error_size);

/* Compiles an expression on a live handle of the interface: only then does "vlan" match tags that
 * the kernel stores outside the packet. For "any" it is compiled for cooked packets and translated
 * (libpcap has no "vlan" there); outgoing packets of the loopback interface are rejected, as they
 * also come in. Waits for the name service. The caller frees program->filter. Returns 0, -EINVAL,
 * -ENOENT, -E2BIG, -ENOMEM, -EPERM, -ENETDOWN or -EIO with a text in `error`. */
int filter_compile(struct sock_fprog *program, const struct filter_source *source, char *error,
		   size_t error_size);

/* Copies a program, which with `incoming_only` rejects all outgoing packets. The caller frees
 * copy->filter. Returns 0, -E2BIG or -ENOMEM with a text in `error`. */
int filter_copy(struct sock_fprog *copy, const struct sock_fprog *program, bool incoming_only,
		char *error, size_t error_size);

/* Makes it reject packets of another link type (ARPHRD_*) than it was compiled for: an interface's
 * may change, and packets that arrive before that is noticed would be misread. Returns 0, -E2BIG or
 * -ENOMEM with a text in `error`; then the program is freed. */
int filter_of_type(struct sock_fprog *program, uint32_t hardware, char *error, size_t error_size);

#endif
