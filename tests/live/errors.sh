#!/usr/bin/env bash
# What goes wrong is told in words, with the right exit code.
. "$(dirname "$0")/lib.sh"

# refused CODE WORDS ARGS...: afcapd ends by itself with that code, and says so on stderr
refused() {
	local code=$1 words=$2 rc=0
	shift 2
	in_lab timeout 120 "$AFCAPD" -o daemon.control="$SOCK" "$@" >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code of afcapd $*" "$rc" "$code"
	contains "message of afcapd $*" "$(cat "$DIR/err")" "$words"
	equal "what is left in the directory" "$(find "$OUT" -type f | wc -l)" 0
	equal "what is left of the socket" "$(find "$DIR" -name control.sock | wc -l)" 0
}

t_usage() {
	for arguments in "--nonsense" "-i va extra" "-c x -i va" "-w /tmp" "-j 2" "-i"; do
		rc=0
		# shellcheck disable=SC2086
		"$AFCAPD" $arguments >"$DIR/out" 2>"$DIR/err" || rc=$?
		equal "exit code of afcapd $arguments" $rc 2
		contains "usage" "$(cat "$DIR/err")" "afcapd"
	done
	contains version "$("$AFCAPD" -V)" '^afcapd [0-9]'
	contains help "$("$AFCAPD" --help)" '^usage: afcapd'
	while read -r arguments; do
		rc=0
		# shellcheck disable=SC2086
		"$AFCTL" $arguments >"$DIR/out" 2>"$DIR/err" || rc=$?
		equal "exit code of afctl $arguments" $rc 2
		contains "usage" "$(cat "$DIR/err")" "usage: afctl [a-z]\|(afctl --help)"
	done <<-'U'
		nonsense
		status --nonsense
		status --watch
		--watch stats
		stats --watch=0
		stats --watch=x
		stats va vb
		rotate va vb
		version all
		--color=red status
	U
	rc=0
	"$AFCTL" -s "$DIR/none.sock" status 2>"$DIR/err" || rc=$?
	equal "exit code of afctl without a daemon" $rc 3
	contains message "$(cat "$DIR/err")" "no daemon at"
}

t_no_such_interface() { refused 78 "no such interface: nowhere0" -i nowhere0 -w "$OUT"; }

# A capture that cannot be made, of several: all others are looked at, too, until the daemon ends
t_no_descriptor_for_a_record() {
	command -v strace >/dev/null || skip "no strace here"
	printf '[daemon]\ncontrol = %s\n[capture a]\ninterface = va\nworkers = 1\ndirectory = %s\n[capture b]\ninterface = vb\nworkers = 1\ndirectory = %s\n' \
		"$SOCK" "$OUT" "$OUT" >"$DIR/conf"
	for n in 1 2 3 4; do # the records and the ledgers of both
		rc=0
		ip netns exec "$NS" timeout 120 strace -qqo /dev/null -e trace=memfd_create -e inject=memfd_create:error=EMFILE:when=$n \
			"$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" || rc=$?
		equal "exit code where the descriptor $n is refused" "$rc" 1
		contains "message" "$(cat "$DIR/err")" "capture [ab]: making slots: "
	done
}

t_no_capability() {
	rc=0
	in_lab setpriv --bounding-set -net_raw --inh-caps -net_raw "$AFCAPD" -o daemon.control="$SOCK" -i va -w "$OUT" \
		>"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 77
	contains message "$(cat "$DIR/err")" "CAP_NET_RAW is missing"
	# Also where the user may do nothing else either
	chmod 755 "$DIR"
	cp "$AFCAPD" "$DIR/afcapd"
	rc=0
	in_lab setpriv --reuid 65534 --regid 65534 --clear-groups "$DIR/afcapd" -i va -w "$OUT" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 77
	contains message "$(cat "$DIR/err")" "CAP_NET_RAW is missing"
}

t_bad_filter() {
	refused 78 "filter = udp prot 5: can't parse filter expression: syntax error" -i va -w "$OUT" -f 'udp prot 5'
	printf '[capture va]\ndirectory = %s\nfilter = host\n' "$OUT" >"$DIR/conf"
	refused 78 "$DIR/conf:3: filter = host: can't parse" -c "$DIR/conf"
	rc=0
	"$AFCAPD" -n -c "$DIR/conf" 2>"$DIR/err" || rc=$?
	equal "exit code of -n" $rc 78
}

t_bad_config() {
	printf '[capture va]\nring_sise = 5\n' >"$DIR/conf"
	refused 78 "$DIR/conf:2: unknown key ring_sise" -c "$DIR/conf"
	refused 78 "$DIR/none: No such file" -c "$DIR/none"
}

# ulimit -f, LimitFSIZE=: of the process that starts afcapd
t_files_may_be_no_larger_than_a_chunk() {
	ulimit -f 100
	refused 78 "<3>command line: file_size: files of this process may be no larger than 100 KiB, .* KiB are needed: raise the limit (LimitFSIZE=, ulimit -f)" \
		-i va -w "$OUT" -j 1 -o ring_size=4M
}
t_files_end_where_they_may_be_no_larger() {
	ulimit -f 1000
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K
	contains warning "$(cat "$DIR/err")" "<4>va: files end at 996 KiB, below file_size: those of this process may be no larger (LimitFSIZE=, ulimit -f)"
	in_lab "$FRAMES" send vb 4000 size=1000 rate=1000
	wait_for 10 counter_is written 4000
	equal errors "$(counter write_errors) $(counter discarded_no_space)" "0 0"
	daemon_stop
	frames_check 4000 size=1000 || fail "frames differ"
	equal "without statistics" "$(grep -c 'no space for its statistics' "$DIR/err")" 0
	[ "$(files | wc -l)" -ge 4 ] || fail "only $(files | wc -l) files"
}
t_a_soft_limit_of_files_is_raised() {
	ulimit -S -f 10
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K
	equal warnings "$(grep -c ulimit "$DIR/err")" 0
	in_lab "$FRAMES" send vb 500 size=1000 rate=8000
	wait_for 10 counter_is written 500
	daemon_stop
	frames_check 500 size=1000 || fail "frames differ"
}

t_no_event_loop() {
	export EVENT_NOEPOLL=1 EVENT_NOPOLL=1 EVENT_NOSELECT=1
	refused 1 "^<3>making the event loop: .*EVENT_NOEPOLL" -i va -w "$OUT"
}

t_check_prints_what_parses_back() {
	"$AFCAPD" -n -i va -w "$OUT" -j 2 -f 'udp port 53' >"$DIR/one" 2>"$DIR/err" || fail "$(cat "$DIR/err")"
	"$AFCAPD" --check -c "$DIR/one" >"$DIR/two" || fail "does not parse back"
	cmp "$DIR/one" "$DIR/two" || fail "differs"
	contains "the filter" "$(cat "$DIR/one")" "^filter = udp port 53$"
}

t_ring_too_large() {
	refused 78 "MiB of memory are available" -i va -w "$OUT" -j 4 -o ring_size=1T -o block_size=128M -o file_size=1G
	refused 78 "at most 65536" -i va -w "$OUT" -j 1 -o ring_size=1G -o block_size=4K
}

t_directory() {
	refused 78 "directory $DIR/none: No such file or directory" -i va -w "$DIR/none"
	touch "$DIR/file"
	refused 78 "directory $DIR/file: Not a directory" -i va -w "$DIR/file"
	mkdir "$DIR/readonly"
	mount -t tmpfs -o ro tmpfs "$DIR/readonly"
	refused 78 "directory $DIR/readonly is not writable by user 0, which runs afcapd: Read-only file system (mounted read-only; under systemd ReadWritePaths= must name it)" -i va -j 2 -w "$DIR/readonly"
	equal "said" "$(grep -c "Read-only" "$DIR/err")" 1
	umount "$DIR/readonly"
}

# A directory that is not there is said at once, also where the interface is waited for, and in one line
t_a_directory_is_not_waited_for() {
	refused 78 "directory $DIR/none: No such file or directory (create it first" -i later0 -w "$DIR/none" -o on_missing=wait
	refused 78 "directory $DIR/none: No such file or directory (create it first" -i va -j 3 -w "$DIR/none"
	equal "errors told" "$(grep -c '^<3>' "$DIR/err")" 1
	mkdir "$DIR/other"
	chmod 555 "$DIR/other"
	chown 65534 "$DIR/other"
	refused 77 "is not writable" -i va -j 3 -w "$DIR/other"
	# Only the archive process sees this one, and its answer is waited for
	refused 77 "is not writable" -i later0 -w "$DIR/other" -o on_missing=wait
	! grep -E '^<3>$|cannot be' "$DIR/err" || fail "lines that say nothing"
}

# The supervisor's third child, behind the archive and the filter's compiler, is the worker
t_a_worker_that_cannot_be_started_for_a_filter() {
	command -v strace >/dev/null || skip "no strace here"
	[[ $BUILD != *asan* ]] || skip "a sanitizer does not run under strace"
	local rc=0
	ip netns exec "$NS" timeout 120 strace -qqo /dev/null -e trace=clone,clone3,fork,vfork \
		-e inject=clone,clone3,fork,vfork:error=EAGAIN:when=3 "$AFCAPD" -o daemon.control=off -o daemon.metrics=off \
		-i va -w "$OUT" -j 1 -f "not port 1" >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 1
	contains message "$(cat "$DIR/err")" "<3>capture va: starting workers: no further process is allowed (TasksMax="
	equal "what is left in the directory" "$(find "$OUT" -type f | wc -l)" 0
}

ready_is() { [ "$(in_lab curl -so /dev/null -w '%{http_code}' http://127.0.0.1:9748/-/ready)" = "$1" ]; }

# Held before its main() is the archive process, which opens the directory
t_ready_waits_for_the_directory() {
	needs_preload
	mkdir "$DIR/manager"
	HOLD_NAME="afcapd: archive" HOLD_FILE=$DIR/held LD_PRELOAD=$BUILD/tests/hold.so ip netns exec "$NS" \
		python3 "$TOP/tests/live/manager.py" "$DIR/manager" "$AFCAPD" -o daemon.control="$SOCK" \
		-o daemon.metrics=127.0.0.1:9748 -i later0 -w "$OUT" -j 1 -o on_missing=wait >"$DIR/out" 2>"$DIR/err" &
	MANAGER=$!
	PIDS="$PIDS $MANAGER"
	said() { grep -qs "$1" "$DIR/manager/notified"; }
	wait_for 10 test -s "$DIR/held"
	wait_for 10 said STATUS= # it has looked at its captures
	ready_is 503 || fail "ready, and no directory is open"
	! said READY=1 || fail "READY=1, and no directory is open"
	contains "why not" "$(in_lab curl -s http://127.0.0.1:9748/-/ready)" "later0: .*its directory is not open yet"
	kill -CONT "$(cat "$DIR/held")"
	wait_for 10 said READY=1
	wait_for 10 ready_is 200
	kill "$MANAGER"
	wait "$MANAGER" || fail "exit code $?"
}

# The interface goes while the directory is not open yet: a capture that leaves before it ever recorded has not begun
t_ready_waits_for_the_directory_where_the_interface_goes() {
	needs_preload
	mkdir "$DIR/manager"
	ip -n "$NS" link add later0 type veth peer name later1
	ip -n "$NS" link set later1 up
	ip -n "$NS" link set later0 up
	HOLD_NAME="afcapd: archive" HOLD_FILE=$DIR/held LD_PRELOAD=$BUILD/tests/hold.so ip netns exec "$NS" \
		python3 "$TOP/tests/live/manager.py" "$DIR/manager" "$AFCAPD" -o daemon.control="$SOCK" \
		-o daemon.metrics=off -i later0 -w "$OUT" -j 1 -o on_missing=wait >"$DIR/out" 2>"$DIR/err" &
	MANAGER=$!
	PIDS="$PIDS $MANAGER"
	said() { grep -qs "$1" "$DIR/manager/notified"; }
	wait_for 10 test -s "$DIR/held"
	state_is() { [ "$(ctl --json status | jq -r '.captures[0].state')" = "$1" ]; }
	wait_for 10 state_is starting
	ip -n "$NS" link del later0
	wait_for 10 state_is down
	! said READY=1 || fail "READY=1, and no directory is open"
	kill -CONT "$(cat "$DIR/held")"
	wait_for 10 said READY=1
	kill "$MANAGER"
	wait "$MANAGER" || fail "exit code $?"
}

# Its other worker is held before its main(), so that nothing is recorded yet: the service manager must see a start that fails
t_ready_is_not_said_where_the_only_capture_fails() {
	local rc=0
	needs_preload
	mkdir "$DIR/manager"
	HOLD_NAME="afcapd: worker" HOLD_ABOUT=va/1 HOLD_FILE=$DIR/held LD_PRELOAD=$BUILD/tests/hold.so ip netns exec "$NS" \
		python3 "$TOP/tests/live/manager.py" "$DIR/manager" "$AFCAPD" -o daemon.control="$SOCK" \
		-o daemon.metrics=127.0.0.1:9748 -i va -w "$OUT" -j 2 >"$DIR/out" 2>"$DIR/err" &
	MANAGER=$!
	PIDS="$PIDS $MANAGER"
	said() { grep -qs "$1" "$DIR/manager/notified"; }
	wait_for 10 test -s "$DIR/held"
	killed=
	another_killed() {
		grep -q "no capture is left" "$DIR/err" && return
		pid=$(ctl --json status | jq '.captures[0].workers[0] | select(.state == "running").pid')
		[ -n "$pid" ] && [ "$pid" != "$killed" ] && kill -KILL "$pid" && killed=$pid
		return 1
	}
	wait_for 20 another_killed
	wait "$MANAGER" || rc=$?
	equal "exit code" $rc 1
	contains "what failed" "$(cat "$DIR/err")" "va: worker 0 died 5 times in a row"
	wait_for 10 said STATUS=ended
	! said READY=1 || fail "READY=1, and nothing was recorded"
}

t_no_archive_process() {
	needs_preload
	export LD_PRELOAD=$BUILD/tests/hold.so HOLD_NAME="afcapd: archive" HOLD_EXIT=1
	refused 1 "the archive process cannot be started" -i va -w "$OUT"
	refused 1 "the archive process cannot be started" -i later0 -w "$OUT" -o on_missing=wait
}

# It was there at the start and is removed: not ready until it is back, and said once, however often it is tried again
t_a_directory_that_went_is_waited_for() {
	mkdir "$DIR/goes"
	daemon_begin -i later0 -w "$DIR/goes" -j 1 -o on_missing=wait
	wait_for 10 ready_is 200
	rmdir "$DIR/goes"
	ip -n "$NS" link add later0 type veth peer name later1
	ip -n "$NS" link set later1 up
	ip -n "$NS" link set later0 up
	wait_for 10 ready_is 503
	stays_503
	equal "said that it was removed" "$(grep -c "directory $DIR/goes was removed" "$DIR/err")" 1
	equal "said that it is not there" "$(grep -c "directory $DIR/goes: No such file" "$DIR/err")" 1
	equal "errors" "$(grep -c '^<3>' "$DIR/err")" 0
	mkdir "$DIR/goes"
	wait_for 10 ready_is 200
	wait_for 10 test -n "$(find "$DIR/goes" -name '*.spare')"
	in_lab "$FRAMES" send later1 100
	wait_for 5 counter_is written 100
	daemon_stop
	OUT=$DIR/goes frames_check 100 || fail "frames differ"
}
# While it records; then its interface goes, and comes again
t_a_directory_that_went_while_it_recorded_is_waited_for() {
	local rc=0
	mkdir "$DIR/goes"
	again_there
	daemon_begin -i later0 -w "$DIR/goes" -j 1 -o on_missing=wait -o block_timeout=50ms
	wait_for 10 ready_is 200
	in_lab "$FRAMES" send later1 100
	wait_for 5 counter_is written 100
	rm -r "$DIR/goes"
	ip -n "$NS" link set later0 down
	ip -n "$NS" link set later0 name other0
	ip -n "$NS" link set other0 up
	wait_for 10 grep -q "interface later0 was renamed to other0" "$DIR/err"
	wait_for 10 grep -q "directory $DIR/goes: No such file" "$DIR/err"
	ip -n "$NS" link del other0
	wait_for 10 is_waiting
	mkdir "$DIR/goes"
	again_there
	wait_for 10 ready_is 200
	in_lab "$FRAMES" send later1 100
	wait_for 10 counter_at_least received 200
	wait_for 10 counter_is files_lost 1
	kill "$DAEMON"
	wait "$DAEMON" || rc=$?
	equal "exit code" $rc 1 # the file that went with its directory
	contains account "$(cat "$DIR/out")" "200 received, 100 written, 100 discarded"
	! grep -q "Bad file descriptor$\|Bad file descriptor;" "$DIR/err" || fail "a bare errno"
	OUT=$DIR/goes frames_check 100 || fail "frames differ"
}
again_there() {
	ip -n "$NS" link add later0 type veth peer name later1
	ip -n "$NS" link set later1 up
	ip -n "$NS" link set later0 up
}
is_waiting() { [ "$(ctl --json status | jq -r '.captures[0].state')" = down ]; }
# For as long as several tries take
stays_503() {
	for _ in $(seq 30); do
		ready_is 503 || fail "ready without its directory"
		sleep 0.1
	done
}

# It cannot be used when the interface comes; the text is longer than what is shown of a reason
t_a_long_reason_is_logged_once() {
	local long
	long=$DIR/$(printf 'x%.0s' {1..200})/$(printf 'x%.0s' {1..200})
	mkdir -p "$long"
	daemon_begin -i later0 -w "$long" -j 2 -o on_missing=wait
	wait_for 10 ready_is 200
	rmdir "$long"
	mkdir -m 0555 "$long"
	chown 65534 "$long"
	ip -n "$NS" link add later0 type veth peer name later1
	ip -n "$NS" link set later1 up
	ip -n "$NS" link set later0 up
	wait_for 10 ready_is 503
	stays_503
	equal "said" "$(grep -c "directory $long is not writable by user" "$DIR/err")" 1
	equal "errors" "$(grep -c '^<3>' "$DIR/err")" 0
	chown 0 "$long"
	chmod 755 "$long"
	wait_for 10 ready_is 200
	wait_for 10 state_is_running
	daemon_stop
}
state_is_running() { [ "$(ctl --json status | jq -r '.captures[0].state')" = running ]; }

# It is removed, with all that is in it, while it is recorded into: the next files are in the one that takes its place
t_a_directory_removed_while_it_is_used() {
	mkdir "$DIR/goes"
	daemon_start -i va -w "$DIR/goes" -j 1 -o block_timeout=50ms -o ring_size=16M -o block_size=64K -o write_delay=20ms
	send 100000000 rate=1000
	wait_for 5 counter_at_least written 100
	rm -r "$DIR/goes"
	next_file() { kill -USR1 "$DAEMON" && grep -q "directory $DIR/goes: No such file" "$DIR/err"; }
	wait_for 10 next_file
	mkdir "$DIR/goes"
	recorded() { kill -USR1 "$DAEMON" && [ -n "$(OUT=$DIR/goes files)" ]; }
	wait_for 10 recorded
	equal "said that it was removed" "$(grep -c "directory $DIR/goes was removed" "$DIR/err")" 1
}

# The directory was moved, which is said, but not with each time that the interface goes and comes
t_what_was_said_of_a_directory_is_not_repeated() {
	mv "$OUT" "$DIR/moved"
	ln -s "$DIR/moved" "$OUT"
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -o ring_size=16M -o block_size=64K -o write_delay=20ms
	rm "$OUT"
	for n in 1 2 3; do
		ip -n "$NS" link del va
		wait_for 5 grep_count "$n" "capture begins again when possible"
		ip -n "$NS" link add va type veth peer name vb
		ip -n "$NS" link set vb up
		ip -n "$NS" link set va up
		wait_for 10 grep_count $((n + 1)) "va: recording va"
		wait_for 5 grep_count 1 "no longer leads to the directory that was opened"
		in_lab "$FRAMES" send vb 100
		wait_for 5 counter_is written $((n * 100))
	done
	daemon_stop
	equal "said that it was moved" "$(grep -c "no longer leads to the directory that was opened" "$DIR/err")" 1
}
grep_count() { [ "$(grep -c "$2" "$DIR/err")" -eq "$1" ]; }

# -n says it, too, but it may be there when afcapd starts
t_check_foresees() {
	in_lab "$AFCAPD" -n -i nowhere0 -w "$DIR/none" >"$DIR/out" 2>"$DIR/err" || fail "exit code $?"
	contains interface "$(cat "$DIR/err")" '^<4>-o nowhere0.interface: no such interface: nowhere0'
	contains directory "$(cat "$DIR/err")" "^<4>-o nowhere0.directory: directory $DIR/none: No such file or directory"
	in_lab "$AFCAPD" -n -i va -w "$OUT" >"$DIR/out" 2>"$DIR/err" || fail "exit code $?"
	contains "how long the rings last" "$(cat "$DIR/err")" '^<6>va: [0-9]* workers*, rings of 128 blocks of 524288 bytes, which last 31 s'
	equal "what else is to be said where all is there" "$(grep -v '^<6>va: [0-9]* workers*, rings of' "$DIR/err")" ""
}

t_values_are_blamed_on_what_was_typed() {
	refused 78 "^<3>-j: workers = 0: must be" -i va -w "$OUT" -j 0
	refused 78 "^<3>-l: log_level = bogus: must be" -i va -w "$OUT" -l bogus
	refused 78 "^<3>-o file_size=5x: file_size = 5x: must be" -i va -w "$OUT" -o file_size=5x
	refused 78 "^<3>-f: filter = port 1 or .*: must have 0 to 16384 characters" -i va -w "$OUT" \
		-f "$(printf 'port 1 or %.0s' $(seq 1640)) port 2"
	refused 78 "path too long for a socket" -i va -w "$OUT" -o daemon.metrics="unix:/$(printf 'y%.0s' $(seq 120))"
	refused 78 "^<3>/tmp: Is a directory" -c /tmp
	refused 2 "unexpected argument" -i va extra
}

t_two_captures_of_one_group() {
	printf '[capture a]\ninterface = va\nfanout_id = 5\n[capture b]\ninterface = va\nfanout_id = 5\n' >"$DIR/conf"
	refused 78 "$DIR/conf:6: fanout_id = 5: must differ from that of capture a" -c "$DIR/conf"
}

t_an_account_that_cannot_be_printed() {
	local rc=0
	ip netns exec "$NS" "$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=off -i va -w "$OUT" -j 1 >/dev/full 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	wait_for 20 daemon_running
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_at_least written 100
	"$AFCTL" -s "$SOCK" status >/dev/full 2>"$DIR/said" || rc=$?
	equal "exit code of afctl" $rc 1
	contains "what afctl says" "$(cat "$DIR/said")" "standard output: No space left"
	rc=0
	kill "$DAEMON"
	wait "$DAEMON" || rc=$?
	equal "exit code" $rc 1
	contains "the account" "$(cat "$DIR/err")" '^<3>va: [0-9]* packets seen'
}

# What is so already is not set: whoever may not is not refused for it
t_steps_that_would_change_nothing() {
	local group
	getent group games >/dev/null || skip "no group games"
	chmod 755 "$DIR"
	cp "$AFCAPD" "$DIR/afcapd"
	mkdir "$DIR/shared"
	chown 65534:games "$DIR/shared"
	chmod 2775 "$DIR/shared"
	ip netns exec "$NS" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw \
		"$DIR/afcapd" -o daemon.control="/tmp/$NS.sock" -o daemon.metrics=off -i va -w "$DIR/shared" -j 1 \
		-o file_group=games >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	SOCK=/tmp/$NS.sock
	wait_for 20 daemon_running
	kill -0 "$DAEMON" || fail "a group that files have already: $(cat "$DIR/err")"
	equal group "$(find "$DIR/shared" -name '.va-w0-*.spare' -printf '%g\n' | sort -u)" games
	daemon_stop
	# A file system that refuses it
	if command -v strace >/dev/null; then
		rm -f "$SOCK"
		SOCK=$DIR/control.sock
		ASAN_OPTIONS=detect_leaks=0 ip netns exec "$NS" strace -qqfo /dev/null -e trace=fchown,fchmod -e inject=fchown,fchmod:error=EPERM "$AFCAPD" \
			-o daemon.control="$SOCK" -o daemon.metrics=off -i va -w "$OUT" -j 1 -o file_mode=0600 \
			-o file_group=root >"$DIR/out" 2>"$DIR/err" &
		PIDS="$PIDS $!"
		DAEMON=$!
		wait_for 20 daemon_running
		kill -0 "$DAEMON" || fail "what the file system refuses though it is so: $(cat "$DIR/err")"
		DAEMON=$(tr -d " " <"/proc/$DAEMON/task/$DAEMON/children")
		kill -TERM "$DAEMON"
		wait "${PIDS##* }" || fail "exit code $?: $(cat "$DIR/err")"
	fi
	# Groups cannot be set in a user namespace
	unshare -Urn true 2>/dev/null || skip "no user namespaces here"
	unshare -Urn bash -c 'ip link set lo up && exec timeout -s TERM 3 "$@"' - "$AFCAPD" -o daemon.control="$DIR/u.sock" \
		-o daemon.metrics=off -i lo -w "$OUT" -j 1 >"$DIR/out" 2>"$DIR/err" || true
	contains "in a user namespace" "$(cat "$DIR/err")" "recording lo with 1 worker"
}

t_no_such_group() {
	local group
	refused 78 "file_group = nonesuch: no such group" -i va -w "$OUT" -o file_group=nonesuch
	rc=0
	"$AFCAPD" -n -i va -w "$OUT" -o file_group=nonesuch >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code of -n" $rc 78
	group=$(getent group | cut -d: -f1 | tail -1)
	daemon_start -i va -w "$OUT" -j 1 -o file_group="$group"
	equal group "$(find "$OUT" -name '.va-w0-*.spare' -printf '%g\n' | sort -u)" "$group"
	daemon_stop
}

t_directory_not_writable() {
	mkdir "$DIR/other"
	chmod 555 "$DIR/other"
	chmod 755 "$DIR"
	cp "$AFCAPD" "$DIR/afcapd" # a build directory may be closed to others
	rc=0
	in_lab setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw \
		"$DIR/afcapd" -o daemon.control="/tmp/$NS.sock" -i va -w "$DIR/other" >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 77
	contains message "$(cat "$DIR/err")" "directory $DIR/other is not writable by user 65534, which runs afcapd: Permission denied (give it to that user"
	# Root keeps nothing of what would help
	chown 65534 "$DIR/other"
	chmod 755 "$DIR/other"
	refused 77 "is not writable by user 0, which runs afcapd: Permission denied (afcapd does not retain root's access" -i va -w "$DIR/other"
	contains advice "$(cat "$DIR/err")" 'set user = to its owner'
}

t_metrics_port_taken() {
	ip netns exec "$NS" python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 9748)); s.listen(); time.sleep(60)' &
	PIDS="$PIDS $!"
	taken() { in_lab ss -tln | grep -q 127.0.0.1:9748; }
	wait_for 5 taken
	refused 1 "metrics = 127.0.0.1:9748: in use by another program" -i va -w "$OUT"
	refused 78 "metrics = nonsense: must be ADDRESS:PORT, unix:PATH or off" -i va -w "$OUT" -o daemon.metrics=nonsense
}

t_control_socket_of_a_live_daemon() {
	daemon_start -i va -w "$OUT"
	rc=0
	in_lab "$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=off -i va -w "$OUT" 2>"$DIR/err2" || rc=$?
	equal "exit code" $rc 1
	contains message "$(cat "$DIR/err2")" "control = $SOCK: a running daemon listens there"
	ctl status >/dev/null || fail "the live daemon lost its socket"
	daemon_stop
}

t_a_stale_control_socket_is_replaced() {
	daemon_start -i va -w "$OUT"
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2>/dev/null
	[ -S "$SOCK" ] || fail "no stale socket"
	daemon_start -i va -w "$OUT"
	daemon_stop
	[ ! -e "$SOCK" ] || fail "the socket was left"
	touch "$SOCK"
	rc=0
	in_lab "$AFCAPD" -o daemon.control="$SOCK" -i va -w "$OUT" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 1
	contains message "$(cat "$DIR/err")" "a file that is not a socket is there"
	[ -f "$SOCK" ] || fail "a file that is not ours was removed"
}

t_fanout_id_taken_with_another_mode() {
	daemon_start -i va -w "$OUT" -o fanout_id=4242 -o fanout=hash
	rc=0
	in_lab "$AFCAPD" -o daemon.control="$DIR/2.sock" -o daemon.metrics=off -i va -w "$OUT" -o fanout_id=4242 \
		-o fanout=lb 2>"$DIR/err2" || rc=$?
	equal "exit code" $rc 1
	contains message "$(cat "$DIR/err2")" "fanout group 4242 cannot be joined with mode lb"
	contains message "$(cat "$DIR/err2")" "another mode"
	daemon_stop
}

t_a_worker_that_cannot_write_is_told() {
	# direct = yes where the file system has no O_DIRECT: ramfs has none
	mkdir "$DIR/ram"
	mount -t ramfs ramfs "$DIR/ram"
	rc=0
	in_lab timeout 120 "$AFCAPD" -o daemon.control="$SOCK" -i va -w "$DIR/ram" -o direct=yes 2>"$DIR/err" >"$DIR/out" || rc=$?
	if [ $rc = 124 ] || [ $rc = 0 ]; then skip "ramfs takes O_DIRECT here"; fi
	equal "exit code" $rc 78
	contains message "$(cat "$DIR/err")" "no O_DIRECT"
	umount "$DIR/ram"
}

run_tests
