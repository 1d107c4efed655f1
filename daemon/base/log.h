/* Logging to stderr: `<N>text` as sd-daemon(3) has it, plain on a terminal, structured when stderr
 * is the journal. The only door to the journal, and the only mutable global. No line is waited for:
 * where a pipe, a terminal or the journal has no room it is lost, and the next one that goes
 * through has how many were in front of it. A regular file is written to as its file system allows.
 */
#ifndef LOG_H
#define LOG_H

#include <syslog.h>

/* Up to `level` (LOG_ERR ... LOG_DEBUG); `who` ("eth0/0", borrowed for ever) stands before each
 * line unless "". Standard error is a description of the process's own from then on where it may
 * be (see stream.h), which children inherit. */
void log_open(int level, const char *who);

/* The socket to the journal, where there is one, in each process: out of the way of the fixed
 * descriptors of children, and what a confined one may send by. */
#define LOG_JOURNAL_FD 64

/* From now on the process can open nothing: takes the journal's socket beforehand, or logs text to
 * stderr, which is the journal's then. */
void log_confined(void);

int log_level(void);

/* One line, whatever is in it: control characters and bytes that are no UTF-8 are written \xNN. */
__attribute__((format(printf, 2, 3))) void log_at(int level, const char *format, ...);

/* Whom a line is about. It begins with "eth0/0: " (worker 0 of capture eth0) or "eth0: ", and in
 * the journal it has these as fields: AFCAP_CAPTURE, AFCAP_WORKER, AFCAP_FILE. */
struct log_subject {
	const char *capture;
	int worker;	  /* -1: none in particular */
	const char *file; /* its name, without the directory; NULL: likewise */
};

/* ... whatever process tells it; log_at() is about the process itself, which for a worker is the
 * same. */
__attribute__((format(printf, 3, 4))) void log_about(int level, const struct log_subject *about,
						     const char *format, ...);

#define log_error(...)	 log_at(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_DEBUG, __VA_ARGS__)

#endif
