/* Binds, joins and arms the members. */
#include "group.h"

#include <stdlib.h>
#include <string.h>

void group_init(struct group *g, struct slots *slots, struct links *links)
{
	*g = (struct group){ .slots = slots, .links = links };
}

void group_free(struct group *g)
{
	free(g->program.filter);
	g->program = (struct sock_fprog){ 0 };
}

void group_bind(struct group *g, const struct link *link)
{
	static const struct link all;

	g->link = link ? *link : all;
	g->up = true;
}

void group_unbind(struct group *g)
{
	g->link.id = 0;
	g->renamed = false;
}

void group_begin(struct group *g, const struct group_config *config, uint32_t flags)
{
	g->message = (struct message_group){ .mode = (uint32_t)config->fanout, .flags = flags };
	if (config->fanout_id < 0)
		g->message.flags |= AFCAP_FANOUT_FLAG_UNIQUEID;
	else
		g->message.id = (uint32_t)config->fanout_id;
	g->known = false;
}

void group_resume(struct group *g, const struct message_group *message)
{
	g->message = *message;
	g->known = true;
}

/* The first worker has joined: the others join the same id, with the flags that the kernel
 * knows. */
static bool first_joined(struct group *g)
{
	const struct slot *first = &g->slots->list[0];

	if (g->known || first->worker.progress < PROGRESS_JOINED)
		return false;
	g->known = true;
	g->message = first->group;
	return true;
}

/* Between the creation of the sockets and the joining, the rings are allocated in parallel. */
static void members_ask(struct group *g)
{
	enum worker_progress before = PROGRESS_READY;

	for (unsigned i = 0; i < g->slots->count; i++) {
		struct worker_process *worker = &g->slots->list[i].worker;

		if (worker->asked < PROGRESS_SOCKET && before >= PROGRESS_SOCKET)
			worker_process_ask(worker, PROGRESS_SOCKET, NULL);
		if (worker->asked < PROGRESS_JOINED && worker->progress == PROGRESS_RING &&
		    before >= PROGRESS_JOINED)
			worker_process_ask(worker, PROGRESS_JOINED, &g->message);
		before = worker->progress;
	}
}

enum group_progress group_advance(struct group *g)
{
	if (first_joined(g))
		return GROUP_JOINED;
	members_ask(g);
	for (unsigned i = 0; i < g->slots->count; i++)
		if (g->slots->list[i].worker.progress != PROGRESS_READY)
			return GROUP_STARTING;
	return GROUP_READY;
}

void group_program(struct group *g, const struct sock_fprog *program)
{
	free(g->program.filter);
	g->program = *program;
}

int group_arm(struct group *g)
{
	int rc = 0;

	for (unsigned i = 0; i < g->slots->count && rc == 0; i++)
		if (g->slots->list[i].ring.fd >= 0)
			rc = afcap_filter_set(g->slots->list[i].ring.fd, &g->program);
	return rc;
}

void group_drop_all(struct group *g)
{
	for (unsigned i = 0; i < g->slots->count; i++)
		if (g->slots->list[i].ring.fd >= 0)
			afcap_filter_drop_all(g->slots->list[i].ring.fd);
}

bool group_gone(const struct group *g)
{
	for (unsigned i = 0; i < g->slots->count; i++)
		if (g->slots->list[i].gone)
			return true;
	return false;
}

bool group_lost(const struct group *g)
{
	struct links *now;
	struct link link;
	bool lost;

	if (!g->link.id || links_new(&now, NULL, NULL, NULL))
		return false;
	lost = !links_by_index(now, g->link.ifindex, &link) || !link.up;
	links_free(now);
	return lost;
}

unsigned group_look(struct group *g, const char *configured)
{
	struct link link, holder;
	unsigned news = 0;
	bool named;

	if (!g->link.id)
		return 0;
	if (!links_by_id(g->links, g->link.id, &link) || group_gone(g))
		return GROUP_LINK_GONE;
	if (link.type != g->link.type)
		return GROUP_LINK_TYPE;
	named = links_by_name(g->links, configured, &holder) && holder.id == link.id;
	if (strcmp(link.name, g->link.name) != 0)
		news |= GROUP_LINK_RENAMED;
	else if (!named && !g->renamed)
		news |= GROUP_LINK_ALIEN;
	if (link.running != g->up)
		news |= GROUP_LINK_UPDOWN;
	g->renamed = !named;
	g->up = link.running;
	g->link = link;
	return news;
}
