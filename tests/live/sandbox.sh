#!/usr/bin/env bash
# What each process may: asked of the kernel, and of an attacker inside.
. "$(dirname "$0")/lib.sh"
# Rings that last for many seconds: disks may stand still, and workers are replaced all the time
ROOM="-o ring_size=16M -o block_size=64K -o block_timeout=64ms -o write_delay=5ms -o file_size=1M"

# status PID FIELD, of a process or of one of its threads (PID/task/TID)
status() { awk -v f="$2:" '$1 == f { print $2 }' "/proc/$1/status"; }
same() { # PROCESS FIELD EXPECTED
	local task
	for task in /proc/"$1"/task/*; do equal "$(tr '\0' ' ' <"/proc/$1/cmdline"): $2" "$(status "${task#/proc/}" "$2")" "$3"; done
}

processes_are_confined() {
	local pid set
	for pid in "$DAEMON" "$(archive_pid)" $(workers); do
		same "$pid" NoNewPrivs 1
		sanitized || same "$pid" Seccomp 2
		for set in CapEff CapInh CapAmb; do same "$pid" $set 0000000000000000; done
	done
	same "$DAEMON" CapPrm 0000000000002000
	same "$DAEMON" CapBnd 0000000000002000
	for pid in "$(archive_pid)" $(workers); do same "$pid" CapPrm 0000000000000000; done
}

# /proc says it: of all threads, also of workers that came later
t_processes_have_nothing_they_do_not_need() {
	local pid
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $ROOM
	processes_are_confined
	send 20000 rate=20000
	kill -KILL "$(worker_pid 1)" "$(archive_pid)"
	wait "$SENDER"
	wait_for 5 counter_is received 20000
	processes_are_confined
	for pid in $(workers); do
		equal threads "$(find /proc/"$pid"/task -mindepth 1 -maxdepth 1 | wc -l)" 2
		contains "size of files" "$(grep 'Max file size' "/proc/$pid/limits")" "$(((4 << 20) + (1 << 30))) "
		contains descriptors "$(grep 'Max open files' "/proc/$pid/limits")" ' 64 '
		# Not dumpable: its memory is root's alone, also where it runs as somebody else
		equal "owner of /proc/PID/mem" "$(stat -c %U "/proc/$pid/mem")" root
		! find /proc/"$pid"/fd -lname 'socket:*' | grep -v '/[35]$' || fail "a worker has a socket too many"
	done
	daemon_stop
	frames_check 20000 || fail "frames differ"
}

# Whoever starts it may have set limits that are lower than its own
t_lower_limits_are_kept() {
	(
		ulimit -n 200 -f 100000
		# shellcheck disable=SC2086
		daemon_start -i va -w "$OUT" -j 1 $ROOM
		in_lab "$FRAMES" send vb 1000 >/dev/null
		wait_for 5 counter_is received 1000
		contains "size of files" "$(grep 'Max file size' "/proc/$(worker_pid 0)/limits")" ' 102400000 '
		contains descriptors "$(grep 'Max open files' "/proc/$(archive_pid)/limits")" ' 200 '
		daemon_stop
	) || exit 1
	frames_check 1000 || fail "frames differ"
}

# What whoever started the daemon left open goes to no child
t_descriptors_left_open_are_nobodys() {
	exec 77</etc/passwd
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $ROOM
	exec 77<&-
	for pid in $(archive_pid) $(workers); do
		! find /proc/"$pid"/fd -lname /etc/passwd | grep . || fail "a child has the descriptor"
	done
	daemon_stop
}

attacked() { # THREAD
	export RED_FILE=$DIR/red RED_THREAD=$1 LD_PRELOAD=$BUILD/tests/red.so
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 24 $ROOM
	unset LD_PRELOAD
	send 100000 rate=20000 size=60-200
	attacks=$(sed -n '/^attack 0 of/{s/.* of \([0-9]*\):.*/\1/p;q}' "$DIR/err")
	all_tried() { [ "$(grep -c 'died of SIGSYS' "$DIR/err")" -ge "$attacks" ]; }
	wait_for 40 all_tried
	wait "$SENDER"
	wait_for 10 counter_at_least received 100000
	daemon_stop
	! grep 'survived' "$DIR/err" || fail "an attack came through"
	equal "what was denied" \
		"$(sed -n "s/.*SIGSYS: it called \([a-z0-9_]*\), which is not allowed, in its $1 thread.*/\1/p" "$DIR/err" | sort)" \
		"$(sed -n 's/^attack [0-9]* of [0-9]*: //p' "$DIR/err" | sort)"
	equal attacks "$(grep -c '^attack' "$DIR/err")" "$attacks"
	# ... and all that meanwhile came in is there
	frames_check 100000 size=60-200 || fail "frames differ"
	equal received "$(account received)" 100000
	equal dropped "$(account dropped)" 0
}

# An attacker who has taken a worker over tries each of the kernel's doors: every one is closed, the call is named in the
# log, the worker replaced, and no packet lost
t_a_taken_over_main_thread_can_do_nothing() {
	! sanitized || skip "a sanitizer's build is not confined"
	attacked main
}

t_a_taken_over_ring_thread_can_do_nothing() {
	! sanitized || skip "a sanitizer's build is not confined"
	attacked ring
}

# A worker that says anything it likes to its supervisor: random bytes, wrong lengths, descriptors, floods, lies. It is
# replaced; the supervisor and the others go on, and nothing is lost
t_a_hostile_worker_harms_nobody_else() {
	! sanitized || skip "a sanitizer does not let itself be preloaded"
	local before
	export RED_FILE=$DIR/red RED_THREAD=channel LD_PRELOAD=$BUILD/tests/red.so
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 8 $ROOM
	unset LD_PRELOAD
	before=$(find /proc/"$DAEMON"/fd | wc -l)
	send 100000 rate=20000 size=60-200
	wait "$SENDER"
	wait_for 20 counter_at_least received 100000
	all_done() { grep -q '^attack 6 of 7' "$DIR/err" && [ "$(counter restarts)" -ge 5 ]; }
	wait_for 10 all_done
	[ "$(find /proc/"$DAEMON"/fd | wc -l)" -le $((before + 8)) ] || fail "the supervisor has more descriptors than before"
	contains log "$(cat "$DIR/err")" 'the worker sent an impossible report'
	contains log "$(cat "$DIR/err")" 'protocol violation: unknown type, or wrong length'
	! grep -q "$(printf '\033')" "$DIR/err" || fail "a worker's control characters are in the log"
	daemon_stop
	frames_check 100000 size=60-200 || fail "frames differ"
	equal received "$(account received)" 100000
	equal dropped "$(account dropped)" 0
}

# The archive process may call what files take; where, Landlock says
t_a_taken_over_archive_process_has_its_directory_alone() {
	local tries
	! sanitized || skip "a sanitizer's build is not confined"
	python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(444, 0, 0, 1) < 1)' ||
		skip "Landlock is not available"
	rm -f /tmp/afcap-red
	touch /tmp/afcap-canary
	export RED_FILE=$DIR/red RED_THREAD=archive LD_PRELOAD=$BUILD/tests/red.so
	# shellcheck disable=SC2086
	daemon_begin -i va -w "$OUT" -j 1 $ROOM
	unset LD_PRELOAD
	died() { grep -q 'the archive process died of SIGSYS: it called socket' "$DIR/err"; }
	wait_for 10 died
	tries=$(sed -n 's/^archive: //p' "$DIR/err" | sort -u)
	equal tries "$tries" "$(printf '%s: Permission denied\n' / /etc/passwd /proc/self/mem /tmp/afcap-red 'removing /tmp/afcap-canary')"
	rm /tmp/afcap-canary || fail "the file outside is gone"
	kill -KILL "$DAEMON"
}

# No core file: where it died is told all the same
t_a_crash_is_traced() {
	! sanitized || skip "the sanitizer tells it"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $ROOM
	send 20000 rate=20000
	kill -SEGV "$(worker_pid 0)"
	kill -ABRT "$(worker_pid 1)"
	kill -BUS "$(archive_pid)"
	wait "$SENDER"
	wait_for 5 counter_is received 20000
	daemon_stop
	contains log "$(cat "$DIR/err")" 'va/0: the worker died of SIGSEGV (address 0x[0-9a-f]*), in its main thread, at .*afcapd+0x[0-9a-f]*'
	contains log "$(cat "$DIR/err")" 'va/1: the worker died of SIGABRT, in its main thread, at .*afcapd+0x[0-9a-f]*'
	contains log "$(cat "$DIR/err")" 'the archive process died of SIGBUS (address 0x[0-9a-f]*), in its main thread, at .*afcapd+0x'
	contains log "$(cat "$DIR/err")" 'va/0: worker killed by signal 11;'
	# What it says is a place in this very program
	at=$(sed -n 's/.*SIGSEGV.*\(afcapd+0x[0-9a-f]*\).*/\1/p' "$DIR/err" | head -n 1)
	contains "addr2line ${at#*+}" "$(addr2line -fe "$AFCAPD" "${at#*+}")" '^worker_main\|^main\|^_start'
	frames_check 20000 || fail "frames differ"
	[ -z "$(find . "$DIR" -maxdepth 1 -name 'core*')" ] || fail "a core file"
}

# After the set-up the daemon is the user it was told to be; what it writes is that user's
t_the_user_is_changed() {
	local pid
	chown nobody "$OUT" "$DIR"
	chmod 755 "$DIR"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 -o daemon.user=nobody -o daemon.group=nogroup -f udp -o file_group=games $ROOM
	for pid in "$DAEMON" "$(archive_pid)" $(workers); do
		equal Uid "$(grep '^Uid:' "/proc/$pid/status" | tr '\t' ' ')" "Uid: 65534 65534 65534 65534"
		equal Gid "$(grep '^Gid:' "/proc/$pid/status" | tr '\t' ' ')" "Gid: 65534 65534 65534 65534"
	done
	processes_are_confined
	send 20000 rate=20000
	kill -KILL "$(worker_pid 0)"
	# What needs CAP_NET_RAW later: sockets, a filter for an interface that was made again
	wait "$SENDER"
	wait_for 5 counter_is received 20000
	ip -n "$NS" link del va
	down() { contains state "$(ctl status)" down; }
	wait_for 5 down
	ip -n "$NS" link add va type veth peer name vb
	ip -n "$NS" link set va up
	ip -n "$NS" link set vb up
	running() { [ "$(ctl --json status | jq -r '.captures[0].state')" = running ]; }
	wait_for 10 running
	in_lab "$FRAMES" send vb 1000 first=20000 >/dev/null
	wait_for 5 counter_is received 21000
	daemon_stop
	[ ! -e "$SOCK" ] || fail "the socket is left"
	equal "owners" "$(find "$OUT" -type f -printf '%u:%g\n' | sort -u)" nobody:games
	frames_check 21000 || fail "frames differ"
}

t_bad_users_are_told() {
	local text
	text=$("$AFCAPD" -n -i va -o daemon.user=nobody-here 2>&1)
	equal "exit code" $? 78
	contains text "$text" 'user = nobody-here: no such user'
	text=$(setpriv --reuid=65534 --clear-groups "$AFCAPD" -n -i va -o daemon.user=root 2>&1)
	equal "exit code" $? 78
	contains text "$text" 'user = root: only root can become another user'
}

run_tests
