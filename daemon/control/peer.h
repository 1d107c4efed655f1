/* The credentials of a UNIX socket's peer, and the rights they give it. */
#ifndef PEER_H
#define PEER_H

#include <sys/types.h>

enum peer_rights {
	PEER_NOTHING,
	PEER_ASK,
	PEER_CHANGE /* and ask */
};

/* Root, this process's user and members of `admins` may change things, members of `askers` may ask;
 * (gid_t)-1: no group. Supplementary groups count. The credentials are those of when the peer
 * connected; if they cannot be read it has no rights. */
enum peer_rights peer_rights(int socket, gid_t askers, gid_t admins);

#endif
