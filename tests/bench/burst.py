"""Bursts: what the recorders keep of more than the disk takes, the memory that they hold meanwhile, and when all is on the disk.

Memory is the peak of two figures together, ten times a second from the first frame on: the resident memory of all processes
of the recorder, in which a mapped ring is contained, and the page cache of its files, by cachestat(2) (Linux 6.5). "dirty" is
the peak of that part of the page cache which is not on the disk yet. Without cachestat(2) it is what Cached of /proc/meminfo
has grown by, and Dirty and Writeback, of the whole machine.

All is on the disk when a fdatasync() of all files returns that is called a quarter of a second after the recorder's last
write; that quarter is not counted. CPU is the recorder's own: what the kernel's threads use which write the page cache back is
not in it.

A hypervisor takes back memory that is free, and then it costs a second for each GB, whoever uses it first. So as much as a run
may use is used and freed before each start and before each burst: then it is there, as it is on a machine of one's own.
"""
import ctypes, errno, mmap, os, re, subprocess, sys, time

from recorders import MIB, afcapd, files, fresh_output, lab, measure, medians, memory_available, peers, raw_disk

CACHESTAT = 451
PAGE = mmap.PAGESIZE
SAMPLE = 0.1
SETTLED = 0.25
USED_AT_MOST = 6 << 30
RING_MOST = 2047  # MiB: libpcap has an int for the bytes

KEPT = 0.999
BETTER = 1.15
DISK_SHARE = 0.5
MEMORY_MORE = 2 << 30
CPU_SHARE = 1 / 3

libc = ctypes.CDLL(None, use_errno=True)


# ---- memory ----


def memory_use():
    size = min(USED_AT_MOST, memory_available() // 2) // PAGE * PAGE
    mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


def resident(pids):
    return sum(int(open(f"/proc/{pid}/statm").read().split()[1]) for pid in pids) * PAGE


def meminfo(*names):
    text = open("/proc/meminfo").read()
    return sum(int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) for name in names) * 1024


def cachestat(fd):
    """Bytes in the page cache, of which not on the disk; None without the call."""
    everything, found = (ctypes.c_uint64 * 2)(), (ctypes.c_uint64 * 5)()
    if libc.syscall(CACHESTAT, fd, everything, found, 0):
        if ctypes.get_errno() == errno.ENOSYS:
            return None
        raise OSError(ctypes.get_errno(), "cachestat")
    cached, dirty, back, *_ = found
    return cached * PAGE, (dirty + back) * PAGE


def opened():
    """Descriptors of all files; the caller closes them."""
    for path in files():
        try:
            fd = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # renamed meanwhile
            continue
        yield fd
        os.close(fd)


class Watch:
    """Of one burst."""

    def __init__(self, pids):
        memory_use()
        self.pids, self.before = pids, meminfo("Cached")
        self.memory = self.dirty = self.sampled = 0
        self.synced = self.on_disk = None  # the write that was the last one then; when it was on the disk

    def cached(self):
        each = [cachestat(fd) for fd in opened()]
        if None in each:
            return meminfo("Cached") - self.before, meminfo("Dirty", "Writeback")
        return [sum(figures) for figures in zip(*each)] or (0, 0)

    def turn(self, written):
        now = time.monotonic()
        if now - self.sampled >= SAMPLE:
            cached, dirty = self.cached()
            self.memory, self.dirty = max(self.memory, resident(self.pids) + cached), max(self.dirty, dirty)
            self.sampled = now
        if written is None or now - written < SETTLED or self.synced == written:
            return 0.0
        for fd in opened():
            os.fdatasync(fd)
        self.synced, self.on_disk = written, written + time.monotonic() - now
        return time.monotonic()

    def result(self, begin):
        return {"memory": self.memory, "dirty": self.dirty, "to_disk": self.on_disk - begin}


# ---- the recorders ----


def refused(recorder):
    """Why afcapd does not take these options, as one that has no burst."""
    said = subprocess.run(lab + [recorder.program, "-n", *recorder.arguments], capture_output=True, text=True)
    return re.sub(r"^<\d>", "", said.stderr.strip().splitlines()[-1]) if said.returncode else None


def contenders(tools, ring):
    fresh_output()
    ring = ring or min(RING_MOST, memory_available() // 4 // MIB)
    mine = {"afcapd": afcapd(), "ring=auto": afcapd(ring="auto"), "ring=1G": afcapd(ring="1G"),
            "ring=3G": afcapd(ring="3G"), "burst=2G": afcapd("-o", "burst=2G"),
            "ring=1G+burst=1G": afcapd("-o", "burst=1G", ring="1G"),
            "ring=1G+burst=2G": afcapd("-o", "burst=2G", ring="1G")}
    for name in list(mine):
        why = refused(mine[name])
        if why:
            print(f"bench: without {name}: {why}")
            del mine[name]
    others = peers(ring)
    for name in [name for name in others if not others[name].program]:
        print(f"bench: no {name} here")
        del others[name]
    wanted = tools.split(",") if tools else [*mine, *others]
    unknown = [name for name in wanted if name not in mine and name not in others]
    if unknown:
        sys.exit(f"bench: --burst has no {unknown[0]}: there are {', '.join([*mine, *others])}")
    print(f"the others' rings have {ring} MiB", flush=True)
    return {name: one for name, one in mine.items() if name in wanted}, {n: o for n, o in others.items() if n in wanted}


# ---- what must hold ----


def chosen_of(mine):
    return max(mine, key=lambda name: (round(min(mine[name]["kept"], KEPT), 3), -mine[name]["ns"]))


def kept_verdict(size, mine, others, disk):
    """And which of afcapd's is the one."""
    default = mine["afcapd"]
    enough = disk >= DISK_SHARE * default["offer"]
    name = chosen_of({n: run for n, run in mine.items() if not enough or run["memory"] <= default["memory"] + MEMORY_MORE})
    kept, more = mine[name]["kept"], (mine[name]["memory"] - default["memory"]) / MIB
    text = (f"{size}: afcapd ({name}) keeps {kept * 100:.2f} % with {more:.0f} MiB more than the default; the disk takes "
            f"{disk / default['offer']:.2f} of the offer: target")
    if enough or not others:
        return name, f"{text} {KEPT * 100:.1f} %", kept >= KEPT
    peer = max(others, key=lambda other: others[other]["kept"])
    most = others[peer]["kept"]
    return (name, f"{text} {BETTER} x {peer}'s {most * 100:.2f} %, or {KEPT * 100:.1f} %", kept >= min(KEPT, BETTER * most))


def verdicts(size, mine, others, disk):
    """Of the medians."""
    name, text, met = kept_verdict(size, mine, others, disk)
    best = mine[name]
    yield text, met
    for peer, other in others.items():
        yield (f"{size}: afcapd ({name}) keeps {best['kept'] * 100:.2f} %, {peer} {other['kept'] * 100:.2f} %; target: not less, "
               f"or {KEPT * 100:.1f} %", best["kept"] >= min(KEPT, other["kept"]))
    if "tcpdump" in others:
        tcpdump = others["tcpdump"]
        yield (f"{size}: afcapd's ({name}) CPU is {best['ns'] / tcpdump['ns']:.3f} of tcpdump's (from ready to the last write "
               f"{best['busy_ns'] / tcpdump['busy_ns']:.3f}); target {CPU_SHARE:.3f}", best["ns"] <= CPU_SHARE * tcpdump["ns"])


# ---- the mode ----


def row(size, name, run):
    print(f"{size:>6} {name:<17} {run['kept'] * 100:7.2f} % {run['ns']:6.0f} ns {run['busy_ns']:6.0f} ns "
          f"{run['memory'] / MIB:7.0f} MiB {run['dirty'] / MIB:7.0f} MiB {run['to_disk']:6.1f} s {run['rate'] / 1e6:6.2f} Mpps",
          flush=True)


def burst(options):
    mine, others = contenders(options.tools, options.ring)
    print(f"{options.rounds} rounds in turn of {options.count} frames; medians\n{'frame':>6} {'recorder':<17} {'kept':>9} "
          f"{'CPU':>9} {'busy':>9} {'memory':>11} {'dirty':>11} {'on disk':>8} {'offered':>11}", flush=True)
    results, held = {}, []
    for size in options.sizes:
        runs = results[size] = {name: [] for name in [*mine, *others, "dd"]}
        for _ in range(options.rounds):
            for name, recorder in {**mine, **others}.items():
                memory_use()
                runs[name].append(measure(recorder, size, options.count, options.rate, Watch))
            runs["dd"].append(raw_disk(1 << 30))
        middles = {name: medians(of_name) for name, of_name in runs.items()}
        for name in [*mine, *others]:
            row(size, name, middles[name])
        print(f"{size:>6} {'dd':<17} {middles['dd']['disk'] / 1e6:7.0f} MB/s", flush=True)
        if "afcapd" in mine:
            held += verdicts(size, {n: middles[n] for n in mine}, {n: middles[n] for n in others}, middles["dd"]["disk"])
    for text, met in held:
        print(f"{'met   ' if met else 'MISSED'} {text}")
    return {"frames": results, "targets": [{"target": text, "met": met} for text, met in held]}
