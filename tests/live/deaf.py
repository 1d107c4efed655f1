#!/usr/bin/env python3
"""A command whose standard error is full, and whose standard output may be: nobody reads it until SIGUSR1.

    deaf.py KIND DIR COMMAND...        KIND: pipe, terminal, socket, journal, output, manager

DIR/pid is the command's process; what is read in the end goes to DIR/read. "journal" fills /run/systemd/journal/socket, too,
and belongs into a mount namespace of its own; "output" fills standard output, not standard error; "manager" fills the socket
that a service manager would read, and neither of them. Ends with the command's
exit code, or with 99 where it changed the flags of a description that it shares with us."""
import fcntl, os, pty, select, signal, socket, sys

kind, where, command = sys.argv[1], sys.argv[2], sys.argv[3:]
journal = None


def fill(write):
    """Line for line, whatever is read later begins where a line does."""
    line = b"#" * 63 + b"\n"
    while True:
        try:
            write(line)
        except BlockingIOError:
            if len(line) == 1:
                return
            line = b"\n"


def fill_again_opened(fd):
    """A terminal takes more when the kernel has passed on what it took, which is soon, but not at once."""
    again = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    room = select.poll()
    room.register(again, select.POLLOUT)
    fill(lambda line: os.write(again, line))
    while os.isatty(fd) and room.poll(1000):
        fill(lambda line: os.write(again, line))
    os.close(again)


if kind in ("pipe", "output"):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ
    fill_again_opened(writer)
elif kind == "manager":
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(os.path.join(where, "notify"))
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.connect(os.path.join(where, "notify"))
    fill(lambda line: filler.send(line, socket.MSG_DONTWAIT))
    reader, writer = manager.fileno(), 2
elif kind == "terminal":
    reader, writer = pty.openpty()
    fill_again_opened(writer)
else:
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    fill(lambda line: theirs.send(line, socket.MSG_DONTWAIT))
    reader, writer = ours.fileno(), theirs.fileno()
environment = dict(os.environ)
if kind == "manager":
    environment["NOTIFY_SOCKET"] = os.path.join(where, "notify")
if kind == "journal":
    os.makedirs("/run/systemd/journal")
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind("/run/systemd/journal/socket")
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.connect("/run/systemd/journal/socket")
    fill(lambda line: filler.send(line, socket.MSG_DONTWAIT))
    st = os.fstat(writer)
    environment["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"

pid = os.fork()
if pid == 0:
    os.dup2(writer, 1 if kind == "output" else 2)
    os.execvpe(command[0], command, environment)
with open(os.path.join(where, "pid.new"), "w") as f:
    f.write(f"{pid}\n")
os.rename(os.path.join(where, "pid.new"), os.path.join(where, "pid"))

reading = False


def begin(*_):
    global reading
    reading = True


signal.signal(signal.SIGUSR1, begin)
signal.signal(signal.SIGCHLD, lambda *_: None)
wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
signal.set_wakeup_fd(wake_w)
out = open(os.path.join(where, "read"), "wb", buffering=0)
sources = [reader] + ([journal.fileno()] if journal else [])
ended = 0
while True:
    if not ended:
        ended, status = os.waitpid(pid, os.WNOHANG)
    ready = select.select([wake_r] + (sources if reading else []), [], [], 0 if ended else 5)[0]
    for fd in ready:
        if fd == wake_r:
            os.read(wake_r, 64)
        elif journal and fd == journal.fileno():
            out.write(journal.recv(65536))
        else:
            out.write(os.read(fd, 65536) + (b"\n" if kind == "manager" else b""))
    if ended and not [fd for fd in ready if fd != wake_r]:
        break
if fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK:
    sys.exit(99)
sys.exit(os.waitstatus_to_exitcode(status) & 0xff)
