/* Translates programs for cooked packets (interface = any) into ones that the kernel can run.
 * Pure. */
#ifndef FILTER_COOKED_H
#define FILTER_COOKED_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_COOKED_BEFORE 3

/* Translates a program that was compiled for LINKTYPE_LINUX_SLL2 or _SLL, in place. The kernel runs
 * it on a packet without link-layer header, offset 0 is the network layer, whatever the direction;
 * it provides the contents of the cooked header by ancillary loads.
 *
 * `before` gets the instructions that must run first. Returns how many, 0 or FILTER_COOKED_BEFORE;
 * -EINVAL with a text in `error` for what the kernel cannot run: other parts of the header, and
 * computed offsets into it. */
int filter_cooked(const struct sock_fprog *program, uint32_t link_type,
		  struct sock_filter before[FILTER_COOKED_BEFORE], char *error, size_t error_size);

#endif
