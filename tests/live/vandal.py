#!/usr/bin/env python3
"""Somebody who may write to the output directory: vandal.py DIRECTORY OUTSIDE SECONDS UID

Puts links, hard links, FIFOs, sockets and directories in the place of whatever is there, swaps names, removes, makes
names that the daemon will want, until the time is over. Says how often each was done.
"""
import collections, os, random, socket, sys, time

directory, outside, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
random.seed(1)
os.setgroups([])
os.setgid(int(sys.argv[4]))
os.setuid(int(sys.argv[4]))
canary = os.path.join(outside, "canary")  # which is the vandal's own: he may link it
end = time.monotonic() + seconds
done = collections.Counter()
with open(canary, "rb") as f:  # once: reading changes times
    contents = f.read()
os.chdir(directory)


def make_file(name):
    with open(name, "xb") as f:
        f.write(contents)


def make_socket(name):
    s = socket.socket(socket.AF_UNIX)
    s.bind(name)
    s.close()


makers = {
    "symlink": lambda name: os.symlink(os.path.join(outside, "alone"), name),
    "symlink to a directory": lambda name: os.symlink(outside, name),
    "dangling symlink": lambda name: os.symlink(os.path.join(outside, "made"), name),
    "hard link": lambda name: os.link(canary, name),
    "fifo": os.mkfifo,
    "socket": make_socket,
    "directory": os.mkdir,
    "file": make_file,
}


def next_name(name):
    """The hidden name that the daemon makes next."""
    stem, serial = name[:-len(".spare")].rsplit("-", 1)
    return "%s-%d.spare" % (stem, int(serial) + random.randint(1, 3))


def stroke():
    names = [n for n in os.listdir(".") if "va-" in n]
    names = names or ["va-20200101T000000.000000Z-w0.pcapng"]
    name = random.choice(names)
    kind = random.choice(list(makers) + ["remove", "swap", "finish", "foresee"])
    if kind == "remove":
        os.unlink(name)
    elif kind == "swap":
        other = random.choice(names)
        os.rename(name, ".held")
        os.rename(other, name)
        os.rename(".held", other)
    elif kind == "finish":
        os.rename(name, name.replace(".partial", ""))
    elif kind == "foresee":
        if name.endswith(".spare"):
            makers[random.choice(list(makers))](next_name(name))
    else:
        makers[kind](".trap")
        os.rename(".trap", name)
    done[kind] += 1


while time.monotonic() < end:
    try:
        stroke()
    except OSError:
        pass
    for left in (".trap", ".held"):
        try:
            os.rmdir(left) if os.path.isdir(left) and not os.path.islink(left) else os.unlink(left)
        except OSError:
            pass
    time.sleep(random.choice((0, 0, 0.001, 0.005)))
print(dict(done))
