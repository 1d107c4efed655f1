/* What systemd is told. The only door to sd_notify; all of it is nothing where no service manager
 * listens. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_stopping(void);
void notify_watchdog(void);
__attribute__((format(printf, 1, 2))) void notify_status(const char *format, ...);

/* How often notify_watchdog() is due, in ms; 0: no watchdog. */
unsigned notify_watchdog_ms(void);

#endif
