#!/usr/bin/env bash
# All that can go wrong at once; and a daemon that is killed whole, again and again, with nobody to keep its rings.
. "$(dirname "$0")/../live/lib.sh"

SECONDS_LONG=${STORM:-8} # `make check-faults`: 300
KILLS=${GROUP_KILLS:-4}  # ... 100

# Worker 0 stands still until the other has received ten times what its own ring can hold, on machines of any speed
overflow() {
	local pid
	received_by_1() { ctl --json stats | jq '.captures[0].workers[1].received'; }
	other_has() { [ "$(received_by_1)" -ge "$1" ]; }
	wait_for 5 other_has 100
	pid=$(worker_pid 0)
	kill -STOP "$pid"
	wait_for 3 other_has $(($(received_by_1) + 5000)) # of 800 bytes; half a second, as the packets are spread evenly
	kill -CONT "$pid"
	wait_for 5 counter_at_least drops 1
}

# A ring that is too small, kills, flaps, a disk that fills up and is emptied: afctl, /metrics, account and files agree
t_everything_at_once() {
	local end pid n=0
	mkdir "$DIR/small"
	mount -t tmpfs -o size=24m tmpfs "$DIR/small"
	OUT=$DIR/small
	daemon_start -i va -w "$OUT" -j 2 -o ring_size=256K -o block_size=64K -o block_timeout=5ms -o write_delay=10ms -o file_size=1M \
		-o disk_reserve=2M
	send 100000000 size=200-1400 rate=25000
	overflow
	end=$(($(date +%s) + SECONDS_LONG))
	while [ "$(date +%s)" -lt "$end" ]; do
		sleep "0.$((RANDOM % 300 + 100))"
		case $((RANDOM % 6)) in
		0) ip -n "$NS" link set va down && ip -n "$NS" link set va up ;;
		1) dd if=/dev/zero of="$OUT/foreign" bs=1M count=$((RANDOM % 20 + 6)) status=none 2>/dev/null ;;
		2) rm -f "$OUT/foreign" ;;
		3) # kept elsewhere, as a collector does
			mkdir -p "$DIR/files"
			find "$OUT" -name '*.pcapng' -exec mv -t "$DIR/files" {} + 2>/dev/null ;;
		*)
			mapfile -t list < <(workers)
			[ ${#list[@]} -eq 0 ] || kill -KILL "${list[RANDOM % ${#list[@]}]}" 2>/dev/null && n=$((n + 1)) ;;
		esac
	done
	kill "$SENDER"
	rm -f "$OUT/foreign"
	settled() { # all that was received is reported, by both doors alike
		ctl --json stats >"$DIR/stats"
		in_lab curl -s http://127.0.0.1:9748/metrics >"$DIR/metrics"
		local packets received drops
		read -r packets drops received < <(jq -r '.captures[0].total | "\(.packets) \(.drops) \(.received)"' "$DIR/stats")
		[ "$packets" = $((drops + received)) ] && [ "$(metric packets)" = "$packets" ] && [ "$(metric received)" = "$received" ] &&
			[ "$packets" = "${before:-}" ] && return
		before=$packets
		sleep 1.2 # each worker has reported again then
		return 1
	}
	metric() { awk -v name="afcap_$1_total" 'index($0, name "{") == 1 { n += $NF } END { printf "%d\n", n }' "$DIR/metrics"; }
	wait_for 20 settled
	for c in packets drops received written; do
		equal "$c: metrics and afctl" "$(metric $c)" "$(jq ".captures[0].total.$c" "$DIR/stats")"
	done
	daemon_stop
	equal "seen: account and afctl" "$(account seen)" "$(jq .captures[0].total.packets "$DIR/stats")"
	equal "dropped: account and afctl" "$(account dropped)" "$(jq .captures[0].total.drops "$DIR/stats")"
	equal "written: account and afctl" "$(account written)" "$(jq .captures[0].total.written "$DIR/stats")"
	equal "packets = drops + received" "$(account seen)" $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	mv "$OUT"/*.pcapng "$DIR/files/" 2>/dev/null
	equal "files left unfinished" "$(find "$OUT" -type f | wc -l)" 0
	OUT=$DIR/files
	line=$(frames_check 100000000 size=200-1400 partial=1) || fail "$line"
	echo "$n kills; $(head -1 "$DIR/out"); $line"
	[ "$(account dropped)" -gt 0 ] || fail "nothing was dropped"
	# What disk_reserve removed was written, and is not there any more
	[ "$(jq .captures[0].total.files_removed "$DIR/stats")" -gt 0 ] ||
		equal "packets in the files" "$(capinfos_count)" "$(account written)"
}

# The daemon, workers and all, dies at once: what is missing then came while nothing held a ring, and the log says when that was
t_the_whole_group_killed() {
	all_have_written() { ctl --json stats | jq -e '[.captures[0].workers[].written] | min > 0'; }
	send 100000000 rate=20000 size=100-300
	for ((i = 0; i <= KILLS; i++)); do
		daemon_start -i va -w "$OUT" -j 2 -o block_size=64K -o block_timeout=5ms -o write_delay=5ms
		wait_for 5 counter_at_least written 500
		wait_for 5 all_have_written # of a worker that left no packet nothing is known
		if [ "$i" -gt 0 ]; then
			wait_for 5 grep -q 'the previous instance died: nothing is recorded from' "$DIR/err"
			grep 'nothing is recorded from' "$DIR/err" >>"$DIR/told"
		fi
		[ "$i" -lt "$KILLS" ] || break
		# shellcheck disable=SC2046
		kill -KILL -- "$DAEMON" $(workers) "$(archive_pid)"
		wait "$DAEMON" 2>/dev/null
	done
	kill "$SENDER"
	daemon_stop
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
	equal told "$(wc -l <"$DIR/told")" "$KILLS"
	told_check "$DIR/told" || fail "what is missing is not what was told"
}

run_tests
