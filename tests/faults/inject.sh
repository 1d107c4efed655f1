#!/usr/bin/env bash
# The n-th call of those that write fails: the daemon lives, the account is exact, the files are whole.
. "$(dirname "$0")/../live/lib.sh"

NTHS=${NTHS:-2 9} # which call of each kind fails; `make check-faults`: the first 50, one after the other

accounted() { [ "$(ctl --json stats | jq '[.captures[].total | .written, .discarded_no_space, .discarded_io_error, .discarded_abandoned] | add')" = "$1" ]; }

# once WHO CALLS ERROR N LAYOUT
once() {
	local in_files line lost packets=${PACKETS:-3000}
	rm -rf "${OUT:?}"/* "${OUT:?}"/.*.spare
	daemon_start -i va -w "$OUT" -j 1 -o ring_size=64M -o block_size=64K -o block_timeout=5ms -o write_delay="${DELAY:-5ms}" -o file_size=256K \
		-o disk_reserve=0 -o sync=500ms -o layout="$5"
	case $1 in
	worker) inject "$(workers)" "$2" "error=$3:when=$4" ;;
	archive) inject "$(archive_pid)" "$2" "error=$3:when=$4" ;;
	esac
	in_lab "$FRAMES" send vb "$packets" size=700-1400 rate=6000 >/dev/null
	wait_for 10 counter_is received "$packets"
	wait_for 10 accounted "$packets"
	case $1/$3 in
	worker/EIO) equal "$* for want of space" "$(counter discarded_no_space)" 0 ;;
	worker/*) equal "$* for an error" "$(counter discarded_io_error)" 0 ;;
	esac
	daemon_stop
	equal "$* seen" "$(account seen)" "$packets"
	equal "$* received = written + discarded" "$packets" $(($(account written) + $(account discarded)))
	in_files=$(files | xargs capinfos -cM 2>/dev/null | awk '/Number of packets:/ { n += $NF } END { print n + 0 }')
	line=$(frames_check "$packets" size=700-1400 partial=1) || fail "$*: $line"
	lost=$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")
	# What was refused for want of room may cost the oldest file
	if [[ $3 =~ ENOSPC|EDQUOT ]] && grep -q 'removed va-.*: \(the disk is full\|a quota\)' "$DIR/err"; then
		equal "$* lost" "$lost" $((packets - in_files))
	else
		equal "$* packets in the files" "$in_files" "$(account written)"
		equal "$* lost" "$lost" "$(account discarded)"
	fi
	equal "$* left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
	for f in $(files); do
		tcpdump -nr "$f" 2>&1 >/dev/null | grep -v '^reading from file' | grep . && fail "$*: $f cannot be read whole"
	done
	grep -c INJECTED "$DIR/strace" >>"$HITS" || true # so many calls there may not be
}

# Four at a time, each in a laboratory of its own
sweep() { # WHO CALLS ERROR LAYOUT
	local k n pid failed=0 all=() children=()
	command -v strace >/dev/null || skip "no strace here"
	HITS=$DIR/hits
	read -ra all <<<"$(echo "$NTHS" | tr '\n' ' ')"
	for k in 0 1 2 3; do
		(
			PIDS=
			trap lab_remove EXIT
			lab_make
			for ((n = k; n < ${#all[@]}; n += 4)); do once "$1" "$2" "$3" "${all[n]}" "$4"; done
		) &
		children+=($!)
	done
	for pid in "${children[@]}"; do wait "$pid" || failed=1; done
	[ $failed = 0 ] || fail "a call that failed was not met well"
	n=$(awk '{ n += $1 } END { print n + 0 }' "$HITS")
	echo "$n injected"
	[ "$n" -ge $(((${#all[@]} + 3) / 4)) ] || fail "only $n were injected"
}

t_pwrite_enospc_compact() { sweep worker pwrite64 ENOSPC compact; }
t_pwrite_enospc_inplace() { sweep worker pwrite64 ENOSPC inplace; }
t_pwrite_edquot_compact() { sweep worker pwrite64 EDQUOT compact; }
t_pwrite_edquot_inplace() { sweep worker pwrite64 EDQUOT inplace; }
t_pwrite_eio_compact() { sweep worker pwrite64 EIO compact; }
t_pwrite_eio_inplace() { sweep worker pwrite64 EIO inplace; }
# Several blocks at a time: some 25 calls a second
t_pwritev_enospc() { DELAY=40ms PACKETS=6000 sweep worker pwritev ENOSPC inplace; }
t_pwritev_edquot() { DELAY=40ms PACKETS=6000 sweep worker pwritev EDQUOT inplace; }
t_pwritev_eio() { DELAY=40ms PACKETS=6000 sweep worker pwritev EIO inplace; }
t_archive_pwrite_enospc() { sweep archive pwrite64 ENOSPC auto; }
t_archive_pwrite_eio() { sweep archive pwrite64 EIO auto; }
t_archive_pwrite_edquot() { sweep archive pwrite64 EDQUOT auto; }
# Once a file: so many files as there are calls to fail
t_fallocate_enospc() { PACKETS=6000 sweep archive fallocate ENOSPC auto; }
t_fallocate_edquot() { PACKETS=6000 sweep archive fallocate EDQUOT auto; }
t_fdatasync_eio() { sweep archive fdatasync,fsync EIO auto; }
# The second is the directory's of the first file, which has its final name by then
t_fsync_eio() { sweep archive fsync EIO auto; }
t_fsync_enospc() { sweep archive fsync ENOSPC auto; }
t_fsync_edquot() { sweep archive fsync EDQUOT auto; }
t_fdatasync_enospc() { sweep archive fdatasync,fsync ENOSPC auto; }

run_tests
