#!/usr/bin/env bash
# Killed workers: nothing lost that the ring can hold, nothing twice, the account exact.
. "$(dirname "$0")/lib.sh"

KILLS=${KILLS:-30} # `make check-faults`: 1000
EVERY=${EVERY:-100} # ms between two kills, at most
RATE=50000
SIGNAL=KILL

# Five deaths without a packet between them end the capture, and on a busy machine a start may last longer than from one kill to the
# next: after the third the worker is let be until it has received something. $rows: how often that was so
let_be() {
	local w before
	[ "$(grep -c "$ROW" "$DIR/err")" -gt "$rows" ] || return 0
	rows=$(grep -c "$ROW" "$DIR/err")
	w=$(grep "$ROW" "$DIR/err" | tail -n 1 | sed 's|^.*va/\([0-9]*\): .*|\1|')
	before=$(received_by "$w")
	has_more() { [ "$(received_by "$1")" -gt "$2" ]; }
	wait_for 10 has_more "$w" "$before"
}
ROW='worker killed by signal [0-9]*; the next one resumes in [1-9][0-9][0-9] ms'
received_by() { ctl --json stats | jq ".captures[0].workers[$1].received"; }

# Kills random workers at random moments, at most EVERY ms apart, until that were $1; counts in $kills. The sender ends then: what
# it sent is $count
kill_workers() {
	local list rows=0
	kills=0
	while [ "$kills" -lt "$1" ]; do
		sleep "$(printf '0.%03d' $((RANDOM % ${2:-$EVERY})))"
		kill -0 "$DAEMON" 2>/dev/null || fail "afcapd ended"
		let_be
		mapfile -t list < <(workers)
		[ ${#list[@]} -gt 0 ] || continue
		kill -$SIGNAL "${list[RANDOM % ${#list[@]}]}" 2>/dev/null && kills=$((kills + 1))
	done
	send_end
}

# killed N: so many kills there were, and each made a restart (one that met a worker at its very end may not)
killed() {
	[ "$kills" -ge "$1" ] || fail "only $kills kills"
	[ "$(grep -c 'worker killed by signal \(9\|11\);' "$DIR/err")" -ge $((kills * 9 / 10)) ] || fail "fewer deaths than kills"
}

# How long a ring was without a reader
respawned() {
	sed -n 's/.*: reading again \([0-9.]*\) ms after the previous worker died/\1/p' "$DIR/err" | sort -n >"$DIR/respawns"
	p99=$(awk '{ t[NR] = $1 } END { print t[int(NR * 0.99)] }' "$DIR/respawns")
	echo "read again after $(awk '{ t[NR] = $1 } END { print t[int(NR / 2)] }' "$DIR/respawns") ms (median), $p99 ms (p99), $(tail -1 "$DIR/respawns") ms (most)"
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
	daemon_start -l debug -i va -w "$OUT" -j 2 -o ring_size=32M -o block_size=128K -o block_timeout=50ms -o write_delay=20ms \
		-o file_size=4M -o layout="$1"
	send 1000000000 size="$2" rate="$3" both=1
	kill_workers "$KILLS"
	daemon_stop
	killed "$KILLS"
	respawned
	frames_check "$count" size="$2" both=1 >"$DIR/checked" || fail "$(cat "$DIR/checked")"
	echo "$kills kills: $(cat "$DIR/checked")"
	contains "flows keep their worker" "$(cat "$DIR/checked")" "split 0"
	equal seen "$(account seen)" "$count"
	equal dropped "$(account dropped)" 0
	balance
	[ "$(files | wc -l)" -gt 4 ] || fail "no rotation"
	files_valid 2
	[ "$KILLS" -lt 1000 ] || [ "${p99%.*}" -lt 100 ] || fail "more than 100 ms at p99"
}

t_kills_lose_and_double_nothing_compact() { kills_in compact 60-300 $RATE; }
t_kills_lose_and_double_nothing_inplace() { kills_in inplace 60-1514 20000; }
t_kills_by_segfault_lose_nothing() { SIGNAL=SEGV ASAN_OPTIONS=handle_segv=0 kills_in auto 60-300 $RATE; }
t_kills_lose_and_double_nothing_auto() { kills_in auto 60-1514 20000; }

# A ring that is always too small: every frame is either in the files, once, or among the kernel's drops
overflow() { # RATE KILLS LAYOUT [MS [OPTION...]]
	local line lost
	daemon_start -i va -w "$OUT" -j 2 -o ring_size=256K -o block_size=64K -o block_timeout=5ms -o write_delay=5ms \
		-o file_size=4M -o layout="$3" "${@:5}"
	send 1000000000 size=200-1400 rate="$1"
	kill_workers "$2" "${4:-}"
	daemon_stop
	killed "$2"
	line=$(frames_check "$count" size=200-1400 partial=1) || fail "$line"
	echo "$kills kills, $(account dropped) dropped: $line"
	[ "$(account dropped)" -gt 0 ] || fail "the ring did not overflow"
	equal seen "$(account seen)" "$count"
	balance
	lost=$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")
	equal "what is not in the files was dropped by the kernel" "$lost" "$(account dropped)"
}

t_kills_while_the_ring_overflows() { overflow $RATE "$KILLS" compact; }
t_kills_while_the_ring_overflows_inplace() { overflow $RATE "$KILLS" inplace; }
# Half of such a ring is full again and again: into the page cache and, as soon as the disk has caught up, around it
t_kills_in_a_burst() {
	overflow $RATE "$KILLS" inplace $((KILLS < 1000 ? 300 : 40)) -o burst=64M
	contains log "$(cat "$DIR/err")" "writing through the page cache"
	contains log "$(cat "$DIR/err")" "the disk has caught up"
}
t_rare_kills_while_the_ring_overflows() { overflow 0 $((KILLS / 40 + 4)) inplace 900; }

t_a_dead_archive_is_replaced() {
	daemon_start -i va -w "$OUT" -j 1 -o ring_size=64M -o block_size=64K -o block_timeout=50ms -o write_delay=0 \
		-o file_size=1M
	send 100000000 rate=10000
	for n in 1 2 3 4 5 6; do
		wait_for 5 counter_at_least files_completed $((n * 2))
		archive=$(archive_pid)
		kill -KILL "$archive"
		another() { [ -n "$(archive_pid)" ] && [ "$(archive_pid)" != "$archive" ]; }
		wait_for 5 another
	done
	wait_for 5 counter_at_least files_completed 14
	send_end
	wait_for 5 counter_is written "$count"
	daemon_stop
	frames_check "$count" || fail "frames differ"
	balance
	files_valid 3
	equal "files not finished" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
}

# The next one is told of captures that have files, and of no other
t_a_dead_archive_is_replaced_where_a_capture_has_no_files() {
	printf '[capture %s]\ninterface = %s\nworkers = 1\nblock_timeout = 50ms\nwrite_delay = 0\n%s\n' \
		counts va "output = none" records vb "directory = $OUT" >"$DIR/conf"
	daemon_start -c "$DIR/conf"
	archive=$(archive_pid)
	kill -KILL "$archive"
	another() { [ -n "$(archive_pid)" ] && [ "$(archive_pid)" != "$archive" ]; }
	wait_for 5 another
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is written 100
	finished() { files | grep .; }
	ctl rotate || fail "rotate"
	wait_for 5 finished
	daemon_stop
	equal "errors" "$(grep '^<3>' "$DIR/err")" "<3>the archive process ended (signal 9); a new one continues"
	equal "packets in files" "$(capinfos_count)" 100
}

# A terminal sends its signals to the whole process group
t_workers_leave_signals_to_the_supervisor() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms
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
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=5s
	pids=$(workers)
	in_lab "$FRAMES" send vb 1000 rate=100000
	wait_for 5 counter_at_least packets 1000
	kill -KILL "$DAEMON"
	# shellcheck disable=SC2086
	gone() { ! kill -0 $pids 2>/dev/null; }
	wait_for 5 gone
	# What the rings held is in files that are whole, some of them named already
	mapfile -t list < <(find "$OUT" '(' -name '*.partial' ! -name '.*' ')' -o '(' -name '.*.spare' -size +4k ')')
	"$FRAMES" check 1000 "${list[@]}" || fail "not all that the rings held is in the files"
	# ... and in finished ones after the next start, whatever they were called
	daemon_start -i va -w "$OUT" -j 1
	repaired() { [ "$(counter files_repaired)" -ge 1 ] && [ "$(capinfos_count)" = 1000 ]; }
	wait_for 5 repaired
	daemon_stop
	frames_check 1000 || fail "frames differ"
}

# Stopped for good: it says nothing, and the next one goes on at the very packet
t_a_silent_worker_is_replaced() {
	daemon_start -i va -w "$OUT" -j 2 -o worker_timeout=2s -o block_size=128K -o block_timeout=64ms
	send 20000 rate=5000
	kill -STOP "$(worker_pid 0)"
	wait "$SENDER"
	wait_for 5 counter_is received 20000
	equal restarts "$(counter restarts)" 1
	said=$(sed -n 's/.*va\/0: the worker has not reported for \([0-9]*\) ms: killing it.*/\1/p' "$DIR/err")
	[ "$said" -ge 2000 ] || fail "killed after '$said' ms: $(cat "$DIR/err")"
	daemon_stop
	frames_check 20000 || fail "frames differ"
	balance
}

# Nobody keeps a ring mapped without a supervisor, also who was stopped when it died
t_an_orphan_that_was_stopped_ends() {
	daemon_start -i va -w "$OUT" -j 2
	pids=$(workers)
	for pid in $pids; do kill -STOP "$pid"; done
	kill -KILL "$DAEMON"
	# shellcheck disable=SC2086
	gone() { ! kill -0 $pids 2>/dev/null; }
	wait_for 6 gone
	equal "packet sockets" "$(in_lab ss -0 -a -n -H | wc -l)" 0
}

# A supervisor that stood still itself kills nobody for that
t_a_supervisor_that_stood_still_blames_nobody() {
	daemon_start -i va -w "$OUT" -j 2 -o worker_timeout=2s
	kill -STOP "$DAEMON"
	sleep 3.5
	kill -CONT "$DAEMON"
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	equal restarts "$(counter restarts)" 0
	daemon_stop
}

# Without a descriptor left no worker can be started; what the ring counts is told all the same
t_counters_grow_while_a_slot_has_no_worker() {
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=50ms
	"$AFCTL" -s "$SOCK" --json stats --watch=0.2 >"$DIR/watched" & # nobody can ask later
	PIDS="$PIDS $!"
	wait_for 5 test -s "$DIR/watched"
	limit=$(prlimit --pid "$DAEMON" --nofile --noheadings --output SOFT | tr -d ' ')
	prlimit --pid "$DAEMON" --nofile="3:$limit"
	kill -KILL "$(workers)"
	told() { grep -q "va/0: starting a worker: Too many open files.*; retrying" "$DIR/err"; }
	wait_for 5 told
	in_lab "$FRAMES" send vb 1000 rate=100000
	counted() { [ "$(tail -n 1 "$DIR/watched" | jq '.captures[0].total.packets')" = 1000 ]; }
	wait_for 5 counted
	equal "workers meanwhile" "$(workers | wc -l)" 0
	prlimit --pid "$DAEMON" --nofile="$limit:$limit"
	wait_for 5 counter_is received 1000
	daemon_stop
	frames_check 1000 || fail "frames differ"
	balance
}

two_captures() {
	ip -n "$NS" link add vc type veth peer name vd
	ip -n "$NS" link set vc up
	ip -n "$NS" link set vd up
	cat >"$DIR/afcapd.conf" <<-C
		[capture good]
		interface = va
		workers = 2
		directory = $OUT
		block_timeout = 50ms
		[capture bad]
		interface = vc
		workers = 2
		directory = $OUT
		block_timeout = 50ms
	C
}

loop() { # CAPTURE: kills worker 0 until it is not replaced any more
	local pid i
	for i in $(seq 100); do
		ctl --json stats >"$DIR/now" 2>/dev/null || return 0 # it was the last one
		pid=$(jq ".captures[$1].workers[0].pid" "$DIR/now")
		[ "$(jq -r ".captures[$1].state" "$DIR/now")" != failed ] || return 0
		[ "$pid" = null ] || kill -KILL "$pid" 2>/dev/null
		sleep 0.02
	done
	fail "it never failed"
}

# Killed as soon as it comes, five times: that capture ends, the other one goes on, and without any left the daemon ends
t_a_crash_loop_fails_its_capture_alone() {
	two_captures
	daemon_start -c "$DIR/afcapd.conf"
	in_lab "$FRAMES" send vd 500 rate=100000
	wait_for 5 counter_is received 500
	wait_for 3 counter_is restarts 0
	loop 1
	contains log "$(cat "$DIR/err")" "bad: worker 0 died 5 times in a row (last by signal 9): the capture has failed"
	rc=0
	ctl status >"$DIR/said" || rc=$?
	equal "afctl status" $rc 5
	contains reason "$(cat "$DIR/said")" "worker 0 died 5 times"
	metric() { in_lab curl -s http://127.0.0.1:9748/metrics | sed -n "s/^afcap_capture_state{capture=\"$1\".*state=\"$2\"} //p"; }
	equal "state of bad" "$(metric bad failed)" 1
	equal "state of good" "$(metric good running)" 1
	equal "not ready" "$(in_lab curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9748/-/ready)" 503
	equal "healthy" "$(in_lab curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9748/-/healthy)" 200
	sockets() { in_lab ss -0 -a -n -H | wc -l; }
	equal "packet sockets" "$(sockets)" 2
	in_lab "$FRAMES" send vb 1000 rate=50000
	good_has() { [ "$(ctl --json stats | jq '.captures[0].total.written')" = "$1" ]; }
	wait_for 5 good_has 1000
	loop 0
	rc=0
	wait "$DAEMON" || rc=$?
	equal "exit code without any capture" $rc 1
	contains log "$(cat "$DIR/err")" "no capture is left"
	contains account "$(cat "$DIR/out")" "^good: 1000 packets seen, 0 dropped by the kernel, 1000 received, 1000 written, 0 discarded"
	contains account "$(cat "$DIR/out")" "^bad: 500 packets seen, 0 dropped by the kernel, 500 received, 500 written, 0 discarded"
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
}

# One that has failed still writes what its other rings hold, whoever else fails meanwhile
t_the_last_one_to_fail_is_waited_for() {
	local held before=-1 now=0
	two_captures
	echo "worker_timeout = 1m" >>"$DIR/afcapd.conf"
	sed -i 's/^interface = va/&\nworker_timeout = 1m\ndrain_timeout = 2m/' "$DIR/afcapd.conf"
	daemon_start -c "$DIR/afcapd.conf"
	held=$(worker_pid 1)
	kill -STOP "$held"
	in_lab "$FRAMES" send vb 1000 rate=50000
	settled() { # what came to worker 0 is written
		before=$now now=$(ctl --json stats | jq '.captures[0].workers[0].written')
		if [ "$now" -gt 0 ] && [ "$now" = "$before" ]; then return 0; fi
		sleep 1.2
		return 1
	}
	wait_for 20 settled
	loop 0
	loop 1
	bad_ended() { ! (ctl --json status || true) | jq -e '.captures[1].workers[] | select(.state != "stopped")'; }
	wait_for 20 bad_ended
	contains log "$(cat "$DIR/err")" "bad: worker 0 died 5 times"
	kill -CONT "$held"
	rc=0
	wait "$DAEMON" || rc=$?
	equal "exit code" $rc 1
	contains account "$(cat "$DIR/out")" "^good: 1000 packets seen, 0 dropped by the kernel, 1000 received, 1000 written, 0 discarded"
}

nonsense() { # LOG OFFSET LENGTH BYTE
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	pid=$(worker_pid 0)
	scribble "$pid" "$2" "$3" "$4"
	case $1 in "the ledger"*) kill -KILL "$pid" ;; esac
	told() { grep -q "va/0: $1" "$DIR/err" && grep -q "nothing is recorded from .*: a worker's ledger was unusable" "$DIR/err"; }
	wait_for 5 told "$1"
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	daemon_stop
	equal "packets = drops + received" "$(account seen)" $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	line=$(frames_check 2000 partial=1) || fail "$line"
	equal lost "$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")" "$(account discarded)"
}
t_a_ledger_of_no_use_is_replaced() { nonsense "the ledger is unusable (its header is overwritten)" 0 32 255; }
t_a_report_that_cannot_be_ends_its_worker() { nonsense "the worker sent an impossible report; it is replaced" 32 1200 0; }

# A message without a body, as if worker PID had said it: say_as PID MESSAGE_TYPE
say_as() {
	local type
	type=$(awk -v want="$2" '/^enum message_type/ { on = 1 } on && /^\tMESSAGE_/ { n++; sub(/[, ].*/, "", $1); if ($1 == want) { print n; exit } }' \
		"$TOP/daemon/base/message.h")
	python3 - "$1" "$type" <<'P'
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
process = libc.syscall(434, int(sys.argv[1]), 0)  # pidfd_open
channel = libc.syscall(438, process, 3, 0)        # pidfd_getfd
socket.socket(fileno=channel).send(struct.pack("<II", int(sys.argv[2]), 0))
P
}

# What a dead worker said last settles nothing before its ledger was looked at
t_the_ledger_of_a_dead_worker_is_judged_first() {
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=60s -o worker_timeout=60s
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is packets 1000
	pid=$(worker_pid 0)
	kill -STOP "$pid" # from here on what the ring holds stays there
	kill -TERM "$DAEMON"
	stopping() { grep -q "stopping: writing what the rings hold" "$DIR/err"; }
	wait_for 5 stopping
	kill -STOP "$DAEMON"
	stopped() { grep -q '^State:.T' "/proc/$DAEMON/status"; }
	wait_for 5 stopped
	scribble "$pid" 32 1200 0
	say_as "$pid" MESSAGE_READY
	kill -KILL "$pid"
	kill -TERM "$DAEMON" # abandoned: served after the worker's death is, or before it
	kill -CONT "$DAEMON"
	rc=0
	wait "$DAEMON" || rc=$?
	contains "it was judged" "$(cat "$DIR/err")" "va/0: the ledger is unusable"
	equal "exit code" "$rc" 0
	equal seen "$(account seen)" 1000
	equal "packets = drops + received" 1000 $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
}

# A worker that reads says no step of its start again
t_a_step_out_of_turn_ends_its_worker() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms
	up() { [ "$(ctl --json status | jq -r '.captures[0].workers[0].state')" = running ]; }
	n=0
	for step in SOCKET_MADE RING_MADE READY; do
		wait_for 5 up
		say_as "$(worker_pid 0)" MESSAGE_$step
		n=$((n + 1))
		wait_for 5 counter_is restarts $n
		equal "out of turn" "$(grep -c 'va/0: the worker sent .* out of order; it is replaced' "$DIR/err")" $n
	done
	wait_for 5 up
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is written 1000
	daemon_stop
	frames_check 1000 || fail "frames differ"
	balance
}

# A worker that is stopped while so many packets come costs nothing as long as its ring holds them; of more, what is counted.
# 64 blocks of 128 KiB, slots of 1096 bytes: 119 a block, 7616 in all. (Full to more than three quarters, one may be dropped though
# there is room, since Linux 5.3: the kernel looks a quarter of the ring ahead, without a lock.)
stopped_for() { # PACKETS
	daemon_start -i va -w "$OUT" -j 1 -o ring_size=8M -o block_size=128K -o block_timeout=1s -o write_delay=20ms -o worker_timeout=60s
	in_lab "$FRAMES" send vb 1000 size=1000 rate=10000
	wait_for 5 counter_is received 1000
	pid=$(worker_pid 0)
	kill -STOP "$pid"
	in_lab "$FRAMES" send vb "$1" first=1000 size=1000 rate=20000
	kill -CONT "$pid"
	in_lab "$FRAMES" send vb 1000 first=$(($1 + 1000)) size=1000 rate=10000
	drained() { [ "$(counter packets)" = $(($1 + 2000)) ] && [ "$(counter received)" = $(($1 + 2000 - $(counter drops))) ]; }
	wait_for 10 drained "$1"
	equal restarts "$(counter restarts)" 0
	daemon_stop
	line=$(frames_check $(($1 + 2000)) size=1000 partial=1) || fail "$line"
	equal lost "$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")" "$(account dropped)"
	equal "packets = drops + received" $(($1 + 2000)) $(($(account dropped) + $(account received)))
}
t_stopped_within_the_stall_budget() {
	stopped_for 5300
	equal dropped "$(account dropped)" 0
}
t_stopped_for_longer() {
	stopped_for 20000
	[ "$(account dropped)" -gt 10000 ] || fail "only $(account dropped) dropped"
}

run_tests
