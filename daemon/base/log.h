/* Logging to stderr: `<N>text` as sd-daemon(3) has it, plain on a terminal, structured when stderr
 * is the journal. Nothing else uses the journal. Logging does not block: a line for which a pipe, a
 * terminal or the journal has no space is lost, and the next line that can be written is preceded
 * by the number of those lost. A regular file is written to as its file system allows. */
#ifndef LOG_H
#define LOG_H

#include <syslog.h>

/* Logs up to `level` (LOG_ERR ... LOG_DEBUG); `subject` ("eth0/0", borrowed for ever) precedes each
 * line unless "". Standard error becomes an open file description of the process's own where
 * possible (see stream.h), which children inherit. */
void log_open(int level, const char *subject);

/* The lowest descriptor of the socket to the journal in each process: above the fixed descriptors
 * of children, and the one that a confined process may send to. */
#define LOG_JOURNAL_FD 64

/* To be called before the process is confined and can open nothing any more: opens the journal's
 * socket, or else logs text to stderr, which is the journal's then. */
void log_confined(void);

int log_level(void);

/* Logs one line, whatever its text contains: control characters and bytes that are no UTF-8 are
 * written \xNN. */
__attribute__((format(printf, 2, 3))) void log_at(int level, const char *format, ...);

/* The subject of a line. The line begins with "eth0/0: " (worker 0 of capture eth0) or "eth0: ",
 * and in the journal it has these as fields: AFCAP_CAPTURE, AFCAP_WORKER, AFCAP_FILE. */
struct log_subject {
	const char *capture;
	int worker;	  /* -1: none in particular */
	const char *file; /* its name, without the directory; NULL: likewise */
};

/* Logs a line with this subject, whichever process logs it; the subject of log_at() is the process
 * itself. */
__attribute__((format(printf, 3, 4))) void log_about(int level, const struct log_subject *about,
						     const char *format, ...);

#define log_error(...)	 log_at(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_DEBUG, __VA_ARGS__)

#endif
