#!/usr/bin/env bash
# A clock that is set, either way, for a while or for good: nothing is destroyed for that, nothing runs wild.
# The daemon's clock alone is moved: packets, by which files are named, and modification times have the kernel's. Where a name is to be
# of the clock that was set, the test makes the file.
. "$(dirname "$0")/lib.sh"

FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K"
DAY=86400
CLOCK_SET=0 CLOCK_PASSED=0

clock_set() { # BY: seconds; until the daemon has seen it
	local before
	before=$(grep -c 'the clock was set' "$DIR/err")
	clock_is $((CLOCK_SET + $1)) "$CLOCK_PASSED"
	seen() { [ "$(grep -c 'the clock was set' "$DIR/err")" -gt "$before" ]; }
	wait_for 5 seen
}
clock_pass() { clock_is "$CLOCK_SET" $((CLOCK_PASSED + $1)); }
clock_start() { # SET ARGS: a daemon that begins with such a clock
	needs_preload
	clock_preload
	clock_is "$1" 0
	shift
	# shellcheck disable=SC2086
	daemon_begin -i va -w "$OUT" -j 1 $FAST -o disk_reserve=0 "$@"
	clock_unload
	wait_for 20 ctl status
}

in_use() { ctl --json status | jq -re '.captures[0].workers[0].file'; }
spare_there() { [ -n "$(find "$OUT" -name '.va-*.spare')" ]; }
# One more finished file, $MADE. Its successor is made, for which room was made by then.
SENT=0
file_make() {
	in_lab "$FRAMES" send vb 8 first=$SENT size=1000
	SENT=$((SENT + 8))
	wait_for 5 counter_is written $SENT
	wait_for 5 in_use
	MADE=$OUT/$(in_use)
	MADE=${MADE%.partial}
	ctl rotate || fail "rotate"
	wait_for 5 spare_there
	[ -e "$MADE" ] || fail "$MADE, finished just now, is gone: $(cat "$DIR/err")"
}
there() { [ -e "$1" ] || fail "$1 is gone: $(cat "$DIR/err")"; }
removed() { [ "$(counter files_removed)" -ge "$1" ]; }
# What is too old goes with the next file that is made, once the daemon has seen the time
until_gone() {
	local n
	for n in $(seq 200); do
		[ -e "$1" ] || return 0
		file_make
	done
	fail "$1 is still there: $(cat "$DIR/err")"
}
# A new archive process reads the directory when it begins, and removes what is too old, then the spare file
look_again() {
	local archive witness=$OUT/.va-w9-1-1.spare
	archive=$(archive_pid)
	kill -KILL "$archive"
	another() { [ -n "$(archive_pid)" ] && [ "$(archive_pid)" != "$archive" ]; }
	wait_for 5 another
	: >"$witness"
	looked() { [ ! -e "$witness" ]; }
	wait_for 5 looked
}
gone() { [ ! -e "$1" ] || fail "$1 is still there: $(cat "$DIR/err")"; }
# A finished file that began now, by the daemon's clock
file_by_clock() {
	MADE=$OUT/va-$(date -u -d "@$(date +%s.%N -d "$((CLOCK_SET + CLOCK_PASSED)) seconds")" +%Y%m%dT%H%M%S.%6NZ)-w0.pcapng
	: >"$MADE"
}
old_name() { echo "$OUT/va-$(date -u -d "@$(($(date +%s) + $1))" +%Y%m%dT%H%M%S).000000Z-w0.pcapng"; }

# How often it was said that the clock was set by 400 days: two clocks are read one after the other, so to a second
steps() { sed -n "s/.*the clock was set $1 by \([0-9]*\)\.[0-9]* s, .*/\1/p" "$DIR/err" | awk '$1 >= 34559999 && $1 <= 34560001' | wc -l; }

t_a_clock_that_is_wrong_for_a_while_removes_nothing() {
	clock_start 0 -o max_age=1d
	file_make
	first=$MADE
	clock_set $((400 * DAY))
	equal "times it is said" "$(steps forward)" 1
	file_by_clock
	second=$MADE
	since() { ctl --json status | jq -re '.captures[0].since, .captures[0].workers[0].since'; }
	equal "the year since when" "$(since | cut -c1-4 | sort -u)" "$(date -u -d '400 days' +%Y)"
	clock_set -$((400 * DAY))
	equal "times it is said" "$(steps back)" 1
	file_make
	third=$MADE
	look_again
	there "$first"
	there "$second"
	# They are as old as each other
	clock_pass $((2 * DAY))
	look_again
	gone "$first"
	gone "$second"
	gone "$third"
	wait_for 5 removed 3
	equal "files removed" "$(counter files_removed)" 3
	equal "for their age" "$(grep -c 'it is older than max_age' "$DIR/err")" 3
	daemon_stop
}

# Files of 2, 1 and 0 days and of 3 hours; $OLD is the oldest
old_files() {
	local age
	for age in 2 1 0; do : >"$(old_name -$((age * DAY)))"; done
	: >"$OUT/va-$(date -u -d "-3 hours" +%Y%m%dT%H%M%S).000000Z-w1.suspect.pcapng"
	OLD=$(find "$OUT" -name 'va-*' | sort | head -1)
}

# One was finished just now, another began hours ago, by the same clock
t_old_files_go_at_once_where_files_vouch_for_the_clock() {
	old_files
	clock_start 0 -o max_age=30h
	wait_for 5 removed 1
	[ ! -e "$OLD" ] || fail "another one went"
	equal "files left" "$(find "$OUT" -name 'va-*' | wc -l)" 3
	daemon_stop
}

t_old_files_go_when_the_clock_has_stood() {
	old_files
	old=$OLD
	touch -d '-2 hours' "$OUT"/va-*
	clock_start 0 -o max_age=30h
	clock_pass 3590 # not yet, nor by what a clock said once
	file_make
	there "$old"
	clock_pass 20
	until_gone "$old"
	equal "files removed" "$(counter files_removed)" 1
	daemon_stop
}

# Not even when it stands: waiting makes old, setting does not
t_a_clock_that_is_set_for_good_makes_no_file_old() {
	clock_start 0 -o max_age=1d
	file_make
	first=$MADE
	old=$(old_name -$((2 * DAY)))
	: >"$old"
	clock_set $((400 * DAY))
	file_by_clock
	look_again
	there "$old" # not by one look
	clock_pass 7200
	look_again
	gone "$old"
	there "$first"
	there "$MADE"
	wait_for 5 removed 1
	equal "files removed" "$(counter files_removed)" 1
	clock_pass $DAY
	look_again
	gone "$first"
	daemon_stop
}

# A board without a clock of its own
t_a_clock_that_is_set_after_the_start() {
	clock_start $((1000 - $(date +%s))) -o max_age=1d
	file_by_clock
	first=$MADE
	touch -d @1000 "$first"
	contains "the name" "$first" "va-19700101T0"
	file_by_clock # finished when the clock was right
	second=$MADE
	clock_set $(($(date +%s) - 1000))
	file_by_clock
	third=$MADE
	look_again
	there "$second"
	clock_pass $((30 * DAY))
	look_again
	gone "$second"
	gone "$third"
	there "$first"
	daemon_stop
}

# The order is the order of making, in both directions
t_the_budget_goes_by_what_was_made_first() {
	local n by
	clock_start 0 -o file_size=256K -o disk_budget=560K
	for by in 0 -$((10 * DAY)) 3600 -60 $((400 * DAY)) -$((400 * DAY)); do
		[ "$by" = 0 ] || clock_set "$by"
		for n in 1 2 3; do
			before=${MADE:-}
			file_make # which must be there when room was made for the next
			[ -z "$before" ] || there "$before"
		done
	done
	removed 12 || fail "the budget is not kept"
	[ "$(files | wc -l)" -le 4 ] || fail "the budget is not kept: $(files)"
	daemon_stop
	equal "files" "$(account files)" 18
}

# Files whose names, of packets, have another order than the clock: no file is written over, none is refused
t_a_clock_that_is_set_back_writes_over_nothing() {
	local n
	clock_start 0
	for n in 1 2 3 4; do
		file_make
		clock_set -3
		file_make
	done
	daemon_stop
	equal "files" "$(account files) $(files | wc -l)" "8 8"
	equal "packets" "$(capinfos_count)" $SENT
}

# Periods of the clock, which jumps: neither a file a jump, nor one without end
t_files_end_with_their_time_whatever_the_clock_does() {
	local begin end n
	clock_start 0 -o file_duration=1s
	begin=$(date +%s)
	send 4000 rate=500
	while kill -0 "$SENDER" 2>/dev/null; do
		clock_is $((400 * DAY)) 0
		sleep 0.1
		clock_is $((-100 * DAY)) 0
		sleep 0.1
	done
	wait "$SENDER"
	wait_for 5 counter_is written 4000
	daemon_stop
	end=$(date +%s)
	n=$(account files)
	echo "$n files in $((end - begin)) s"
	[ "$n" -ge 5 ] || fail "$n files in $((end - begin)) s"
	[ "$n" -le $((end - begin + 2)) ] || fail "$n files in $((end - begin)) s"
	equal "packets" "$(capinfos_count)" 4000
}

run_tests
