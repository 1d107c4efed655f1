#!/usr/bin/env bash
# Times that are promised. Only a quiet machine can show them: each test looks first whether it is one, and tests/run lets nothing run
# beside them.
. "$(dirname "$0")/lib.sh"

state_is() { [ "$(ctl --json status | jq -r '.captures[0].state')" = "$1" ]; }

# block_timeout 334 ms + write_delay 1 s + 1 s
t_low_rate_reaches_the_file() {
	needs_a_quiet_machine
	daemon_start -i va -w "$OUT" -j 1
	begin=$(now_ms)
	in_lab "$FRAMES" send vb 1
	partial_has_one() { tcpdump -nr "$(find "$OUT" -name 'va-*.partial')" 2>/dev/null | grep -q UDP; }
	wait_for 5 partial_has_one
	within 2334 "$begin" "the packet came late"
	daemon_stop
	equal written "$(account written)" 1
}

t_idle_costs_less_than_one_percent() {
	needs_a_quiet_machine
	daemon_start -i va -w "$OUT" -j 1
	pid=$(worker_pid 0)
	cpu() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
	before=$(cpu) begin=$(now_ms)
	passed() { [ $(($(now_ms) - begin)) -ge 5000 ]; }
	wait_for 10 passed
	ticks=$(($(cpu) - before))
	# 5 s are 500 ticks: 1 % is 5
	[ $ticks -lt 5 ] || needs_a_quiet_machine
	[ $ticks -lt 5 ] || fail "$ticks ticks in 5 s idle"
	daemon_stop
}

t_nothing_spins_while_the_link_is_down() {
	needs_a_quiet_machine
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=20ms
	ip -n "$NS" link set va down
	wait_for 5 state_is down
	cpu() { for pid in "$DAEMON" $(workers); do cat "/proc/$pid/stat"; done | sed 's/.*) //' | awk '{ n += $12 + $13 } END { print n }'; }
	before=$(cpu) begin=$(now_ms)
	passed() { [ $(($(now_ms) - begin)) -ge 2000 ]; }
	wait_for 5 passed
	ticks=$(($(cpu) - before))
	[ $ticks -lt 10 ] || needs_a_quiet_machine
	[ $ticks -lt 10 ] || fail "it spins while the link is down: $ticks ticks in 2 s"
	daemon_stop
}

t_a_link_that_comes_back_is_recorded_within_a_second() {
	needs_a_quiet_machine
	daemon_start -i va -w "$OUT" -j 2
	ip -n "$NS" link set va down
	wait_for 5 state_is down
	ip -n "$NS" link set va up
	wait_for 5 in_lab grep -q up /sys/class/net/va/operstate
	begin=$(now_ms)
	wait_for 5 state_is running
	within 1000 "$begin" "back after it was up again"
	ip -n "$NS" link del va
	wait_for 5 state_is down
	ip -n "$NS" link add va type veth peer name vb
	ip -n "$NS" link set vb up
	ip -n "$NS" link set va up
	wait_for 5 in_lab grep -q up /sys/class/net/va/operstate
	begin=$(now_ms)
	wait_for 5 state_is running
	within 1000 "$begin" "back after it was made again"
	daemon_stop
}

# Within a second by itself; a report later it is told
t_room_on_a_full_disk_is_found_within_a_second() {
	needs_a_quiet_machine
	memory_mount 6m
	daemon_start -i va -w "$OUT" -j 1 -o block_size=64K -o block_timeout=50ms -o write_delay=20ms -o file_size=512K -o disk_reserve=0
	send 100000000 rate=8000 size=700-1400
	# As fast as room is made of own files, until it is all theirs
	while :; do head -c 1M /dev/zero 2>/dev/null >>"$OUT/foreign"; done &
	PIDS="$PIDS $!"
	wait_for 10 state_is suspended
	kill -KILL $! && wait $! 2>/dev/null
	send_end
	in_use_alone() { [ "$(find "$OUT" -name 'va-*.partial' | wc -l)" -le 1 ]; } # the ones before are finished
	wait_for 5 in_use_alone
	rm "$OUT/foreign"
	begin=$(now_ms)
	wait_for 5 state_is running
	within 2200 "$begin" "back after there was room"
	daemon_stop
}

# afctl and a scrape are two programs that are started: that is in it
t_a_frozen_disk_delays_no_answer() {
	needs_a_quiet_machine
	truncate -s 64M "$DIR/image"
	mkfs.ext4 -q -m 0 -O ^has_journal "$DIR/image" || skip "no mkfs.ext4 here"
	mkdir "$DIR/small"
	mount -o loop "$DIR/image" "$DIR/small" || skip "no loop devices here"
	daemon_start -i va -w "$DIR/small" -j 1 -o block_timeout=50ms -o write_delay=50ms -o file_size=8M -o disk_reserve=0
	send 100000000 rate=1000
	wait_for 5 counter_at_least written 1000
	fsfreeze -f "$DIR/small" || skip "no fsfreeze here"
	for _ in $(seq 10); do
		begin=$(now_ms)
		ctl status >"$DIR/said" || [ $? = 5 ] || fail "afctl while the disk stands still"
		in_lab curl -sf -m 30 http://127.0.0.1:9748/metrics >"$DIR/said" || fail "no metrics while the disk stands still"
		took=$(($(now_ms) - begin))
		[ "$took" -le 150 ] || break
	done
	fsfreeze -u "$DIR/small"
	[ "$took" -le 150 ] || needs_a_quiet_machine
	[ "$took" -le 150 ] || fail "afctl and metrics took $took ms"
	send_end
	daemon_stop
	umount "$DIR/small"
}

run_tests
