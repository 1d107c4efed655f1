/* Where log lines go. */
#include "log.h"
#include "printable.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL	   "/run/systemd/journal/socket"
#define ABOVE	   64	/* out of the way of the fixed descriptors of children */
#define LINE_BYTES 4096 /* PIPE_BUF: whole, or not at all */

static struct {
	int level;
	const char *who;
	bool journal;
	bool terminal;
	bool cut; /* the last line went through in part */
	enum stream stream;
	int socket;	    /* to the journal; -1: not yet, or not any more */
	unsigned long lost; /* lines, not told yet */
	int why;	    /* ... -errno of the last one */
} logger = { .level = LOG_INFO, .who = "", .socket = -1 };

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
	logger.stream = stream_open(STDERR_FILENO);
	if (logger.terminal) /* with `stty tostop` it would stop a process in the background */
		signal(SIGTTOU, SIG_IGN);
}

void log_plain(void)
{
	logger.journal = false;
	if (logger.socket >= 0)
		close(logger.socket);
	logger.socket = -1;
}

int log_level(void)
{
	return logger.level;
}

static int journal_socket(void)
{
	int fd = logger.socket, moved;

	if (fd >= 0)
		return fd;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
	if (fd >= 0)
		close(fd);
	logger.socket = moved;
	return moved;
}

/* The journal's own protocol, see systemd's JOURNAL_NATIVE_PROTOCOL: no value has a line break.
 * sd_journal_send(3) would wait for a journal that does not read. */
static int journal_send(int level, const char *text)
{
	static const struct sockaddr_un journal = { AF_UNIX, JOURNAL };
	char entry[LINE_BYTES];
	int n = snprintf(entry, sizeof(entry),
			 "PRIORITY=%d\nMESSAGE=%s%s%s\nSYSLOG_IDENTIFIER=afcapd\nAFCAP_WHO=%s\n",
			 level, logger.who, *logger.who ? ": " : "", text, logger.who);
	int fd = journal_socket();

	if (fd < 0)
		return -errno;
	return sendto(fd, entry, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&journal, sizeof(journal)) < 0
		       ? -errno
		       : 0;
}

/* As it stands on standard error. Returns its length. */
static int line_print(char *line, size_t size, int level, const char *text)
{
	char priority[8] = "";

	if (!logger.terminal)
		snprintf(priority, sizeof(priority), "<%d>", level);
	return snprintf(line, size, "%s%s%s%s\n", priority, logger.who, *logger.who ? ": " : "",
			text);
}

/* With what is to be told of lost ones in front. */
static int stderr_write(int level, const char *text, const char *lost)
{
	char lines[LINE_BYTES];
	int n = 0, rc;

	if (logger.cut)
		lines[n++] = '\n';
	if (*lost)
		n += line_print(lines + n, sizeof(lines) - (size_t)n, LOG_WARNING, lost);
	n += line_print(lines + n, sizeof(lines) - (size_t)n, level, text);
	rc = stream_try(STDERR_FILENO, logger.stream, lines, (size_t)n);
	if (rc > 0)
		logger.cut = rc < n;
	return rc < 0 ? rc : logger.cut ? -EAGAIN : 0;
}

static int line_put(int level, const char *text)
{
	char lost[160] = "";
	int rc = 0;

	if (logger.lost)
		snprintf(lost, sizeof(lost), "%lu log line%s lost: %s", logger.lost,
			 logger.lost == 1 ? " was" : "s were",
			 logger.why == -EAGAIN ? "standard error was not read"
					       : strerror(-logger.why));
	if (logger.journal && *lost)
		rc = journal_send(LOG_WARNING, lost);
	if (logger.journal && rc == 0) {
		logger.lost = 0;
		rc = journal_send(level, text);
	}
	if (logger.journal && (rc == 0 || rc == -EAGAIN))
		return rc;
	return stderr_write(level, text, lost); /* there is no journal, or none that takes this */
}

void log_at(int level, const char *format, ...)
{
	char given[1024], text[2048];
	int before = errno, rc;
	va_list ap;

	if (level > logger.level)
		return;
	va_start(ap, format);
	vsnprintf(given, sizeof(given), format, ap);
	va_end(ap);
	printable(text, sizeof(text), given);
	rc = line_put(level, text);
	logger.lost = rc ? logger.lost + 1 : 0;
	logger.why = rc;
	errno = before;
}
