"""What happens in a directory, as inotify(7) tells those who watch it, a line an event: EVENT NAME. watch.py DIRECTORY"""
import ctypes, os, struct, sys

EVENTS = {0x1: "ACCESS", 0x2: "MODIFY", 0x4: "ATTRIB", 0x8: "CLOSE_WRITE", 0x10: "CLOSE_NOWRITE", 0x20: "OPEN", 0x40: "MOVED_FROM",
          0x80: "MOVED_TO", 0x100: "CREATE", 0x200: "DELETE", 0x4000: "OVERFLOW"}
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(os.O_CLOEXEC)
if fd < 0 or libc.inotify_add_watch(fd, sys.argv[1].encode(), 0xfff) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("READY", flush=True)
while True:
    data, at = os.read(fd, 1 << 20), 0
    while at < len(data):
        _, mask, _, length = struct.unpack_from("iIII", data, at)
        name = data[at + 16:at + 16 + length].rstrip(b"\0").decode()
        if name:
            print(" ".join(text for bit, text in EVENTS.items() if mask & bit), name)
        at += 16 + length
    sys.stdout.flush()
