/* Where log lines go. */
#include "log.h"
#include "printable.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

static struct {
	int level;
	const char *who;
	bool journal;
	bool terminal;
} logger = { .level = LOG_INFO, .who = "" };

/* systemd says in JOURNAL_STREAM which device and inode the journal's stream is; stderr may be
 * another one. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(int level, const char *who)
{
	logger.level = level;
	logger.who = who;
	logger.journal = stderr_is_journal();
	logger.terminal = isatty(STDERR_FILENO);
}

void log_plain(void)
{
	logger.journal = false;
}

int log_level(void)
{
	return logger.level;
}

void log_at(int level, const char *format, ...)
{
	char given[1024], text[2048], line[2200];
	const char *separator = *logger.who ? ": " : "";
	va_list ap;
	int n;

	if (level > logger.level)
		return;
	va_start(ap, format);
	vsnprintf(given, sizeof(given), format, ap);
	va_end(ap);
	printable(text, sizeof(text), given);
	if (logger.journal) {
		sd_journal_send("PRIORITY=%d", level, "MESSAGE=%s%s%s", logger.who, separator, text,
				"SYSLOG_IDENTIFIER=afcapd", "AFCAP_WHO=%s", logger.who, NULL);
		return;
	}
	if (logger.terminal)
		n = snprintf(line, sizeof(line), "%s%s%s\n", logger.who, separator, text);
	else
		n = snprintf(line, sizeof(line), "<%d>%s%s%s\n", level, logger.who, separator,
			     text);
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody is left to be told */
}
