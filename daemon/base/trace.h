/* What a child that dies of a fault, or of a system call that it may not make, has to say: there
 * are no core files. */
#ifndef TRACE_H
#define TRACE_H

#include "message.h"

/* In a child, before it is confined and has threads: from now on a fatal signal is told over the
 * channel, as MESSAGE_CRASHED (once with the place, then with the stack), before it does what it
 * always did. */
void trace_begin(void);

/* In each further thread: a stack of its own for that, so that a stack that overflowed is told,
 * too. */
void trace_thread(void);

/* One line: the signal, the address or the system call, the thread, where in which object. Nothing
 * of the message is believed but numbers and the letters of file names. `text` is always ended. */
void trace_text(const struct message_crashed *crashed, char *text, size_t size);

#endif
