#!/usr/bin/env bash
# Both layouts: what is in the files is, packet by packet, what tcpdump recorded beside them.
. "$(dirname "$0")/lib.sh"

# tcpdump beside afcapd, on DEVICE
tcpdump_start() {
	ip netns exec "$NS" tcpdump -i "$1" -n -s 262144 -B 65536 -Z root --time-stamp-precision=nano -w "$DIR/dump.pcap" 2>"$DIR/dump.err" &
	TCPDUMP=$!
	PIDS="$PIDS $TCPDUMP"
	wait_for 10 grep -q 'listening on' "$DIR/dump.err"
}

# It writes what it has got, and ends; COUNT packets it must have
tcpdump_stop() {
	local count=$1
	recorded() { kill -USR2 "$TCPDUMP" && [ "$(tcpdump -nr "$DIR/dump.pcap" 2>/dev/null | wc -l)" -ge "$count" ]; }
	wait_for 10 recorded
	kill -INT "$TCPDUMP"
	wait "$TCPDUMP"
	contains tcpdump "$(cat "$DIR/dump.err")" "^0 packets dropped by kernel"
}

# Chunks made in place in all files: their headers are longer than those of copied ones
inplace_chunks() {
	files | xargs python3 -c '
import struct, sys
n = 0
for path in sys.argv[1:]:
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        n += kind == 0x8AFCA901 and length > 80
        at += length
print(n)'
}

# What frames can look like: raw frames from Python, in a socket of the other end of the wire
odd_frames() { # DEVICE COUNT
	ip netns exec "$NS" python3 - "$1" "$2" <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
head = bytes.fromhex("020000000001020000000002")
ip = bytes.fromhex("450000380000000040110000" "0a0000010a000002" "0035003500240000") + bytes(28)
kinds = [
    b"\x08\x00" + ip,                                                   # plain
    b"\x81\x00\x00\x64\x08\x00" + ip,                                   # 802.1Q
    b"\x81\x00\xe0\x00\x08\x00" + ip,                                   # a priority tag
    b"\x88\xa8\x00\xc8\x08\x00" + ip,                                   # 802.1ad
    b"\x88\xa8\x00\xc8\x81\x00\x00\x64\x08\x00" + ip,                   # QinQ
    b"\x81\x00\x00\x01\x81\x00\x00\x02\x81\x00\x00\x03\x08\x00" + ip,   # three tags
    b"\x88\xb5",                                                        # a runt: no payload at all
    b"\x88\xb5" + b"x",
    b"\x81\x00\x00\x64\x88\xb5",                                        # a tagged runt
    b"\x00\x05" + b"\xaa\xaa\x03" + bytes(40),                          # 802.3 with LLC
    b"\x08\x00" + bytes(range(256)) * 35,                               # jumbo
    b"\x81\x00\x00\x64\x08\x00" + bytes(range(256)) * 35,               # a tagged one
]
for n in range(int(sys.argv[2])):
    s.send(head + kinds[n % len(kinds)] + struct.pack(">I", n) * (n % 3))
P
}

AUTO="-o layout=auto -o block_size=64K -o ring_size=16M -o block_timeout=50ms"

record_and_compare() { # DEVICE COMMAND... : what the command sends is recorded twice
	local device=$1
	shift
	tcpdump_start "$device"
	"$@"
	# What tcpdump sees is the measure: on lo it sees each packet once, as afcapd does
	# Reports come once a second
	settled() { before=$(counter packets) && sleep 1.2 && [ "$before" -gt 0 ] && [ "$(counter packets)" = "$before" ]; }
	wait_for 20 settled
	count=$(counter packets)
	wait_for 5 counter_is written "$count"
	tcpdump_stop "$count"
	daemon_stop
	equal dropped "$(account dropped)" 0
	files_valid 3
	mapfile -t list < <(files)
	python3 "$(dirname "$0")/compare.py" "${list[@]}" -- "$DIR/dump.pcap" || fail "the recordings differ"
}

# layout: odd frames received, and some that were sent here
odd() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $AUTO -o layout="$1" -o write_delay=20ms
	both() { odd_frames vb 6000; odd_frames va 600; in_lab "$FRAMES" send vb 3000 size=60-9000 rate=20000; }
	record_and_compare va both
	echo "$(inplace_chunks) chunks in place"
}
t_odd_frames_inplace() {
	odd inplace
	[ "$(inplace_chunks)" -gt 10 ] || fail "hardly a chunk was made in place"
}
t_odd_frames_compact() {
	odd compact
	equal "chunks in place" "$(inplace_chunks)" 0
}
t_odd_frames_auto() { odd auto; }

# Large packets in place, small ones copied, in one file
t_auto_chooses_by_the_size_of_packets() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $AUTO -o write_delay=20ms
	in_lab "$FRAMES" send vb 5000 size=60-100 rate=50000
	wait_for 5 counter_is written 5000
	small=$(inplace_partial)
	in_lab "$FRAMES" send vb 5000 first=5000 size=1200-1514 rate=50000
	wait_for 5 counter_is written 10000
	daemon_stop
	equal "small packets in place" "$small" 0
	[ "$(inplace_chunks)" -gt 20 ] || fail "large packets are not made in place: $(inplace_chunks)"
	equal "packets" "$(capinfos_count)" 10000
	files_valid
}
# The same of the file that is being written
inplace_partial() {
	python3 - "$OUT"/va-*.partial <<'P'
import struct, sys
data, at, n = open(sys.argv[1], "rb").read(), 0, 0
while at + 8 <= len(data):
    kind, length = struct.unpack_from("<II", data, at)
    n += kind == 0x8AFCA901 and length > 80
    at += length
print(n)
P
}

# neighbour NAMESPACE DEVICE ADDRESS NAMESPACE DEVICE: known for good is the second one
neighbour() {
	ip -n "$1" neigh replace "$3" lladdr "$(ip netns exec "$4" cat "/sys/class/net/$5/address")" dev "$2" nud permanent
}

# TCP between two namespaces: segments of up to 64 KiB pass the wire whole
gso() {
	ip netns add "$NS-b"
	ip netns exec "$NS-b" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
	ip -n "$NS" link set vb netns "$NS-b"
	ip -n "$NS-b" link set vb up mtu 1500
	ip -n "$NS" link set va mtu 1500
	ip -n "$NS" addr add 10.1.0.1/24 dev va
	ip -n "$NS-b" addr add 10.1.0.2/24 dev vb
	# Else the neighbours are probed again some seconds later, while it is counted
	neighbour "$NS" va 10.1.0.2 "$NS-b" vb
	neighbour "$NS-b" vb 10.1.0.1 "$NS" va
	daemon_start -i va -w "$OUT" -j 1 -o layout="$1" -o block_size=256K -o ring_size=64M -o block_timeout=50ms -o write_delay=20ms
	transfer() {
		ip netns exec "$NS" python3 -c '
import socket
s = socket.create_server(("10.1.0.1", 9000))
open("'"$DIR"'/listening", "w")
c, _ = s.accept()
n = 0
while (d := c.recv(1 << 20)): n += len(d)
print(n)' >"$DIR/got" &
		server=$!
		PIDS="$PIDS $server"
		wait_for 5 test -e "$DIR/listening"
		ip netns exec "$NS-b" python3 -c '
import socket
s = socket.create_connection(("10.1.0.1", 9000))
for i in range(30): s.sendall(bytes([i]) * 1000000)'
		wait "$server"
		equal "bytes transferred" "$(cat "$DIR/got")" 30000000
	}
	record_and_compare va transfer
	longest=$(tcpdump -nr "$(files | head -1)" 'tcp' 2>/dev/null | sed -n 's/.*length \([0-9]*\)$/\1/p' | sort -n | tail -1)
	[ "$longest" -gt 20000 ] || fail "no large segments: $longest"
}
t_gso_inplace() { gso inplace; }
t_gso_compact() { gso compact; }

lo() {
	daemon_start -i lo -w "$OUT" -j 1 -o layout="$1" -o block_timeout=50ms -o block_size=128K -o ring_size=8M -o write_delay=20ms
	# tcpdump's own rule for lo is the same: what goes out is not recorded
	record_and_compare lo in_lab ping -c 300 -i 0.002 -s 1400 -q 127.0.0.1
	[ "$1" = compact ] || [ "$(inplace_chunks)" -gt 0 ] || fail "nothing in place"
}
t_lo_inplace() { lo inplace; }
t_lo_compact() { lo compact; }

# Ring bytes from before must not reach the file: what fills is zero
t_no_stale_bytes_between_packets() {
	daemon_start -i va -w "$OUT" -j 1 -o layout=inplace -o block_size=64K -o ring_size=512K -o block_timeout=50ms -f "less 500"
	# The ring is small: slots of short packets lie where longer ones lay. No more at a time than it has room for
	local n size
	for ((n = 0; n < 6000; n += 300)); do
		[ "$n" -lt 3000 ] && size=400-499 || size=60-80
		in_lab "$FRAMES" send vb 300 first=$n size=$size rate=20000 >/dev/null
		wait_for 5 counter_is written $((n + 300))
	done
	daemon_stop
	files | xargs python3 -c '
import struct, sys
for path in sys.argv[1:]:
    data, at, options = open(path, "rb").read(), 0, 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            captured = struct.unpack_from("<I", data, at + 20)[0]
            o = at + 28 + (captured + 3) // 4 * 4
            while o < at + length - 4:
                code, size = struct.unpack_from("<HH", data, o)
                if code == 0:
                    assert not any(data[o:at + length - 4]), "behind the end of options"
                    break
                if code == 0x8AFC:
                    assert size <= 996 and not any(data[o + 4:o + 4 + size]), "stale bytes in the filler"
                    options += 1
                o += 4 + (size + 3) // 4 * 4
        at += length
assert options > 5000, options' || fail "filler is not zero"
}

run_tests
