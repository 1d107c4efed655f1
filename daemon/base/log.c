/* Writes log lines to the journal or to standard error. */
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
#define LINE_BYTES 4096 /* PIPE_BUF: written whole, or not at all */

#define PREFIX_BYTES 64
#define FIELDS_BYTES 1200 /* a file's name at its longest, every byte of it escaped */

struct line {
	int level;
	char prefix[PREFIX_BYTES]; /* "eth0/0: " */
	char fields[FIELDS_BYTES]; /* the same for the journal, each with its line break */
	const char *text;
};

static struct {
	int level;
	const char *subject;
	bool journal;
	bool terminal;
	bool cut; /* the last line was written in part */
	enum stream stream;
	int socket;	    /* to the journal; -1: not open */
	unsigned long lost; /* lines, not reported yet */
	int why;	    /* ... -errno of the last one */
} logger = { .level = LOG_INFO, .subject = "", .socket = -1 };

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

void log_open(int level, const char *subject)
{
	logger.level = level;
	logger.subject = subject;
	logger.journal = stderr_is_journal();
	logger.terminal = isatty(STDERR_FILENO);
	logger.stream = stream_open(STDERR_FILENO);
	if (logger.terminal) /* with `stty tostop` it would stop a process in the background */
		signal(SIGTTOU, SIG_IGN);
}

int log_level(void)
{
	return logger.level;
}

static int journal_socket(void)
{
	static const struct sockaddr_un journal = { AF_UNIX, JOURNAL };
	int fd = logger.socket, moved;

	if (fd >= 0)
		return fd;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	moved = connect(fd, (const struct sockaddr *)&journal, sizeof(journal))
			? -errno
			: fcntl(fd, F_DUPFD_CLOEXEC, LOG_JOURNAL_FD);
	close(fd);
	logger.socket = moved < 0 ? -1 : moved;
	return moved;
}

void log_confined(void)
{
	logger.journal &= journal_socket() == LOG_JOURNAL_FD;
}

/* The journal's own protocol, see systemd's JOURNAL_NATIVE_PROTOCOL: no value has a line break.
 * sd_journal_send(3) would wait for a journal that does not read. */
static int journal_send(const struct line *line)
{
	char entry[LINE_BYTES];
	int n = snprintf(entry, sizeof(entry),
			 "PRIORITY=%d\nMESSAGE=%s%s\nSYSLOG_IDENTIFIER=afcapd\n%s", line->level,
			 line->prefix, line->text, line->fields);
	int fd = journal_socket();

	if (fd < 0)
		return fd;
	return send(fd, entry, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Formats a line as it appears on standard error. Returns its length. */
static int line_print(char *out, size_t size, const struct line *line)
{
	char priority[8] = "";

	if (!logger.terminal)
		snprintf(priority, sizeof(priority), "<%d>", line->level);
	return snprintf(out, size, "%s%s%s\n", priority, line->prefix, line->text);
}

/* Writes a line, with the report of lost ones (NULL: none) before it. */
static int stderr_write(const struct line *line, const struct line *lost)
{
	char lines[LINE_BYTES];
	int n = 0, rc;

	if (logger.cut)
		lines[n++] = '\n';
	if (lost)
		n += line_print(lines + n, sizeof(lines) - (size_t)n, lost);
	n += line_print(lines + n, sizeof(lines) - (size_t)n, line);
	rc = stream_try(STDERR_FILENO, logger.stream, lines, (size_t)n);
	if (rc > 0)
		logger.cut = rc < n;
	return rc < 0 ? rc : logger.cut ? -EAGAIN : 0;
}

static void field_add(struct line *line, const char *name, const char *value)
{
	size_t n = strlen(line->fields);

	if (*value)
		snprintf(line->fields + n, sizeof(line->fields) - n, "AFCAP_%s=%s\n", name, value);
}

/* Begins a line with its subject. NULL: the process itself, by its name; a worker's ("eth0/0") has
 * capture and worker in it. */
static void line_begin(struct line *line, int level, const struct log_subject *about)
{
	const char *slash = about ? NULL : strrchr(logger.subject, '/');
	char capture[PREFIX_BYTES] = "", file[FIELDS_BYTES - 128] = "", worker[16] = "";

	if (about) {
		snprintf(capture, sizeof(capture), "%s", about->capture);
		if (about->worker >= 0)
			snprintf(worker, sizeof(worker), "%d", about->worker);
		if (about->file)
			printable(file, sizeof(file), about->file);
	} else if (slash) {
		snprintf(capture, sizeof(capture), "%.*s", (int)(slash - logger.subject),
			 logger.subject);
		snprintf(worker, sizeof(worker), "%s", slash + 1);
	}
	line->level = level;
	line->prefix[0] = line->fields[0] = '\0';
	if (*capture)
		snprintf(line->prefix, sizeof(line->prefix), "%.32s%s%s: ", capture,
			 *worker ? "/" : "", worker);
	else if (*logger.subject)
		snprintf(line->prefix, sizeof(line->prefix), "%s: ", logger.subject);
	field_add(line, "CAPTURE", capture);
	field_add(line, "WORKER", worker);
	field_add(line, "FILE", file);
}

static int line_put(const struct line *line)
{
	struct line lost;
	char text[160];
	int rc = 0;

	if (logger.lost) {
		line_begin(&lost, LOG_WARNING, NULL);
		lost.text = text;
		snprintf(text, sizeof(text), "%lu log line%s lost: %s", logger.lost,
			 logger.lost == 1 ? " was" : "s were",
			 logger.why == -EAGAIN ? "standard error was not read"
					       : strerror(-logger.why));
	}
	if (logger.journal && logger.lost)
		rc = journal_send(&lost);
	if (logger.journal && rc == 0) {
		logger.lost = 0;
		rc = journal_send(line);
	}
	if (logger.journal && (rc == 0 || rc == -EAGAIN))
		return rc;
	/* there is no journal, or it does not accept the line */
	return stderr_write(line, logger.lost ? &lost : NULL);
}

__attribute__((format(printf, 3, 0))) static void
log_list(int level, const struct log_subject *about, const char *format, va_list ap)
{
	char given[1024], text[2048];
	int before = errno, rc;
	struct line line;

	if (level > logger.level)
		return;
	vsnprintf(given, sizeof(given), format, ap);
	printable(text, sizeof(text), given);
	line_begin(&line, level, about);
	line.text = text;
	rc = line_put(&line);
	logger.lost = rc ? logger.lost + 1 : 0;
	logger.why = rc;
	errno = before;
}

void log_at(int level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_list(level, NULL, format, ap);
	va_end(ap);
}

void log_about(int level, const struct log_subject *about, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_list(level, about, format, ap);
	va_end(ap);
}
