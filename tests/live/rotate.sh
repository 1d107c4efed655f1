#!/usr/bin/env bash
# The next file: by the clock, by signal, by afctl; nothing is lost between two.
. "$(dirname "$0")/lib.sh"

# Rings that last for some seconds, by their bytes and by their blocks: a busy disk may stand still for a while
FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=64M -o block_size=64K"

# files_are N: so many finished ones
files_are() { [ "$(files | wc -l)" -eq "$1" ]; }
in_use() { [ "$(ctl --json status | jq '[.captures[].workers[].file | select(. != null)] | length')" -eq "$1" ]; }

# The account and the files' own numbers agree
sums_agree() {
	equal "sum over the files" "$(isb_sum)" "$(account seen) $(account dropped) $(account written)"
	equal "what is left in the directory" "$(find "$OUT" ! -name '*.pcapng' -type f | wc -l)" 0
}

# The time in each name, in microseconds
name_times() { files | sed -n 's/.*-\([0-9]\{8\}\)T\([0-9]*\)\.\([0-9]*\)Z-w[0-9]*.pcapng$/\1 \2 \3/p' | python3 -c '
import calendar, sys, time
for line in sys.stdin:
    day, clock, us = line.split()
    print(calendar.timegm(time.strptime(day + clock, "%Y%m%d%H%M%S")) * 1000000 + int(us))'; }

for layout in compact inplace; do
	eval "t_by_the_clock_${layout}() { by_the_clock $layout; }"
done
by_the_clock() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o layout="$1" -o file_duration=1s
	send 5000 rate=1000 size=60-1514 # five seconds
	wait "$SENDER"
	wait_for 5 counter_is written 5000
	daemon_stop
	frames_check 5000 size=60-1514 || fail "frames differ across files"
	sums_agree
	equal "periods with more than one file" "$(name_times | while read -r us; do echo $((us / 1000000)); done | uniq -d | wc -l)" 0
	# A file's period is that of its name, which is its first packet's. Later ones are in another file, but for what was on its
	# way (the main thread is waited for, but not long); earlier ones may be late where the disk stood still.
	files | xargs python3 -c '
import calendar, re, struct, sys, time
SECOND, SLACK = 1000000000, 500000000
last, periods = 0, []
for path in sys.argv[1:]:
    data, at, times = open(path, "rb").read(), 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            high, low = struct.unpack_from("<II", data, at + 12)
            times.append(high << 32 | low)
        at += length
    begin = calendar.timegm(time.strptime(re.search("[0-9]{8}T[0-9]{6}", path)[0], "%Y%m%dT%H%M%S")) * SECOND
    us = int(re.search("[.]([0-9]{6})Z", path)[1])
    assert times[0] // 1000 * 1000 == begin + us * 1000, (path, "not named by its first packet", times[0])
    assert last <= times[0], (path, "earlier than the file before", last - times[0])
    assert times[-1] < begin + SECOND + SLACK, (path, "later than its period", times[-1] - begin)
    last = times[-1]
    periods.append(begin // SECOND)
# Each period with packets has a file, unless the disk stood still for longer: then all of that is in one
assert len(periods) >= 3, periods
' || fail "packets in the file of another period"
}

t_an_idle_file_ends_with_its_time_and_empty_times_make_none() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_duration=1s
	in_lab "$FRAMES" send vb 20 flows=1 # in one block: two may be of two times
	wait_for 5 counter_is written 20
	wait_for 5 files_are 1 # nobody sends any more
	wait_for 5 in_use 0 # the next file gets its name with its first packet
	quiet() { [ "$(date +%s%N)" -gt "$until" ]; }
	until=$(($(date +%s%N) + 3000000000))
	wait_for 5 quiet
	files_are 1 || fail "a time without packets made a file"
	in_lab "$FRAMES" send vb 20 first=20 flows=1
	wait_for 5 files_are 2
	equal "worker without packets" "$(ctl --json stats | jq '[.captures[0].workers[] | select(.files_opened == 0)] | length')" 1
	daemon_stop
	frames_check 40 flows=1 || fail "frames differ"
	sums_agree
}

t_by_signal_and_by_afctl_under_load() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST
	send 100000000 rate=20000 size=60-1514
	wait_for 5 counter_at_least written 1000
	for _ in 1 2 3 4 5; do
		before=$(files | wc -l)
		wait_for 5 in_use 2 # a file without packets is not rotated
		ctl rotate || fail "afctl rotate"
		[ "$(files | wc -l)" -ge $((before + 2)) ] || fail "the files are not finished when afctl is back"
		wait_for 5 in_use 2
		kill -USR1 "$DAEMON"
		more() { [ "$(files | wc -l)" -ge $((before + 4)) ]; }
		wait_for 5 more
	done
	send_end
	wait_for 5 counter_is written "$count"
	daemon_stop
	frames_check "$count" size=60-1514 || fail "frames differ across files"
	equal dropped "$(account dropped)" 0
	sums_agree
	files_valid 4
}

t_a_file_without_packets_is_not_rotated() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST
	ctl rotate || fail "afctl rotate of nothing"
	ctl rotate va || fail "afctl rotate va"
	files_are 0 || fail "a file without packets"
	rc=0
	ctl rotate nobody 2>"$DIR/said" || rc=$?
	equal "exit code for an unknown capture" $rc 1
	contains words "$(cat "$DIR/said")" "no such capture: nobody"
	equal "as JSON" "$(ctl --json rotate va)" '{}'
	daemon_stop
	equal "files" "$(account files)" 0
}

# Another user who may ask, but not change
t_others_may_not_rotate() {
	id -u nobody >/dev/null || skip "no user nobody"
	getent group nogroup >/dev/null || skip "no group nogroup"
	chmod 755 "$DIR"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o daemon.control_group=nogroup
	in_lab "$FRAMES" send vb 100
	wait_for 5 in_use 1
	rc=0
	cp "$AFCTL" "$DIR/afctl"
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$DIR/afctl" -s "$SOCK" rotate 2>"$DIR/said" || rc=$?
	equal "exit code" $rc 4
	contains words "$(cat "$DIR/said")" "permission denied: root.* the daemon's user.* may do this"
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$DIR/afctl" -s "$SOCK" status >/dev/null || fail "may not even ask"
	files_are 0 || fail "it was rotated all the same"
	daemon_stop
	# ... and one of the admins, by a group that is not his first
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o daemon.control_group=nogroup -o daemon.control_admins=daemon
	in_lab "$FRAMES" send vb 100 first=100
	wait_for 5 in_use 1
	before=$(files | wc -l)
	setpriv --reuid=nobody --regid=nogroup --groups="$(getent group daemon | cut -d: -f3)" "$DIR/afctl" -s "$SOCK" rotate ||
		fail "an admin may not rotate"
	files_are $((before + 1)) || fail "not rotated"
	daemon_stop
}

# A worker dies with a rotation asked for: the next one does it
t_a_rotation_survives_its_worker() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	send 100000000 rate=20000 size=60-200
	wait_for 5 counter_at_least written 1000
	for n in 1 2 3 4 5 6; do
		before=$(files | wc -l)
		wait_for 5 in_use 1
		worker=$(workers)
		kill -STOP "$worker" # it has not done it yet when it dies
		kill -USR1 "$DAEMON"
		asked() { [ "$(grep -c SIGUSR1 "$DIR/err")" -eq "$n" ]; }
		wait_for 5 asked
		kill -KILL "$worker"
		more() { [ "$(files | wc -l)" -gt "$before" ]; }
		wait_for 5 more
	done
	send_end
	wait_for 5 counter_is written "$count"
	daemon_stop
	frames_check "$count" size=60-200 || fail "frames differ"
	sums_agree
}

# Its worker has written, and not yet said so: who asks waits for that file, too
unreported() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o worker_timeout=60s
	command -v strace >/dev/null || skip "no strace here"
	worker=$(workers)
	strace -qq -p "$worker" -e trace=sendmsg -e inject=sendmsg:delay_enter=60000000 -o "$DIR/strace" 2>"$DIR/strace.err" &
	tracer=$!
	PIDS="$PIDS $tracer"
	wait_for 5 grep -q "^TracerPid:.*[1-9]" "/proc/$worker/status"
	in_lab "$FRAMES" send vb 100
	written() { [ "$(find "$OUT" -name '.*-w0-*.spare' -size +4k | wc -l)" -eq 1 ]; }
	wait_for 10 written
	in_use 0 || fail "that it is in use is reported already"
}
t_what_is_not_reported_yet_is_rotated() {
	unreported
	rotate_behind
	stays_away
	kill -KILL "$tracer"
	wait_for 10 test -s "$DIR/rotated"
	equal "exit code of afctl, files then" "$(cat "$DIR/rotated")" "0 1"
	daemon_stop
	frames_check 100 || fail "frames differ"
	sums_agree
}
t_a_rotation_survives_a_worker_that_reported_nothing() {
	unreported
	kill -USR1 "$DAEMON"
	wait_for 5 grep -q SIGUSR1 "$DIR/err"
	kill -KILL "$worker" "$tracer"
	wait_for 10 files_are 1
	daemon_stop
	frames_check 100 || fail "frames differ"
	sums_agree
}

# afctl rotate in the background: its exit code, and how many files are finished then, are in $DIR/rotated
rotate_behind() {
	{
		ctl rotate
		echo "$? $(files | wc -l)" >"$DIR/rotated"
	} &
	PIDS="$PIDS $!"
}
# ... which is not back, for as long as it takes to look some times
stays_away() {
	for _ in $(seq 20); do
		[ ! -e "$DIR/rotated" ] || fail "afctl is back before the file is finished: $(cat "$DIR/rotated")"
		sleep 0.05
	done
}

# The worker is in the next file, the archive process has not finished the one before: that is one rotation, whoever dies
t_a_rotation_is_not_done_twice() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	in_lab "$FRAMES" send vb 100
	wait_for 5 in_use 1
	archive=$(archive_pid)
	kill -STOP "$archive"
	kill -USR1 "$DAEMON"
	next_file() { in_lab "$FRAMES" send vb 100 first="$count" && count=$((count + 100)) && counter_is files_opened 2; }
	count=100
	wait_for 10 next_file
	worker=$(workers)
	kill -KILL "$worker"
	replaced() { [ -n "$(workers)" ] && [ "$(workers)" != "$worker" ] && [ "$(ctl --json status | jq -r '.captures[0].workers[0].state')" = running ]; }
	wait_for 10 replaced
	kill -CONT "$archive"
	finished() { [ "$(files | wc -l)" -ge 1 ]; }
	wait_for 10 finished
	in_lab "$FRAMES" send vb 100 first="$count"
	count=$((count + 100))
	wait_for 10 counter_is written "$count"
	daemon_stop
	frames_check "$count" || fail "frames differ"
	sums_agree
	files_are 2 || fail "$(files | wc -l) files after one rotation"
}

# The interface goes while the old file is being finished: afctl waits for that
t_a_rotation_is_waited_for_when_the_interface_goes() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	in_lab "$FRAMES" send vb 100
	wait_for 5 in_use 1
	archive=$(archive_pid)
	kill -STOP "$archive"
	rotate_behind
	next_file() { in_lab "$FRAMES" send vb 100 && counter_is files_opened 2; }
	wait_for 10 next_file
	ip -n "$NS" link del va
	idle() { [ "$(ctl --json status | jq -r '.captures[0].workers[0].state')" = waiting ]; }
	wait_for 10 idle
	stays_away
	kill -CONT "$archive"
	wait_for 10 test -s "$DIR/rotated"
	contains "exit code of afctl, files then" "$(cat "$DIR/rotated")" "^0 [12]$"
	daemon_stop
}

# A stop comes while the next file is being made
t_a_file_is_made_too_late() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is written 100
	inject "$(archive_pid)" openat delay_enter=1000000
	kill -USR1 "$DAEMON"
	in_lab "$FRAMES" send vb 100 first=100
	sleep 0.2
	daemon_stop
	frames_check 200 || fail "frames differ across files"
	sums_agree
}

run_tests
