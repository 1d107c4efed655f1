/* Who is at the other end of a UNIX socket, and what it may do. */
#ifndef PEER_H
#define PEER_H

#include <sys/types.h>

enum peer_rights {
	PEER_NOTHING,
	PEER_ASK,
	PEER_CHANGE /* and ask */
};

/* Root, this process's user and members of `admins` may change things, members of `askers` may ask;
 * (gid_t)-1: nobody. Supplementary groups count. As the kernel had it when the peer connected; what
 * cannot be found out is nothing. */
enum peer_rights peer_rights(int socket, gid_t askers, gid_t admins);

#endif
