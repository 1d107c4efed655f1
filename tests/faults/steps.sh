#!/usr/bin/env bash
# Workers that die between each two steps of the crash protocol, and of a block: the daemon is built so that they do.
. "$(dirname "$0")/../live/lib.sh"

DEATHS=${DEATHS:-2} # at least so many of each step; `make check-faults`: 40
AFCAPD=$BUILD/tests/afcapd-other
export ASAN_OPTIONS=handle_segv=0 # a sanitized worker dies of its signal, too
STEPS=ABCDEFGHIJ    # enum crash_step, but for those of a burst

deaths() { # LAYOUT SIZE RATE [OPTION...]
	local layout=$1 size=$2 rate=$3 count=0 step line
	shift 3
	: >"$DIR/deaths"
	export AFCAP_CRASH_ONE_IN=${ONE_IN:-400} AFCAP_CRASH_LOG=$DIR/deaths
	daemon_start -i va -w "$OUT" -j 2 -o block_size=64K -o block_timeout=10ms -o write_delay=20ms -o file_size=512K \
		-o layout="$layout" "$@"
	for _ in $(seq $((DEATHS * 60 + 60))); do
		in_lab "$FRAMES" send vb 10000 first=$count size="$size" rate="$rate" >/dev/null
		count=$((count + 10000))
		for ((step = 0; step < ${#STEPS}; step++)); do
			[ "$(tr -cd "${STEPS:step:1}" <"$DIR/deaths" | wc -c)" -ge "$DEATHS" ] || continue 2
		done
		break
	done
	daemon_stop
	for ((step = 0; step < ${#STEPS}; step++)); do
		printf '%s %s  ' "${STEPS:step:1}" "$(tr -cd "${STEPS:step:1}" <"$DIR/deaths" | wc -c)"
		[ "$(tr -cd "${STEPS:step:1}" <"$DIR/deaths" | wc -c)" -ge "$DEATHS" ] || fail "not enough deaths at step ${STEPS:step:1}"
	done
	echo
	equal seen "$(account seen)" $count
	equal "packets = drops + received" $count $(($(account dropped) + $(account received)))
	equal discarded "$(account discarded)" 0
	line=$(frames_check $count size="$size" partial=1) || fail "$line"
	echo "$(wc -c <"$DIR/deaths") deaths, $(account dropped) dropped: $line"
	equal lost "$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")" "$(account dropped)"
	equal "packets in the files" "$(capinfos_count)" "$(account written)"
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
}

t_every_step_compact() {
	deaths compact 60-300 25000
	equal dropped "$(account dropped)" 0
}
t_every_step_inplace() { # up to 64 of such blocks are written, and committed, together: no crash loop
	ONE_IN=600 deaths inplace 60-1514 15000
	equal dropped "$(account dropped)" 0
}
# Into the page cache and around it again, each time half of such a ring waits
t_every_step_in_a_burst() {
	STEPS=${STEPS}KL ONE_IN=800 deaths auto 200-1400 100000 -o ring_size=256K -o burst=64M
}
t_every_step_while_the_ring_overflows() { ONE_IN=800 deaths auto 200-1400 100000 -o ring_size=256K; }

poisoned() { # LAYOUT
	export AFCAP_CRASH_BLOCK=3
	daemon_start -i va -w "$OUT" -j 1 -o block_size=64K -o block_timeout=1s -o write_delay=50ms -o layout="$1"
	in_lab "$FRAMES" send vb 2000 size=700-1400 rate=20000
	wait_for 10 counter_is received 2000
	equal restarts "$(counter restarts)" 2
	[ "$(counter discarded_abandoned)" -gt 0 ] || fail "nothing was abandoned"
	contains log "$(cat "$DIR/err")" "two workers died in block 3 of the ring"
	daemon_stop
	line=$(frames_check 2000 size=700-1400 partial=1) || fail "$line"
	equal lost "$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")" "$(account discarded)"
	equal received 2000 $(($(account written) + $(account discarded)))
	files_valid
	# The block is kept: a chunk of its own, its kernel's sequence in the bytes
	# shellcheck disable=SC2046
	python3 - $(files) <<'P' || fail "the block's bytes are not in the file"
import struct, sys
data = open(sys.argv[1], "rb").read()
at, kept = 0, b""
while at < len(data):
    kind, length = struct.unpack_from("<II", data, at)
    if kind == 0x8AFCA903:
        assert length <= 60000, length
        kept += data[at + 8:at + length - 4]
    at += length
assert len(kept) == 65536 and struct.unpack_from("<Q", kept, 24)[0] == 3, len(kept)
P
}
t_a_block_that_kills_is_left_aside_compact() { poisoned compact; }
t_a_block_that_kills_is_left_aside_inplace() { poisoned inplace; }

# A daemon that dies with such a block in its file: it is repaired like any other
t_such_a_file_can_be_repaired() {
	export AFCAP_CRASH_BLOCK=3
	daemon_start -i va -w "$OUT" -j 1 -o block_size=64K -o block_timeout=20ms -o write_delay=50ms
	in_lab "$FRAMES" send vb 2000 size=700-1400 rate=20000
	wait_for 10 counter_is received 2000
	written=$(counter written)
	# shellcheck disable=SC2046
	kill -KILL -- "$DAEMON" $(workers) "$(archive_pid)"
	wait "$DAEMON" 2>/dev/null
	unset AFCAP_CRASH_BLOCK
	daemon_start -i va -w "$OUT" -j 1
	wait_for 5 counter_is files_repaired 1
	daemon_stop
	equal "packets in the files" "$(capinfos_count)" "$written"
}

t_a_start_that_only_dies_fails() {
	export AFCAP_CRASH_ONE_IN=1
	daemon_begin -i va -w "$OUT" -j 1
	rc=0
	wait "$DAEMON" || rc=$?
	equal "exit code" $rc 1
	contains log "$(cat "$DIR/err")" "worker 0 died"
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
}

run_tests
