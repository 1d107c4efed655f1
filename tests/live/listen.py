#!/usr/bin/env python3
"""Hands sockets to a program as systemd's socket units do: listen.py NAME=[KIND,]PLACE... -- COMMAND...

PLACE is a path or ADDRESS:PORT. KIND: "dgram" (of datagrams), "idle" (bound, does not listen)."""
import os, socket, sys

split = sys.argv.index("--")
names, sockets = [], []
for argument in sys.argv[1:split]:
    name, place = argument.split("=", 1)
    kind, place = place.split(",") if "," in place else ("", place)
    host, _, port = place.rpartition(":")
    family = socket.AF_UNIX if place[0] == "/" else socket.AF_INET6 if host[0] == "[" else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM if kind == "dgram" else socket.SOCK_STREAM)
    s.bind(place if family == socket.AF_UNIX else (host.strip("[]"), int(port)))
    if not kind:
        s.listen()
    names.append(name)
    sockets.append(os.dup2(s.fileno(), 100 + len(names), False))
for i, fd in enumerate(sockets):
    os.dup2(fd, 3 + i, True)
os.closerange(3 + len(sockets), 1000)
os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=":".join(names))
os.execvp(sys.argv[split + 1], sys.argv[split + 1:])
