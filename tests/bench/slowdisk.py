"""A disk that takes so many MB/s and no more, for O_DIRECT and for what is written back from the page cache alike.

A loop device on a file beside the folder (read and written by O_DIRECT, so that nothing is cached twice), with ext4 on it,
mounted on the folder. The kernel's block layer throttles its writes, in the one control group that all of them belong to:

cgroup v1: the root of blkio. What the kernel writes back has no other group there, so this process moves to it, and the
recorders, its children, with it.
cgroup v2: a group made for this process, by io.max. With the memory controller beside it the kernel knows whose pages it writes.

A throttle that holds for one of the two alone would favour some recorders: so both are measured before it is used. The loop
device costs about 0.1 s of CPU for each GB, 2 % of one CPU at 200 MB/s, in threads of the kernel, which run on any CPU.
"""
import contextlib, mmap, os, shutil, subprocess, sys, time

GIB = 1 << 30
IMAGE_MOST = 24 * GIB
IMAGE_LEAST = 8 * GIB
TOLERANCE = 0.15


def sh(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


def put(path, text):
    with open(path, "w") as out:
        out.write(text)


def mounts(kind):
    """Where file systems of this kind are, with their options."""
    for line in open("/proc/mounts"):
        _, where, of, options, *_ = line.split()
        if of == kind:
            yield where, options.split(",")


def own_group():
    """Of cgroup v2."""
    return next(line[3:].strip() for line in open("/proc/self/cgroup") if line.startswith("0::"))


@contextlib.contextmanager
def by_blkio(root, device, rate):
    limit = root + "/blkio.throttle.write_bps_device"
    put(root + "/cgroup.procs", str(os.getpid()))
    put(limit, f"{device} {rate}")
    try:
        yield
    finally:
        put(limit, f"{device} 0")


@contextlib.contextmanager
def by_io_max(root, device, rate):
    before, group = root + own_group(), f"{root}/afcap-bench-{os.getpid()}"
    put(root + "/cgroup.subtree_control", "+io +memory")
    os.mkdir(group)
    try:
        put(group + "/io.max", f"{device} wbps={rate}")
        put(group + "/cgroup.procs", str(os.getpid()))
        yield
    finally:
        put(group + "/io.max", f"{device} wbps=max")
        for pid in open(group + "/cgroup.procs").read().split():
            with contextlib.suppress(OSError):  # it has just ended
                put(before + "/cgroup.procs", pid)
        with contextlib.suppress(OSError):
            os.rmdir(group)


def throttle(device, rate):
    """The throttle that this machine has."""
    for root, options in mounts("cgroup"):
        if "blkio" in options and os.path.exists(root + "/blkio.throttle.write_bps_device"):
            return by_blkio(root, device, rate)
    for root, _ in mounts("cgroup2"):
        if "io" in open(root + "/cgroup.controllers").read().split():
            return by_io_max(root, device, rate)
    sys.exit("bench: --disk needs the control groups' blkio (v1) or io (v2) with throttling, and this machine has neither")


@contextlib.contextmanager
def image(path):
    """A file in full, and a loop device on it."""
    size = min(IMAGE_MOST, shutil.disk_usage(os.path.dirname(path)).free // 2)
    if size < IMAGE_LEAST:
        sys.exit(f"bench: --disk needs {IMAGE_LEAST // GIB * 2} GiB free in {os.path.dirname(path)}")
    with open(path, "xb") as out:
        os.posix_fallocate(out.fileno(), 0, size)
    device = None
    try:
        # Few inodes, as their tables are written at once
        sh("mkfs.ext4", "-q", "-F", "-i", "1048576", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", path)
        device = sh("losetup", "--find", "--show", "--direct-io=on", path)
        yield device
    finally:
        if device:
            sh("losetup", "--detach", device)
        os.unlink(path)


def unmount(folder):
    deadline = time.monotonic() + 20
    while subprocess.run(["umount", folder], capture_output=True).returncode and time.monotonic() < deadline:
        time.sleep(0.1)


def rate_of(path, flags, size):
    """Bytes a second to the disk. Written twice: the second time the blocks are there, and the memory, which a hypervisor may
    have had to give first; what only fills the page cache is not counted."""
    fd, portion = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600), mmap.mmap(-1, 1 << 20)
    places = range(0, size, len(portion))
    for _ in "12":
        begin = time.monotonic()
        for at in places:
            os.pwrite(fd, portion, at)
        begin = begin if flags & os.O_DIRECT else time.monotonic()
        os.fsync(fd)
        took = time.monotonic() - begin
    os.close(fd)
    os.unlink(path)
    return len(places) * len(portion) / took


def check(folder, rate):
    direct, back = (rate_of(folder + "/rate", flags, rate) for flags in (os.O_DIRECT, 0))
    said = f"{direct / 1e6:.0f} MB/s by O_DIRECT and {back / 1e6:.0f} MB/s through the page cache"
    if any(abs(got / rate - 1) > TOLERANCE for got in (direct, back)):
        sys.exit(f"bench: the disk throttled to {rate / 1e6:.0f} MB/s takes {said}")
    print(f"bench: a disk that takes {said}", flush=True)


@contextlib.contextmanager
def slow_disk(folder, rate):
    """Mounts it on the folder. rate: bytes a second"""
    with image(folder + ".img") as device:
        number = os.stat(device).st_rdev
        sh("mount", device, folder)
        try:
            with throttle(f"{os.major(number)}:{os.minor(number)}", rate):
                check(folder, rate)
                yield
        finally:
            unmount(folder)
