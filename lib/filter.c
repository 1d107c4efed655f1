/* Filters on a packet socket: classic BPF and eBPF. */
#include "internal.h"

#include <errno.h>
#include <sys/socket.h>

static int filter_option(int fd, int option, const void *value, socklen_t length)
{
	return setsockopt(fd, SOL_SOCKET, option, value, length) ? -errno : 0;
}

AFCAP_PUBLIC int afcap_filter_set(int fd, const struct sock_fprog *program)
{
	return filter_option(fd, SO_ATTACH_FILTER, program, sizeof(*program));
}

AFCAP_PUBLIC int afcap_filter_set_ebpf(int fd, int program_fd)
{
	return filter_option(fd, SO_ATTACH_BPF, &program_fd, sizeof(program_fd));
}

AFCAP_PUBLIC int afcap_filter_drop_all(int fd)
{
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { 1, none };

	return afcap_filter_set(fd, &program);
}

AFCAP_PUBLIC int afcap_filter_clear(int fd)
{
	int unused = 0, rc = filter_option(fd, SO_DETACH_FILTER, &unused, sizeof(unused));

	return rc == -ENOENT ? 0 : rc;
}

AFCAP_PUBLIC int afcap_filter_lock(int fd)
{
	int on = 1;

	return filter_option(fd, SO_LOCK_FILTER, &on, sizeof(on));
}
