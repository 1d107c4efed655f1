/* A capture waits for its interface, and follows it. */
#ifndef CAPTURE_LINK_H
#define CAPTURE_LINK_H

struct capture;

/* In each step: WAITING, it begins where it can; STARTING or RUNNING, it follows its interface. */
void capture_link(struct capture *capture);

#endif
