#!/usr/bin/env bash
# Under load for long, with rotation, a budget and kills: memory and descriptors stay as they are.
. "$(dirname "$0")/../live/lib.sh"

SOAK=${SOAK:-6} # seconds; once in a while 3600
RATE=${RATE:-20000}

# "DESCRIPTORS KIB" of a process; a ring's pages count as a worker's memory, so only what is its own does
process_size() {
	echo "$(find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l) $(awk '/^RssAnon:/ { print $2 }' "/proc/$1/status" 2>/dev/null)"
}

t_memory_and_descriptors_stay() {
	local end n=0 i=0 list
	daemon_start -i va -w "$OUT" -j 2 -o file_size=4M -o disk_budget=256M -o block_timeout=20ms -o write_delay=100ms -o sync=5s
	send 1000000000 rate="$RATE" size=60-1514
	end=$(($(date +%s) + SOAK))
	while [ "$(date +%s)" -lt "$end" ]; do
		sleep 0.5
		i=$((i + 1))
		if [ $((i % 6)) = 0 ]; then
			mapfile -t list < <(workers)
			[ ${#list[@]} -eq 0 ] || kill -KILL "${list[RANDOM % ${#list[@]}]}" 2>/dev/null && n=$((n + 1))
			continue # the next one is just beginning
		fi
		[ $((i % 29)) != 0 ] || ctl rotate
		[ $((i % 31)) != 0 ] || kill -KILL "$(archive_pid)"
		ctl stats >/dev/null
		in_lab curl -s http://127.0.0.1:9748/metrics >/dev/null
		{
			echo "supervisor $(process_size "$DAEMON")"
			echo "archive $(process_size "$(archive_pid)")"
			echo "worker $(process_size "$(workers | head -1)")"
		} >>"$DIR/sizes"
	done
	kill "$SENDER"
	restarts=$(counter restarts)
	daemon_stop
	for who in supervisor archive worker; do
		# The greatest of the second quarter and of the last: the first one is for warming up
		read -r fds1 kib1 fds2 kib2 < <(awk -v who=$who '$1 == who && NF == 3 { n++; f[n] = $2; k[n] = $3 }
			END { for (i = int(n / 4) + 1; i <= n; i++) {
				if (i <= n / 2) { if (f[i] > a) a = f[i]; if (k[i] > b) b = k[i] }
				if (i > n * 3 / 4) { if (f[i] > c) c = f[i]; if (k[i] > d) d = k[i] } }
			print a + 0, b + 0, c + 0, d + 0 }' "$DIR/sizes")
		echo "$who: at most $fds1 descriptors, $kib1 KiB in the second quarter; $fds2, $kib2 KiB in the last"
		[ "$fds2" -le $((fds1 + 2)) ] || fail "$who: descriptors grow from $fds1 to $fds2"
		[ "$kib2" -le $((kib1 * 11 / 10 + 256)) ] || fail "$who: memory grows from $kib1 to $kib2 KiB"
	done
	echo "$SOAK s, $n kills, $restarts restarts: $(head -1 "$DIR/out")"
	[ "$n" -lt 1 ] || [ "$restarts" -ge $((n / 2)) ] || fail "only $restarts restarts"
	equal "packets = drops + received" "$(account seen)" $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
}

run_tests
