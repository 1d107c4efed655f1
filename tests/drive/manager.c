/* Doubles of notify.c, by the linker's --wrap. The rules: FDSTORE=1, FDSTOREREMOVE=1 of
 * sd_notify(3): what is stored under a name already is stored beside it unless it is the same; a
 * name is dropped with all that is under it. */
#include "manager.h"
#include "world.h"

#include "../../daemon/supervisor/notify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORED 128
#define QUEUED 256

struct entry {
	char name[MANAGER_NAME];
	int fd;
};

struct note {
	char text[MANAGER_NAME + 64];
	int fd;
	bool sent; /* it is on its way: the sender's death does not take it back */
};

static struct {
	bool present, ready;
	const struct manager_events *events;
	struct entry stored[STORED]; /* by the manager */
	unsigned count;
	struct note queue[QUEUED];
	unsigned queued;
} m;

bool __wrap_notify_manager(const struct notify *notify);
void __wrap_notify_ready(struct notify *notify);
void __wrap_notify_send(struct notify *notify, const char *text, const int *fds, unsigned count);
void __wrap_notify_cancel(struct notify *notify, const char *text);
bool __wrap_notify_settled(struct notify *notify);
void __wrap_notify_settle(struct notify *notify);
void __wrap_notify_passed(void (*take)(void *context, const char *name, int fd), void *context);

void manager_begin(bool present)
{
	m.present = present;
}

bool manager_present(void)
{
	return m.present;
}

bool manager_ready(void)
{
	return m.ready;
}

void manager_watch(const struct manager_events *events)
{
	m.events = events;
}

static bool same(int one, int other)
{
	struct stat a, b;

	demand(fstat(one, &a) == 0 && fstat(other, &b) == 0, "a descriptor is closed");
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool is_put(const struct note *note)
{
	return strncmp(note->text, "FDSTORE=1\n", 10) == 0;
}

static void name_of(const char *text, char name[MANAGER_NAME])
{
	const char *begin = strstr(text, "FDNAME=");

	demand(begin && sscanf(begin + 7, "%127[^\n]", name) == 1, "no name in %s", text);
}

/* ---- what it stores, at last ---- */

/* Whether what is stored or sent is dropped by what was sent later. */
static bool dropped_later(const char *name, unsigned first)
{
	char other[MANAGER_NAME];

	for (unsigned i = first; i < m.queued; i++) {
		if (is_put(&m.queue[i]))
			continue;
		name_of(m.queue[i].text, other);
		if (strcmp(name, other) == 0)
			return true;
	}
	return false;
}

bool manager_any(bool (*is)(void *context, const char *name, int fd), void *context)
{
	char name[MANAGER_NAME];

	for (unsigned i = 0; i < m.count; i++)
		if (is(context, m.stored[i].name, m.stored[i].fd))
			return true;
	for (unsigned i = 0; i < m.queued; i++) {
		if (!is_put(&m.queue[i]))
			continue;
		name_of(m.queue[i].text, name);
		if (is(context, name, m.queue[i].fd))
			return true;
	}
	return false;
}

struct search {
	const char *name;
	int fd;
};

/* Those that are the same are stored once. */
static unsigned each(const struct search *search)
{
	char name[MANAGER_NAME];
	unsigned n = 0;

	for (unsigned i = 0; i < m.count; i++)
		n += !dropped_later(m.stored[i].name, 0) &&
		     (!search || (strcmp(m.stored[i].name, search->name) == 0 &&
				  same(m.stored[i].fd, search->fd)));
	for (unsigned i = 0; i < m.queued; i++) {
		if (!is_put(&m.queue[i]))
			continue;
		name_of(m.queue[i].text, name);
		n += !dropped_later(name, i + 1) && (!search || (strcmp(name, search->name) == 0 &&
								 same(m.queue[i].fd, search->fd)));
	}
	return n;
}

unsigned manager_count(void)
{
	return each(NULL);
}

bool manager_has(const char *name, int fd)
{
	const struct search search = { name, fd };

	return each(&search) == 1;
}

/* ---- handling ---- */

static void store_put(const char *name, int fd)
{
	for (unsigned i = 0; i < m.count; i++)
		if (strcmp(m.stored[i].name, name) == 0 && same(m.stored[i].fd, fd)) {
			close(fd);
			return;
		}
	demand(m.count < STORED, "too many descriptors are stored");
	strcpy(m.stored[m.count].name, name);
	m.stored[m.count++].fd = fd;
}

static void store_drop(const char *name)
{
	for (unsigned i = m.count; i-- > 0;) {
		if (strcmp(m.stored[i].name, name) != 0)
			continue;
		close(m.stored[i].fd);
		memmove(&m.stored[i], &m.stored[i + 1], (--m.count - i) * sizeof(m.stored[0]));
	}
}

static void handle(const struct note *note)
{
	char name[MANAGER_NAME];

	name_of(note->text, name);
	if (is_put(note))
		store_put(name, note->fd);
	else
		store_drop(name);
}

void manager_hear(void)
{
	for (unsigned i = 0; i < m.queued; i++)
		handle(&m.queue[i]);
	m.queued = 0;
}

bool manager_lose(void)
{
	unsigned kept = 0, lost;

	while (kept < m.queued && m.queue[kept].sent)
		kept++;
	lost = m.queued - kept;
	for (unsigned i = kept; i < m.queued; i++)
		if (m.queue[i].fd >= 0)
			close(m.queue[i].fd);
	m.queued = kept;
	manager_hear();
	return lost;
}

void manager_end(void)
{
	manager_hear();
	while (m.count > 0)
		store_drop(m.stored[0].name);
}

/* ---- what the process calls ---- */

bool __wrap_notify_manager(const struct notify *notify)
{
	(void)notify;
	return m.present;
}

void __wrap_notify_ready(struct notify *notify)
{
	(void)notify;
	demand(!m.ready, "ready twice");
	m.ready = true;
	m.events->ready();
}

void __wrap_notify_send(struct notify *notify, const char *text, const int *fds, unsigned count)
{
	struct note *note = &m.queue[m.queued];
	char name[MANAGER_NAME];

	(void)notify;
	if (!m.present)
		return;
	name_of(text, name);
	if (!count)
		m.events->drop(name);
	if (m.queued + 1 == QUEUED) {
		manager_hear();
		note = &m.queue[0];
	}
	snprintf(note->text, sizeof(note->text), "%s", text);
	note->fd = count ? fcntl(fds[0], F_DUPFD_CLOEXEC, 0) : -1;
	demand(count <= 1 && (!count || note->fd >= 0), "a closed descriptor is to be stored");
	note->sent = !world_chance(64) && (!m.queued || m.queue[m.queued - 1].sent);
	m.queued++;
	if (note->sent && !world_chance(4))
		manager_hear();
}

void __wrap_notify_cancel(struct notify *notify, const char *text)
{
	(void)notify;
	for (unsigned i = m.queued; i-- > 0;) {
		if (m.queue[i].sent || strcmp(m.queue[i].text, text) != 0)
			continue;
		if (m.queue[i].fd >= 0)
			close(m.queue[i].fd);
		memmove(&m.queue[i], &m.queue[i + 1], (--m.queued - i) * sizeof(m.queue[0]));
	}
}

bool __wrap_notify_settled(struct notify *notify)
{
	(void)notify;
	return !m.queued;
}

void __wrap_notify_settle(struct notify *notify)
{
	(void)notify;
	manager_hear();
}

/* Duplicates: it keeps what it stores. */
void __wrap_notify_passed(void (*take)(void *context, const char *name, int fd), void *context)
{
	m.ready = false;
	for (unsigned i = 0; i < m.count && m.present; i++)
		take(context, m.stored[i].name, fcntl(m.stored[i].fd, F_DUPFD_CLOEXEC, 0));
}
