#!/usr/bin/env bash
# Output directories that others may write to: links, hard links, FIFOs, sockets, devices, directories and names made to
# hurt; the directory itself swapped. Nothing outside is touched, the account stays exact, no line of the log is forged.
. "$(dirname "$0")/lib.sh"

FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K -o disk_reserve=0"
VANDAL=1234
OLD=va-20200101T000000

over() { ! kill -0 "$1"; }
as_vandal() { setpriv --reuid $VANDAL --regid $VANDAL --clear-groups "$@"; }

# All processes of the daemon die at once
kill_all() {
	local list
	mapfile -t list < <(tr ' ' '\n' <"/proc/$DAEMON/task/$DAEMON/children" | grep .)
	kill -KILL "$DAEMON" "${list[@]}"
	wait "$DAEMON" 2>/dev/null
	gone() { ! kill -0 "${list[@]}" 2>/dev/null; }
	wait_for 5 gone
}

# $DIR/outside/canary, alone: a file that would be repaired, cut, renamed or removed if it were taken for one of the directory's
canary_make() {
	chmod 711 "$DIR"
	mkdir "$DIR/outside"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	in_lab "$FRAMES" send vb 300 size=700-1400
	wait_for 5 counter_is written 300
	kill_all
	rm -f "$SOCK"
	cat "$OUT"/va-*-w0.pcapng.partial >"$DIR/outside/canary"
	head -c 3000 /dev/zero >>"$DIR/outside/canary"
	rm "$OUT"/.va-* "$OUT"/va-*
	chmod 644 "$DIR/outside/canary"
	cp "$DIR/outside/canary" "$DIR/outside/alone" # has one name only, and is of the daemon's user
}

# Reading changes times, but not again and again
settle() { wait_for 5 settled; }
settled() {
	local times
	cat "$DIR/outside/"* && times=$(stat -c %x "$DIR/outside/"*)
	cat "$DIR/outside/"* && [ "$(stat -c %x "$DIR/outside/"*)" = "$times" ]
}

# What is outside: kind, size, mode, owner, times, links, contents
outside() {
	find "$DIR/outside" -mindepth 1 -printf "%P %y %s %m %U:%G %A@ %T@ ${1-%C@ %n}\n"
	md5sum "$DIR/outside/"*
}

# Each line of the log is one that the daemon wrote
log_is_plain() {
	! grep -avn '^<[0-7]>' "$DIR/err" || fail "lines that are none of the log's"
	! grep -an '^<.>forged' "$DIR/err" || fail "a forged line"
	! LC_ALL=C grep -an '[[:cntrl:]]' "$DIR/err" || fail "control characters in the log"
}

told() { grep -q "$1" "$DIR/err"; }
repaired() { [ "$(counter files_repaired)" -ge "$1" ]; }

t_traps_that_are_there_at_the_start() {
	local canary=$DIR/outside/canary n=0 path before
	canary_make
	cp "$canary" "$DIR/outside/linked"
	cp "$canary" "$DIR/genuine"
	cd "$OUT" || fail "$OUT"
	for path in "$DIR/outside/alone" "$canary" "$DIR/outside" "$DIR/outside/made" /dev/null; do
		n=$((n + 1))
		ln -s "$path" "$OLD.10000${n}Z-w0.pcapng.partial"
		ln -s "$path" "$OLD.20000${n}Z-w0.pcapng"
		ln -s "$path" ".va-w0-1-$n.spare"
	done
	ln "$canary" "$OLD.300001Z-w0.pcapng.partial"
	ln "$canary" ".va-w0-1-11.spare"
	ln "$DIR/outside/linked" "$OLD.300002Z-w0.pcapng"
	mkfifo "$OLD.400001Z-w0.pcapng.partial" "$OLD.400002Z-w0.pcapng" ".va-w0-1-12.spare"
	mknod "$OLD.500001Z-w0.pcapng.partial" c 1 3
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$OLD.500002Z-w0.pcapng.partial"
	mkdir "$OLD.600001Z-w0.pcapng.partial" "$OLD.600002Z-w0.pcapng" ".va-w0-1-13.spare"
	for path in "$OLD.700001Z-w0.pcapng.partial"$'\n<0>forged: all is lost' $'va-\e]0;\r\n<0>forged-w0.pcapng.partial' \
		$'\xff\xfe'"$OLD-w0.pcapng.partial" "$OLD.700002Z-w0.pcapng.partial"$'\n'; do
		cp "$canary" "$path"
	done
	cp "$canary" "$OLD.800001Z-w0.pcapng.partial"
	cp "$canary" "$OLD.800002Z-w0.pcapng"
	chown $VANDAL "$OLD".80000*
	cp "$canary" "$OLD.900001Z-w0.pcapng.partial" # the one that is what it seems
	head -c 300000 /dev/zero >"$OLD.900002Z-w0.pcapng"
	cd "$DIR" || fail "$DIR"
	settle
	before=$(outside)
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o file_size=256K -o disk_budget=2M -o max_age=10h
	wait_for 10 repaired 1
	in_lab "$FRAMES" send vb 4000 size=700-1400 rate=8000
	wait_for 10 counter_is written 4000
	daemon_stop
	log_is_plain
	equal "what is outside, but one link" "$(outside | sed 's/^\(linked .*\) [^ ]* 1$/\1 C 2/')" \
		"$(sed 's/^\(linked .*\) [^ ]* 2$/\1 C 2/' <<<"$before")"
	equal "packets" "$(account written)" 4000
	equal "old names left: 10 links, a hard link, 2 FIFOs, device, socket, 2 directories, 3 strange, 2 foreign; hidden ones" \
		"$(find "$OUT" -name '*va-20200101*' -printf x | wc -c) $(find "$OUT" -name '.va-w0-1-*' -printf x | wc -c)" "22 8"
	[ "$(counter_of 'cannot be repaired')" -ge 10 ] || fail "what is left alone is not told"
}
counter_of() { grep -c "$1" "$DIR/err"; }

# A daemon that records while somebody plays with its directory, then one that finds what is left of that
vandalized() {
	local before mode=$1
	canary_make
	chown $VANDAL "$DIR/outside" "$DIR/outside/canary"
	chmod "$mode" "$OUT"
	settle
	before=$(outside '')
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=256K -o disk_budget=3M -o sync=500ms
	python3 "$TOP/tests/live/vandal.py" "$OUT" "$DIR/outside" 6 $VANDAL >"$DIR/vandal" &
	PIDS="$PIDS $!"
	in_lab "$FRAMES" send vb 20000 size=700-1400 rate=4000
	wait_for 20 over $!
	wait $! || fail "the vandal failed"
	daemon_stop TERM "$2" # files in use were lost, where he may take them
	log_is_plain
	equal "packets" "$(account received)" 20000
	equal "received = written + discarded" 20000 $(($(account written) + $(account discarded)))
	[ "$(wc -c <"$DIR/vandal")" -gt 100 ] || fail "the vandal did little: $(cat "$DIR/vandal")"
	clock_preload
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=256K -o disk_budget=3M -o max_age=1s
	clock_unload
	clock_is 0 400 # max_age works from now on
	in_lab "$FRAMES" send vb 2000 size=700-1400 rate=4000
	wait_for 10 counter_is received 2000
	daemon_stop
	log_is_plain
	equal "packets of the second" "$(account received)" 2000
	equal "what is outside" "$(outside '')" "$before"
	[ ! -e "$DIR/outside/made" ] || fail "a file was made outside"
}
t_a_vandal_in_a_directory_for_everybody() { vandalized 0777 1; }
t_a_vandal_in_a_sticky_directory() { vandalized 1777 0; }

# The directory goes away under the daemon, and its path leads elsewhere
t_a_directory_swapped_during_rotation() {
	canary_make
	chown $VANDAL "$DIR/outside"
	mkdir "$DIR/parent"
	mv "$OUT" "$DIR/parent/files"
	chown $VANDAL "$DIR/parent"
	OUT=$DIR/parent/files
	cp "$DIR/outside/canary" "$DIR/outside/$OLD.100001Z-w0.pcapng.partial"
	cp "$DIR/outside/canary" "$DIR/outside/$OLD.100002Z-w0.pcapng"
	settle
	before=$(outside)
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=256K -o disk_budget=100M -o max_age=10h
	send 100000000 size=700-1400 rate=4000
	wait_for 5 counter_at_least files_completed 4
	as_vandal mv "$OUT" "$DIR/parent/away"
	as_vandal ln -s "$DIR/outside" "$OUT"
	wait_for 5 told "$OUT no longer leads to the directory that was opened"
	# The next archive process goes on where the files are, and so does the one after it
	for _ in 1 2; do
		archive=$(archive_pid)
		kill -KILL "$archive"
		another() { [ -n "$(archive_pid)" ] && [ "$(archive_pid)" != "$archive" ]; }
		wait_for 10 another
		n=$(counter files_completed)
		wait_for 10 counter_at_least files_completed $((n + 4))
	done
	# Back and away again, at any moment
	n=$(counter files_completed)
	swapped() {
		as_vandal rm "$OUT"
		as_vandal mv "$DIR/parent/away" "$OUT"
		as_vandal mv "$OUT" "$DIR/parent/away"
		as_vandal ln -s "$DIR/outside" "$OUT"
		counter_at_least files_completed $((n + 16))
	}
	wait_for 10 swapped
	send_end
	wait_for 5 counter_is received "$count"
	daemon_stop
	equal "what is outside" "$(outside)" "$before"
	OUT=$DIR/parent/away
	frames_check "$count" size=700-1400 >"$DIR/said" || fail "$(cat "$DIR/said")"
	equal "nothing unfinished" "$(find "$OUT" ! -name 'va-*.pcapng' -type f | wc -l)" 0
	equal written "$(account written)" "$count"
}

# Whoever configures may use links; the same directory by its own name is the same
t_the_path_may_be_a_link_at_the_start() {
	ln -s "$OUT" "$DIR/link"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$DIR/link" -j 1 $FAST
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is written 100
	daemon_stop
	equal packets "$(capinfos_count)" 100
	! told "no longer leads to the directory that was opened" || fail "$(cat "$DIR/err")"
}

t_a_directory_that_others_may_change_is_told() {
	chmod 777 "$OUT"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	daemon_stop
	contains words "$(cat "$DIR/err")" "va: every user may write to the directory $OUT"
	chmod 1777 "$OUT"
	chown $VANDAL "$OUT"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	daemon_stop
	contains words "$(cat "$DIR/err")" "va: the directory $OUT belongs to user $VANDAL"
	! told "every user may write" || fail "sticky, and told all the same"
}

# Files by the ten thousand that somebody calls like ours: no packet is lost for it, and none of ours goes for it
t_a_crowd_of_entries() {
	python3 - "$OUT" <<'P'
import os, sys
for i in range(20000):
    for name in ("va-20200101T000000.%06dZ-w0.pcapng" % i, "va-20200101T000000.%06dZ-w1.pcapng.partial" % i):
        os.close(os.open(os.path.join(sys.argv[1], name), os.O_WRONLY | os.O_CREAT, 0o644))
        os.chown(os.path.join(sys.argv[1], name), 1234, 1234)
P
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=512K -o disk_budget=50M -o max_age=10h
	in_lab "$FRAMES" send vb 8000 size=700-1400 rate=4000
	wait_for 20 counter_is written 8000
	daemon_stop
	equal "of them" "$(find "$OUT" -user 1234 -printf x | wc -c)" 40000
	find "$OUT" -user 1234 -delete
	frames_check 8000 size=700-1400 >"$DIR/said" || fail "$(cat "$DIR/said")"
	[ "$(wc -l <"$DIR/err")" -lt 400 ] || fail "$(wc -l <"$DIR/err") lines in the log"
}

# What the archive process opens once it knows its directory: one name in it, beneath
t_all_is_opened_beneath() {
	command -v strace >/dev/null || skip "no strace here"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=256K -o disk_budget=3M -o sync=500ms
	strace -f -qq -p "$(archive_pid)" -o "$DIR/strace" 2>"$DIR/strace.err" &
	PIDS="$PIDS $!"
	attached() { grep -q "^TracerPid:.*[1-9]" "/proc/$(archive_pid)/status"; }
	wait_for 5 attached
	in_lab "$FRAMES" send vb 6000 size=700-1400 rate=6000
	ctl rotate
	wait_for 10 counter_is written 6000
	daemon_stop
	[ "$(grep -c 'openat2(' "$DIR/strace")" -gt 20 ] || fail "$(tail -5 "$DIR/strace.err")"
	! grep 'openat2(' "$DIR/strace" | grep -v 'RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH' ||
		fail "opened otherwise"
	! grep -E ' (open|openat|creat|readlink|readlinkat|execve|socket|connect)\(' "$DIR/strace" || fail "what it need not do"
	! grep -E ' (newfstatat|unlinkat|renameat2|faccessat2?|linkat)\(' "$DIR/strace" | grep -v "\"$OUT\"" | grep '"[^"]*/' ||
		fail "a path"
}

run_tests
