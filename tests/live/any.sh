#!/usr/bin/env bash
# interface = any: all interfaces at once, cooked packets. As tcpdump -i any has them; filters; VLAN tags.
. "$(dirname "$0")/lib.sh"

SMALL="-o ring_size=32M -o block_size=256K -o block_timeout=50ms -o write_delay=50ms"

# Beside va and vb: another veth pair, and a tun where there is one
lab_widen() {
	ip -n "$NS" link add vc type veth peer name vd
	ip -n "$NS" link set vc up
	ip -n "$NS" link set vd up
	wait_for 5 in_lab grep -q up /sys/class/net/vc/operstate
	ip -n "$NS" tuntap add dev tun0 mode tun 2>/dev/null || return 0
	ip -n "$NS" addr add 10.9.0.1/24 dev tun0
	ip netns exec "$NS" python3 - <<'P' &
import fcntl, struct, time
tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"tun0", 0x1001))
packet = bytes.fromhex("4500001c000000004001000009090909") + b"\x0a\x09\x00\x01\x08\x00\xf7\xff\0\0\0\0"
while True:  # what is sent into it comes in again: one packet for each
    tun.read(2000)
    tun.write(packet)
P
	PIDS="$PIDS $!"
	ip -n "$NS" link set tun0 up
	tun_up() { ip -n "$NS" link show tun0 | grep -q LOWER_UP; }
	wait_for 5 tun_up
}

# Packets of two files or lists of files are the same ones, whatever their order: header, length, bytes.
# same_packets PCAP PCAPNG...: prints their number. $COOKED: sll, else sll2
same_packets() {
	COOKED=${COOKED:-sll2} python3 - "$@" <<'P'
import collections, os, struct, sys

sll = os.environ["COOKED"] == "sll"
link_type = 113 if sll else 276

def pcap(path):
    data = open(path, "rb").read()
    assert struct.unpack_from("<I", data, 20)[0] & 0xffff == link_type
    at = 24
    while at < len(data):
        captured, length = struct.unpack_from("<II", data, at + 8)
        yield data[at + 16:at + 16 + captured], length
        at += 16 + captured

def pcapng(path):
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        kind, total = struct.unpack_from("<II", data, at)
        if kind == 1:
            assert struct.unpack_from("<H", data, at + 8)[0] == link_type
        if kind == 6:
            captured, length = struct.unpack_from("<II", data, at + 20)
            yield data[at + 28:at + 28 + captured], length
        at += total

def tally(packets):
    # What is behind the address in its 8 bytes, libpcap takes from where it lies
    if sll:
        return collections.Counter((p[:6 + min(p[5], 8)] + p[14:16], p[16:], length) for p, length in packets)
    return collections.Counter((p[:12 + min(p[11], 8)], p[20:], length) for p, length in packets)

theirs, ours = tally(pcap(sys.argv[1])), collections.Counter()
for path in sys.argv[2:]:
    ours += tally(pcapng(path))
for name, left in ("only theirs", theirs - ours), ("only ours", ours - theirs):
    for (head, payload, length), n in list(left.items())[:5]:
        print(f"{name}: {n} x {head.hex()} {payload[:40].hex()} of {length}", file=sys.stderr)
print(sum(ours.values()))
sys.exit(theirs != ours)
P
}

# Frames of many kinds, as many of each as stands there: frames_sow DEV plain|tagged
frames_sow() {
	in_lab python3 - "$@" <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
ethernet = bytes.fromhex("020000000001020000000002")

def ip4(protocol, payload, source="10.0.0.1", fragment=0):
    return b"\x08\0" + struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, fragment, 64, protocol, 0,
                                   socket.inet_aton(source), socket.inet_aton("10.0.0.2")) + payload
def ip6(protocol, payload):
    return b"\x86\xdd" + struct.pack(">IHBB16s16s", 6 << 28, len(payload), protocol, 64, b"\xfd" + bytes(15),
                                     b"\xfd" + bytes(14) + b"\1") + payload
def udp(port, n=30):
    return struct.pack(">HHHH", 4000, port, 8 + n, 0) + bytes(n)
def tcp(port):
    return struct.pack(">HHIIBBHHH", 4000, port, 1, 0, 0x50, 2, 1000, 0, 0) + bytes(10)
def tag(tpid, tci, rest):
    return struct.pack(">HH", tpid, tci) + rest

stp = b"\0\x26\x42\x42\3" + bytes(35) + bytes(8)
plain = [(10, ip4(6, tcp(80))), (5, ip4(6, tcp(81))), (7, ip4(17, udp(53))), (3, ip4(17, udp(53, 500))),
         (6, ip4(1, b"\x08\0\xf7\xff\0\0\0\0" + bytes(20), "10.0.0.9")), (4, ip6(17, udp(53))), (2, ip6(6, tcp(80))),
         (3, b"\x08\x06" + bytes.fromhex("0001080006040001") + ethernet[6:] + bytes(20)),
         (1, ip4(17, udp(53, 64), fragment=0x2000)), (4, ip4(17, udp(53, 64), fragment=10)), (2, stp)]
tagged = [(8, tag(0x8100, 100, ip4(17, udp(53)))), (5, tag(0x8100, 0xe000, ip4(17, udp(53)))),
          (3, tag(0x8100, 0xa000 | 200, ip4(17, udp(53)))), (4, tag(0x88a8, 300, ip4(17, udp(53)))),
          (2, tag(0x88a8, 7, tag(0x8100, 70, ip4(17, udp(53))))), (1, tag(0x8100, 9, stp))]
for count, frame in {"plain": plain, "tagged": tagged}[sys.argv[2]]:
    for _ in range(count):
        s.send((ethernet + frame).ljust(60, b"\0"))
P
}

# tcpdump on all interfaces into $DIR/theirs.pcap
tcpdump_begin() {
	ip netns exec "$NS" tcpdump -i any -y "${COOKED_AS:-LINUX_SLL2}" -B 65536 -U -w "$DIR/theirs.pcap" 2>"$DIR/tcpdump.err" &
	TCPDUMP=$!
	PIDS="$PIDS $TCPDUMP"
	wait_for 5 grep -q "listening on any" "$DIR/tcpdump.err"
}
tcpdump_count() { tcpdump -nr "$DIR/theirs.pcap" --count 2>/dev/null | sed "s, .*,,"; }
tcpdump_stop() {
	kill -INT "$TCPDUMP"
	wait "$TCPDUMP"
	contains "tcpdump" "$(cat "$DIR/tcpdump.err")" "^0 packets dropped by kernel"
}

# Both ways over both pairs, pings and large TCP segments over the loopback, pings into the tun
traffic() {
	in_lab "$FRAMES" send vb 2000 rate=50000 both=1
	in_lab "$FRAMES" send va 1500 rate=50000 first=5000 size=60-9000
	in_lab "$FRAMES" send vd 1000 rate=50000 first=9000
	in_lab ping -c 20 -i 0.01 -q 127.0.0.1 >/dev/null
	in_lab python3 - <<'P'
import socket, threading
server = socket.create_server(("127.0.0.1", 7000))
def serve():
    peer = server.accept()[0]
    while peer.recv(1 << 20):
        pass
thread = threading.Thread(target=serve)
thread.start()
with socket.create_connection(("127.0.0.1", 7000)) as s:
    s.sendall(bytes(range(256)) * 8192)
thread.join()
P
	ip -n "$NS" link show tun0 >/dev/null 2>&1 && in_lab ping -c 5 -i 0.05 -W 1 -q 10.9.0.2 >/dev/null
	true
}

as_tcpdump() { # WORKERS
	local n list line
	lab_widen
	# shellcheck disable=SC2086
	daemon_start -i any -w "$OUT" -j "$1" $SMALL
	tcpdump_begin
	traffic
	wait_for 5 counter_at_least written 9000
	both_have_all() { n=$(tcpdump_count) && [ "$n" -gt 0 ] && counter_is packets "$n" && counter_is written "$n"; }
	wait_for 10 both_have_all
	tcpdump_stop
	daemon_stop
	n=$(tcpdump_count)
	for field in seen received written; do equal "account $field" "$(account $field)" "$n"; done
	equal "packets in the files" "$(capinfos_count)" "$n"
	mapfile -t list < <(files)
	[ "${#list[@]}" -le "$1" ] || fail "files: ${list[*]}"
	line=$(same_packets "$DIR/theirs.pcap" "${list[@]}" 2>&1) || fail "not tcpdump's packets: $line"
	equal "packets compared" "$line" "$n"
	files_valid
	contains "link type" "$(capinfos -E "${list[0]}" 2>/dev/null)" "linux-sll2\|Linux cooked-mode capture v2"
	line=$(capinfos "${list[0]}" 2>/dev/null)
	contains "interface in the file" "$line" "Name = any"
	for list in "${list[@]}"; do
		tshark -nr "$list" -T fields -e sll.ifindex -e sll.pkttype -e sll.hatype 2>/dev/null
	done | sort | uniq -c >"$DIR/kinds"
	cat "$DIR/kinds"
	# 4500 frames went out and came in; nothing went out of the loopback (ARPHRD 772)
	equal "in" "$(awk '$3 == 3 { n += $1 } END { print n }' "$DIR/kinds")" 4500
	equal "out" "$(awk '$3 == 4 && $4 == 1 { n += $1 } END { print n }' "$DIR/kinds")" 4500
	equal "out of lo" "$(awk '$3 == 4 && $4 == 772' "$DIR/kinds")" ""
	contains "over lo" "$(cat "$DIR/kinds")" "772"
}
t_as_tcpdump_1_worker() { as_tcpdump 1; }
t_as_tcpdump_2_workers() { as_tcpdump 2; }

t_said_everywhere_as_any() {
	daemon_start -i any -w "$OUT" -j 1 -o promiscuous=yes -o block_timeout=50ms -f udp
	contains status "$(ctl status)" "any"
	equal interface "$(ctl --json stats | jq -r '.captures[0].interface')" any
	contains device "$(in_lab curl -s http://127.0.0.1:9748/metrics)" 'afcap_packets_total{capture="any",device="any",worker="0"}'
	contains "promiscuous is of one interface" "$(ip -n "$NS" -d link show va)" "promiscuity 0"
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is written 200
	# An interface that comes later is recorded, one that goes is no reason to stop
	ip -n "$NS" link add vc type veth peer name vd
	ip -n "$NS" link set vc up
	ip -n "$NS" link set vd up
	wait_for 5 in_lab grep -q up /sys/class/net/vc/operstate
	in_lab "$FRAMES" send vd 100
	wait_for 5 counter_is written 400
	ip -n "$NS" link del va
	in_lab "$FRAMES" send vd 100
	wait_for 5 counter_is written 600
	ctl status >"$DIR/said" || fail "status: $(cat "$DIR/said")"
	daemon_stop
	equal written "$(account written)" 600
	files_valid
}

t_a_killed_worker_is_replaced() {
	daemon_start -i any -w "$OUT" -j 2 -o block_timeout=50ms
	in_lab "$FRAMES" send vb 2000 rate=50000
	wait_for 5 counter_is written 4000
	kill -KILL "$(worker_pid 0)"
	in_lab "$FRAMES" send vb 2000 rate=50000 first=2000
	wait_for 10 counter_is written 8000
	equal restarts "$(counter restarts)" 1
	daemon_stop
	equal "packets in the files" "$(capinfos_count)" 8000
	files_valid
}

# What the kernel took out stands in the file again, TPID and all, of packets that came in; of those that went out by a
# packet socket, which have their tags in their bytes, newer kernels tell the outer one
t_vlan_tags_are_kept() {
	local f
	daemon_start -i any -w "$OUT" -j 1 -o block_timeout=50ms
	frames_sow vb tagged
	wait_for 5 counter_is written $((2 * 23))
	daemon_stop
	f=$(files)
	files_valid
	kinds() {
		tshark -nr "$f" -Y "sll.pkttype == 3" -T fields -e frame.protocols -e vlan.id -e vlan.priority -e ieee8021ad.id \
			-e udp.dstport -e frame.len 2>/dev/null | tr '\t' ' ' | sed 's/^sll:ethertype://; s/:dns / /' | sort | uniq -c | sed 's/^ *//'
	}
	equal "tags" "$(kinds)" "$(sort -k 2 <<-K
		4 ieee8021ad:ethertype:ip:udp   300 53 82
		2 ieee8021ad:ethertype:vlan:ethertype:ip:udp 70 0 7 53 86
		5 vlan:ethertype:ip:udp 0 7  53 82
		8 vlan:ethertype:ip:udp 100 0  53 82
		3 vlan:ethertype:ip:udp 200 5  53 82
		1 vlan:llc:stp 9 0   70
	K
	)"
}

t_vlan_tags_are_stripped() {
	local f
	daemon_start -i any -w "$OUT" -j 1 -o vlan=strip -o block_timeout=50ms
	frames_sow vb tagged
	wait_for 5 counter_is written $((2 * 23))
	daemon_stop
	f=$(files)
	files_valid
	equal "protocols" "$(tshark -nr "$f" -Y "sll.pkttype == 3" -T fields -e sll.etype -e sll.ltype -e vlan.id -e frame.len 2>/dev/null |
		sort | uniq -c | tr '\t' ' ' | sed 's/^ *//')" "$(printf '%s\n' "1  0x0004  66" "20 0x0800   78" "2 0x8100  70 82")"
}

# A capture for each expression, all at once: "NUMBER EXPRESSION". What the kernel lets in is what stands there, and what
# tcpdump takes out of the file that has everything
t_filters() {
	local index number expression i=0 got f list
	index=$(in_lab cat /sys/class/net/va/ifindex)
	cat >"$DIR/filters" <<-F
		4 ip6 and tcp port 80
		24 tcp port 80
		38 udp
		30 udp port 53
		6 ip[6:2] & 0x1fff = 0 and udp[4:2] > 100
		12 host 10.0.0.9
		12 icmp
		6 arp
		2 link[0:2] = 4
		47 inbound
		47 outbound
		47 ifindex $index
		6 greater 300
		42 less 70 and ip
		72 len = ip[2:2] + 20
		F
	{
		echo "[capture all]"
		printf 'interface = any\nworkers = 2\nvlan = strip\nring_size = 1M\nblock_size = 64K\nblock_timeout = 50ms\ndirectory = %s\n' "$OUT"
		while read -r number expression; do
			i=$((i + 1))
			printf '[capture c%d]\ninterface = any\nworkers = %d\noutput = none\nring_size = 1M\nblock_size = 64K\nblock_timeout = 50ms\n' \
				"$i" $((i % 2 + 1))
			echo "filter = $expression"
		done <"$DIR/filters"
	} >"$DIR/conf"
	daemon_start -c "$DIR/conf"
	frames_sow vb plain
	received() { ctl --json stats | jq ".captures[] | select(.name == \"$1\") | .total.received"; }
	all_received() { [ "$(received all)" = 94 ]; }
	wait_for 5 all_received
	daemon_stop
	mapfile -t list < <(files)
	i=0
	while read -r number expression; do
		i=$((i + 1))
		got=0
		for f in "${list[@]}"; do got=$((got + $(tcpdump -nr "$f" "$expression" 2>/dev/null | grep -c '^[0-9]'))); done
		equal "tcpdump: $expression" "$got" "$number"
		equal "$expression" "$(sed -n "s/^c$i: .*, \([0-9]*\) received, .*/\1/p" "$DIR/out")" "$number"
	done <"$DIR/filters"
	true
}

t_what_cannot_be_filtered_on_is_told() {
	refused() { # EXPRESSION WORDS
		daemon_begin -i any -w "$OUT" -f "$1"
		wait "$DAEMON"
		equal "exit code of $1" $? 78
		contains "$1" "$(cat "$DIR/err")" "$2"
	}
	refused "vlan 100" "no VLAN support\|'vlan' not supported" # as libpcap up to 1.10, and since, says it
	refused "link[1] = 8" "byte 1 of the link-layer header cannot be filtered on with interface = any"
	refused "link[ip[0]] = 8" "cannot be filtered on with interface = any"
	refused "udp and tcp" "rejects all packets"
	equal "check" "$("$AFCAPD" -n -i any -f "link[1] = 8" 2>&1 >/dev/null | grep -c "byte 1 of the link-layer header")" 1
	"$AFCAPD" -n -i any -f "inbound and udp" >/dev/null || fail "a good one is refused"
}

# The first version of the header, which more programs read: as tcpdump -y LINUX_SLL has it, also with a filter
t_the_first_version_as_tcpdump() {
	local COOKED=sll COOKED_AS=LINUX_SLL n list line
	lab_widen
	# shellcheck disable=SC2086
	daemon_start -i any -w "$OUT" -j 2 $SMALL -o cooked=sll
	tcpdump_begin
	frames_sow vb plain
	traffic
	wait_for 5 counter_at_least written 9094
	both_have_all() { n=$(tcpdump_count) && [ "$n" -gt 0 ] && counter_is packets "$n" && counter_is written "$n"; }
	wait_for 10 both_have_all
	tcpdump_stop
	daemon_stop
	mapfile -t list < <(files)
	line=$(same_packets "$DIR/theirs.pcap" "${list[@]}" 2>&1) || fail "not tcpdump's packets: $line"
	equal "packets compared" "$line" "$(account written)"
	files_valid
	contains "link type" "$(tcpdump -nr "${list[0]}" -c 1 2>&1)" "link-type LINUX_SLL "
}
t_the_first_version_is_filtered() {
	daemon_start -i any -w "$OUT" -j 1 -o cooked=sll -o block_timeout=50ms -f "inbound and udp port 53 and greater 200"
	frames_sow vb plain
	wait_for 5 counter_is written 3 # and what is longer than that by its header: 500 bytes of payload
	daemon_stop
	if "$AFCAPD" -n -i any -o cooked=sll -f "ifindex 1" >"$DIR/n" 2>&1; then fail "ifindex is not in that header"; fi
	contains "why" "$(cat "$DIR/n")" "ifindex"
}

# 100 bytes of payload, and the header beside them
t_snaplen_is_the_packet() {
	local f
	daemon_start -i any -w "$OUT" -j 1 -o snaplen=100 -o block_timeout=50ms
	in_lab "$FRAMES" send vb 500 size=60-300
	frames_sow vb tagged
	wait_for 5 counter_is written 1046
	daemon_stop
	f=$(files)
	files_valid
	equal "longest" "$(tshark -nr "$f" -T fields -e frame.cap_len 2>/dev/null | sort -n | tail -1)" 120
	# Whatever the capture's is: files of several can be merged
	contains "snaplen in the file" "$(tcpdump -nr "$f" -c 1 2>&1)" "snapshot length 262144"
}

run_tests
