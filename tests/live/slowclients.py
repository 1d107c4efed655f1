"""Clients that are slow, wrong or deaf, at both doors of afcapd; each comes again as soon as it is cut.

  slowclients.py CONTROL-SOCKET ADDRESS:PORT COUNT     so many at each door, of all kinds, until a signal ends it

Says "ready" when all have connected once, and at the end how often they were cut. A kind is what is sent at first and what
again and again, and whether the sending end is closed then. None of them ever reads.
"""
import select, signal, socket, sys, time

STATUS = b'{"method":"org.afcap.control.Status"}\0'
STREAM = b'{"method":"org.afcap.control.Stats","parameters":{"interval":0.1},"more":true}\0'
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
LOT = 1 << 16  # bytes a turn

control_kinds = {  # first, again, half-open
    "silent": (b"", b"", False),
    "half a request": (STATUS[:20], b"", False),
    "byte by byte": (b"{", b'"', False),
    "deaf to a stream": (STREAM, b"", False),
    "a stream, asking on": (STREAM, STATUS * (LOT // len(STATUS)), False),
    "half-open": (STATUS, b"", True),
    "deaf, asking on": (b"", STATUS * (LOT // len(STATUS)), False),
}
http_kinds = {
    "silent": (b"", b"", False),
    "byte by byte": (GET[:4], b"x", False),
    "half a request": (GET[:-2], b"", False),
    "header flood": (GET[:-2], b"X: y\r\n" * (LOT // 6), False),
    "deaf, asking on": (b"", GET * (LOT // len(GET)), False),
    "endless chunk": (b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * LOT, False),
    "half-open": (GET[:-2], b"", True),
}


class Client:
    def __init__(self, family, address, kind):
        self.family, self.address = family, address
        self.first, self.again, self.half_open = kind
        self.cut, self.socket = -1, None
        self.connect()

    def connect(self):
        if self.socket:
            self.socket.close()
        self.cut += 1
        self.socket = socket.socket(self.family)
        self.socket.settimeout(2)
        try:
            self.socket.connect(self.address)
            self.socket.setblocking(False)
            self.send(self.first)
            if self.half_open:
                self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # told to go already
            pass

    def send(self, what):
        try:
            if what:
                self.socket.send(what)
        except BlockingIOError:
            pass

    def turn(self):
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        try:
            if poll.poll(0):
                self.connect()
            else:
                self.send(self.again)
        except OSError:
            self.connect()


def clients(path, address, count):
    host, port = address.rsplit(":", 1)
    control, http = list(control_kinds.values()), list(http_kinds.values())
    for i in range(count):
        yield Client(socket.AF_UNIX, path, control[i % len(control)])
        yield Client(socket.AF_INET, (host, int(port)), http[i % len(http)])


def main():
    path, address, count = sys.argv[1:]
    everybody = list(clients(path, address, int(count)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    try:
        while True:
            for client in everybody:
                client.turn()
            time.sleep(0.2)
    finally:
        print("cut", sum(c.cut for c in everybody), flush=True)


if __name__ == "__main__":
    main()
