/* Classic BPF filters on a packet socket. */
#include "internal.h"

#include <errno.h>
#include <sys/socket.h>

AFCAP_PUBLIC int afcap_filter_set(int fd, const struct sock_fprog *program)
{
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, sizeof(*program)) ? -errno : 0;
}

AFCAP_PUBLIC int afcap_filter_drop_all(int fd)
{
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { 1, none };

	return afcap_filter_set(fd, &program);
}

AFCAP_PUBLIC int afcap_filter_clear(int fd)
{
	int unused = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) &&
	    errno != ENOENT)
		return -errno;
	return 0;
}
