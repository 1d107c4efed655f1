/* SO_PEERCRED, SO_PEERGROUPS. */
#include "peer.h"

#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

static bool in_group(int socket, gid_t primary, gid_t group)
{
	static gid_t groups[GROUPS_MAX];
	socklen_t bytes = sizeof(groups);

	if (primary == group)
		return true;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes))
		return false;
	for (size_t i = 0; i < bytes / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

bool peer_admin(int socket, gid_t group)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes))
		return false;
	return peer.uid == 0 || peer.uid == geteuid() ||
	       (group != (gid_t)-1 && in_group(socket, peer.gid, group));
}
