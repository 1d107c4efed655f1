#!/usr/bin/env bash
# What others see of the archive process at work: events, access times, locks.
. "$(dirname "$0")/lib.sh"

FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K"

watch_begin() {
	python3 "$TOP/tests/live/watch.py" "$OUT" >"$DIR/events" &
	PIDS="$PIDS $!"
	wait_for 10 grep -q READY "$DIR/events"
}
# Everything before this moment is in $DIR/events
watch_settle() {
	: >"$OUT/settled"
	wait_for 10 grep -q 'CLOSE_WRITE settled' "$DIR/events"
	equal "events lost" "$(grep -c OVERFLOW "$DIR/events")" 0
}
events_of() { awk -v name="$1" '$2 == name { print $1 }' "$DIR/events" | uniq | paste -sd' '; } # NAME
spares_there() { [ "$(find "$OUT" -name '.va-*.spare' | wc -l)" -ge "$1" ]; }
kept_again() { [ "$(counter files_removed)" -gt "$1" ]; }

# What consumers of finished files may rely on, afcapd(8): the name by one rename, the close, the removal
t_a_finished_file_is_touched_no_more() {
	local f removed
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=256K -o disk_budget=2M -o disk_reserve=0 -o sync=500ms
	wait_for 5 spares_there 4
	watch_begin
	in_lab "$FRAMES" send vb 4000 rate=4000 size=1000
	wait_for 10 counter_is written 4000
	kill -KILL "$(archive_pid)" # the next one knows nothing of the files in use
	wait_for 10 archive_pid
	in_lab "$FRAMES" send vb 4000 first=4000 rate=4000 size=1000
	wait_for 10 counter_is written 8000
	ctl rotate || fail "rotate"
	removed=$(counter files_removed)
	in_lab "$FRAMES" send vb 4000 first=8000 rate=4000 size=1000
	wait_for 10 kept_again "$removed"
	daemon_stop
	watch_settle
	grep -o 'va-[^ ]*\.pcapng$' "$DIR/events" | sort -u >"$DIR/names"
	[ "$(wc -l <"$DIR/names")" -gt 30 ] || fail "only $(wc -l <"$DIR/names") files"
	while read -r f; do
		if [ -e "$OUT/$f" ]; then
			equal "events of $f" "$(events_of "$f")" "MOVED_TO CLOSE_WRITE"
		else
			equal "events of $f" "$(events_of "$f")" "MOVED_TO CLOSE_WRITE DELETE"
		fi
	done <"$DIR/names"
	grep -q '^DELETE va-.*pcapng$' "$DIR/events" || fail "none was removed"
}

# Its directory cannot be synced at first: that is repeated, the file is as it was
t_a_finished_file_whose_directory_is_synced_later() {
	local f
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	wait_for 5 spares_there 2
	watch_begin
	in_lab "$FRAMES" send vb 100 size=1000
	wait_for 10 counter_is written 100
	in_use() { f=$(find "$OUT" -name '*.partial' -printf '%f\n') && [ -n "$f" ]; }
	wait_for 10 in_use
	f=${f%.partial}
	inject "$(archive_pid)" fsync error=EIO:when=2 # the second is the directory's
	ctl rotate || fail "rotate"
	finished_now() { grep -q "$f.* is finished now" "$DIR/err"; }
	wait_for 10 finished_now
	daemon_stop
	watch_settle
	equal "events of $f" "$(events_of "$f")" "MOVED_TO ACCESS CLOSE_WRITE"
	frames_check 100 size=1000 || fail "frames differ"
}

# Nobody opens files in use but who makes them: no lock is tried to know that they are held
t_files_in_use_are_not_opened_to_look_at_them() {
	local removed
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o file_size=256K -o disk_budget=1M -o disk_reserve=0
	wait_for 5 spares_there 2
	watch_begin
	in_lab "$FRAMES" send vb 4000 rate=4000 size=1000
	wait_for 10 counter_is written 4000
	removed=$(counter files_removed)
	in_lab "$FRAMES" send vb 1000 first=4000 rate=4000 size=1000
	wait_for 10 kept_again "$removed"
	watch_settle
	equal "opened, not to be written" "$(grep -c 'CLOSE_NOWRITE va\|CLOSE_NOWRITE .va' "$DIR/events")" 0
	equal "opened more than once" "$(grep '^OPEN' "$DIR/events" | sort | uniq -d)" ""
	equal "closed in use" "$(grep 'CLOSE_WRITE.*\.\(partial\|spare\)$' "$DIR/events")" ""
	daemon_stop
}

# Those of another daemon: as a reader does
t_files_in_use_of_others_are_looked_at_as_a_reader_does() {
	local f=va-20260101T000000.000000Z-w7.pcapng.partial
	head -c 10000 /dev/zero >"$OUT/$f"
	python3 -c 'import fcntl, sys, time; f = open(sys.argv[1], "r+"); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); time.sleep(9999)' \
		"$OUT/$f" >"$DIR/held" &
	PIDS="$PIDS $!"
	wait_for 10 test -s "$DIR/held"
	watch_begin
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o disk_budget=2M -o file_size=512K
	looked_at() { [ "$(grep -c "OPEN $f" "$DIR/events")" -ge 3 ]; }
	wait_for 10 looked_at
	daemon_stop
	watch_settle
	equal events "$(awk -v f="$f" '$2 == f { print $1 }' "$DIR/events" | sort -u | paste -sd' ')" "CLOSE_NOWRITE OPEN"
}

# What is read back before a file gets its name is no access, as far as the file system's times go
t_access_times_are_those_of_others() {
	local f
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	in_lab "$FRAMES" send vb 100 size=1000
	wait_for 10 counter_is written 100
	in_use() { f=$(find "$OUT" -name '*.partial'); [ -n "$f" ]; }
	wait_for 10 in_use
	touch -a -d 2001-01-01 "$f"
	daemon_stop
	equal "access time" "$(stat -c %x "$(files)" | cut -c1-10)" 2001-01-01
}

run_tests
