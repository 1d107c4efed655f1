#!/usr/bin/env bash
# Real traffic, side by side with tcpdump on the same interface: same packets, same bytes, same lengths.
. "$(dirname "$0")/lib.sh"

# One line a packet: lengths and all bytes, in a canonical order (workers split the packets)
dump() {
	tcpdump -nr "$1" -tt -xx 2>/dev/null | awk '
		/^\t0x/ { sub(/^\t0x[0-9a-f]+: */, ""); gsub(/ /, ""); bytes = bytes $0; next }
		{ if (time) print bytes, time; time = $1; bytes = "" }
		END { if (time) print bytes, time }'
}

tcpdump_start() {
	ip netns exec "$NS" tcpdump -i "$1" -U -w "$DIR/tcpdump.pcap" --time-stamp-precision=nano -B 65536 2>"$DIR/tcpdump.err" &
	TCPDUMP=$!
	PIDS="$PIDS $TCPDUMP"
	listening() { grep -q listening "$DIR/tcpdump.err"; }
	wait_for 5 listening
}

tcpdump_packets() { tcpdump -nr "$DIR/tcpdump.pcap" 2>/dev/null | wc -l; }
tcpdump_has() { [ "$(tcpdump_packets)" -ge "$1" ]; }

# After the traffic: stop both, compare
compare() {
	local n list
	n=$(counter packets)
	wait_for 5 tcpdump_has "$n"
	kill "$TCPDUMP"
	wait "$TCPDUMP"
	daemon_stop
	equal dropped "$(account dropped)" 0
	equal "packets in our files and in tcpdump's" "$(capinfos_count)" "$(tcpdump_packets)"
	list=$(files)
	for f in $list; do dump "$f"; done | sort >"$DIR/ours"
	dump "$DIR/tcpdump.pcap" | sort >"$DIR/theirs"
	cut -d' ' -f1 "$DIR/ours" >"$DIR/ours.bytes"
	cut -d' ' -f1 "$DIR/theirs" >"$DIR/theirs.bytes"
	cmp "$DIR/ours.bytes" "$DIR/theirs.bytes" || fail "bytes differ"
	# Lengths on the wire
	for f in $list; do tshark -nr "$f" -T fields -e frame.len -e frame.cap_len 2>/dev/null; done | sort >"$DIR/ours.len"
	tshark -nr "$DIR/tcpdump.pcap" -T fields -e frame.len -e frame.cap_len 2>/dev/null | sort | cmp - "$DIR/ours.len" ||
		fail "lengths differ"
	# Times: the n-th packet of the same bytes, within a millisecond
	late=$(paste -d' ' "$DIR/ours" "$DIR/theirs" | awk '{ d = $2 - $4; if (d < 0) d = -d; if (d > 0.001) n++ } END { print n + 0 }')
	equal "packets whose times differ by more than 1 ms" "$late" 0
	files_valid
	echo "$n packets"
}

# Captures of real traffic that Debian packages ship (sip-tester: calls; gopacket: DNS, HTTP)
samples() {
	local f
	for f in /usr/share/sip-tester/*.pcap /usr/share/gocode/src/github.com/google/gopacket/pcap/test_{dns,ethernet}.pcap; do
		[ -f "$f" ] && echo "$f"
	done
}

sent_by_vb() { in_lab cat /sys/class/net/vb/statistics/tx_packets; }

t_replayed_captures() {
	local list count
	mapfile -t list < <(samples)
	[ ${#list[@]} -gt 0 ] || skip "no captures here: install sip-tester, golang-github-google-gopacket-dev"
	tcpdump_start va
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms
	count=$(sent_by_vb)
	in_lab tcpreplay -q -i vb --mbps=20 "${list[@]}" >"$DIR/replay" 2>&1 || fail "$(cat "$DIR/replay")"
	# Of what tcpreplay 4.5 counts, its ring does not send the last ones
	count=$(($(sent_by_vb) - count))
	[ "$count" -gt 300 ] || fail "only $count packets of ${list[*]}"
	wait_for 10 counter_is written "$count"
	compare
}

# A web server and curl, through a veth into a second namespace: handshakes, GSO, ACKs, both directions
t_curl_against_a_server() {
	ip netns add "$NS-b"
	ip netns exec "$NS-b" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
	ip -n "$NS" link set vb netns "$NS-b"
	ip -n "$NS" addr add 10.1.0.1/24 dev va
	ip -n "$NS-b" addr add 10.1.0.2/24 dev vb
	ip -n "$NS-b" link set vb up
	head -c 500000 /dev/urandom >"$DIR/blob"
	# Without looking up its own name first
	ip netns exec "$NS-b" python3 -c "
import functools, http.server as h, socketserver
handler = functools.partial(h.SimpleHTTPRequestHandler, directory='$DIR')
socketserver.ThreadingTCPServer(('10.1.0.2', 8000), handler).serve_forever()" >/dev/null 2>&1 &
	server=$!
	PIDS="$PIDS $server"
	serving() { ip netns exec "$NS-b" ss -tln | grep -q :8000; }
	wait_for 5 serving
	tcpdump_start va
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms
	for _ in 1 2 3 4 5; do
		in_lab curl -s -o "$DIR/got" http://10.1.0.2:8000/blob || fail "curl"
		cmp "$DIR/got" "$DIR/blob" || fail "curl got other bytes"
	done
	in_lab ping -q -c 5 -i 0.02 -s 8000 10.1.0.2 >/dev/null
	quiet() {
		local n
		n=$(counter packets)
		[ "$n" -gt 60 ] && [ "$n" = "$(counter written)" ] && [ "$n" = "$(tcpdump_packets)" ]
	}
	wait_for 10 quiet
	compare
	# Each connection on one worker: both directions
	split=$(for f in $(files); do
		tshark -nr "$f" -Y 'tcp.flags.syn == 1' -T fields -e tcp.port 2>/dev/null | tr ',' '\n' | grep -v 8000 | sort -u
	done | sort | uniq -d | wc -l)
	equal "connections seen by two workers" "$split" 0
	kill "$server"
	ip netns del "$NS-b"
}

run_tests
