#!/usr/bin/env bash
# Room that is refused, bytes, inodes or a quota: the oldest file goes, it is tried again, and words say what there is none of.
. "$(dirname "$0")/lib.sh"

FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K"

state_is() { [ "$(ctl --json status | jq -r '.captures[0].state')" = "$1" ]; }
reason_is() { [ "$(ctl --json status | jq -r '.captures[0].reason')" = "$1" ]; }
in_use() { ctl --json status | jq -re '.captures[0].workers[0].file'; }
spare_there() { [ -n "$(find "$OUT" -name '.va-*.spare')" ]; }
SENT=0
send_some() { # COUNT
	in_lab "$FRAMES" send vb "$1" first=$SENT size=1000 rate=20000
	SENT=$((SENT + $1))
}
file_make() { # one more finished file
	send_some 8
	wait_for 5 counter_is written $SENT
	wait_for 5 in_use
	ctl rotate || fail "rotate"
	wait_for 5 spare_there
}
small_mount() { # OPTIONS: a tmpfs as OUT
	mkdir -p "$DIR/small"
	mount -t tmpfs -o "$1" tmpfs "$DIR/small" || skip "no tmpfs here"
	OUT=$DIR/small
}

# As if so many files had to go until there is room again, see quota.c: refuse COUNT [ERRNO]; EDQUOT is 122
refuse() {
	python3 -c "
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    f.write(struct.pack('qq', int(sys.argv[2]), int(sys.argv[3])))" "$DIR/quota" "$1" "${2:-122}"
}
quota_start() { # ARGS
	needs_preload
	head -c 16 /dev/zero >"$DIR/quota"
	export AFCAP_QUOTA=$DIR/quota LD_PRELOAD=$BUILD/tests/quota.so
	# shellcheck disable=SC2086
	daemon_begin -i va -w "$OUT" -j 1 $FAST -o disk_reserve=0 "$@"
	unset LD_PRELOAD AFCAP_QUOTA
	wait_for 20 ctl status
	wait_for 5 spare_there
}

# A write, of the worker
a_quota_used_up() { # LAYOUT
	local list
	quota_start -o layout="$1"
	for _ in 1 2 3 4; do file_make; done
	mapfile -t list < <(files)
	send_some 8
	wait_for 5 counter_is written $SENT
	refuse 2
	send_some 2000
	wait_for 10 counter_is received $SENT
	wait_for 5 counter_is written $SENT
	equal "files removed, the oldest" "$(counter files_removed) $(files | head -2)" "2 ${list[2]}"$'\n'"${list[3]}"
	equal "in words" "$(grep -c 'removed va-.*: a quota is exhausted' "$DIR/err")" 2
	wait_for 5 state_is running
	daemon_stop
	equal discarded "$(account discarded)" 0
	frames_check $SENT size=1000 partial=1 || fail "frames"
}
t_a_write_beyond_a_quota_compact() { a_quota_used_up compact; }
t_a_write_beyond_a_quota_inplace() { a_quota_used_up inplace; }

# The room that a file may need, and the next file
t_a_file_beyond_a_quota() {
	local before
	quota_start -o file_size=256K -o disk_reserve=1M
	for _ in $(seq 30); do # fewer files where the next one is late: each is larger then
		send_some 500
		wait_for 5 counter_is written $SENT
		! counter_at_least files_completed 5 || break
	done
	wait_for 5 counter_at_least files_completed 5
	before=$(counter files_removed)
	refuse 1
	ctl rotate
	wait_for 5 counter_is files_removed $((before + 1))
	wait_for 5 spare_there
	send_some 200
	wait_for 5 counter_is written $SENT
	daemon_stop
	equal discarded "$(account discarded)" 0
}

# It does not help: all go, as for the reserve, then it is counted, said, and no verb waits
t_a_quota_that_leaves_nothing() {
	quota_start
	for _ in 1 2 3; do file_make; done
	send_some 8
	wait_for 5 counter_is written $SENT
	refuse 100
	send_some 100
	wait_for 10 reason_is "a quota is exhausted: packets are counted as discarded_no_space"
	equal "finished files" "$(files | wc -l)" 0
	contains status "$(ctl status)" "a quota is exhausted"
	said() { grep -q "writing: Disk quota exceeded" "$DIR/err"; }
	wait_for 5 said
	refuse 0
	wait_for 10 state_is running
	before=$(counter written)
	send_some 8
	wait_for 5 counter_is written $((before + 8))
	daemon_stop
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	[ "$(account discarded)" -gt 0 ] || fail "nothing was discarded"
}

t_a_rotation_without_a_next_file_is_refused_in_words() {
	local n rc=0 why="the file system is out of inodes: the next file cannot be made, and there is none left to remove"
	small_mount "size=64m,nr_inodes=8"
	for n in $(seq 8); do : >"$OUT/foreign$n" || break; done 2>/dev/null
	rm "$OUT/foreign1"
	# shellcheck disable=SC2086
	daemon_begin -i va -w "$OUT" -j 1 $FAST -o disk_reserve=0
	wait_for 20 reason_is "$why"
	send_some 8
	wait_for 5 counter_is written $SENT
	equal "it records" "$(ctl --json status | jq -r '.captures[0].state')" running
	timeout 20 "$AFCTL" -s "$SOCK" rotate va >"$DIR/said" 2>&1 || rc=$?
	equal "exit code" $rc 1
	contains "what is said" "$(cat "$DIR/said")" "$why"
	rm "$OUT/foreign2" "$OUT/foreign3"
	wait_for 5 spare_there
	ctl rotate || fail "there is a next file"
	equal files "$(files | wc -l)" 1
	daemon_stop
	umount "$DIR/small"
}

t_inodes_that_run_out() {
	local n
	small_mount "size=64m,nr_inodes=12"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o disk_reserve=0
	for n in $(seq 20); do file_make; done
	[ "$(counter files_removed)" -ge 8 ] || fail "only $(counter files_removed) files went"
	contains log "$(cat "$DIR/err")" "removed va-.*: the file system is out of inodes"
	equal state "$(ctl --json status | jq -r '.captures[0].state')" running
	daemon_stop
	equal discarded "$(account discarded)" 0
	umount "$DIR/small"
}

t_a_reserve_is_one_of_inodes_too() {
	local least=100 now
	free_now() { df --output=iavail "$OUT" | tail -1; }
	small_mount "size=64m,nr_inodes=100"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o file_size=256K -o disk_reserve=90%
	for _ in $(seq 20); do
		file_make
		now=$(free_now)
		[ "$now" -ge "$least" ] || least=$now
	done
	[ "$least" -ge 90 ] || fail "only $least inodes were free"
	contains log "$(cat "$DIR/err")" "removed va-.*: fewer inodes than disk_reserve would stay available"
	equal state "$(ctl --json status | jq -r '.captures[0].state')" running
	for n in $(seq 20); do : >"$OUT/foreign$n"; done
	wait_for 10 reason_is "too few inodes are free for disk_reserve, and no file is left to remove: packets are counted as discarded_no_space"
	equal state "$(ctl --json status | jq -r '.captures[0].state')" suspended
	contains log "$(cat "$DIR/err")" "too few inodes are free for disk_reserve, and no file is left"
	rm "$OUT"/foreign*
	wait_for 10 state_is running
	daemon_stop
	equal discarded "$(account discarded)" 0
	umount "$DIR/small"
}

t_bytes_that_run_out() {
	small_mount size=6m
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=512K -o disk_reserve=0
	send 20000 rate=8000 size=700-1400
	wait "$SENDER"
	wait_for 10 counter_is received 20000
	wait_for 5 counter_is written 20000
	[ "$(counter files_removed)" -gt 20 ] || fail "only $(counter files_removed) files went"
	daemon_stop
	equal discarded "$(account discarded)" 0
	frames_check 20000 size=700-1400 partial=1 || fail "frames"
	umount "$DIR/small"
}

run_tests
