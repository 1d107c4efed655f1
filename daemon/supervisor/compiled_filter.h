/* A capture's filter expression, compiled once for each link type that its interface has had, and
 * cached: its names keep their addresses as long as the daemon lives, and no capture depends on a
 * name server that is gone by then. Compiling runs in a process of its own, for any time. */
#ifndef COMPILED_FILTER_H
#define COMPILED_FILTER_H

#include "compile.h"

#define COMPILED_LINK_TYPES 2 /* Ethernet, raw IP; or cooked alone */
#define COMPILED_TEXT	    256

struct compiled_filter {
	struct event_base *base; /* borrowed */
	bool *due;		 /* set when compiling has ended */
	struct {
		uint32_t link_type;
		struct sock_fprog program; /* len 0: none */
	} kept[COMPILED_LINK_TYPES];
	struct compile *compiling; /* NULL: nothing */
	uint32_t compiling_for;
	bool news; /* it has ended: rc, text */
	int rc;	   /* as in compile_done */
	char text[COMPILED_TEXT];
};

/* The purpose of a program. */
struct compiled_want {
	struct filter_source source;
	uint32_t link_type; /* for which the expression is compiled */
	uint32_t hardware; /* ARPHRD_* of the packets that it lets in, others are refused; 0: all */
};

void compiled_filter_init(struct compiled_filter *filter, struct event_base *base, bool *due);
void compiled_filter_free(struct compiled_filter *filter);

/* The program, which the caller frees. Returns 0; 1: it is being compiled, filter->news follows; or
 * -errno of filter.h, with `text`. */
int compiled_filter_get(struct compiled_filter *filter, const struct compiled_want *want,
			struct sock_fprog *program, char text[COMPILED_TEXT]);

/* Whether compiling has ended since the last call, with its result in filter->rc and
 * filter->text. */
bool compiled_filter_news(struct compiled_filter *filter);

#endif
