#!/usr/bin/env bash
# Links that go down, flap, are deleted, renamed, moved, or are not there yet.
. "$(dirname "$0")/lib.sh"

FLAPS=${FLAPS:-12} # `make check-faults`: 200
CYCLES=${CYCLES:-4} # ... 50

state() { ctl --json status | jq -r ".captures[${1:-0}].state"; }
state_is() { [ "$(state)" = "$1" ]; }
reason_is() { (ctl --json status || true) | jq -r '.captures[0].reason' | grep "$1"; }
# One that waits: it is there, but not as it should be (afctl status fails)
daemon_start_waiting() {
	daemon_begin "$@"
	wait_for 20 ctl stats
}
veth() {
	ip -n "$NS" link add va type veth peer name vb
	ip -n "$NS" link set va mtu 9100 up
	ip -n "$NS" link set vb mtu 9100 up
	wait_for 5 in_lab grep -q up /sys/class/net/va/operstate
}

# The whole account, and in the files what it says
exact() {
	equal "packets = drops + received" "$(account seen)" $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	equal "packets in the files" "$(capinfos_count)" "$(account written)"
}

t_down_keeps_what_the_ring_holds() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=20ms -o write_delay=50ms
	in_lab "$FRAMES" send vb 1000 rate=50000
	ip -n "$NS" link set va down
	wait_for 5 state_is down
	wait_for 5 reason_is "interface va is down"
	rc=0
	ctl status >/dev/null || rc=$?
	equal "afctl status" $rc 5
	equal "interface up" "$(in_lab curl -s http://127.0.0.1:9748/metrics | sed -n 's/^afcap_interface_up{.*} //p')" 0
	wait_for 5 counter_is written 1000
	ip -n "$NS" link set va up
	wait_for 5 in_lab grep -q up /sys/class/net/va/operstate
	wait_for 5 state_is running
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	equal "interface up" "$(in_lab curl -s http://127.0.0.1:9748/metrics | sed -n 's/^afcap_interface_up{.*} //p')" 1
	equal restarts "$(counter restarts)" 0
	daemon_stop
	frames_check 2000 || fail "frames differ"
	exact
}

t_a_lost_carrier_is_told() {
	daemon_start -i va -w "$OUT" -j 1
	ip -n "$NS" link set vb down
	wait_for 5 state_is down
	wait_for 5 reason_is "no carrier"
	ip -n "$NS" link set vb up
	wait_for 5 state_is running
	daemon_stop
}

t_no_carrier_at_the_start_is_told() {
	ip -n "$NS" link set vb down
	daemon_start_waiting -i va -w "$OUT" -j 1
	wait_for 5 state_is down
	wait_for 5 reason_is "interface va has no carrier"
	grep -A1 'recording va' "$DIR/err" | grep -q 'interface va has no carrier' || fail "logged before it records"
	equal "lines of the carrier" "$(grep -c 'has no carrier' "$DIR/err")" 1
	ip -n "$NS" link set vb up
	wait_for 5 state_is running
	wait_for 5 reason_is null
	daemon_stop
}

# Down and up again under traffic: hash must send each flow to the worker that it had
t_flaps() {
	daemon_start -i va -w "$OUT" -j 4 -o block_timeout=50ms -o write_delay=20ms
	send 100000000 rate=20000 size=60-300 flows=64
	for ((i = 0; i < FLAPS; i++)); do
		ip -n "$NS" link set va down
		sleep 0.0$((RANDOM % 9))
		ip -n "$NS" link set va up
		before=$(counter packets)
		wait_for 3 counter_at_least packets $((before + 1000))
	done
	kill "$SENDER"
	wait_for 5 state_is running
	equal restarts "$(counter restarts)" 0
	daemon_stop
	line=$(frames_check 100000000 partial=1 size=60-300 flows=64) || fail "$line"
	echo "$line"
	contains "flows keep their worker" "$line" "split 0"
	exact
}

# The device goes and comes again by its name, under traffic: a new group, the gap told
t_deleted_and_made_again() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms
	for ((i = 0; i < CYCLES; i++)); do
		before=$(counter received)
		send 900000 first=$((i * 1000000)) rate=30000
		wait_for 5 counter_at_least received $((before + 10000))
		ip -n "$NS" link del va
		wait "$SENDER" && fail "the sender met no end"
		wait_for 5 state_is down
		veth
		wait_for 5 state_is running
		equal "gaps told" "$(grep -c 'nothing is recorded from 2.*Z to 2.*Z: its interface was deleted' "$DIR/err")" $((i + 1))
		[ "$(counter received)" -ge "$before" ] || fail "counters fell"
	done
	in_lab "$FRAMES" send vb 5000 first=$((i * 1000000)) rate=50000
	equal restarts "$(counter restarts)" 0
	daemon_stop
	line=$(frames_check $((CYCLES * 1000000 + 5000)) partial=1) || fail "$line"
	echo "$line"
	exact
	# the last life's are all there
	[ "$(tshark -r "$(files | tail -1)" 2>/dev/null | wc -l)" -gt 0 ] || fail "nothing in the last file"
	equal "files left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
	equal "discarded" "$(account discarded)" 0
}

# It may come back before anything of the old one was drained
t_made_again_at_once() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=1s -o write_delay=1s
	in_lab "$FRAMES" send vb 1000 rate=50000
	ip -n "$NS" link del va
	veth
	told() { grep -q 'nothing is recorded from' "$DIR/err"; }
	wait_for 10 told
	wait_for 5 state_is running
	in_lab "$FRAMES" send vb 500 first=1000 rate=50000
	# A successor must find its way in the new ring, too
	pid=$(worker_pid 0)
	kill -KILL "$pid" "$(worker_pid 1)"
	in_lab "$FRAMES" send vb 500 first=1500 rate=50000
	wait_for 10 counter_is received 2000
	wait_for 5 counter_is restarts 2
	daemon_stop
	frames_check 2000 || fail "frames differ"
	exact
}

t_renamed() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms
	ip -n "$NS" link set va name other
	renamed() { grep -q "interface va was renamed to other" "$DIR/err"; }
	wait_for 5 renamed
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	equal state "$(state)" running
	equal "as the kernel calls it" "$(ctl --json status | jq -r '.captures[0].device')" other
	for n in 1 2; do # the next file was made before
		rotated
		in_lab "$FRAMES" send vb 1000 first=${n}000 rate=50000
		wait_for 5 counter_is received $((n + 1))000
	done
	rotated
	equal "in new files" "$(file_interface)" "$(printf 'other\nconfigured as va')"
	daemon_stop
	frames_check 3000 || fail "frames differ"
}

# The name and description that the newest file has of its interface
file_interface() {
	capinfos "$(find "$OUT" -name '*.pcapng*' ! -name '.*' -printf '%T@ %p\n' | sort -n | tail -1 | sed 's/^[^ ]* //')" |
		sed -n 's/^ *\(Name\|Description\) = //p'
}
rotated() {
	before=$(files | wc -l)
	ctl rotate || fail "rotate"
	[ "$(files | wc -l)" -gt "$before" ] || fail "no file was finished"
}

# By an alternative name: of any length, found by -n, at the start, by who waits, and after a deletion; recorded by its index
t_alternative_names() {
	alt=enx0200000000$(printf 'a%.0s' $(seq 114)) # 127 letters
	conf="-w $OUT -j 2 -o block_timeout=50ms -o write_delay=20ms"
	ip -n "$NS" link property add dev va altname "$alt" altname enx1 || skip "no alternative names here"
	in_lab "$AFCAPD" -n -i "$alt" -w "$OUT" >"$DIR/out" 2>"$DIR/err" || fail "exit code of -n: $?"
	equal "what -n says, but of the rings" "$(grep -v "workers*, rings of .* which last" "$DIR/err")" ""
	# shellcheck disable=SC2086
	daemon_start -i "$alt" $conf -f udp
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	equal "as configured" "$(ctl --json status | jq -r '.captures[0].interface')" "$alt"
	equal "as the kernel calls it" "$(ctl --json stats | jq -r '.captures[0].device')" va
	contains status "$(ctl status)" "interface $alt (va), "
	contains metrics "$(in_lab curl -s http://127.0.0.1:9748/metrics)" "^afcap_interface_up{.*device=\"$alt\"} 1"
	rotated
	equal "in the file" "$(file_interface)" "$(printf 'va\nconfigured as %s' "$alt")"
	# The kernel's name changes, then the alternative one goes: neither ends anything
	ip -n "$NS" link set va name other
	named() { ctl --json status | jq -e '.captures[0].device == "other"'; }
	wait_for 5 named
	ip -n "$NS" link property del dev other altname "$alt"
	gone() { grep -q "interface other no longer has the name $alt" "$DIR/err"; }
	wait_for 5 gone
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	equal state "$(state)" running
	# Made again it has the old name alone: waited for until it is called so
	ip -n "$NS" link del other
	wait_for 5 state_is down
	veth
	wait_for 5 reason_is "there is no interface $alt"
	ip -n "$NS" link property add dev va altname "$alt"
	wait_for 5 state_is running
	in_lab "$FRAMES" send vb 1000 first=2000 rate=50000
	wait_for 5 counter_is received 3000
	daemon_stop
	frames_check 3000 || fail "frames differ"
	exact
}

# No name of an interface, though the kernel cuts it at the colon where it is asked by ioctl: -n and the start say so
t_an_address_label_is_no_interface() {
	in_lab "$AFCAPD" -n -i va:1 -w "$OUT" >"$DIR/out" 2>"$DIR/err" || fail "exit code of -n: $?"
	contains "-n" "$(cat "$DIR/err")" "no such interface: va:1 (which names an address of va, not an interface: interface = va records it)"
	rc=0
	in_lab timeout 20 "$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=off -i va:1 -w "$OUT" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 78
	contains message "$(cat "$DIR/err")" "no such interface: va:1 (which names an address of va"
	daemon_start_waiting -i va:1 -w "$OUT" -j 1 -o on_missing=wait
	wait_for 5 reason_is "there is no interface va:1 (which names an address of va"
	daemon_stop
}

# A tun device whose link type can be set, by lines: type N (ARPHRD_*, while it is down), send COUNT HEX
tun_begin() {
	[ -c /dev/net/tun ] || skip "no tun devices here"
	mkfifo "$DIR/tun"
	ip netns exec "$NS" python3 -u - "$DIR/tun" >"$DIR/tun.said" 2>&1 <<'P' &
import fcntl, os, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH", b"tun0", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
print("there")
while True:
    for line in open(sys.argv[1]):
        words = line.split()
        if words[0] == "type":
            fcntl.ioctl(tun, 0x400454CD, int(words[1]))  # TUNSETLINK
        else:
            for _ in range(int(words[1])):
                os.write(tun, bytes.fromhex(words[2]))
        print("did", line.strip())
P
	PIDS="$PIDS $!"
	wait_for 10 grep -q there "$DIR/tun.said"
	ip -n "$NS" link set tun0 up || skip "no tun devices here"
}
tun_do() {
	local before
	before=$(grep -c did "$DIR/tun.said")
	echo "$*" >"$DIR/tun"
	tun_did() { [ "$(grep -c did "$DIR/tun.said")" -gt "$before" ]; }
	wait_for 10 tun_did
}
UDP=4500001c0000000040110000090909090a09000100010002 # IPv4 and ports
UDP=${UDP}00080000
ETHERNET=4200000000010200001100020800$UDP # read as IP: version 4, and UDP
file_types() { for f in $(files); do capinfos -E "$f" | sed -n 's/^File encapsulation: *//p'; done; }

# Another link type begins a new group: its files, its filter
t_a_link_type_that_changes() {
	tun_begin
	daemon_start -i tun0 -w "$OUT" -j 2 -f udp -o block_timeout=50ms -o write_delay=20ms
	tun_do send 5 $UDP
	wait_for 5 counter_is received 5
	# Nothing of the new type comes into the old files, however late it is heard of
	kill -STOP "$DAEMON"
	ip -n "$NS" link set tun0 down
	tun_do type 1
	ip -n "$NS" link set tun0 up
	tun_do send 7 $ETHERNET
	kill -CONT "$DAEMON"
	wait_for 10 grep "nothing is recorded from 2.*Z to 2.*Z: its interface's link type changed" "$DIR/err"
	wait_for 5 state_is running
	equal "of the new type, before it was known" "$(counter received)" 5
	tun_do send 5 $ETHERNET
	wait_for 5 counter_is received 10
	# One that cannot be recorded is waited for in words, and so is the way back
	ip -n "$NS" link set tun0 down
	tun_do type 778
	ip -n "$NS" link set tun0 up
	wait_for 10 reason_is "has link type 778: only Ethernet, loopback and raw IP interfaces can be recorded"
	equal state "$(state)" down
	wait_for 5 grep "has link type 778.*; retrying" "$DIR/err"
	equal ready "$(in_lab curl -so /dev/null -w '%{http_code}' http://127.0.0.1:9748/-/ready)" 503
	ip -n "$NS" link set tun0 down
	tun_do type 65534
	ip -n "$NS" link set tun0 up
	wait_for 10 state_is running
	tun_do send 5 $UDP
	wait_for 5 counter_is received 15
	equal "workers replaced" "$(counter restarts)" 0
	daemon_stop
	exact
	equal "link types" "$(file_types | sort -u | paste -sd,)" "Ethernet,Raw IP"
	equal "UDP packets by tshark" "$(for f in $(files); do tshark -nr "$f" -Y udp 2>/dev/null; done | wc -l)" 15
}

t_moved_to_another_namespace_and_back() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is packets 1000
	ip netns add "$NS-b"
	ip -n "$NS" link set va netns "$NS-b"
	wait_for 5 state_is down
	ip -n "$NS-b" link set va netns "$NS"
	ip -n "$NS" link set va up
	wait_for 5 state_is running
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	daemon_stop
	frames_check 2000 || fail "frames differ"
	exact
}

t_down_at_start_is_waited_for() {
	ip -n "$NS" link set va down
	daemon_start_waiting -i va -w "$OUT" -j 2 -o block_timeout=50ms -f udp # compiled when it is up
	wait_for 5 state_is down
	wait_for 5 reason_is "interface va is down"
	rc=0
	ctl status >/dev/null || rc=$?
	equal "afctl status" $rc 5
	ip -n "$NS" link set va up
	wait_for 5 state_is running
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	daemon_stop
	frames_check 1000 || fail "frames differ"
}

t_missing_at_start_by_on_missing() {
	rc=0
	in_lab timeout 60 "$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=off -i later -w "$OUT" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 78
	contains message "$(cat "$DIR/err")" "no such interface: later .*on_missing"
	daemon_start_waiting -i later -w "$OUT" -j 2 -o on_missing=wait -o block_timeout=50ms
	wait_for 5 reason_is "there is no interface later"
	equal "it stops while it waits" "$(state)" down
	ip -n "$NS" link set va down
	ip -n "$NS" link set va name later
	ip -n "$NS" link set later up
	wait_for 5 state_is running
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	daemon_stop
	frames_check 1000 || fail "frames differ"
}

# Whatever it is called: the loopback is known by its kind, and what is called lo may be something else
t_the_loopback_is_known_by_what_it_is() {
	ip -n "$NS" link property add dev lo altname loop1 || skip "no alternative names here"
	daemon_start -i loop1 -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms
	equal flags "$(ctl --json status | jq -c '.captures[0].fanout.flags')" '["ignore_outgoing"]'
	in_lab ping -c 50 -i 0.01 -q 127.0.0.1 >/dev/null
	wait_for 5 counter_at_least written 100
	daemon_stop
	equal "echo and reply, each once" "$(account written)" 100
	daemon_start -i loop1 -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=20ms -o fanout_flags=none
	equal "flags as configured" "$(ctl --json status | jq -c '.captures[0].fanout.flags')" '[]'
	in_lab ping -c 50 -i 0.01 -q 127.0.0.1 >/dev/null
	wait_for 5 counter_at_least written 200
	daemon_stop
	equal "each twice" "$(account written)" 200

	ip -n "$NS" link set lo down
	ip -n "$NS" link set lo name loop0
	ip -n "$NS" link set va down
	ip -n "$NS" link set va name lo
	ip -n "$NS" link set lo up
	wait_for 5 in_lab grep -q up /sys/class/net/lo/operstate
	daemon_start -i lo -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=20ms -f udp
	equal "flags of a veth" "$(ctl --json status | jq -c '.captures[0].fanout.flags')" '[]'
	in_lab "$FRAMES" send lo 500 rate=50000
	wait_for 5 counter_at_least written 500
	daemon_stop
	equal "what went out" "$(account written)" 500
}

t_stops_while_it_waits() {
	daemon_start_waiting -i later -w "$OUT" -o on_missing=wait
	daemon_stop
	equal "lines that say anything but 0" "$(grep -vc ': 0 packets seen, 0 dropped by the kernel, 0 received, 0 written, 0 discarded, 0 files$' "$DIR/out")" 0
	equal "the account" "$(sed 's/:.*//' "$DIR/out" | head -2)" "$(printf 'later\nlater worker 0')"
	equal "nothing is left behind" "$(find "$OUT" -type f | wc -l)" 0
}

# Of two captures one waits: the other records
t_others_go_on() {
	cat >"$DIR/afcapd.conf" <<-C
		[capture there]
		interface = va
		workers = 1
		directory = $OUT
		block_timeout = 50ms
		[capture later]
		on_missing = wait
		workers = 1
		directory = $OUT
	C
	daemon_start_waiting -c "$DIR/afcapd.conf"
	wait_for 5 state_is running
	equal "the other's state" "$(state 1)" down
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	daemon_stop
	frames_check 1000 || fail "frames differ"
}

run_tests
