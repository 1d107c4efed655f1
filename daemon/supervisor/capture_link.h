/* A capture waits for its interface, and follows it. */
#ifndef CAPTURE_LINK_H
#define CAPTURE_LINK_H

struct capture;

/* In each step, first: follows the interface while STARTING or RUNNING. Errors of its workers after
 * the interface is gone are a fault neither of the workers nor of the configuration. */
void capture_follow(struct capture *capture);

/* In each step: begins, if it is WAITING and can. */
void capture_begin(struct capture *capture);

#endif
