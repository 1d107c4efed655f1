#!/usr/bin/env bash
# File systems that cannot do all that a local one can, and directories that two daemons share.
. "$(dirname "$0")/lib.sh"

FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K"

frames() { in_lab "$FRAMES" send vb "$@" >/dev/null; }

# A recording with rotations and a budget
recorded() {
	OUT=$DIR/small
	mirror "$OUT" "$@"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o file_size=1M -o disk_budget=4M -o disk_reserve=0
	contains warning "$(cat "$DIR/err")" "<4>va: the directory $OUT is on FUSE, where locks may not reach other machines"
	frames 9000 size=1000 rate=4500 # the next file is there in time, also on a busy machine
	wait_for 20 counter_is written 9000
	ctl rotate || fail "rotate"
	wait_for 20 counter_at_least files_removed 5
	daemon_stop
	contains account "$(cat "$DIR/out")" "9000 written, 0 discarded"
	[ "$(du -sb "$DIR/real" | cut -f1)" -le $((4 * 1024 * 1024 + 65536)) ] || fail "the budget is not kept"
	equal "hidden and unfinished files" "$(find "$DIR/real" -name '.*.spare' -o -name '*.partial' | wc -l)" 0
	[ "$(files | wc -l)" -ge 2 ] || fail "hardly a file"
	files_valid 3
}

t_a_file_system_without_rename_flags() { recorded no-flags; }
t_a_file_system_without_rename_flags_and_links() { recorded no-flags no-links; }

# refused REFUSAL WHAT: at the start, in words
refused() {
	local rc=0
	OUT=$DIR/small
	# shellcheck disable=SC2086
	mirror "$OUT" $1
	# shellcheck disable=SC2086
	in_lab timeout 30 "$AFCAPD" -i va -w "$OUT" -j 1 $FAST >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 78
	contains why "$(cat "$DIR/err")" "directory $OUT: its file system cannot be recorded to: $2"
}
t_a_file_system_without_rename() { refused no-rename "renaming a file: Operation not supported"; }
t_a_file_system_that_removes_nothing() { refused no-unlink "removing a file: Operation not permitted"; }
t_a_file_system_whose_locks_do_not_lock() { refused no-locks "a second lock of a locked file does not fail"; }
t_a_file_system_that_does_not_sync() { refused no-fsync "syncing a file and its directory: Invalid argument"; }

# One directory by two mounts, whose locks are each its own: two machines with one server
t_two_daemons_in_one_directory() {
	mirror "$DIR/small"
	mirror "$DIR/other"
	ip netns add "$NS-b"
	ip -n "$NS-b" link add va type veth peer name vb
	ip -n "$NS-b" link set va up
	ip -n "$NS-b" link set vb up
	ip netns exec "$NS-b" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	# shellcheck disable=SC2086
	daemon_start -i va -w "$DIR/small" -j 1 $FAST
	frames 500 rate=5000
	wait_for 10 counter_is written 500
	# shellcheck disable=SC2086
	ip netns exec "$NS-b" "$AFCAPD" -o daemon.control="$DIR/b.sock" -o daemon.metrics=off -i va -w "$DIR/other" -j 1 $FAST \
		>"$DIR/b.out" 2>"$DIR/b.err" &
	B=$!
	PIDS="$PIDS $B"
	b_counter() { "$AFCTL" -s "$DIR/b.sock" --json stats | jq -e ".captures[0].total.$1 == $2"; }
	wait_for 20 "$AFCTL" -s "$DIR/b.sock" stats
	frames 500 first=500 rate=5000
	ip netns exec "$NS-b" "$FRAMES" send vb 703 rate=5000 >/dev/null
	wait_for 10 counter_is written 1000
	wait_for 10 b_counter written 703
	# Each looks for what a dead one left at least once more
	ctl rotate || fail "rotate"
	"$AFCTL" -s "$DIR/b.sock" rotate >/dev/null || fail "rotate of the other"
	kill -TERM "$B"
	rc=0
	wait "$B" || rc=$?
	equal "exit code of the other" $rc 0
	daemon_stop
	contains account "$(cat "$DIR/out")" "1000 written, 0 discarded"
	contains "the other's account" "$(cat "$DIR/b.out")" "703 written, 0 discarded"
	! grep -h 'repaired \.\?va\|removed \.\?va' "$DIR/err" "$DIR/b.err" || fail "one had its hands on the other's files"
	OUT=$DIR/real
	equal "packets in all files" "$(capinfos_count)" 1703
	files_valid
}

run_tests
