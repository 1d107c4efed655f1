/* A capture waits for its interface, and follows it. */
#ifndef CAPTURE_LINK_H
#define CAPTURE_LINK_H

struct capture;

/* In each step, first: STARTING or RUNNING it follows its interface. What its workers fail in when
 * that is gone is no fault of theirs, nor of the configuration. */
void capture_follow(struct capture *capture);

/* In each step: WAITING it begins, where it can. */
void capture_begin(struct capture *capture);

#endif
