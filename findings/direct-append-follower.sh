#!/usr/bin/env bash
# A file that one process appends to with O_DIRECT, and another one reads as it grows, without O_DIRECT: where a write begins within a
# page (the disk's sectors are smaller), a read that returns the new length may return zeros for the new bytes. On the disk they are
# right. No byte of the file is ever written twice. With writes that begin and end at whole pages this does not happen.
# Linux makes the file longer as the write completes and drops the page of the cache only then (fs/iomap/direct-io.c,
# iomap_dio_complete(): end_io() comes before the invalidation). open(2) warns of "overlapping byte regions" alone.
# Seen with Linux 6.18.44, ext4, sectors of 512 bytes:
#   512: 170 of 3846 reads had zeros
#   4096: 0 of 5423 reads had zeros
# Needs python3, two CPUs, a file system with O_DIRECT in TMPDIR. Exits 0 where it is still so.
set -eu
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
uname -r
stat -f -c %T "$TMP"
python3 - "$TMP/file" <<'P'
import mmap, os, sys

WRITES = 20000

def reads_with_zeros(unit):
    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DIRECT)
    memory = mmap.mmap(-1, unit)
    memory.write(b"\x01" * unit)
    writer = os.fork()
    if writer == 0:
        for i in range(WRITES):
            assert os.pwrite(fd, memory, i * unit) == unit
        os._exit(0)
    follower = os.open(sys.argv[1], os.O_RDONLY)
    at = reads = zeros = 0
    while at < WRITES * unit:
        data = os.pread(follower, 65536, at)
        reads += len(data) > 0
        zeros += b"\0" in data
        at += len(data)
    assert os.waitpid(writer, 0)[1] == 0
    with open(sys.argv[1], "rb") as file:
        assert file.read().count(1) == WRITES * unit
    print("%d: %d of %d reads had zeros" % (unit, zeros, reads), flush=True)
    return zeros

sys.exit(not (reads_with_zeros(512) > 0 and reads_with_zeros(mmap.PAGESIZE) == 0))
P
