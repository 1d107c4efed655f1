#!/usr/bin/env python3
"""A small service manager for tests, with what systemd does for a unit of KillMode=mixed and a descriptor store:

    manager.py DIR COMMAND...

SIGUSR2 restarts the service (SIGUSR2 to it, then the next), SIGTERM stops it and ends with its exit code. A service that
dies by a signal, or ends with 75 (RestartForceExitStatus=), is started again; what it leaves behind of processes is killed first. DIR/pid is the service's process,
DIR/starts counts, DIR/notified has what it said, DIR/kept the names of the descriptors that are kept."""
import array, ctypes, os, select, signal, socket, sys, time

where, command = sys.argv[1], sys.argv[2:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
notify.bind(os.path.join(where, "notify"))
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: workers of a dead service come here
store = []  # (name, fd)
sockets = []  # of socket units, likewise: LISTEN="control=PATH metrics=PORT"
for name, place in (word.split("=", 1) for word in os.environ.get("LISTEN", "").split()):
    s = socket.socket(socket.AF_UNIX if place.startswith("/") else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(place if place.startswith("/") else ("127.0.0.1", int(place)))
    s.listen(64)
    sockets.append((name, s.detach()))
store_max = int(os.environ.get("STORE_MAX", "1000"))  # FileDescriptorStoreMax=; told with FDSTORE= in the environment
wanted = {"restart": False, "stop": False}
wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
signal.set_wakeup_fd(wake_w)
signal.signal(signal.SIGCHLD, lambda *_: None)
signal.signal(signal.SIGUSR2, lambda *_: wanted.update(restart=True))
signal.signal(signal.SIGTERM, lambda *_: wanted.update(stop=True))


def write(name, text, mode="w"):
    with open(os.path.join(where, name), mode) as f:
        f.write(text)


def start():
    kept = sockets + store
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for i, (_, fd) in enumerate([(n, os.dup2(f, 500 + i, False)) for i, (n, f) in enumerate(kept)]):
            os.dup2(fd, 3 + i, True)
        os.closerange(3 + len(kept), 1000)
        environment = dict(os.environ, NOTIFY_SOCKET=os.path.join(where, "notify"))
        if kept:
            environment.update(LISTEN_FDS=str(len(kept)), LISTEN_PID=str(os.getpid()),
                               LISTEN_FDNAMES=":".join(n for n, _ in kept))
        os.execvpe(command[0], command, environment)
    write("pid", f"{pid}\n")
    write("starts", ".", "a")
    return pid


def listen():
    while True:
        try:
            data, ancillary, _, _ = notify.recvmsg(65536, socket.CMSG_SPACE(4 * 16), socket.MSG_DONTWAIT)
        except BlockingIOError:
            break
        fds = array.array("i")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[:len(payload) - len(payload) % 4])
        lines = data.decode().split("\n")
        said = dict(line.split("=", 1) for line in lines if "=" in line)
        if said.get("FDSTORE") == "1":
            assert said.get("FDPOLL") == "0"
            for fd in fds:
                if len(store) < store_max:
                    store.append((said.get("FDNAME", "stored"), fd))
                else:
                    os.close(fd)
        else:
            for fd in fds:  # a barrier
                os.close(fd)
        if said.get("FDSTOREREMOVE") == "1":
            for name, fd in [e for e in store if e[0] == said.get("FDNAME")]:
                store.remove((name, fd))
                os.close(fd)
        if "FDSTORE" in said or "FDSTOREREMOVE" in said:
            write("kept", "".join(n + "\n" for n, _ in store))
        else:
            write("notified", data.decode() + "\n", "a")


def bury(main):
    """The service's exit status, once nothing of it is left; None while it runs."""
    pid, status = os.waitpid(main, os.WNOHANG)
    if pid == 0:
        return None
    listen()
    for _ in range(1000):
        children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
        if not children:
            break
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        for child in children:
            os.waitpid(int(child), 0)
    return status


main = start()
asked = None
while True:
    select.select([notify, wake_r], [], [], 1)
    try:
        os.read(wake_r, 64)
    except BlockingIOError:
        pass
    listen()
    if wanted["stop"] and asked != "stop":
        asked = "stop"
        os.kill(main, signal.SIGTERM)
    elif wanted["restart"] and asked is None:
        asked = "restart"
        os.kill(main, signal.SIGUSR2)
    status = bury(main)
    if status is None:
        continue
    if asked == "stop" or (asked != "restart" and os.WIFEXITED(status) and os.WEXITSTATUS(status) != 75):
        sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
    asked, wanted["restart"] = None, False
    time.sleep(float(os.environ.get("RESTART_SEC", "0.1")))
    main = start()
