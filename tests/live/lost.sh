#!/usr/bin/env bash
# Other programs have their hands on files in use: noticed within a second, logged, counted, and the next file continues.
. "$(dirname "$0")/lib.sh"

FAST="-o block_timeout=50ms -o write_delay=20ms -o ring_size=16M -o block_size=64K"

partial() { find "$OUT" -name '*.partial' | head -1; }
has_partial() { [ -n "$(partial)" ]; }
logged() { grep -q -- "$1" "$DIR/err"; }
frames() { in_lab "$FRAMES" send vb "$@" >/dev/null; }
degraded() {
	local rc=0
	ctl status >"$DIR/said" || rc=$?
	[ "$rc" = 5 ] && grep -q "$1" "$DIR/said"
}

# Snapshots for as long as the daemon answers, each counter of which must be at least what it was, with received = written +
# discarded in each of them
watch_begin() {
	while ctl --json stats; do :; done >"$DIR/snapshots" 2>/dev/null &
	WATCH=$!
	PIDS="$PIDS $WATCH"
}
watch_check() {
	wait "$WATCH"
	python3 - "$DIR/snapshots" <<'P'
import json, sys
before, n, at, text = {}, 0, 0, open(sys.argv[1]).read()
while text[at:].strip():
    at += len(text[at:]) - len(text[at:].lstrip())
    snapshot, at = json.JSONDecoder().raw_decode(text, at)
    total = snapshot["captures"][0]["total"]
    for name, value in total.items():
        assert value >= before.get(name, 0), f"{name} fell from {before[name]} to {value}"
    discarded = sum(v for k, v in total.items() if k.startswith("discarded_"))
    assert total["received"] == total["written"] + discarded, f"no balance: {total}"
    before, n = total, n + 1
assert n > 10, f"only {n} snapshots"
print(n, "snapshots")
P
}

# A file is taken away by FUNCTION after 300 packets; 300 and 100 follow: lost_by FUNCTION WHAT
lost_by() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	watch_begin
	frames 300 rate=3000
	wait_for 10 counter_is written 300
	wait_for 10 has_partial
	FILE=$(partial)
	"$1"
	begin=$(date +%s%N)
	wait_for 10 logged "va/0: $(basename "$FILE") $2 while it was written (300 packets in it so far): continuing in the next"
	took=$((($(date +%s%N) - begin) / 1000000))
	wait_for 10 counter_is files_lost 1
	logged 'va/0: .* 300 packets in it are lost, and counted as discarded_file_lost' || fail "no number"
	degraded "files in use were lost (to another program, or in a failed write-back): 1 files, 300 packets" || fail "$(cat "$DIR/said")"
	equal "written, which does not fall" "$(counter written)" 300
	frames 300 first=300 rate=3000
	wait_for 10 counter_is discarded_file_lost 300
	equal written "$(counter written)" 300
	frames 100 first=600 rate=3000
	wait_for 10 counter_is written 400
	contains metric "$(in_lab curl -s http://127.0.0.1:9748/metrics)" 'afcap_discarded_total{capture="va",device="va",worker="0",reason="file_lost"} 300'
	contains metric "$(in_lab curl -s http://127.0.0.1:9748/metrics)" 'afcap_files_lost_total{capture="va",device="va",worker="0"} 1'
	daemon_stop TERM 1
	watch_check || fail "a snapshot"
	contains account "$(cat "$DIR/out")" "700 packets seen, 0 dropped by the kernel, 700 received, 400 written, 300 discarded"
	logged "va: 1 files were lost, with 300 packets: exit code 1" || fail "the exit code is not told"
	equal "packets in the files" "$(capinfos_whole)" 400
	echo "noticed after $took ms"
}

# Without what ends in .suspect
capinfos_whole() {
	find "$OUT" -name '*.pcapng' ! -name '*.suspect.pcapng' ! -name '.*' -print0 | xargs -0 capinfos -cM 2>/dev/null |
		awk '/Number of packets:/ { n += $NF } END { print n + 0 }'
}

t_a_file_in_use_is_removed() {
	taken() { rm "$FILE"; }
	lost_by taken "was removed"
}
t_a_file_in_use_is_moved_away() {
	taken() { mv "$FILE" "$DIR/moved.pcapng"; }
	lost_by taken "was moved away"
	equal "packets in the moved file" "$(tcpdump -nr "$DIR/moved.pcapng" 2>/dev/null | wc -l)" 300
}
t_a_file_in_use_is_emptied() {
	taken() { : >"$FILE"; }
	lost_by taken "was truncated"
	equal "suspect files" "$(find "$OUT" -name '*.suspect.pcapng' | wc -l)" 1
}
t_a_file_in_use_is_replaced() {
	head -c 8192 /dev/urandom >"$DIR/other"
	taken() { cp "$DIR/other" "$DIR/copy" && mv "$DIR/copy" "$FILE"; }
	lost_by taken "was replaced by another file"
	cmp "$DIR/other" "$FILE" || fail "what is not ours was changed"
}

# logrotate's copytruncate, while packets come: what was copied is the copier's, the rest is not lost without a word
t_a_file_is_truncated_while_packets_come() {
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST
	watch_begin
	send 6000 rate=1000
	wait_for 10 has_partial
	wait_for 10 counter_at_least written 1000
	FILE=$(partial)
	: >"$FILE"
	wait_for 10 counter_is files_lost 1
	wait "$SENDER"
	wait_for 10 counter_is received 6000
	daemon_stop TERM 1
	watch_check || fail "a snapshot"
	equal "packets in the files" "$(capinfos_whole)" "$(account written)"
	[ "$(account discarded)" -ge 900 ] || fail "only $(account discarded) are counted"
}

# Hidden files ahead are anybody's who cleans up: no packet is lost with them
t_a_spare_is_removed_or_moved() {
	mkdir "$DIR/elsewhere"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 $FAST
	spares() { [ "$(find "$OUT" -name '.*.spare' | wc -l)" -ge "$1" ]; }
	wait_for 10 spares 4
	find "$OUT" -name '.*.spare' -delete # those that come into use first, too
	frames 300 rate=3000
	wait_for 10 counter_is written 300
	ctl rotate || fail "rotate"
	wait_for 10 spares 2
	find "$OUT" -name '.*.spare' -exec mv -t "$DIR/elsewhere" {} +
	frames 300 first=300 rate=3000
	wait_for 10 counter_is written 600
	ctl rotate || fail "rotate"
	wait_for 10 spares 2
	find "$OUT" -name '.*.spare' -exec truncate -s 0 {} +
	frames 300 first=600 rate=3000
	wait_for 10 counter_is written 900
	daemon_stop
	contains account "$(cat "$DIR/out")" "900 written, 0 discarded"
	frames_check 900 || fail "frames differ"
	files_valid
	logged "the spare file .* was removed before it was named" || fail "not told"
	logged "the spare file .* was moved away before it was named" || fail "not told"
}

# The directory refuses names for a while: files get theirs when it works again
t_what_cannot_be_named_is_named_later() {
	id nobody >/dev/null 2>&1 || skip "no user nobody"
	chown nobody "$OUT"
	chmod 755 "$DIR"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o daemon.user=nobody
	frames 300 rate=3000
	wait_for 10 counter_is written 300
	wait_for 10 has_partial
	chmod 500 "$OUT"
	ctl rotate || true
	frames 300 first=300 rate=3000
	wait_for 10 counter_is written 600
	wait_for 10 logged "finishing .*: Permission denied; retrying"
	wait_for 10 degraded "files cannot be given their names (Permission denied): retrying"
	equal "told" "$(grep -c 'finishing .*retrying' "$DIR/err")" 1
	chmod 700 "$OUT"
	wait_for 10 logged "is finished now"
	wait_for 10 ctl status
	daemon_stop
	contains account "$(cat "$DIR/out")" "600 written, 0 discarded, 2 files"
	frames_check 600 || fail "frames differ"
	files_valid
}

# ... and to the end: said by the exit code; the next daemon finishes them
t_what_was_never_named_is_told_at_the_end() {
	id nobody >/dev/null 2>&1 || skip "no user nobody"
	chown nobody "$OUT"
	chmod 755 "$DIR"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o daemon.user=nobody
	frames 300 rate=3000
	wait_for 10 counter_is written 300
	wait_for 10 has_partial
	chmod 500 "$OUT"
	daemon_stop TERM 1
	logged "va/0: .*partial in .* is not finished: Permission denied" || fail "$(cat "$DIR/err")"
	chmod 700 "$OUT"
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 1 $FAST -o daemon.user=nobody
	wait_for 10 counter_is files_repaired 1
	daemon_stop
	frames_check 300 || fail "frames differ"
	files_valid
}

run_tests
