#!/usr/bin/env bash
# Killed workers: nothing lost that the ring can hold, nothing twice, the account exact.
. "$(dirname "$0")/lib.sh"

KILLS=${KILLS:-30} # `make check-faults`: 1000
RATE=50000

# Kills random workers at random moments while SENDER runs, at most $1 ms apart; counts in $kills
kill_workers() {
	local list
	kills=0
	while kill -0 "$SENDER" 2>/dev/null; do
		sleep "$(printf '0.%03d' $((RANDOM % $1)))"
		mapfile -t list < <(workers)
		[ ${#list[@]} -gt 0 ] || continue
		kill -KILL "${list[RANDOM % ${#list[@]}]}" 2>/dev/null && kills=$((kills + 1))
	done
}

# killed N: so many kills there were, and each made a restart (one that met a worker at its very end may not)
killed() {
	[ "$kills" -ge "$1" ] || fail "only $kills kills"
	[ "$(grep -c 'killed by signal 9' "$DIR/err")" -ge $((kills * 9 / 10)) ] || fail "fewer deaths than kills"
}

# The account of all, after the stop
balance() {
	local seen dropped received written
	seen=$(account seen) dropped=$(account dropped) received=$(account received) written=$(account written)
	equal "packets = drops + received" "$seen" $((dropped + received))
	equal "received = written" "$received" "$written"
	equal "discarded" "$(account discarded)" 0
	equal "packets in the files" "$(capinfos_count)" "$written"
}

# Kills while LAYOUT is written, with frames of SIZE, RATE of them a second
kills_in() {
	local count=$((KILLS * $3 / 10))
	daemon_start -i va -w "$OUT" -j 2 -o ring_size=32M -o block_size=128K -o block_timeout=10ms -o write_delay=20ms \
		-o file_size=4M -o layout="$1"
	send "$count" size="$2" rate="$3" both=1
	kill_workers 100
	daemon_stop
	killed "$KILLS"
	frames_check "$count" size="$2" both=1 >"$DIR/checked" || fail "$(cat "$DIR/checked")"
	echo "$kills kills: $(cat "$DIR/checked")"
	contains "flows keep their worker" "$(cat "$DIR/checked")" "split 0"
	equal seen "$(account seen)" "$count"
	equal dropped "$(account dropped)" 0
	balance
	[ "$(files | wc -l)" -gt 4 ] || fail "no rotation"
	files_valid 2
}

t_kills_lose_and_double_nothing_compact() { kills_in compact 60-300 $RATE; }
t_kills_lose_and_double_nothing_inplace() { kills_in inplace 60-1514 20000; }
t_kills_lose_and_double_nothing_auto() { kills_in auto 60-1514 20000; }

# A ring that is always too small: every frame is either in the files, once, or among the kernel's drops
overflow() {
	local count=$1 line lost
	daemon_start -i va -w "$OUT" -j 2 -o ring_size=256K -o block_size=64K -o block_timeout=5ms -o write_delay=5ms \
		-o file_size=4M -o layout="$5"
	send "$count" size=200-1400 rate="$3"
	kill_workers "$2"
	daemon_stop
	killed "$4"
	line=$(frames_check "$count" size=200-1400 partial=1) || fail "$line"
	echo "$kills kills, $(account dropped) dropped: $line"
	[ "$(account dropped)" -gt 0 ] || fail "the ring did not overflow"
	equal seen "$(account seen)" "$count"
	balance
	lost=$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")
	equal "what is not in the files was dropped by the kernel" "$lost" "$(account dropped)"
}

t_kills_while_the_ring_overflows() { overflow $((KILLS * 5000)) 100 $RATE "$KILLS" compact; }
t_kills_while_the_ring_overflows_inplace() { overflow $((KILLS * 5000)) 100 $RATE "$KILLS" inplace; }
t_rare_kills_while_the_ring_overflows() { overflow $((KILLS * 4000 + 1000000)) 900 0 4 inplace; }

t_segfaults_too() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=10ms -o write_delay=20ms
	send 50000 rate=25000 size=60-300
	for _ in 1 2 3 4 5; do
		sleep 0.2
		kill -SEGV "$(workers | head -1)" 2>/dev/null
	done
	wait "$SENDER"
	wait_for 5 counter_is written 50000
	[ "$(counter restarts)" -ge 4 ] || fail "not restarted"
	daemon_stop
	frames_check 50000 size=60-300 || fail "frames differ"
	balance
}

t_a_dead_archive_is_replaced() {
	daemon_start -i va -w "$OUT" -j 1 -o ring_size=4M -o block_size=64K -o block_timeout=10ms -o write_delay=0 \
		-o file_size=1M
	send 20000 rate=10000
	for _ in 1 2 3 4 5 6; do
		sleep 0.2
		kill -KILL "$(archive_pid)"
	done
	wait "$SENDER"
	wait_for 5 counter_is written 20000
	daemon_stop
	frames_check 20000 || fail "frames differ"
	balance
	files_valid 3
	equal "files not finished" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
}

# A terminal sends its signals to the whole process group
t_workers_leave_signals_to_the_supervisor() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=10ms
	for pid in $(workers); do
		for signal in INT TERM HUP USR1 USR2; do kill -$signal "$pid"; done
	done
	in_lab "$FRAMES" send vb 2000 rate=50000
	wait_for 5 counter_is written 2000
	equal restarts "$(counter restarts)" 0
	daemon_stop INT
	frames_check 2000 || fail "frames differ"
}

t_workers_end_with_their_supervisor() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=10ms -o write_delay=5s
	pids=$(workers)
	in_lab "$FRAMES" send vb 1000 rate=100000
	wait_for 5 counter_at_least packets 1000
	kill -KILL "$DAEMON"
	# shellcheck disable=SC2086
	gone() { ! kill -0 $pids 2>/dev/null; }
	wait_for 5 gone
	# What the rings held is in files that are whole
	mapfile -t list < <(find "$OUT" -name '*.partial' ! -name '.*')
	if [ ${#list[@]} -eq 0 ]; then mapfile -t list < <(find "$OUT" -name '.*.spare' -size +4k); fi
	"$FRAMES" check 1000 "${list[@]}" || fail "not all that the rings held is in the files"
	# ... and in finished ones after the next start, whatever they were called
	daemon_start -i va -w "$OUT" -j 1
	repaired() { [ "$(counter files_repaired)" -ge 1 ] && [ "$(capinfos_count)" = 1000 ]; }
	wait_for 5 repaired
	daemon_stop
	frames_check 1000 || fail "frames differ"
}

run_tests
