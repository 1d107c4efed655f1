/* Crash reports of a child killed by a fault, or by a system call that it may not make: there are
 * no core files. */
#ifndef TRACE_H
#define TRACE_H

#include "message.h"

/* In a child, before it is confined and has threads: from now on a fatal signal is reported over
 * the channel, as MESSAGE_CRASHED (first with the address alone, then with the stack), before it
 * takes its default action. */
void trace_begin(void);

/* In each further thread: a signal stack of its own (sigaltstack(2)), so that a stack overflow is
 * reported, too. */
void trace_thread(void);

/* One line: the signal, the address or the system call, the thread, where in which object. Of the
 * message only numbers and the letters of file names are trusted. `text` is always ended. */
void trace_text(const struct message_crashed *crashed, char *text, size_t size);

#endif
