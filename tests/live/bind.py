#!/usr/bin/env python3
"""libafcap bound by its symbols alone: counts packets of an interface by blocks, until COUNT came.

    bind.py INTERFACE COUNT

Knows the first four of the options only, as a program of an older version does: the others keep their defaults."""
import ctypes as c
import sys


class Options(c.Structure):
    _fields_ = [("size", c.c_size_t), ("interface", c.c_char_p), ("ifindex", c.c_int), ("socket", c.c_int)]


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("text", c.c_char * 240)]


class Block(c.Structure):
    _fields_ = [("desc", c.c_void_p), ("sequence", c.c_uint64), ("index", c.c_uint32), ("packets", c.c_uint32),
                ("bytes", c.c_uint32), ("status", c.c_uint32), ("vnet_header_bytes", c.c_uint32),
                ("walked_truncated", c.c_uint32), ("walked_packets", c.c_uint64), ("walked_bytes", c.c_uint64)]


class Packet(c.Structure):
    _fields_ = [("data", c.c_void_p), ("capture_length", c.c_uint32), ("length", c.c_uint32), ("seconds", c.c_uint32),
                ("nanoseconds", c.c_uint32), ("status", c.c_uint32), ("vlan_tci", c.c_uint16), ("vlan_tpid", c.c_uint16),
                ("vlan_restored", c.c_bool), ("vnet_header", c.c_void_p), ("link", c.c_void_p), ("slot", c.c_void_p),
                ("next", c.c_uint32), ("seen", c.c_uint32), ("rxhash", c.c_uint32)]


def main(interface, count):
    lib = c.CDLL("libafcap.so.0")
    lib.afcap_wait.argtypes = [c.c_void_p, c.c_int64]
    lib.afcap_packet_next.restype = c.c_bool
    handle, options, error, block = c.c_void_p(), Options(), Error(), Block()
    lib.afcap_options_init(c.byref(options), c.c_size_t(c.sizeof(options)))
    options.interface = interface.encode()
    if lib.afcap_open(c.byref(handle), c.byref(options), c.byref(error)):
        sys.exit(error.text.decode())
    packets = captured = 0
    while packets < count and lib.afcap_wait(handle, 10_000_000_000) == 0:
        while lib.afcap_block_acquire(handle, c.byref(block)) == 0:
            packet = Packet()
            while lib.afcap_packet_next(c.byref(block), c.byref(packet)):
                packets += 1
                captured += len(c.string_at(packet.data, packet.capture_length))
            lib.afcap_block_release(handle, c.byref(block))
    lib.afcap_close(handle)
    print(f"{packets} packets, {captured} bytes")


main(sys.argv[1], int(sys.argv[2]))
