/* SO_PEERCRED, SO_PEERGROUPS. */
#include "peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

static bool in_group(gid_t group, gid_t primary, const gid_t *groups, size_t count)
{
	if (group == (gid_t)-1)
		return false;
	if (primary == group)
		return true;
	for (size_t i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

enum peer_rights peer_rights(int socket, gid_t askers, gid_t admins)
{
	static gid_t groups[GROUPS_MAX];
	socklen_t peer_bytes = sizeof(struct ucred), bytes = sizeof(groups);
	struct ucred peer;
	size_t count;

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes))
		return PEER_NOTHING;
	if (peer.uid == 0 || peer.uid == geteuid())
		return PEER_CHANGE;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes))
		bytes = 0;
	count = bytes / sizeof(*groups);
	if (in_group(admins, peer.gid, groups, count))
		return PEER_CHANGE;
	return in_group(askers, peer.gid, groups, count) ? PEER_ASK : PEER_NOTHING;
}
