/* Who is at the other end of a UNIX socket. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <sys/types.h>

/* Root, this process's user, or a member of `group` ((gid_t)-1: nobody else), its supplementary
 * groups counted. What cannot be found out is no. */
bool peer_admin(int socket, gid_t group);

#endif
