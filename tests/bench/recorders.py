"""The recorders that tests/bench/run sets side by side, and one measurement of one of them, in a namespace of its own."""
import contextlib, glob, os, re, shutil, signal, statistics, struct, subprocess, sys, time
from typing import Callable, NamedTuple

from slowdisk import slow_disk

top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
build = os.path.join(top, os.environ.get("BUILD", "build"))
netns = f"afcap-bench-{os.getpid()}"
folder = os.path.join(os.environ.get("BENCH_DIR", build), netns)
output = folder + "/out"
lab = ["ip", "netns", "exec", netns]
MIB = 1 << 20
MIX = "mix"
MIX_BYTES = (7 * 64 + 4 * 594 + 1514) / 12


def sh(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"bench: waited {seconds} s for {what()}")
        time.sleep(0.05)


def medians(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def memory_available():
    return int(re.search(r"MemAvailable:\s+(\d+)", open("/proc/meminfo").read()).group(1)) * 1024


@contextlib.contextmanager
def place(disk):
    """The folder, on a disk that takes so many bytes a second, or any (0)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: terminated"))
    os.mkdir(folder)
    try:
        with slow_disk(folder, disk) if disk else contextlib.nullcontext():
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def laboratory():
    """The namespace with its veth. This process keeps off the recorder's CPU."""
    os.sched_setaffinity(0, {1})
    sh("ip", "netns", "add", netns)
    try:
        sh(*lab, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        sh("ip", "-n", netns, "link", "add", "va", "type", "veth", "peer", "name", "vb")
        for device in ("va", "vb"):
            sh("ip", "-n", netns, "link", "set", device, "up")
        sh(*lab, "ethtool", "-K", "va", "gro", "on")
        yield
    finally:
        for pid in processes():
            os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", netns])


# ---- the recorders ----


def files():
    return [os.path.join(where, name) for where, _, names in os.walk(output) for name in names]


def sizes_of(paths):
    total = 0
    for path in paths:
        try:
            total += os.path.getsize(path)
        except FileNotFoundError:  # renamed meanwhile
            pass
    return total


def log_tail():
    return open(folder + "/log").read()[-1000:]


def asked():
    return subprocess.run([build + "/afctl", "-s", folder + "/sock", "status"], capture_output=True).returncode == 0


def opened():
    """A packet socket is bound, and the file is there, which all of them open after it."""
    sockets = [line.split() for line in sh(*lab, "cat", "/proc/net/packet").splitlines()[1:]]
    return bool(files()) and any(s[4] != "0" and s[5] == "1" for s in sockets)  # interface, running


def preallocated():
    """stenotype says this when its file is there in full."""
    return opened() and "Indexing turned off" in log_tail()


def by_capinfos():
    """How many packets, how many bytes. A file that is cut short is an error to capinfos, and counted all the same."""
    paths = glob.glob(output + "/*cap*")
    said = subprocess.run(["capinfos", "-cM", *paths], capture_output=True, text=True).stdout if paths else ""
    return sum(int(n) for n in re.findall(r"Number of packets:\s+(\d+)", said)), sizes_of(files())


def by_block_heads():
    """stenotype's files are the ring's blocks as they were. What was preallocated and not written is zero."""
    kept = blocks = 0
    for path in files():
        fd = os.open(path, os.O_RDONLY)
        for at in range(0, os.path.getsize(path), MIB):
            packets, = struct.unpack("=I", os.pread(fd, 4, at + 12))  # num_pkts of struct tpacket_block_desc
            if not packets:
                break
            kept, blocks = kept + packets, blocks + 1
        os.close(fd)
    return kept, blocks * MIB


class Recorder(NamedTuple):
    program: str
    arguments: list
    ready: Callable = opened
    stop: int = signal.SIGINT
    quiet: float = 2.0  # seconds without a write: all is written
    count: Callable = by_capinfos
    grows: bool = False  # the file as the disk takes the bytes


def afcapd(*more, workers=1, ring="64M", program="/afcapd"):
    arguments = ["-i", "va", "-w", output, "-j", str(workers), "-o", f"daemon.control={folder}/sock", "-o",
                 "daemon.metrics=off", "-o", "ring_size=" + ring, "-o", "file_size=16G", *more]
    return Recorder(build + program, arguments, asked, signal.SIGTERM, grows=True)


def which(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def peers(ring):
    """With rings of so many MiB."""
    return {
        "tcpdump": Recorder(which("tcpdump"), ["-i", "va", "-n", "-s", "262144", "-B", str(ring * 1024), "-Z", "root", "-w",
                                               output + "/x.pcap"]),
        "dumpcap": Recorder(which("dumpcap"), ["-i", "va", "-q", "-s", "262144", "-B", str(ring), "-w", output + "/x.pcapng"]),
        # As it writes best, by writev; it would bind the card's interrupt, too, and change the machine's socket buffers
        "netsniff-ng": Recorder(which("netsniff-ng"), ["--in", "va", "--out", output + "/x.pcap", "--ring-size", f"{ring}MiB",
                                                       "--silent", "--no-sock-mem"]),
        # Blocks that are not full come after a second. It has no orderly end: when nothing is being written it waits for ever
        # for something that was. So it is killed; what it wrote is on the disk (O_DSYNC).
        "stenotype": Recorder(which("stenotype"), ["--dir=" + output, "--iface=va", "--threads=1", f"--blocks={ring}",
                                                   "--aiops=32", "--filesize_mb=2000", "--preallocate_file_mb=2000",
                                                   "--no_index", "--no_promisc", "--blockage_sec=1", "--stats_blocks=0",
                                                   "--stats_sec=0", "--uid=root", "--gid=root", "--seccomp=none"],
                              preallocated, signal.SIGKILL, quiet=3.5, count=by_block_heads),
    }


recorders = {"afcapd": afcapd(), **peers(64)}


# ---- one measurement ----


def processes():
    return sh("ip", "netns", "pids", netns).split()


def cpu_used(pids):
    """Seconds, of all threads."""
    return sum(int(open(path).read().split()[0]) for pid in pids for path in glob.glob(f"/proc/{pid}/task/*/schedstat")) / 1e9


def submitted(pids):
    """Bytes on their way to the disk: a preallocated file does not grow."""
    return sum(int(re.search(r"^write_bytes: (\d+)", open(f"/proc/{pid}/io").read(), re.M).group(1)) for pid in pids)


def fresh_output():
    shutil.rmtree(output, ignore_errors=True)
    for name in "PKT0", "IDX0":  # stenotype's
        os.makedirs(f"{output}/{name}")
    os.sync()


def start(recorder):
    with open(folder + "/log", "w") as out:
        process = subprocess.Popen(lab + ["taskset", "-c", "0", recorder.program] + recorder.arguments, stdout=out, stderr=out)
    name = os.path.basename(recorder.program)

    def ready():
        if process.poll() is not None:
            sys.exit(f"bench: {name} did not start: {log_tail()}")
        return recorder.ready()

    until(ready, 60, lambda: f"{name}: {log_tail()}")
    return process


def stop(process, recorder):
    """Its rusage."""
    os.kill(process.pid, recorder.stop)
    deadline = time.monotonic() + 60
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, -recorder.stop):
        print(f"bench: {recorder.program} ended with {process.returncode}: {log_tail()}", flush=True)
    return usage


def load(recorder, pids, arguments, watch=None):
    """Sends and waits until all is written. The generator's words, and how the files grew: (when, bytes). The watch is asked
    each turn, with the time of the last write, or None while frames are sent; it says until when it took."""
    grown, last, since, watched = [], None, 0.0, 0.0
    command = lab + [build + "/tests/generate", "va", *arguments, "cpu=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as generator:
        while True:
            state = sizes_of(files()), submitted(pids)
            now = time.monotonic()
            sending = generator.poll() is None
            if state != last or sending:
                since = now
            if not last or state[0] != last[0]:
                grown.append((now, state[0]))
            last = state
            if watch:
                watched = watch.turn(None if sending else since)
            if now - max(since, watched) > recorder.quiet:
                break
            time.sleep(0.02)
        said = generator.stdout.read()
    if generator.returncode:
        sys.exit("bench: the generator failed")
    return said, grown


def disk_rate(grown, begin):
    whole = grown[-1][1]
    when, there = next(g for g in grown if g[1] >= whole - max(whole // 100, 4 * MIB))
    return there / max(when - begin, 1e-3)


def measure(recorder, size, count, rate=0, watcher=None):
    """watcher: makes a watch of the recorder's processes, whose result(begin) is added."""
    fresh_output()
    process = start(recorder)
    pids = processes()
    cpu_ready = cpu_used(pids)
    watch = watcher(pids) if watcher else None
    try:
        said, grown = load(recorder, pids, [str(count), str(size), f"rate={rate}"], watch)
        cpu_quiet = cpu_used(pids)
    except (FileNotFoundError, ProcessLookupError):
        sys.exit(f"bench: {recorder.program} went away: {log_tail()}")
    usage = stop(process, recorder)
    kept, size_on_disk = recorder.count()
    sent, begin = re.search(r"(\d+) packets/s, from ([\d.]+)", said).groups()
    a_packet = 1e9 / max(kept, 1)
    run = {"kept": kept / count, "rate": float(sent), "offer": float(sent) * frame_bytes(size),
           "ns": (usage.ru_utime + usage.ru_stime) * a_packet, "start_ns": cpu_ready * a_packet,
           "busy_ns": (cpu_quiet - cpu_ready) * a_packet, "bytes": size_on_disk / max(kept, 1), "total": size_on_disk}
    if recorder.grows:
        run["disk"] = disk_rate(grown, float(begin))
    if watch:
        run.update(watch.result(float(begin)))
    return run


def frame_bytes(size):
    return MIX_BYTES if size == MIX else int(size)


def raw_disk(wanted):
    fresh_output()
    command = ["taskset", "-c", "0", "dd", "if=/dev/zero", f"of={output}/zero", "oflag=direct", "bs=1M",
               f"count={max(1, round(wanted / MIB))}"]
    copy = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if copy.returncode:
        sys.exit("bench: " + copy.stderr)
    copied, took = re.search(r"^(\d+) bytes.* copied, ([\d.e+-]+) s", copy.stderr, re.M).groups()
    return {"total": int(copied), "disk": int(copied) / float(took)}
