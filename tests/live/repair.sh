#!/usr/bin/env bash
# Files that a daemon left when it died: cut to the last whole chunk, finished, named; nothing else is touched.
. "$(dirname "$0")/lib.sh"

FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K"

# All processes of the daemon die at once, as with the machine
kill_all() {
	local list
	mapfile -t list < <(tr ' ' '\n' <"/proc/$DAEMON/task/$DAEMON/children" | grep .)
	kill -KILL "$DAEMON" "${list[@]}"
	wait "$DAEMON" 2>/dev/null
	gone() { ! kill -0 "${list[@]}" 2>/dev/null; }
	wait_for 5 gone
}

repaired() { [ "$(counter files_repaired)" -ge "$1" ]; }

# layout
died() {
	local partials before
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o layout="$1" -o file_size=1M
	in_lab "$FRAMES" send vb 6000 size=60-1514 rate=20000
	wait_for 5 counter_is written 6000
	partials() { find "$OUT" -name 'va-*.partial'; }
	two_partials() { [ "$(partials | wc -l)" -eq 2 ]; }
	wait_for 5 two_partials # the ones before are finished
	kill_all
	mapfile -t partials < <(partials)
	# What a write that did not end leaves behind the last chunk
	head -c 3000 /dev/urandom >>"${partials[0]}"
	cp "${partials[1]}" "$OUT/other-20200101T000000.000000Z-w0.pcapng.partial"
	before=$(md5sum <"$OUT/other-20200101T000000.000000Z-w0.pcapng.partial")
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o layout="$1"
	wait_for 10 repaired 2
	in_lab "$FRAMES" send vb 100 first=6000
	wait_for 5 counter_is written 100
	daemon_stop
	equal "the other capture's file" "$(md5sum <"$OUT/other-20200101T000000.000000Z-w0.pcapng.partial")" "$before"
	rm "$OUT"/other-*
	equal "what is left in the directory" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
	equal "packets" "$(capinfos_count)" 6100
	files_valid
	# Each has its own numbers: 6100 were written, none was dropped
	equal "statistics" "$(isb_sum)" "6100 0 6100"
}
t_files_of_a_dead_daemon_compact() { died compact; }
t_files_of_a_dead_daemon_inplace() { died inplace; }

# A spare that the archive had made when its daemon died is in no record, and the one after it may be stopped at once
t_a_daemon_stopped_at_once_leaves_no_spare() {
	local spare i
	spares() { find "$OUT" -name '.va-*.spare'; }
	two_spares() { [ "$(spares | wc -l)" -eq 2 ]; }
	for i in 1 2 3 4 5; do
		# shellcheck disable=SC2086
		daemon_start -i va -w "$OUT" -j 1 $FAST
		wait_for 5 two_spares
		spare=$(spares | head -n 1)
		kill -STOP "$DAEMON"
		cp "$spare" "${spare%-*}-99.spare"
		kill -TERM "$DAEMON"
		kill -CONT "$DAEMON"
		daemon_stop
		equal "left at stop $i" "$(find "$OUT" -type f)" ""
	done
}

# Frames to two workers, of which worker 0 stands still then until the other has written half a second of them
one_lags() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=5ms -o write_delay=5ms -o block_size=64K -o worker_timeout=2m
	send 100000000 rate=20000 size=100-300
	written_by() { ctl --json stats | jq ".captures[0].workers[$1].written"; }
	has_written() { [ "$(written_by "$1")" -ge "$2" ]; }
	wait_for 5 has_written 0 100
	wait_for 5 has_written 1 100
	LAGS=$(worker_pid 0)
	kill -STOP "$LAGS"
	wait_for 5 has_written 1 $(($(written_by 1) + 5000))
}

# Records until there are frames behind the gap, then compares all that is missing with what was told, in one line
missing_is_told() {
	wait_for 5 counter_at_least written 500
	kill "$SENDER"
	daemon_stop
	grep 'nothing is recorded from' "$DIR/err" >"$DIR/told"
	equal "lines about it" "$(wc -l <"$DIR/told")" 1
	told_check "$DIR/told" || fail "what is missing is not what was told: $(cat "$DIR/told")"
}

# What its ring held is lost, from its own last packet on, while the other one's files end half a second later
t_packets_of_a_worker_that_lagged_are_told_as_missing() {
	one_lags
	kill_all
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=5ms -o write_delay=5ms -o block_size=64K
	wait_for 5 grep -q 'nothing is recorded from' "$DIR/err"
	missing_is_told
	contains "what is told" "$(cat "$DIR/told")" "some may be missing from .* on, the last packet of worker 0$"
}

hold() { # the file of worker 0
	(exec 7<"$(find "$OUT" -name 'va-*-w0.pcapng.partial')" && flock 7 && touch "$DIR/held" && exec sleep 1000) &
	HOLDER=$!
	PIDS="$PIDS $HOLDER"
	wait_for 5 test -e "$DIR/held"
}

# Workers that outlive their daemon have their files for some seconds: nothing is told before these are repaired, too
t_nothing_is_told_as_missing_while_a_file_is_held() {
	local before=$OUT/va-20200101T000000.000000Z-w1.pcapng
	one_lags
	kill_all
	hold
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=5ms -o write_delay=5ms -o block_size=64K
	wait_for 5 repaired 1
	wait_for 5 counter_at_least written 500
	cp "$OUT"/va-*-w1.pcapng "$DIR/one"
	mv "$DIR/one" "$before.partial" # what is repaired shows that it was looked for, since it records
	wait_for 5 repaired 2
	mv "$before" "$DIR/one"
	equal "told so far" "$(grep -c 'nothing is recorded from' "$DIR/err")" 0
	kill "$HOLDER"
	wait_for 5 grep -q 'nothing is recorded from' "$DIR/err"
	missing_is_told
	contains "what is told" "$(cat "$DIR/told")" "some may be missing from .* on, the last packet of worker 0$"
}

t_a_stop_while_a_file_is_held_tells_what_is_known() {
	one_lags
	kill_all
	hold
	daemon_start -i va -w "$OUT" -j 2
	wait_for 5 repaired 1
	kill "$SENDER"
	daemon_stop
	contains log "$(cat "$DIR/err")" "nothing is recorded from .*; the loss of worker 0 is unknown, as its files had no packet$"
}

# Frames of one flow go to one worker: the other has written none, and may have had some
t_a_worker_without_a_packet_is_told() {
	local none
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=5ms -o write_delay=5ms -o block_size=64K
	in_lab "$FRAMES" send vb 1000 flows=1
	wait_for 5 counter_is written 1000
	none=$(ctl --json stats | jq '.captures[0].workers[] | select(.written == 0) | .worker')
	[ "$none" -ge 0 ] || fail "both have written"
	kill_all
	daemon_start -i va -w "$OUT" -j 2
	wait_for 5 grep -q 'nothing is recorded from' "$DIR/err"
	daemon_stop
	contains log "$(cat "$DIR/err")" "Z; the loss of worker $none is unknown, as its files had no packet$"
	equal packets "$(capinfos_count)" 1000
}

t_a_live_file_is_left_alone() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is written 100
	# A second daemon of the same name in the same directory
	SECOND=$DIR/second.sock
	ip netns exec "$NS" "$AFCAPD" -i va -w "$OUT" -j 1 -o daemon.control="$SECOND" -o daemon.metrics=off -o block_timeout=50ms \
		>"$DIR/out2" 2>"$DIR/err2" &
	second=$!
	PIDS="$PIDS $second"
	up() { "$AFCTL" -s "$SECOND" status >/dev/null; }
	wait_for 10 up
	in_lab "$FRAMES" send vb 100 first=100
	wait_for 5 counter_is written 200
	kill -TERM $second
	wait $second || fail "the second one: $(cat "$DIR/err2")"
	in_lab "$FRAMES" send vb 100 first=200
	wait_for 5 counter_is written 300
	daemon_stop
	contains account "$(cat "$DIR/out2")" "100 written, 0 discarded"
	equal "packets of both" "$(capinfos_count)" 400
	files_valid
}

# 100 (SAMPLES) of the files that the unit test cut at random: every reader takes them
t_files_cut_at_random_are_read_by_all() {
	mkdir "$DIR/cut"
	AFCAP_REPAIR_DIR=$DIR/cut CK_RUN_SUITE=repair "$BUILD/tests/unit/check" >"$DIR/unit" 2>&1 || fail "$(tail -3 "$DIR/unit")"
	n=$(find "$DIR/cut" -type f | wc -l)
	[ "$n" -ge 100 ] || fail "only $n files"
	# Two at a time
	(OUT=$DIR/cut && read_some 0) &
	half=$!
	(OUT=$DIR/cut && read_some 1) || fail "see above"
	wait $half || fail "see above"
}
read_some() { # every second file, from the first or the second on
	local list f
	mapfile -t list < <(files | head -n "${SAMPLES:-100}")
	mkdir "$DIR/part$1"
	for ((f = $1; f < ${#list[@]}; f += 2)); do ln -s "${list[f]}" "$DIR/part$1"; done
	DIR=$DIR/part$1 && mkdir "$DIR/out" && mv "$DIR"/*.pcapng "$DIR/out" && OUT=$DIR/out && files_valid
}

# name interface: a section of a configuration that records into OUT
section() {
	printf '[capture %s]\ninterface = %s\nworkers = 2\ndirectory = %s\nblock_timeout = 50ms\nwrite_delay = 20ms\n' "$1" "$2" "$OUT"
	printf 'ring_size = 16M\nblock_size = 64K\n'
}
left_of() { find "$OUT" \( -name "$1-*.partial" -o -name ".$1-*.spare" \) | grep .; }
gone_of() { ! left_of "$1"; }
# What a daemon has in use, by name and inode
used_by() { find "$OUT" \( -name "$1-*.partial" -o -name ".$1-*.spare" \) -printf '%f %i\n' | sort; }
# A file and the one ahead, for each of two workers
in_use_4() { [ "$(used_by "$1" | grep -c partial)" -eq 2 ] && [ "$(used_by "$1" | grep -c spare)" -eq 2 ]; }

# A section was renamed, and no record of it is there: its files are finished under its own name when they were held by nobody for a
# minute. Those of another daemon, which records into the same directory, are its own, and none of them counts as the new section's.
t_files_of_a_section_that_is_gone() {
	local partials other before
	section old va >"$DIR/conf"
	daemon_start -c "$DIR/conf"
	in_lab "$FRAMES" send vb 3000 size=200
	wait_for 5 counter_is written 3000
	wait_for 5 in_use_4 old
	kill_all
	mapfile -t partials < <(find "$OUT" -name 'old-*.partial')
	head -c 3000 /dev/urandom >>"${partials[0]}"
	# What only looks like one: its name is none of its head's, or there is no head
	other=$OUT/strange-20200101T000000.000000Z-w0.pcapng.partial
	cp "${partials[1]}" "$other"
	cp "${partials[1]}" "$OUT/.strange-w0-1-1.spare"
	echo "somebody's notes" >"$OUT/notes-20200101T000000.000000Z-w0.pcapng.partial"
	before=$(cat "$OUT"/*strange-* "$OUT"/.strange-* "$OUT"/notes-* | md5sum)

	section theirs vb >"$DIR/theirs.conf"
	echo "file_duration = 0" >>"$DIR/theirs.conf" # also on the hour they stay the same
	ip netns exec "$NS" "$AFCAPD" -c "$DIR/theirs.conf" -o daemon.control="$DIR/theirs.sock" -o daemon.metrics=off \
		>"$DIR/theirs.out" 2>"$DIR/theirs.err" &
	theirs=$!
	PIDS="$PIDS $theirs"
	theirs_run() { [ "$("$AFCTL" -s "$DIR/theirs.sock" --json status | jq -r '.captures[0].state')" = running ]; }
	wait_for 20 theirs_run
	in_lab "$FRAMES" send va 100
	theirs_is() { "$AFCTL" -s "$DIR/theirs.sock" --json stats | jq -e ".captures[0].total.$1 == $2"; }
	wait_for 10 theirs_is written 100
	wait_for 10 in_use_4 theirs
	used_by theirs >"$DIR/theirs.used"

	# Its files are removed by no budget of another section
	{ section new va && echo "disk_budget = 5M" && echo "file_size = 1M"; } >"$DIR/conf"
	daemon_start -c "$DIR/conf"
	in_lab "$FRAMES" send vb 500 first=3000
	wait_for 5 counter_is written 500
	wait_for 150 gone_of old
	equal "files repaired, of the new section" "$(counter files_repaired)" 0
	equal "the other daemon's files" "$(used_by theirs)" "$(cat "$DIR/theirs.used")"
	in_lab "$FRAMES" send va 100
	wait_for 10 theirs_is written 700
	wait_for 10 counter_is written 600
	theirs_is files_repaired 0 || fail "files repaired, of the other daemon"
	daemon_stop
	kill -TERM $theirs
	wait $theirs || fail "the other one: $(cat "$DIR/theirs.err")"

	# Either may have been faster
	equal "lines, each about its capture" \
		"$(cat "$DIR/err" "$DIR/theirs.err" | grep -c '<5>old/[01]: repaired old-.*Z-w[01][.]pcapng in .*: [0-9]* packets')" 2
	! grep 'the previous instance died' "$DIR/err" "$DIR/theirs.err" || fail "a gap of a section that had none"
	! grep '\(repaired\|removed\) \.\?\(new\|theirs\|strange\|notes\)' "$DIR/err" "$DIR/theirs.err" || fail "what was no one's to repair"
	! grep 'cannot be repaired' "$DIR/err" "$DIR/theirs.err" || fail "told of what is none of theirs"
	contains account "$(cat "$DIR/theirs.out")" "700 written, 0 discarded"
	equal "what only looks like one" "$(cat "$OUT"/*strange-* "$OUT"/.strange-* "$OUT"/notes-* | md5sum)" "$before"
	rm "$OUT"/*strange-* "$OUT"/.strange-* "$OUT"/notes-*
	equal "what is left in the directory" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
	files_valid
	equal "packets" "$(capinfos_count)" $((3000 + 600 + 700))
	equal "statistics of the old section" "$(isb_sum "$OUT"/old-*.pcapng)" "3000 0 3000"
}

run_tests
