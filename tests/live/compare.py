"""Compares two recordings of the same traffic, packet by packet: both lengths, every byte, and the time, which for a
packet that is sent each socket takes by itself: within 20 ms.

  compare.py RECORDING... -- RECORDING...      pcap or pcapng, of either side one after the other

With an empty side nothing is equal.
"""
import struct, sys


def pcap(data):
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    scale = 1 if struct.unpack(order + "I", data[:4])[0] == 0xA1B23C4D else 1000
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, captured, length = struct.unpack_from(order + "IIII", data, at)
        yield data[at + 16:at + 16 + captured], captured, length, seconds * 10**9 + fraction * scale
        at += 16 + captured


def pcapng(data):
    at = 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if length < 12 or length % 4 or at + length > len(data) or struct.unpack_from("<I", data, at + length - 4)[0] != length:
            sys.exit(f"compare: broken block at {at}")
        if kind == 6:
            _, high, low, captured, wire = struct.unpack_from("<IIIII", data, at + 8)
            yield data[at + 28:at + 28 + captured], captured, wire, high << 32 | low
        at += length
    if at != len(data):
        sys.exit(f"compare: {len(data) - at} bytes behind the last block")


def packets(paths):
    found = []
    for path in paths:
        data = open(path, "rb").read()
        found += pcapng(data) if data[:4] == b"\x0a\x0d\x0d\x0a" else pcap(data)
    return sorted(found)


middle = sys.argv.index("--")
one, other = packets(sys.argv[1:middle]), packets(sys.argv[middle + 1:])
for n, (a, b) in enumerate(zip(one, other)):
    if a[:3] != b[:3] or abs(a[3] - b[3]) > 20_000_000:
        sys.exit(f"compare: packet {n}: {a[1:]} {a[0][:48].hex()} against {b[1:]} {b[0][:48].hex()}")
if len(one) != len(other) or not one:
    sys.exit(f"compare: {len(one)} packets against {len(other)}")
print(f"{len(one)} packets are equal")
