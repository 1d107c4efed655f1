#!/usr/bin/env bash
# Disks: budget, age, reserve, full ones, broken ones, frozen ones.
. "$(dirname "$0")/lib.sh"

# Rings that last for some seconds, by their bytes and by their blocks: a busy disk may stand still for a while
FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=32M -o block_size=64K"

state_is() { [ "$(ctl --json status | jq -r '.captures[0].state')" = "$1" ]; }
removed() { [ "$(counter files_removed)" -ge "$1" ]; }

# Bytes of the capture's files, those being written among them
bytes_now() { find "$OUT" -name 'va-*' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'; }

# received = written + discarded, and so many packets are in the files that can be read
balance() {
	equal "packets = drops + received" "$(account seen)" $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	in_files=$(find "$OUT" -name 'va-*' -print0 | xargs -0 capinfos -cM 2>/dev/null | awk '/Number of packets:/ { n += $NF } END { print n + 0 }')
	equal "packets in the files" "$in_files" "$(account written)"
}

loop_mount() { # MEGABYTES: an ext4 in a file as OUT
	truncate -s "$1M" "$DIR/image"
	mkfs.ext4 -q -m 0 -O ^has_journal "$DIR/image" || skip "no mkfs.ext4 here"
	mkdir -p "$DIR/small"
	mount -o loop "$DIR/image" "$DIR/small" || skip "no loop devices here"
	OUT=$DIR/small
}

# Bytes by which files grew over their 512 KiB (and a write), as the archive process was late with the next ones: removed ones by the
# log, and those that are there
overgrown() {
	{
		sed -n 's/.*: removed va-[^ ]* (\([0-9]*\) bytes).*/\1/p' "$DIR/err"
		find "$OUT" -name 'va-*' -type f -printf '%s\n'
	} | awk '$1 > 589824 { n += $1 - 524288 } END { print n + 0 }'
}

t_a_budget_is_kept_at_every_moment() {
	local most=0 now budget=$((6 * 1024 * 1024))
	echo "not ours" >"$OUT/notes.pcapng"
	cp "$OUT/notes.pcapng" "$OUT/other-20200101T000000.000000Z-w0.pcapng"
	cp "$OUT/notes.pcapng" "$OUT/va-20200101T000000.000000Z-w0.pcapng.bak"
	ln -s /etc/hostname "$OUT/va-20200102T000000.000000Z-w0.pcapng"
	mkdir "$OUT/va-20200103T000000.000000Z-w0.pcapng"
	# Of earlier runs, with more workers; one by version 0.1.0, which named files otherwise
	head -c 300000 /dev/zero >"$OUT/va-w7-20200104T000000.000000Z.pcapng"
	head -c 300000 /dev/zero >"$OUT/va-20200105T000000.000000Z-w7.pcapng"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=512K -o disk_budget=6M -o disk_reserve=0
	send 30000 rate=8000 size=700-1400
	while kill -0 "$SENDER" 2>/dev/null; do
		now=$(bytes_now)
		[ "$now" -le "$most" ] || most=$now
		sleep 0.05
	done
	wait_for 5 counter_is written 30000
	wait_for 5 removed 40
	daemon_stop
	[ "$most" -le $((budget + $(overgrown))) ] || fail "$most bytes were there once, of $budget"
	[ "$(bytes_now)" -gt $((budget / 3)) ] || fail "only $(bytes_now) bytes are kept of $budget"
	echo "at most $most of $budget bytes, $(bytes_now) at the end"
	for f in va-w7-20200104T000000.000000Z.pcapng va-20200105T000000.000000Z-w7.pcapng; do
		[ ! -e "$OUT/$f" ] || fail "the oldest file is still there: $f"
	done
	for f in notes.pcapng other-20200101T000000.000000Z-w0.pcapng va-20200101T000000.000000Z-w0.pcapng.bak; do
		grep -q "not ours" "$OUT/$f" || fail "$f was touched"
	done
	[ -L "$OUT/va-20200102T000000.000000Z-w0.pcapng" ] || fail "a symbolic link was removed"
	[ -d "$OUT/va-20200103T000000.000000Z-w0.pcapng" ] || fail "a directory was removed"
	rm -r "$OUT"/notes.pcapng "$OUT"/other-* "$OUT"/*.bak "$OUT"/va-2020010*
	# What is left is the end of it, without a gap
	line=$(frames_check 30000 size=700-1400 partial=1) || fail "$line"
	# ... to the last packet
	[ "$(tshark -nr "$(files | grep -e -w0 | tail -1)" 2>/dev/null | wc -l)" -gt 0 ] || fail "the newest file is empty"
	equal "written" "$(account written)" 30000
}

t_files_that_others_move_away_are_no_error() {
	mkdir "$DIR/elsewhere"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o file_size=256K -o disk_budget=1M -o disk_reserve=0
	send 20000 rate=10000 size=700-1400
	while kill -0 "$SENDER" 2>/dev/null; do
		f=$(files | head -1)
		[ -z "$f" ] || mv "$f" "$DIR/elsewhere" 2>/dev/null
		sleep 0.02
	done
	wait_for 5 counter_is written 20000
	daemon_stop
	! grep -q '^<[0-4]>' <(grep -v 'no group' "$DIR/err") || fail "$(cat "$DIR/err")"
	contains account "$(cat "$DIR/out")" "20000 written, 0 discarded"
}

t_a_budget_too_small_is_refused_in_words() {
	rc=0
	"$AFCAPD" -i va -w "$OUT" -j 2 -o file_size=8M -o disk_budget=31M -n >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 78
	contains words "$(cat "$DIR/err")" "must be at least 32M (2 x 2 workers x file_size)"
}

# The reserve: own files go first; then nothing is written until there is room
t_a_reserve_is_never_filled() {
	memory_mount 16m
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o file_size=512K -o disk_reserve=8M
	send 30000 rate=8000 size=700-1400
	free_now() { df --output=avail -B1 "$OUT" | tail -1; }
	least=$(free_now)
	while kill -0 "$SENDER" 2>/dev/null; do
		now=$(free_now)
		[ "$now" -ge "$least" ] || least=$now
		sleep 0.05
	done
	wait_for 5 counter_is written 30000
	removed 30 || fail "hardly a file was removed: $(counter files_removed)"
	[ $((least + $(overgrown))) -ge $((8 * 1024 * 1024)) ] || fail "only $least bytes were free"
	: >"$OUT/foreign"
	grown() { # somebody else fills it, as fast as room is made
		now=$(stat -c %s "$OUT/foreign")
		head -c $((12 * 1024 * 1024 - now)) /dev/zero >>"$OUT/foreign"
	}
	wait_for 5 grown
	kept_not() { # not only full
		rc=0
		ctl status >"$DIR/said" || rc=$?
		grep -q "too little space is free for disk_reserve" "$DIR/said"
	}
	wait_for 5 kept_not
	equal "exit code of status" "$rc" 5
	equal state "$(ctl --json status | jq -r '.captures[0].state')" suspended
	contains metric "$(in_lab curl -s http://127.0.0.1:9748/metrics)" 'afcap_capture_state{capture="va",device="va",state="suspended"} 1'
	[ "$(in_lab curl -s http://127.0.0.1:9748/metrics | sed -n 's/^afcap_disk_available_bytes{.*} //p')" -lt $((8 * 1024 * 1024)) ] || fail "available bytes"
	in_lab "$FRAMES" send vb 1000 first=30000 rate=10000 size=700-1400
	wait_for 5 counter_is discarded_no_space 1000
	before=$(counter files_completed)
	ctl rotate || fail "what there is cannot be finished, to be taken away"
	equal "files completed by it" "$(counter files_completed)" $((before + 1))
	rm "$OUT/foreign"
	wait_for 5 state_is running
	in_lab "$FRAMES" send vb 1000 first=31000 rate=10000 size=700-1400
	wait_for 5 counter_is written 31000
	daemon_stop
	equal discarded "$(account discarded)" 1000
	balance_kept
	umount "$DIR/small"
}
# ... where files were removed
balance_kept() {
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	files_valid 4
}

# Below a file system that has room, as on a thin volume: only the write-back finds none, and whatever is not a suspect is on the disk
t_a_burst_onto_a_disk_that_has_less_than_it_says() {
	local f whole=0 rc=0
	mkdir "$DIR/thin"
	mount -t tmpfs -o size=24m tmpfs "$DIR/thin" || skip "no tmpfs here"
	truncate -s 256M "$DIR/thin/image"
	mkfs.ext4 -q -m 0 -O ^has_journal "$DIR/thin/image" || skip "no mkfs.ext4 here"
	mkdir "$DIR/small"
	mount -o loop "$DIR/thin/image" "$DIR/small" || skip "no loop devices here"
	OUT=$DIR/small
	daemon_start -i va -w "$OUT" -j 1 -o ring_size=64M -o block_size=64K -o burst=64M -o file_size=8M -o disk_reserve=0 \
		-o worker_timeout=100s
	worker=$(worker_pid 0)
	kill -STOP "$worker"
	in_lab "$FRAMES" send vb 30000 size=1400 rate=20000 >/dev/null # more than half of the ring
	kill -CONT "$worker"
	accounted() { ctl --json stats | jq -e '.captures[0].total | .packets == 30000 and .drops == 0 and .received == 30000' >/dev/null; }
	wait_for 60 accounted
	kill -TERM "$DAEMON"
	wait "$DAEMON" || rc=$?
	equal "exit code 1 where a file cannot be read back" "$rc" "$(grep -c 'files were lost, with .* packets: exit code 1' "$DIR/err")"
	contains log "$(cat "$DIR/err")" "writing through the page cache"
	equal "lines that blame another program alone" "$(grep "another program" "$DIR/err" | grep -vc "or a failing disk\|or in a failed write-back")" 0
	equal "packets = drops + received" "$(account seen)" $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	umount "$DIR/small" # what is not on the disk is gone
	mount -o loop "$DIR/thin/image" "$DIR/small"
	contains "a suspect, which may have been removed for room since" "$(cat "$DIR/err")" "suspect.pcapng"
	for f in $(files | grep -v suspect); do
		equal "packets in $(basename "$f")" "$(tcpdump -nr "$f" --count 2>/dev/null | sed 's/ .*//')" "$(isb_sum "$f" | awk '{ print $3 }')"
		whole=$((whole + 1))
	done
	echo "$whole files are whole, $(find "$OUT" -name '*.suspect.pcapng' | wc -l) suspects, $(account discarded) discarded"
}

# A disk that others fill up, and has room again
full_disk() { # the file system is mounted as OUT
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 ${FAST/ring_size=4M/ring_size=32M} -o file_size=512K -o disk_reserve=0 -o layout="$1"
	in_lab "$FRAMES" send vb 2000 rate=8000 size=700-1400
	wait_for 10 counter_is written 2000
	send 100000000 first=2000 rate=8000 size=700-1400
	# As fast as room is made, until it is all theirs
	while :; do head -c 1M /dev/zero 2>/dev/null >>"$OUT/foreign"; done &
	PIDS="$PIDS $!"
	wait_for 20 state_is suspended
	kill -KILL $! && wait $! 2>/dev/null
	told() { ! ctl status >"$DIR/said" && grep -q "the disk is full: packets are counted as discarded_no_space" "$DIR/said"; }
	wait_for 10 told
	wait_for 10 counter_at_least discarded_no_space 101
	send_end
	sent=$((2000 + count))
	wait_for 10 counter_is received "$sent"
	in_use_alone() { [ "$(find "$OUT" -name 'va-*.partial' | wc -l)" -le 2 ]; } # the ones before are finished
	wait_for 5 in_use_alone
	# What is there can be read, to the last whole chunk: no torn record. There may be none: the oldest goes first
	find "$OUT" -name 'va-*' >"$DIR/left"
	while read -r f; do
		text=$(tcpdump -nr "$f" 2>&1 >/dev/null | grep -v '^reading from file')
		[ -z "$text" ] || ! [ -e "$f" ] || fail "$f: $text" # or it got its final name, or has gone
	done <"$DIR/left"
	rm "$OUT/foreign"
	mkdir "$DIR/moved"
	wait_for 5 state_is running # by itself
	in_lab "$FRAMES" send vb 500 first="$sent" rate=10000 size=700-1400
	wait_for 5 counter_is received $((sent + 500))
	before=$(counter discarded_no_space)
	daemon_stop
	equal "discarded after there was room" "$(account discarded)" "$before"
	mv "$OUT"/va-* "$DIR/moved"
	umount "$DIR/small"
	OUT=$DIR/moved
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	frames_check $((sent + 500)) size=700-1400 partial=1 || fail "frames differ"
}
t_a_full_tmpfs_compact() { memory_mount 6m && full_disk compact; }
t_a_full_tmpfs_inplace() { memory_mount 6m && full_disk inplace; }
t_a_full_ext4_compact() { loop_mount 8 && full_disk compact; }
t_a_full_ext4_inplace() { loop_mount 8 && full_disk inplace; }
# Copied chunks and such made in place, one after the other
t_a_full_ext4_auto() { loop_mount 8 && full_disk auto; }

# Where a file system has no O_DIRECT, the same is written without it, and that is said once
t_plain_writes_where_there_is_no_o_direct() {
	mkdir "$DIR/small"
	mount -t ramfs ramfs "$DIR/small" || skip "no ramfs here"
	OUT=$DIR/small
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST -o file_size=512K
	in_lab "$FRAMES" send vb 5000 size=60-1514 rate=20000
	wait_for 5 counter_is written 5000
	daemon_stop
	equal "times it was said" "$(grep -c 'does not support O_DIRECT: using buffered writes' "$DIR/err")" 1
	frames_check 5000 size=60-1514 || fail "frames differ"
	files_valid 4
	mkdir "$DIR/copy"
	cp "$OUT"/* "$DIR/copy"
}

# Many small writes: each unit of the disk is filled up, not padded for good
t_low_rates_waste_no_room() {
	local n size
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=1ms -o write_delay=0
	for n in $(seq 0 49); do
		in_lab "$FRAMES" send vb 1 first="$n" size=60
		wait_for 5 counter_at_least received 0
	done
	wait_for 5 counter_is written 50
	chunks=$(python3 -c "
import struct, sys
data, at, n, pads = open(sys.argv[1], 'rb').read(), 4096, 0, 0
while at + 8 <= len(data):
    kind, length = struct.unpack_from('<II', data, at)
    n += kind == 0x8AFCA901
    pads += kind == 0x8AFCA902
    at += length
print(n, pads, at == len(data))" "$OUT"/va-*.partial)
	read -r n pads whole <<<"$chunks"
	[ "$n" -ge 10 ] || fail "only $n writes"
	[ "$pads" -le 1 ] || fail "$pads pads are left"
	equal "blocks to the end of the file" "$whole" True
	daemon_stop
	size=$(stat -c %s "$(files)")
	[ "$size" -le $((4096 + n * 80 + 50 * 92 + 200)) ] || fail "$size bytes"
	frames_check 50 size=60 || fail "frames differ"
}

t_a_start_on_a_full_disk_waits_for_room() {
	memory_mount 1m
	head -c 2M /dev/zero >"$OUT/foreign" 2>/dev/null
	# shellcheck disable=SC2086
	daemon_begin -i va -w "$OUT" -j 1 $FAST -o file_size=256K -o disk_reserve=0
	wait_for 5 state_is suspended
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is discarded_no_space 100
	rm "$OUT/foreign"
	wait_for 5 state_is running
	in_lab "$FRAMES" send vb 100 first=100
	wait_for 5 counter_is written 100
	equal restarts "$(counter restarts)" 0
	daemon_stop
	balance
	umount "$DIR/small"
}

# A broken write ends its file, by its name; what was to be written goes into the next one
broken_write() { # LAYOUT CALL DELAY: until blocks are written, by one call or by another one together
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o layout="$1" -o write_delay="$3"
	send 100000000 rate=5000 size=700-1400
	wait_for 5 counter_at_least written 100
	inject "$(workers)" "$2" error=EIO:when=20
	wait_for 10 counter_at_least write_errors 1
	before=$(counter written)
	wait_for 5 counter_at_least written $((before + 1000)) # the next file is written to
	send_end
	wait_for 5 counter_is received "$count"
	equal "write errors" "$(counter write_errors)" 1
	daemon_stop
	equal "files of suspicion" "$(find "$OUT" -name '*.suspect.pcapng' | wc -l)" 1
	contains log "$(cat "$DIR/err")" "Input/output error"
	balance
	line=$(frames_check "$count" size=700-1400 partial=1) || fail "$line"
	equal "lost" "$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")" "$(account discarded)"
	files_valid
}
t_a_broken_write_compact() { broken_write compact pwrite64 20ms; }
t_a_broken_write_inplace() { broken_write inplace pwrite64 0; }
t_a_broken_write_of_several() { broken_write inplace pwritev 100ms; }

t_a_file_that_cannot_be_synced_is_a_suspect() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is written 100
	inject "$(archive_pid)" fsync,fdatasync error=EIO:when=1
	ctl rotate
	in_lab "$FRAMES" send vb 100 first=100
	wait_for 5 counter_is written 200
	equal "write errors" "$(counter write_errors)" 1
	daemon_stop
	equal "files of suspicion" "$(find "$OUT" -name '*.suspect.pcapng' | wc -l)" 1
	equal "good files" "$(files | grep -cv suspect)" 1
	balance
}

t_sync_now_and_then() {
	command -v strace >/dev/null || skip "no strace here"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o sync=500ms
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is written 100
	inject "$(archive_pid)" fdatasync error=EIO:when=3
	suspected() { [ "$(find "$OUT" -name '*.suspect.pcapng' | wc -l)" -eq 1 ]; }
	wait_for 5 suspected # by the third sync, while it was being written
	in_lab "$FRAMES" send vb 100 first=100
	wait_for 5 counter_is written 200
	daemon_stop
	balance
	[ "$(grep -c fdatasync "$DIR/strace")" -ge 3 ] || fail "hardly a sync: $(cat "$DIR/strace")"
}

# A disk that stands still: what the ring holds is not lost, and everybody else goes on
frozen() { # SECONDS RATE RING
	loop_mount 256
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=50ms -o block_size=256K -o ring_size="$3" -o file_size=16M -o disk_reserve=0 \
		-o worker_timeout=2s
	send $((($1 + 3) * $2)) rate="$2" size=700-1400
	wait_for 5 counter_at_least written 1000
	fsfreeze -f "$OUT" || skip "no fsfreeze here"
	# Each answer comes before the disk goes on
	until=$(($(now_ms) + $1 * 1000)) answers=0
	while [ "$(now_ms)" -lt $until ]; do
		ctl status >/dev/null || [ $? = 5 ] || fail "afctl while the disk stands still"
		in_lab curl -sf -m 30 http://127.0.0.1:9748/metrics >/dev/null || fail "no metrics while the disk stands still"
		answers=$((answers + 1))
	done
	fsfreeze -u "$OUT"
	wait "$SENDER"
	read_all() { [ "$(counter packets)" = $((($1 + 3) * $2)) ] && [ "$(counter packets)" = $(($(counter drops) + $(counter received))) ]; }
	wait_for 20 read_all "$1" "$2"
	equal "a worker that waits for the disk is not hung: restarts" "$(counter restarts)" 0
	daemon_stop
	echo "frozen for $1 s: $(account dropped) dropped, afctl and metrics answered $answers times"
	balance
	umount "$DIR/small"
}
t_a_disk_that_freezes_loses_nothing_the_ring_holds() {
	frozen 1 1000 32M # sixteen seconds of it fit into the ring
	equal dropped "$(account dropped)" 0
}
# By default a ring lasts 30 s at any low rate, whatever its size: `make check-faults` shows all of them, STALL. One worker with
# what everybody has, and eight small rings, of the same packets
t_a_disk_that_stands_still_costs_nothing_at_low_rates() {
	local packets=$(((${STALL:-6} + 2) * 1000)) until
	loop_mount 256
	{
		printf '[capture one]\ninterface = va\nworkers = 1\ndirectory = %s\nfile_size = 4M\ndisk_reserve = 0\n' "$OUT"
		printf '[capture eight]\ninterface = va\nworkers = 8\nring_size = 8M\ndirectory = %s\nfile_size = 4M\ndisk_reserve = 0\n' "$OUT"
	} >"$DIR/conf"
	daemon_start -c "$DIR/conf"
	totals() { ctl --json stats | jq -r "[.captures[].total | $1] | join(\" \")"; }
	begun() { [ "$(ctl --json stats | jq '[.captures[].total.written > 100] | all')" = true ]; }
	all_taken() { [ "$(totals ".received + .drops")" = "$packets $packets" ]; }
	send "$packets" rate=1000 size=200-200
	wait_for 10 begun
	fsfreeze -f "$OUT" || skip "no fsfreeze here"
	until=$(($(now_ms) + ${STALL:-6} * 1000))
	while [ "$(now_ms)" -lt $until ]; do sleep 0.2; done
	fsfreeze -u "$OUT"
	wait "$SENDER"
	wait_for 30 all_taken
	equal drops "$(totals .drops)" "0 0"
	equal restarts "$(totals .restarts)" "0 0"
	daemon_stop
	for name in one eight; do
		"$FRAMES" check "$packets" size=200-200 "$OUT/$name"-*.pcapng || fail "frames of $name differ"
	done
	umount "$DIR/small"
}
# ... and so long that the ring is not enough: FREEZE seconds, as `make check-faults` has it
if [ -n "${FREEZE:-}" ]; then
	t_a_disk_that_freezes_for_long_is_counted() {
		frozen "$FREEZE" 5000 16M
		[ "$(account dropped)" -gt 0 ] || fail "the ring held all of it"
	}
fi

run_tests
