/* The texts of errors. */
#include "failure.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
	int error;
	const char *text;
} texts[] = {
	{ EAFNOSUPPORT, "Address family not supported by protocol (the kernel, or "
			"RestrictAddressFamilies= of the unit, does not allow such sockets)" },
	{ EBADF, "Bad file descriptor (its directory is not open: if it was removed, create it "
		 "again, owned by the user that runs afcapd)" },
	{ EDQUOT, "Disk quota exceeded (of the user that runs afcapd or of its group: quota(1))" },
	{ EFBIG,
	  "File too large (for this file system, or for LimitFSIZE=: use a smaller file_size)" },
	{ EIO, "Input/output error (the disk failed: see dmesg(1))" },
	{ EMFILE, "Too many open files (the limit of this process: raise LimitNOFILE=, or ulimit "
		  "-n)" },
	{ ENFILE, "Too many open files in system (raise fs.file-max, sysctl(8))" },
	{ ENOBUFS, "No buffer space available (of the kernel for sockets: net.core.wmem_max and "
		   "net.core.rmem_max, sysctl(8), or memory)" },
	{ ENOMEM, "Cannot allocate memory (the machine's memory or the control group's limit is "
		  "exhausted: use smaller rings and blocks or fewer workers)" },
	{ ENOSPC, "No space left on device (free bytes or inodes, see df -i; disk_budget, max_age "
		  "and disk_reserve leave some free)" },
	{ ENOSYS, "Function not implemented (this kernel does not have it, or a system call filter "
		  "around afcapd denies it)" },
	{ EROFS,
	  "Read-only file system (mounted read-only; under systemd ReadWritePaths= must name it)" },
	{ ESTALE, "Stale file handle (its server no longer knows the file: mount it again)" },
};

const char *failure_text(int error)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i].error == error)
			return texts[i].text;
	return strerror(error);
}
