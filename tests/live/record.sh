#!/usr/bin/env bash
# What is sent is what is seen, received, written, and in the files.
. "$(dirname "$0")/lib.sh"

# All that is sent fits into one ring: nothing may be lost, however late a worker is, and the sender waits for no one.
RING="-o ring_size=32M -o block_size=256K -o block_timeout=50ms -o write_delay=50ms -o file_size=64M"

# mode workers: 20 000 frames of 60 to 1514 bytes, 64 flows, both directions
record() {
	local mode=$1 workers=$2 count=20000 line
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j "$workers" -o fanout="$mode" $RING
	in_lab taskset -c 1 "$FRAMES" send vb $count both=1 rate=100000
	wait_for 5 counter_is written $count
	daemon_stop
	for field in seen received written; do
		equal "account $field" "$(account $field)" $count
	done
	equal dropped "$(account dropped)" 0
	equal "packets in the files" "$(capinfos_count)" $count
	line=$(frames_check $count both=1) || fail "$line"
	echo "$mode $workers: $line"
	spread "$mode" "$workers" $count "$line"
	files_valid
}

# How the packets are spread is the mode's: mode workers count, and what `frames check` says
spread() {
	local shares
	mapfile -t shares < <(sed -n 's/^va worker [0-9]*: \([0-9]*\) packets seen.*/\1/p' "$DIR/out")
	local share used=0
	for share in "${shares[@]}"; do [ "$share" -eq 0 ] || used=$((used + 1)); done
	case $1 in
	hash)
		contains "flows on one worker" "$4" "split 0"
		equal "workers with a share" $used "$2"
		;;
	lb) for share in "${shares[@]}"; do equal "an equal share" "$share" $(($3 / $2)); done ;;
	rnd)
		equal "workers with a share" $used "$2"
		[ "$2" = 1 ] || for share in "${shares[@]}"; do
			[ "$share" -gt $(($3 * 9 / $2 / 10)) ] || fail "not at random: ${shares[*]}"
		done
		;;
	# The sender is on one CPU, a veth has one queue, the first ring never fills
	cpu | qm | rollover) equal "workers with a share" $used 1 ;;
	esac
}

for mode in hash lb cpu rnd qm rollover; do
	for workers in 1 2 4; do
		eval "t_${mode}_${workers}_workers() { record $mode $workers; }"
	done
done

t_all_fanout_flags_at_once() {
	daemon_start -i va -w "$OUT" -j 2 -o fanout_flags="defrag rollover ignore_outgoing" -o block_timeout=50ms
	equal flags "$(ctl --json status | jq -c '.captures[0].fanout.flags')" '["defrag","rollover","ignore_outgoing"]'
	in_lab "$FRAMES" send vb 5000 rate=50000
	in_lab "$FRAMES" send va 100 # outgoing: not recorded
	wait_for 5 counter_is written 5000
	daemon_stop
	frames_check 5000 || fail "frames differ"
}

t_frames_of_60_to_9000_bytes() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $RING
	in_lab "$FRAMES" send vb 5000 size=60-9000 rate=20000
	wait_for 5 counter_is written 5000
	daemon_stop
	frames_check 5000 size=60-9000 || fail "frames differ"
	files_valid
}

t_rotation_by_size() {
	# Some packets at a time, and the next file is ready before those after them: then none may grow over its size
	local n
	made() { find "$OUT" -name "$1" | wc -l; }
	spare_ready() { # all files before the one in use are finished, that one has its name, another is there
		[ "$(made 'va-*.pcapng')" -eq $(($(counter files_opened) - 1)) ] && [ "$(made 'va-*.partial')" -eq 1 ] &&
			[ "$(made '.va-*.spare')" -eq 1 ]
	}
	memory_mount 64m
	daemon_start -i va -w "$OUT" -j 1 -o ring_size=16M -o block_size=64K -o block_timeout=10ms -o write_delay=0 \
		-o file_size=256K
	for ((n = 0; n < 4000; n += 160)); do
		in_lab "$FRAMES" send vb 160 first=$n rate=8000 >/dev/null
		wait_for 5 counter_is written $((n + 160))
		wait_for 5 spare_ready
	done
	daemon_stop
	frames_check 4000 || fail "frames differ across files"
	files_valid 4
	n=$(files | wc -l)
	[ "$n" -ge 10 ] || fail "only $n files"
	equal "files in the account" "$(account files)" "$n"
	for f in $(files); do
		[ "$(stat -c %s "$f")" -le $((256 * 1024 + 512)) ] || fail "$f is larger than file_size"
		equal "mode of $f" "$(stat -c %a "$f")" 640
		basename "$f" | grep -qE '^va-[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-w0\.pcapng$' || fail "name $f"
	done
	# The files' own numbers (ISB): each file's, and added up the account's
	for f in $(files); do
		equal "usrdeliv of $f" "$(isb_sum "$f" | cut -d' ' -f3)" "$(capinfos -cM "$f" 2>/dev/null | awk '/Number of packets:/ { print $NF }')"
	done
	equal "sum over the files" "$(isb_sum)" "$(account seen) $(account dropped) $(account written)"
	equal "what is left in the directory" "$(find "$OUT" ! -name '*.pcapng' -type f | wc -l)" 0
}

t_output_none_only_counts() {
	daemon_start -i va -w "$OUT" -j 2 -o output=none -o block_timeout=50ms
	in_lab "$FRAMES" send vb 10000 rate=100000
	wait_for 5 counter_is received 10000
	daemon_stop
	equal seen "$(account seen)" 10000
	equal received "$(account received)" 10000
	equal written "$(account written)" 0
	equal files "$(find "$OUT" -type f | wc -l)" 0
}

t_filter_and_snaplen() {
	daemon_start -i va -w "$OUT" -j 2 -f 'udp and src port 1030' -o snaplen=96 -o block_timeout=50ms
	in_lab "$FRAMES" send vb 10000 size=60-200 rate=50000
	expected=$(
		python3 - <<'P'
def mix(v):
    m = 2**64 - 1
    v = (v ^ (v >> 31)) * 0x7fb5d329728ea185 & m
    v = (v ^ (v >> 27)) * 0x81dadef4bc2dd44d & m
    return (v ^ (v >> 33)) & 0xffffffff
print(sum(mix(n * 3 + 1) % 64 == 6 for n in range(10000)))
P
	)
	wait_for 5 counter_is written "$expected"
	truncated=$(counter truncated)
	daemon_stop
	equal "packets of that port" "$(capinfos_count)" "$expected"
	[ "$truncated" -gt 0 ] || fail "none truncated"
	list=$(files)
	# shellcheck disable=SC2086
	equal "longest packet" "$(tshark -nr "$(echo $list | cut -d' ' -f1)" -T fields -e frame.cap_len 2>/dev/null | sort -n | tail -1)" 96
	contains "filter in the file" "$(capinfos "$(echo "$list" | head -1)" 2>/dev/null)" "src port 1030"
}

# Tags are taken out by the kernel on their way in
tagged() { # vlan=keep|strip TAG
	daemon_start -i va -w "$OUT" -j 2 -o vlan="$1" -o block_timeout=50ms
	in_lab "$FRAMES" send vb 3000 rate=50000 vlan="$2"
	wait_for 5 counter_is written 3000
	daemon_stop
	files_valid
}
t_vlan_tags_are_kept() {
	tagged keep $((0xa064)) # priority 5, VID 100
	frames_check 3000 vlan=$((0xa064)) || fail "frames differ"
}
t_a_priority_tag_is_kept() {
	tagged keep $((0xe000))
	frames_check 3000 vlan=$((0xe000)) || fail "frames differ"
}
t_vlan_tags_are_stripped() {
	tagged strip 100
	frames_check 3000 || fail "frames differ"
}
t_a_filter_finds_stripped_tags() {
	daemon_start -i va -w "$OUT" -j 2 -f 'vlan 100 and udp' -o block_timeout=50ms
	in_lab "$FRAMES" send vb 500 vlan=101
	in_lab "$FRAMES" send vb 500
	in_lab "$FRAMES" send vb 700 vlan=100
	wait_for 5 counter_is written 700
	daemon_stop
	equal seen "$(account seen)" 700
	frames_check 700 vlan=100 || fail "frames differ"
}

# Traffic that is there before the start and goes on after the stop: each packet that was seen is in the files, and what
# came outside is in no counter
t_traffic_at_start_and_stop() {
	local round count=0
	ip netns exec "$NS" "$FRAMES" send vb 10000000 rate=60000 size=60-200 >/dev/null &
	PIDS="$PIDS $!"
	for round in 1 2 4 1 2 4; do
		rm -f "$OUT"/*
		# shellcheck disable=SC2086
		daemon_start -i va -w "$OUT" -j "$round" $RING
		wait_for 5 counter_at_least written 10000
		daemon_stop
		equal "seen = received" "$(account seen)" "$(account received)"
		equal "received = written" "$(account received)" "$(account written)"
		equal "in the files" "$(capinfos_count)" "$(account written)"
		equal dropped "$(account dropped)" 0
		line=$(frames_check 10000000 size=60-200 partial=1) || fail "$line"
		count=$((count + $(account seen)))
	done
	echo "$count packets in six rounds"
}

flags_of() { # PID of a worker: the flags (octal) of its open output file
	local fd
	for fd in /proc/"$1"/fd/*; do
		case $(readlink "$fd") in
		*.partial) sed -n 's/^flags:[ \t]*//p' "/proc/$1/fdinfo/${fd##*/}" ;;
		esac
	done | head -n 1
}
has_o_direct() { # WORKER: yes or no (O_DIRECT of this machine, from Python)
	python3 -c "import os, sys; print('yes' if int(sys.argv[1], 8) & os.O_DIRECT else 'no')" "$(flags_of "$(worker_pid "$1")")"
}

t_direct_and_file_mode() {
	local direct
	for direct in auto no; do
		daemon_start -i va -w "$OUT" -j 1 -o direct=$direct -o file_mode=0604 -o block_timeout=50ms -o write_delay=10ms
		in_lab "$FRAMES" send vb 5000 size=1500
		wait_for 5 counter_is written 5000
		named() { [ -n "$(flags_of "$(worker_pid 0)")" ]; }
		wait_for 5 named
		# What comes last may be little, and written without
		o_direct_is() { [ "$(has_o_direct 0)" = "$1" ] || { in_lab "$FRAMES" send vb 2000 size=1500 && false; }; }
		wait_for 10 o_direct_is "$([ $direct = auto ] && echo yes || echo no)"
		daemon_stop
		equal "mode" "$(stat -c %a "$(files | tail -1)")" 604
	done
}

# What has been read of a file in use never changes: three who follow it, at low and high rates, from a worker killed
# meanwhile to the file's end
t_a_follower_reads_what_the_file_has_in_the_end() {
	local n=0 round file
	daemon_start -i va -w "$OUT" -j 1 -o write_delay=0 -o block_timeout=50ms \
		-o layout=compact -o block_size=64K -o ring_size=32M
	more() { # COUNT [OPTION]...
		in_lab "$FRAMES" send vb "$1" first=$n "${@:2}"
		n=$((n + $1))
		wait_for 10 counter_is written $n
	}
	more 1
	wait_for 5 partial_is_there
	file=$(find "$OUT" -name 'va-*.partial')
	follow "$file" >"$DIR/followed" &
	local follower=$!
	tail -c +1 -f -s 0.02 --pid="$DAEMON" "$file" | tcpdump -nr - >"$DIR/by-tcpdump" 2>"$DIR/tcpdump.err" &
	local tcpdump=$!
	tail -c +1 -f -s 0.02 --pid="$DAEMON" "$file" | tshark -nr - >"$DIR/by-tshark" 2>"$DIR/tshark.err" &
	local tshark=$!
	for round in 1 2; do
		more 1 size=60
		more 3 size=200
		more 1500 size=1514 rate=100000
		more 40 size=60-1514
		kill -KILL "$(worker_pid 0)"
		wait_for 10 counter_is restarts $round
	done
	more 30000 size=60-1514 rate=100000
	more 5 size=60
	daemon_stop
	wait $tcpdump || fail "tcpdump: $(cat "$DIR/tcpdump.err")"
	wait $tshark || fail "tshark: $(cat "$DIR/tshark.err")"
	wait $follower
	cmp "$DIR/followed" "$(files)" || fail "what was followed is not what is in the file"
	equal "packets that tcpdump saw" "$(wc -l <"$DIR/by-tcpdump")" $n
	equal "packets that tshark saw" "$(wc -l <"$DIR/by-tshark")" $n
	equal written "$(account written)" $n
}
# As tail does, but without a pause: reads of the file's last page fall into the writes of the next bytes
follow() {
	python3 - "$DAEMON" "$1" <<-'P'
		import os, sys
		file, alive = os.open(sys.argv[2], os.O_RDONLY), True
		while alive:
		    alive = os.path.exists("/proc/" + sys.argv[1])
		    while data := os.read(file, 65536):
		        sys.stdout.buffer.write(data)
	P
}
partial_is_there() { find "$OUT" -name 'va-*.partial' | grep -q .; }

t_cpus_and_promiscuous() {
	daemon_start -i va -w "$OUT" -j 2 -o cpus=1,0
	equal "worker 0" "$(sed -n 's/^Cpus_allowed_list:[ \t]*//p' "/proc/$(worker_pid 0)/status")" 1
	equal "worker 1" "$(sed -n 's/^Cpus_allowed_list:[ \t]*//p' "/proc/$(worker_pid 1)/status")" 0
	contains "promiscuous" "$(ip -n "$NS" -d link show va)" "promiscuity [12]"
	daemon_stop
	daemon_start -i va -w "$OUT" -j 1 -o cpus=none -o promiscuous=no
	contains "not promiscuous" "$(ip -n "$NS" -d link show va)" "promiscuity 0"
	daemon_stop
}

t_two_captures_in_one_directory() {
	cat >"$DIR/two.conf" <<-C
		[capture first]
		interface = va
		workers = 2
		directory = $OUT
		block_size = 64K
		block_timeout = 50ms
		[capture second]
		interface = lo
		workers = 1
		directory = $OUT
		block_timeout = 50ms
	C
	daemon_start -c "$DIR/two.conf"
	in_lab "$FRAMES" send vb 1000 rate=50000
	in_lab ping -c 20 -i 0.01 -q 127.0.0.1 >/dev/null
	wait_for 5 counter_is written 1040
	ctl rotate second
	equal "files of the second" "$(find "$OUT" -name 'second-*-w0.pcapng' | wc -l)" 1
	equal "files of the first" "$(find "$OUT" -name 'first-*.pcapng' | wc -l)" 0
	daemon_stop
	equal "packets in the files" "$(capinfos_count)" 1040
	files_valid
	# shellcheck disable=SC2046
	mergecap -w "$DIR/merged" $(files) 2>/dev/null
	equal "packets of the merged files" "$(tcpdump -nr "$DIR/merged" --count 2>/dev/null)" "1040 packets"
}

t_loopback_once() {
	daemon_start -i lo -w "$OUT" -j 2 -o block_timeout=50ms
	in_lab ping -c 50 -i 0.01 -q 127.0.0.1 >/dev/null
	wait_for 5 counter_is written 100
	daemon_stop
	equal "echo and reply, each once" "$(account written)" 100
}

t_a_tun_interface_is_raw_ip() {
	ip -n "$NS" tuntap add dev tun0 mode tun || skip "no tun here"
	ip -n "$NS" addr add 10.9.0.1/24 dev tun0
	ip netns exec "$NS" python3 - <<'P' &
import fcntl, struct, time
tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"tun0", 0x1001))
time.sleep(60)
P
	PIDS="$PIDS $!"
	ip -n "$NS" link set tun0 up
	tun_up() { ip -n "$NS" link show tun0 | grep -q LOWER_UP; }
	wait_for 5 tun_up
	daemon_start -i tun0 -w "$OUT" -j 1 -o block_timeout=50ms
	in_lab ping -c 3 -i 0.05 -W 1 -q 10.9.0.2 >/dev/null
	wait_for 5 counter_at_least written 3
	daemon_stop
	contains "link type" "$(capinfos -E "$(files)" 2>/dev/null)" "Raw IP"
	contains "as tcpdump reads it" "$(tcpdump -nr "$(files)" 2>/dev/null)" "10.9.0.1 > 10.9.0.2: ICMP echo request"
}

run_tests
