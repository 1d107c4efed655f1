#!/usr/bin/env bash
# The daemon dies, is restarted, is upgraded: the rings go on in the service manager's descriptor store.
. "$(dirname "$0")/lib.sh"

KILLS=${SUPERVISOR_KILLS:-6} # `make check-faults`: 200
RESTARTS=${RESTARTS:-4} # ... 50
SMALL="-o block_timeout=50ms -o block_size=128K -o ring_size=32M -o write_delay=20ms -o file_size=2M"

# The daemon below a service manager: MANAGER, and $DAEMON as it is now
managed_begin() {
	mkdir -p "$DIR/manager"
	ip netns exec "$NS" python3 "$TOP/tests/live/manager.py" "$DIR/manager" "${COMMAND:-$AFCAPD}" -o daemon.control="$SOCK" \
		-o daemon.metrics=127.0.0.1:9748 "$@" >"$DIR/out" 2>"$DIR/err" &
	MANAGER=$!
	PIDS="${PIDS:-} $MANAGER"
}
managed_start() {
	managed_begin "$@"
	wait_for 20 ctl status
	daemon_find
}
daemon_find() { DAEMON=$(cat "$DIR/manager/pid"); }
starts() { wc -c <"$DIR/manager/starts"; }
started_and_running() { [ "$(starts)" -ge "$1" ] && daemon_find && [ -d "/proc/$DAEMON" ] && ctl status; }
managed_stop() {
	local rc=0
	kill -TERM "$MANAGER"
	wait "$MANAGER" || rc=$?
	equal "exit code" "$rc" 0
}

# After the stop: the files hold frames 0 to COUNT-1, and the account says so
all_there() { # COUNT [OPTION]...
	frames_check "$@" >"$DIR/checked" || fail "$(cat "$DIR/checked")"
	cat "$DIR/checked"
	contains "flows keep their worker" "$(cat "$DIR/checked")" "split 0"
	equal seen "$(account seen)" "$1"
	equal dropped "$(account dropped)" 0
	equal written "$(account written)" "$1"
	equal discarded "$(account discarded)" 0
	equal "files by the account" "$(account files)" "$(files | wc -l)"
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
	equal "descriptors kept" "$(wc -l <"$DIR/manager/kept")" 0
	for f in $(files); do isb_sum "$f" >/dev/null || fail "$f has no statistics"; done
	equal "statistics: received, dropped, written" "$(isb_sum)" "$1 0 $1"
}

kills_in() { # LAYOUT SIZE RATE
	# shellcheck disable=SC2086
	managed_start -i va -w "$OUT" -j 2 -o layout="$1" $SMALL
	send 100000000 size="$2" rate="$3"
	for ((i = 0; i < KILLS; i++)); do
		sleep "0.$((RANDOM % 900 + 100))"
		daemon_find
		n=$(starts)
		kill -KILL "$DAEMON"
		wait_for 10 started_and_running $((n + 1))
		before=${packets:-0} packets=$(counter packets)
		[ "$packets" -ge "$before" ] || fail "packets fell from $before to $packets"
	done
	kill "$SENDER"
	equal "gone on" "$(grep -c 'resuming the rings of the previous instance, last alive at 2' "$DIR/err")" "$KILLS"
	wait_quiet
	count=$(counter packets)
	equal "files repaired" "$(counter files_repaired)" 0 # they are found again, and finished as they should
	managed_stop
	all_there "$count" size="$2"
	files_valid 2
}

# Until nothing more comes in
wait_quiet() {
	local now before=
	for _ in $(seq 100); do
		now=$(ctl --json stats | jq '[.captures[].total | .packets - .drops, .received] | @csv' -r)
		[ "$now" != "$before" ] || [ "${now#*,}" != "${now%,*}" ] || return 0
		before=$now
		sleep 1.2
	done
	fail "never quiet"
}

t_kills_of_the_supervisor_compact() { kills_in compact 60-300 30000; }
t_kills_of_the_supervisor_inplace() { kills_in inplace 60-1514 20000; }

t_restarts_hand_over() {
	# shellcheck disable=SC2086
	managed_start -i va -w "$OUT" -j 2 $SMALL
	send 100000000 rate=30000
	for ((i = 0; i < RESTARTS; i++)); do
		sleep "0.$((RANDOM % 900 + 100))"
		n=$(starts)
		kill -USR2 "$MANAGER"
		wait_for 10 started_and_running $((n + 1))
	done
	kill "$SENDER"
	equal "gone on" "$(grep -c 'resuming the rings of the previous instance, last alive at 2' "$DIR/err")" "$RESTARTS"
	wait_quiet
	count=$(counter packets)
	equal restarts "$(counter restarts)" 0
	managed_stop
	all_there "$count"
}

# Nobody asked the manager for a restart: it is one all the same, and costs no packet
t_a_hand_over_by_itself_is_a_restart() {
	# shellcheck disable=SC2086
	managed_start -i va -w "$OUT" -j 2 $SMALL
	send 100000000 rate=30000
	wait_for 5 counter_at_least received 1000
	n=$(starts)
	kill -USR2 "$DAEMON"
	wait_for 10 started_and_running $((n + 1))
	kill "$SENDER"
	equal "gone on" "$(grep -c 'resuming the rings of the previous instance, last alive at 2' "$DIR/err")" 1
	wait_quiet
	count=$(counter packets)
	managed_stop
	all_there "$count"
}

# The service manager has the sockets: who comes while an instance hands over waits for the next one; who has asked is answered
t_who_asks_during_a_hand_over_waits() {
	export LISTEN="control=$SOCK metrics=9748"
	# shellcheck disable=SC2086
	managed_start -i va -w "$OUT" -j 2 $SMALL -o worker_timeout=60s
	in_lab "$FRAMES" send vb 500 rate=50000
	wait_for 5 counter_is written 500
	before=$DAEMON worker=$(worker_pid 0)
	started() { grep 'afcap_worker_start_time_seconds.*worker="0"' "$1"; }
	in_lab curl -sS --max-time 100 http://127.0.0.1:9748/metrics >"$DIR/metrics.before"
	kill -STOP "$worker" # it hands over in five seconds
	rotates=0 asks=0 scrapes=0
	ctl rotate >"$DIR/rotated" 2>&1 & rotate=$!
	asked() { [ "$(ss -Hx | grep -c "ESTAB.*$SOCK ")" -ge 1 ]; }
	wait_for 5 asked
	n=$(starts)
	kill -USR2 "$MANAGER"
	wait_for 5 grep -q "handing over: the rings stay armed" "$DIR/err"
	ctl --json stats >"$DIR/stats" 2>"$DIR/said" & ask=$!
	in_lab curl -sS --max-time 100 http://127.0.0.1:9748/metrics >"$DIR/metrics" 2>"$DIR/curl" & scrape=$!
	wait_for 20 started_and_running $((n + 1))
	wait "$ask" || asks=$?
	wait "$scrape" || scrapes=$?
	wait "$rotate" || rotates=$?
	equal "afctl stats" "$asks $(cat "$DIR/said")" "0 "
	equal "curl" "$scrapes $(cat "$DIR/curl")" "0 "
	[ "$(jq ".captures[0].workers[0].pid" "$DIR/stats")" != "$worker" ] || fail "answered by who was leaving"
	contains metrics "$(cat "$DIR/metrics")" "^afcap_build_info"
	[ "$(started "$DIR/metrics")" != "$(started "$DIR/metrics.before")" ] || fail "metrics of who was leaving"
	contains rotate "$rotates $(cat "$DIR/rotated")" "^0 \|being restarted: try again"
	! kill -0 "$before" 2>/dev/null || fail "it did not hand over"
	managed_stop
	all_there 500
}

# A store that does not take all that is to be kept is told of at the start, by what the manager says (systemd 254) or by trying
t_a_store_that_is_too_small() {
	local said="the service manager does not store the 5 descriptors of these captures: .*FileDescriptorStoreMax=6"
	with() { # VARIABLE=VALUE of the manager
		rm -rf "$DIR/manager"
		export "${1?}"
		# shellcheck disable=SC2086
		managed_start -i va -w "$OUT" -j 2 $SMALL
		tried() { ! grep -q test.store "$DIR/manager/kept" && in_lab curl -s http://127.0.0.1:9748/-/ready; }
		wait_for 5 tried
	}
	for how in "STORE_MAX=0" "STORE_MAX=4" "STORE_MAX=5" "FDSTORE=4"; do
		with "$how"
		told() { grep -q "$said" "$DIR/err"; }
		wait_for 5 told
		managed_stop
		unset STORE_MAX FDSTORE
	done
	for how in "STORE_MAX=6" "FDSTORE=5"; do
		with "$how"
		managed_stop
		equal "told of, though it is enough" "$(grep -c "$said" "$DIR/err")" 0
		unset STORE_MAX FDSTORE
	done
}

again() { # SIGNAL of the restart
	n=$(starts)
	case $1 in
	USR2) kill -USR2 "$MANAGER" ;;
	*) kill "-$1" "$DAEMON" ;;
	esac
	wait_for 10 started_and_running $((n + 1))
}
began_anew() { # WHY
	contains log "$(cat "$DIR/err")" "va: the previous instance, last alive at 2.*Z, cannot be resumed: $1"
	contains gap "$(cat "$DIR/err")" "va: nothing is recorded from 2.*Z to 2.*Z: $1"
}

# The account of the last life, and files of all: nothing twice, nothing torn
whole() { # COUNT
	line=$(frames_check "$1" partial=1) || fail "$line"
	equal "packets = drops + received" "$(account seen)" $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
	equal "descriptors kept" "$(wc -l <"$DIR/manager/kept")" 0
}

# Another binary with the same ledgers goes on; one whose ledgers are of another version starts clean, there and back
t_upgrades() {
	cp "$AFCAPD" "$DIR/afcapd"
	COMMAND=$DIR/afcapd managed_start -i va -w "$OUT" -j 2 -o block_timeout=1s -o write_delay=20ms
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	cp "$AFCAPD" "$DIR/next" && mv "$DIR/next" "$DIR/afcapd"
	again USR2
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	equal "gone on" "$(grep -c 'resuming the rings of the previous instance, last alive at 2' "$DIR/err")" 1
	cp "$BUILD/tests/afcapd-other" "$DIR/next" && mv "$DIR/next" "$DIR/afcapd"
	again USR2
	began_anew "its ledgers have another version"
	contains "nothing was in the rings" "$(cat "$DIR/err")" "<5>va: its rings held 0 packets, which are lost"
	in_lab "$FRAMES" send vb 1000 first=2000 rate=50000
	wait_for 5 counter_is received 1000
	for pid in $(workers); do kill -STOP "$pid"; done
	in_lab "$FRAMES" send vb 700 first=4000 rate=50000
	kill -STOP "$DAEMON"                               # else they are replaced, ...
	for pid in $(workers); do kill -KILL "$pid"; done # ... or go on as its orphans
	cp "$AFCAPD" "$DIR/next" && mv "$DIR/next" "$DIR/afcapd"
	again KILL
	contains "what was in them" "$(cat "$DIR/err")" "<3>va: its rings held 700 packets, which are lost"
	equal "begun anew" "$(grep -c 'cannot be resumed: its ledgers have another version' "$DIR/err")" 2
	in_lab "$FRAMES" send vb 1000 first=3000 rate=50000
	wait_for 5 counter_is received 1000
	managed_stop
	whole 4700
	frames_check 4000 || fail "frames differ"
}

# Of one worker nobody knows what was written: what its ring held is lost, and told; the other's is written out, its counters go on
damaged() { # OFFSET LENGTH BYTE
	local pids lost before
	managed_start -i va -w "$OUT" -j 2 -o block_timeout=1s -o write_delay=20ms -o worker_timeout=2m
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is written 1000
	before=$(ctl --json stats | jq '.captures[0].workers[1].written')
	pids=$(workers)
	for pid in $pids; do kill -STOP "$pid"; done
	in_lab "$FRAMES" send vb 700 first=1000 rate=50000
	pid=$(worker_pid 0)
	kill -STOP "$DAEMON" # else they are replaced
	scribble "$pid" "$@"
	for pid in $pids; do kill -KILL "$pid"; done
	again KILL
	began() { grep -q "va: nothing is recorded from 2.*Z to 2.*Z: a worker's ledger was unusable" "$DIR/err"; }
	wait_for 10 began
	lost=$(sed -n 's/.*va\/0: the ledger is unusable (.*): counting starts from scratch, the ring is given up, the \([0-9]*\) packets in it are lost$/\1/p' "$DIR/err")
	[ "${lost:-0}" -gt 0 ] || fail "what is lost is not told: $(cat "$DIR/err")"
	[ "$lost" -lt 700 ] || fail "all is lost"
	in_lab "$FRAMES" send vb 1000 first=1700 rate=50000
	received() { [ "$(counter received)" -ge $((before + 700 - lost + 1000)) ]; }
	wait_for 5 received
	managed_stop
	line=$(frames_check 2700 partial=1) || fail "$line"
	equal "frames that are lost" "$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")" "$lost"
	equal "seen, but for what the damaged ledger knew" "$(account seen)" $((before + 700 - lost + 1000))
	whole 2700
}
t_a_ledger_that_is_overwritten_costs_its_own_ring() { damaged 0 32 255; }
t_a_ledger_of_zeros_costs_its_own_ring() { damaged 32 1200 0; }

# The daemon that gave up the ring is killed, too, before it records: the gap is told by the third, from its beginning
t_a_gap_is_told_whole_after_a_second_death() {
	needs_preload
	touch "$DIR/held" # nothing is held yet
	export LD_PRELOAD=$BUILD/tests/hold.so HOLD_NAME="afcapd: worker" HOLD_ABOUT=va/0 HOLD_FILE=$DIR/held
	managed_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms -o worker_timeout=2m
	unset LD_PRELOAD
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is written 1000
	pid=$(worker_pid 0)
	kill -STOP "$DAEMON" # else it is replaced
	kill -STOP "$pid"
	scribble "$pid" 32 1200 0
	kill -KILL "$pid"
	rm "$DIR/held"
	kill -KILL "$DAEMON"
	wait_for 20 test -s "$DIR/held" # the worker that would begin
	began=$(date -u +%s)
	later() { [ "$(date -u +%s)" -ge $((began + 2)) ]; }
	wait_for 10 later
	daemon_find
	again KILL
	kill -KILL "$(cat "$DIR/held")"
	told() { sed -n "s/.*va: nothing is recorded from \(2.*Z\) to 2.*Z: a worker's ledger was unusable$/\1/p" "$DIR/err" | grep .; }
	wait_for 10 told
	[ "$(date -u -d "$(told)" +%s)" -le "$began" ] || fail "told from $(told) on, nothing was recorded at $began"
	managed_stop
}

# Its hidden files have .partial in their names, too: they are not taken for files in use
t_a_capture_that_is_called_partial() {
	printf '[capture a.partial]\ninterface = va\nworkers = 1\ndirectory = %s\nblock_timeout = 50ms\nwrite_delay = 20ms\n' "$OUT" >"$DIR/afcapd.conf"
	managed_start -c "$DIR/afcapd.conf"
	again KILL
	in_use() { ctl --json status | jq -r '.captures[0].workers[0].file'; }
	equal "a file in use" "$(in_use)" null
	in_lab "$FRAMES" send vb 100 rate=50000
	wait_for 5 counter_is written 100
	visible() { [[ $(in_use) == a.partial-2*-w0.pcapng.partial ]]; }
	wait_for 10 visible
	managed_stop
	all_there 100
}

configure() { # LINE
	printf '[capture va]\ndirectory = %s\nworkers = 2\nblock_timeout = 100ms\nwrite_delay = 20s\nring_size = 16M\nblock_size = 128K\n' "$OUT" |
		grep -v "^${1%% *} =" >"$DIR/afcapd.conf"
	echo "$1" >>"$DIR/afcapd.conf"
}

# What the rings hold when a key is changed is written out by the next daemon before it begins anew; no counter falls
t_another_configuration_loses_nothing() {
	local sent=0 line
	mkdir "$DIR/other"
	configure "workers = 2"
	managed_start -c "$DIR/afcapd.conf"
	while read -r line; do
		for pid in $(workers); do kill -STOP "$pid"; done
		in_lab "$FRAMES" send vb 500 first=$sent rate=50000
		sent=$((sent + 500))
		equal "nothing read before: $line" "$(counter received)" $((sent - 500))
		configure "$line"
		again KILL
		equal "packets after: $line" "$(counter packets)" $sent
		equal "written after: $line" "$(counter written)" $sent
		contains "what was changed" "$(tail -n 30 "$DIR/err")" "va: nothing is recorded from 2.*Z to 2.*Z: its configuration has changed (.*${line%% *}"
	done <<-C
		ring_size = 8M
		ring_size = 32M
		workers = 1
		workers = 3
		snaplen = 2000
		block_timeout = 2s
		promiscuous = no
		fanout = lb
		vlan = strip
		directory = $DIR/other
		block_size = 256K
	C
	equal "written out" "$(grep -c 'va: first writing out the rings of the previous instance' "$DIR/err")" 11
	equal "given up" "$(grep -c 'abandoned\|unusable' "$DIR/err")" 0
	in_lab "$FRAMES" send vb 500 first=$sent rate=50000
	sent=$((sent + 500))
	managed_stop
	equal seen "$(account seen)" $sent
	equal written "$(account written)" $sent
	equal discarded "$(account discarded)" 0
	equal "in the other directory" "$(capinfos -cM "$DIR"/other/*.pcapng | awk '/Number of packets:/ { n += $NF } END { print n }')" 500
	mv "$DIR"/other/*.pcapng "$OUT"
	frames_check $sent || fail "frames differ"
	equal "statistics: received, dropped, written" "$(isb_sum)" "$sent 0 $sent"
	equal files "$(account files)" "$(files | wc -l)"
	whole $sent
}

# What ring_size = auto is decided by, the memory, is another one at each start: the rings stay as they are, and so does what is in them
t_an_automatic_size_leaves_the_rings_as_they_are() {
	local sent=0 size bytes
	ring_bytes() { ctl --json status | jq '.captures[0].ring.bytes'; }
	configure "ring_size = 64M"
	managed_start -c "$DIR/afcapd.conf"
	bytes=$(ring_bytes)
	equal "bytes of a ring" "$bytes" $((64 << 20))
	for size in auto auto 64M; do
		for pid in $(workers); do kill -STOP "$pid"; done
		in_lab "$FRAMES" send vb 500 first=$sent rate=50000
		sent=$((sent + 500))
		configure "ring_size = $size"
		again KILL
		equal "packets with $size" "$(counter packets)" $sent
		equal "rings with $size" "$(ring_bytes)" "$bytes"
	done
	equal "gone on" "$(grep -c 'resuming the rings of the previous instance, last alive at 2' "$DIR/err")" 3
	equal "workers that ended by themselves" "$(counter restarts)" 0
	managed_stop
	all_there $sent
}

# The old directory refuses names when the configuration names another one: what cannot be finished there is no loss, and the capture
# does not wait for ever
t_another_directory_while_the_old_one_refuses_names() {
	mkdir "$DIR/other"
	configure "write_delay = 20ms"
	managed_start -c "$DIR/afcapd.conf"
	in_lab "$FRAMES" send vb 500 rate=50000
	wait_for 10 counter_is written 500
	named() { [ "$(find "$OUT" -name '*.partial' | wc -l)" = 2 ]; }
	wait_for 10 named
	chattr +a "$OUT" 2>/dev/null || skip "no directories here that take no names"
	sed -i "s|^directory.*|directory = $DIR/other|" "$DIR/afcapd.conf"
	again USR2
	unfinished() { [ "$(grep -c "va/[01]: .*partial in $OUT is not finished: Operation not permitted" "$DIR/err")" = 2 ]; }
	wait_for 20 unfinished
	grep -q "finishing .*partial in $OUT: Operation not permitted; retrying" "$DIR/err" || fail "not tried again: $(cat "$DIR/err")"
	recording_there() { [ "$(find "$DIR/other" -name '.*.spare' | wc -l)" = 4 ]; }
	wait_for 20 recording_there
	in_lab "$FRAMES" send vb 500 first=500 rate=50000
	wait_for 10 counter_is written 1000
	equal lost "$(counter discarded_file_lost) $(counter files_lost)" "0 0"
	managed_stop
	equal written "$(account written)" 1000
	equal "in the other directory" "$(capinfos -cM "$DIR"/other/*.pcapng | awk '/Number of packets:/ { n += $NF } END { print n }')" 500
	chattr -a "$OUT"
	daemon_start -i va -w "$OUT" -j 2
	wait_for 10 counter_is files_repaired 2
	daemon_stop
	mv "$DIR"/other/*.pcapng "$OUT"
	frames_check 1000 || fail "frames differ"
}

# Rings that are larger than the memory: the capture fails, after what the old ones hold is written
t_rings_too_large_after_a_change() {
	local rc=0
	printf '[capture va]\ndirectory = %s\nworkers = 2\nblock_timeout = 100ms\n' "$OUT" >"$DIR/afcapd.conf"
	managed_start -c "$DIR/afcapd.conf"
	for pid in $(workers); do kill -STOP "$pid"; done
	in_lab "$FRAMES" send vb 500 rate=50000
	echo "ring_size = 30G" >>"$DIR/afcapd.conf"
	[ "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)" -lt 60000000 ] || skip "so much memory"
	kill -KILL "$DAEMON"
	wait "$MANAGER" || rc=$?
	equal "exit code" "$rc" 1
	contains "why" "$(cat "$DIR/err")" "va: there is not enough memory for its rings: the capture has failed"
	equal seen "$(account seen)" 500
	equal written "$(account written)" 500
	frames_check 500 || fail "frames differ"
	whole 500
}

# What the rings hold when the next daemon cannot begin is written out by it all the same: its manager drops them with its end
wrong_between() { # EXIT-CODE ERROR COMMAND... that makes it wrong; HOW=USR2: restarted
	local code=$1 error=$2 rc=0 sent=500
	shift 2
	rm -rf "$DIR/manager" "$OUT" "$DIR/run"
	mkdir "$OUT" "$DIR/run"
	configure "write_delay = 20ms" # received is what is written
	managed_start -c "$DIR/afcapd.conf"
	in_lab "$FRAMES" send vb 500 rate=50000
	wait_for 5 counter_is received 500
	if [ "${HOW:-KILL}" = KILL ]; then
		for pid in $(workers); do kill -STOP "$pid"; done
		in_lab "$FRAMES" send vb 500 first=500 rate=50000
		sent=1000
		equal "nothing read before" "$(counter received)" 500
	fi
	"$@"
	if [ "${HOW:-KILL}" = KILL ]; then kill -KILL "$DAEMON"; else kill -USR2 "$MANAGER"; fi
	wait "$MANAGER" || rc=$?
	equal "exit code after: $*" "$rc" "$code"
	grep -n "$error" "$DIR/err" >"$DIR/error" || fail "no \"$error\" in: $(cat "$DIR/err")"
	grep -n "writing out the rings of the previous instance first" "$DIR/err" >"$DIR/then" || fail "$(cat "$DIR/err")"
	[ "$(wc -l <"$DIR/error") $(wc -l <"$DIR/then")" = "1 1" ] || fail "not once: $(cat "$DIR/err")"
	[ "$(cut -d: -f1 "$DIR/error")" -lt "$(cut -d: -f1 "$DIR/then")" ] || fail "the error comes after: $(cat "$DIR/err")"
	equal "said to be ready" "$(grep -c '^READY=1' "$DIR/manager/notified")" 1
	all_there $sent
	equal "printed once" "$(grep -c '^va: ' "$DIR/out")" 1
}
listener_taken() {
	rm "$SOCK"
	mkdir "$SOCK"
}
t_a_configuration_that_became_wrong_loses_nothing() {
	local SOCK=$DIR/run/control.sock line
	while read -r line; do
		wrong_between 78 "^<3>.*afcapd.conf:[0-9]*:.*${line%% *}" configure "$line"
	done <<-C
		colour = red
		ring_size = 1
		file_group = nobody-has-this-name
	C
	HOW=USR2 wrong_between 78 "^<3>.*afcapd.conf:[0-9]*:.*colour" configure "colour = red"
	wrong_between 78 "^<3>.*afcapd.conf" rm "$DIR/afcapd.conf"
	wrong_between 1 "^<3>control" listener_taken
	without_net_raw() { touch "$DIR/without"; }
	printf '#!/bin/sh\n[ ! -e "%s" ] || exec setpriv --bounding-set -net_raw "%s" "$@"\nexec "%s" "$@"\n' "$DIR/without" "$AFCAPD" "$AFCAPD" >"$DIR/run.sh"
	chmod +x "$DIR/run.sh"
	COMMAND=$DIR/run.sh wrong_between 77 "^<3>packet socket:.*CAP_NET_RAW is missing" without_net_raw
}

# The rings go on where that is all that is wrong: with the filter that they have, or into the directory they began in
t_a_filter_or_directory_that_became_wrong_loses_nothing() {
	configure "filter = udp"
	managed_start -c "$DIR/afcapd.conf"
	in_lab "$FRAMES" send vb 500 rate=50000
	wait_for 5 counter_is received 500
	configure "filter = udp and ("
	again USR2
	told() { grep -q "va: the filter is not set yet, retrying: .*syntax error" "$DIR/err"; }
	wait_for 5 told
	for pid in $(workers); do kill -STOP "$pid"; done
	in_lab "$FRAMES" send vb 500 first=500 rate=50000
	configure "directory = $DIR/gone"
	n=$(starts)
	kill -KILL "$DAEMON"
	waits() { [ "$(starts)" -gt "$n" ] && grep -q "directory $DIR/gone: No such file or directory.*; retrying" "$DIR/err"; }
	wait_for 10 waits
	equal written "$(counter written)" 1000
	mkdir "$DIR/gone"
	wait_for 10 ctl status
	managed_stop
	all_there 1000
}

two_sections() { # NAME of the second
	printf '[capture va]\ndirectory = %s\nworkers = 2\nblock_timeout = 50ms\n' "$OUT"
	printf '[capture %s]\ninterface = vb\ndirectory = %s\nworkers = 2\nblock_timeout = 50ms\nfanout_id = 77\n' "$1" "$OUT"
}
account_of() { grep "^$1: " "$DIR/out"; }
kept_are() { [ "$(sort "$DIR/manager/kept" | tr '\n' ' ')" = "$1" ]; } # the manager hears of it a little later

# A section that is removed or renamed: its rings are written out, its files finished, its account printed
t_a_section_that_is_gone_loses_nothing() {
	two_sections second >"$DIR/afcapd.conf"
	managed_start -c "$DIR/afcapd.conf"
	wait_for 5 kept_are "capture.second capture.va ledger.second.0 ledger.second.1 ledger.va.0 ledger.va.1 ring.second.0.1 ring.second.1.1 ring.va.0.1 ring.va.1.1 "
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 2000
	for pid in $(workers); do kill -STOP "$pid"; done
	in_lab "$FRAMES" send vb 500 first=1000 rate=50000
	two_sections third >"$DIR/afcapd.conf" # and the same group
	again KILL
	wait_for 5 account_of second
	contains account "$(account_of second)" \
		"^second: 1500 packets seen, 0 dropped by the kernel, 1500 received, 1500 written, 0 discarded, 2 files"
	wait_for 5 kept_are "capture.third capture.va ledger.third.0 ledger.third.1 ledger.va.0 ledger.va.1 ring.third.0.1 ring.third.1.1 ring.va.0.1 ring.va.1.1 "
	both_record() { [ "$(ctl --json status | jq -r '[.captures[].state] | join(" ")')" = "running running" ]; }
	wait_for 5 both_record
	in_lab "$FRAMES" send vb 500 first=1500 rate=50000
	for pid in $(workers); do kill -STOP "$pid"; done
	in_lab "$FRAMES" send vb 500 first=2000 rate=50000
	two_sections third | sed '/third/,$d' >"$DIR/afcapd.conf"
	again KILL
	wait_for 5 account_of third
	contains account "$(account_of third)" \
		"^third: 1000 packets seen, 0 dropped by the kernel, 1000 received, 1000 written, 0 discarded, 2 files"
	wait_for 5 kept_are "capture.va ledger.va.0 ledger.va.1 ring.va.0.1 ring.va.1.1 "
	none_left() { ! find "$OUT" -name '*second*' -o -name '*third*' | grep -v '\.pcapng$'; }
	wait_for 5 none_left
	for pid in $(workers); do
		contains "one capture is left" "$(tr '\0' ' ' <"/proc/$pid/cmdline")" "va/"
	done
	managed_stop
	contains account "$(account_of va)" "^va: 2500 packets seen, 0 dropped by the kernel, 2500 received, 2500 written, 0 discarded"
	equal "descriptors kept" "$(wc -l <"$DIR/manager/kept")" 0
	equal "printed once" "$(grep -c '^third: ' "$DIR/out")" 1
	"$FRAMES" check 1500 "$OUT"/second-*.pcapng || fail "frames of second differ"
	"$FRAMES" check 1000 first=1500 "$OUT"/third-*.pcapng || fail "frames of third differ"
	"$FRAMES" check 2500 "$OUT"/va-*.pcapng || fail "frames of va differ"
	equal "statistics: received, dropped, written" "$(isb_sum)" "5000 0 5000"
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
}

# Its directory refuses names for longer than another configuration of a capture would wait: no later instance would finish them
t_a_section_that_is_gone_finishes_its_files_when_it_can() {
	two_sections second | sed "1,/second/s|$OUT|$DIR/other|" >"$DIR/afcapd.conf"
	mkdir "$DIR/other"
	managed_start -c "$DIR/afcapd.conf"
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is written 2000
	named() { [ "$(find "$OUT" -name '*.partial' | wc -l)" = 2 ]; }
	wait_for 10 named
	chattr +a "$OUT" 2>/dev/null || skip "no directories here that take no names"
	sed -i '/second/,$d' "$DIR/afcapd.conf"
	again USR2
	refused() { grep -q "finishing .*partial in $OUT: Operation not permitted; retrying" "$DIR/err"; }
	wait_for 20 refused
	sleep 4.5
	equal "not given up" "$(grep -c 'is not finished' "$DIR/err")" 0
	equal "no account yet" "$(account_of second)" ""
	chattr -a "$OUT"
	wait_for 10 account_of second
	contains account "$(account_of second)" \
		"^second: 1000 packets seen, 0 dropped by the kernel, 1000 received, 1000 written, 0 discarded, 2 files"
	equal "files by their names" "$(find "$OUT" -name '*.pcapng' | wc -l)" 2
	managed_stop
}

# Its record is dropped when it has failed: the next instance knows nothing of what it has counted
t_what_has_failed_has_its_account_before_a_hand_over() {
	two_sections second >"$DIR/afcapd.conf"
	managed_start -c "$DIR/afcapd.conf"
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 2000
	second_dies() {
		kill -KILL "$(ctl --json stats | jq '.captures[1].workers[0].pid | numbers')"
		grep -q 'second: worker 0 died 5 times in a row' "$DIR/err"
	}
	wait_for 20 second_dies
	wait_for 5 kept_are "capture.va ledger.va.0 ledger.va.1 ring.va.0.1 ring.va.1.1 "
	again USR2
	contains account "$(account_of second)" \
		"^second: 1000 packets seen, 0 dropped by the kernel, 1000 received, 1000 written, 0 discarded, 2 files"
	equal "the account of what goes on" "$(account_of va)" ""
	managed_stop
	contains account "$(account_of va)" "^va: 1000 packets seen, 0 dropped by the kernel, 1000 received, 1000 written, 0 discarded"
	equal "one account of each instance" "$(grep -c '^second: ' "$DIR/out")" 2
}

# Its record is of no use, as the binary is another one: then its files are as those of any section that is not there any more
t_files_of_a_section_that_cannot_be_gone_on_with() {
	cp "$AFCAPD" "$DIR/afcapd"
	two_sections second >"$DIR/afcapd.conf"
	COMMAND=$DIR/afcapd managed_start -c "$DIR/afcapd.conf"
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is written 2000
	left() { find "$OUT" -name '*second*' ! -name '*.pcapng' | grep .; }
	four_left() { [ "$(left | grep -c partial)" = 2 ] && [ "$(left | grep -c spare)" = 2 ]; }
	wait_for 5 four_left
	cp "$BUILD/tests/afcapd-other" "$DIR/next" && mv "$DIR/next" "$DIR/afcapd"
	two_sections third | sed '/third/,$d' >"$DIR/afcapd.conf"
	again KILL
	none_left() { ! left; }
	wait_for 150 none_left
	managed_stop
	equal "repaired" "$(grep -c '<5>second/[01]: repaired second-' "$DIR/err")" 2
	"$FRAMES" check 1000 "$OUT"/second-*.pcapng || fail "frames of second differ"
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng' | wc -l)" 0
}

# A file names the filter of its packets: the rings go on, in files of their own; also the one made ahead says so
t_another_filter_begins_another_file() {
	local f filters
	mapfile -t filters <<<$'udp\nudp and less 2000\nudp and less 2000'
	for f in 0 1 2; do
		printf '[capture va]\ndirectory = %s\nworkers = 2\nblock_timeout = 50ms\nwrite_delay = 20ms\nfilter = %s\n' "$OUT" "${filters[f]}" \
			>"$DIR/afcapd.conf"
		if [ "$f" = 0 ]; then managed_start -c "$DIR/afcapd.conf"; else again USR2; fi
		finished_are() { [ "$(files | wc -l)" = "$1" ]; }
		[ "$f" != 1 ] || wait_for 10 finished_are 2 # what the rings still hold may be in either file
		in_lab "$FRAMES" send vb 1000 first=$((f * 1000)) rate=50000
		wait_for 10 counter_is written $(((f + 1) * 1000))
	done
	managed_stop
	all_there 3000
	equal "gone on" "$(grep -c 'resuming the rings of the previous instance, last alive at 2' "$DIR/err")" 2
	equal files "$(files | wc -l)" 4
	for f in $(files); do
		capinfos -M "$f" 2>/dev/null | awk '/Number of packets:/ { n = $NF } sub(/.*Filter string = /, "") { f = $0 } END { print f ": " n }'
	done | awk -F': ' '{ n[$1] += $2 } END { for (f in n) print f ": " n[f] }' | LC_ALL=C sort >"$DIR/by-filter"
	equal "packets by filter" "$(cat "$DIR/by-filter")" $'udp and less 2000: 2000\nudp: 1000'
}

# What the service manager is told once is repeated where the kernel had no memory for it just then
t_a_note_that_is_refused_once_is_told_again() {
	command -v strace >/dev/null || skip "no strace here"
	[[ $BUILD != *asan* ]] || skip "a sanitizer does not run under strace"
	printf '#!/bin/sh\nexec strace -DDqqo /dev/null -e trace=sendmsg -e inject=sendmsg:error=ENOBUFS:when=1 "%s" "$@"\n' "$AFCAPD" >"$DIR/run.sh"
	chmod 755 "$DIR/run.sh"
	# shellcheck disable=SC2086
	COMMAND=$DIR/run.sh managed_start -i va -w "$OUT" -j 1 $SMALL
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 10 counter_is written 1000
	again USR2
	equal "gone on" "$(grep -c 'resuming the rings of the previous instance, last alive at 2' "$DIR/err")" 1
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 10 counter_is written 2000
	managed_stop
	all_there 2000
}

# The file in use and the one made ahead get them, and go on
t_another_mode_and_group_are_those_of_the_files_in_use() {
	local before group
	group=$(getent group daemon | cut -d: -f3) || skip "no group daemon"
	with_mode() { # MODE [LINE]
		printf '[capture va]\ndirectory = %s\nworkers = 2\nblock_timeout = 50ms\nwrite_delay = 20ms\nfile_mode = %s\n%s\n' "$OUT" "$1" "${2:-}" \
			>"$DIR/afcapd.conf"
	}
	as_found() { find "$OUT" -type f \( -name '*.partial' -o -name '.*.spare' \) -printf '%i %m %G\n' | LC_ALL=C sort; }
	with_mode 0640
	managed_start -c "$DIR/afcapd.conf"
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 10 counter_is received 1000
	files_are() { [ "$(as_found | grep -c " $1$")" = 4 ] && [ "$(as_found | wc -l)" = 4 ]; }
	wait_for 10 files_are "640 [0-9]*"
	before=$(as_found | cut -d' ' -f1)
	with_mode 0604 "file_group = daemon"
	again USR2
	wait_for 10 files_are "604 $group"
	equal "the same files" "$(as_found | cut -d' ' -f1)" "$before"
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	managed_stop
	all_there 2000
	equal files "$(files | wc -l)" 2
	equal "modes and groups" "$(find "$OUT" -name '*.pcapng' -printf '%m %G\n' | uniq)" "604 $group"
}

# What the rings hold is written with the header that it was taken for
t_another_cooked_header_begins_another_file() {
	local f sent=0 type
	runs_again() { [ "$(ctl --json status | jq -r '.captures[0].state')" = running ]; }
	for f in sll2 sll; do
		printf '[capture all]\ndirectory = %s\ninterface = any\ncooked = %s\nworkers = 1\nblock_timeout = 10ms\nwrite_delay = 20ms\n' \
			"$OUT" $f >"$DIR/afcapd.conf"
		if [ $f = sll2 ]; then managed_start -c "$DIR/afcapd.conf"; else again USR2; fi
		wait_for 10 runs_again
		in_lab "$FRAMES" send vb 500 rate=50000
		sent=$((sent + 1000)) # out of vb, in on va
		wait_for 10 counter_is written $sent
	done
	managed_stop
	contains "why" "$(cat "$DIR/err")" "its configuration has changed (cooked)"
	for f in $(files); do
		type=$(tcpdump -nr "$f" -c 1 2>&1 | sed -n 's/.*link-type \(LINUX_SLL2*\) .*/\1/p')
		echo "$type $(tcpdump -nr "$f" --count 2>/dev/null)"
	done | LC_ALL=C sort >"$DIR/types"
	equal "packets by link type" "$(cat "$DIR/types")" $'LINUX_SLL 1000 packets\nLINUX_SLL2 1000 packets'
}

# `auto` is decided when the capture begins; the CPUs that are allowed later change nothing of it, whatever begins anew
t_fewer_cpus_leave_the_number_of_workers() {
	local before
	[ "$(nproc)" -ge 2 ] || skip "one CPU"
	# shellcheck disable=SC2086
	managed_start -i va -w "$OUT" $SMALL
	before=$(ctl --json stats | jq '.captures[0].workers | length')
	[ "$before" -ge 2 ] || fail "$before workers"
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is written 1000
	taskset -pc 0 "$DAEMON" >/dev/null
	ip -n "$NS" link del va
	state_is() { [ "$( (ctl --json status || true) | jq -r '.captures[0].state')" = "$1" ]; }
	wait_for 5 state_is down
	ip -n "$NS" link add va type veth peer name vb
	ip -n "$NS" link set va up
	ip -n "$NS" link set vb up
	wait_for 10 state_is running
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is written 2000
	taskset -pc 0 $MANAGER >/dev/null # and the next daemon has one CPU from the beginning
	again USR2
	equal "packets after it" "$(counter packets)" 2000
	equal "workers after it" "$(ctl --json stats | jq '.captures[0].workers | length')" "$before"
	in_lab "$FRAMES" send vb 1000 first=2000 rate=50000
	wait_for 5 counter_is written 3000
	equal "rings that nobody wanted" "$(grep -c 'dropping stored descriptor' "$DIR/err")" 0
	managed_stop
	frames_check 3000 || fail "frames differ"
	whole 3000
}

# Rings of a device that is another one by now: what they hold is written, then it begins anew
t_the_interface_went_meanwhile() {
	RESTART_SEC=1 managed_start -i va -w "$OUT" -j 2 -o block_timeout=1s -o write_delay=1s
	in_lab "$FRAMES" send vb 1000 rate=100000
	kill -KILL "$DAEMON"
	ip -n "$NS" link del va
	ip -n "$NS" link add va type veth peer name vb
	ip -n "$NS" link set va up
	ip -n "$NS" link set vb up
	wait_for 10 started_and_running 2
	told() { grep -q "nothing is recorded from .*: its interface disappeared while no daemon ran" "$DIR/err"; }
	wait_for 10 told
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	managed_stop
	frames_check 2000 || fail "frames differ"
	whole 2000
}

# No counter falls while a capture waits for its interface; the gap is told from when it went
# The rings are bound to the device, which is called otherwise when the next daemon comes
t_renamed_meanwhile() {
	RESTART_SEC=1 managed_start -i va -w "$OUT" -j 2 -o block_timeout=1s -o write_delay=1s
	in_lab "$FRAMES" send vb 1000 rate=100000
	kill -KILL "$DAEMON"
	ip -n "$NS" link set va name other
	wait_for 10 started_and_running 2
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 10 counter_is received 2000
	equal "as the kernel calls it" "$(ctl --json status | jq -r '.captures[0].device')" other
	managed_stop
	contains log "$(cat "$DIR/err")" "interface other no longer has the name va; it is recorded as before"
	! grep 'nothing is recorded' "$DIR/err" || fail "a gap"
	frames_check 2000 || fail "frames differ"
	whole 2000
}

t_restarted_while_the_interface_is_away() {
	managed_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	ip -n "$NS" link del va
	state_is() { [ "$( (ctl --json status || true) | jq -r '.captures[0].state')" = "$1" ]; }
	wait_for 5 state_is down
	went=$(sed -n 's/.*its interface was deleted or moved away; capture begins again when possible.*/told/p' "$DIR/err")
	equal "its end" "$went" told
	for signal in KILL USR2; do
		n=$(starts)
		if [ $signal = USR2 ]; then kill -USR2 "$MANAGER"; else kill -KILL "$DAEMON"; fi
		back() { [ "$(starts)" -gt "$n" ] && daemon_find && ctl stats; }
		wait_for 10 back
		counter_is received 1000 || fail "received fell to $(counter received)"
		wait_for 5 counter_is files_completed 2
	done
	ip -n "$NS" link add va type veth peer name vb
	ip -n "$NS" link set va up
	ip -n "$NS" link set vb up
	wait_for 5 state_is running
	equal "gaps told" "$(grep -c 'nothing is recorded from .*: its interface was deleted' "$DIR/err")" 1
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	# Nothing of the end that was asked for then is left: who dies now is replaced
	equal "the workers" "$(ctl --json status | jq -c '[.captures[0].workers[].state]')" '["running","running"]'
	for worker in $(workers); do kill -KILL "$worker"; done
	replaced() { [ "$(counter restarts)" = 2 ] && [ "$(workers | wc -l)" = 2 ]; }
	wait_for 5 replaced
	in_lab "$FRAMES" send vb 1000 first=2000 rate=50000
	wait_for 5 counter_is received 3000
	managed_stop
	equal seen "$(account seen)" 3000
	frames_check 3000 || fail "frames differ"
	equal "statistics: received, dropped, written" "$(isb_sum)" "3000 0 3000"
	whole 3000
}

# The rings that go on are worth more than a clean start: who cannot be made fails alone
t_a_capture_that_cannot_be_made_at_a_restart() {
	command -v strace >/dev/null || skip "no strace here"
	cat >"$DIR/command" <<-E
		#!/bin/bash
		set -- "$AFCAPD" "\$@"
		[ ! -e $DIR/refuse ] || set -- strace -DDqqo /dev/null -e trace=memfd_create -e inject=memfd_create:error=EMFILE "\$@"
		exec "\$@"
	E
	chmod +x "$DIR/command"
	section() { printf '[capture %s]\ninterface = %s\nworkers = 1\ndirectory = %s\nblock_timeout = 50ms\nwrite_delay = 20ms\n' "$1" "$2" "$OUT"; }
	section a va >"$DIR/conf"
	COMMAND=$DIR/command managed_start -c "$DIR/conf"
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	section b vb >>"$DIR/conf"
	touch "$DIR/refuse"
	n=$(starts)
	kill -USR2 "$MANAGER"
	back() { [ "$(starts)" -gt "$n" ] && daemon_find && ctl stats; }
	wait_for 10 back
	equal "states" "$(ctl --json status | jq -c '[.captures[] | .name, .state]')" '["a","running","b","failed"]'
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	equal "told" "$(grep -c 'capture b: making slots: ' "$DIR/err")" 1
	kill -TERM "$MANAGER"
	rc=0
	wait "$MANAGER" || rc=$?
	equal "exit code" "$rc" 1
	equal "seen, written" "$(account seen) $(account written)" "2000 2000"
	frames_check 2000 || fail "frames differ"
	equal "descriptors kept" "$(wc -l <"$DIR/manager/kept")" 0
}

# A configuration that became wrong where nothing was recorded yet: there is nothing to be written out, nor to be waited for
t_a_configuration_that_became_wrong_before_anything_was_recorded() {
	local rc=0
	printf '[capture a]\ninterface = nowhere0\non_missing = wait\ndirectory = %s\n' "$OUT" >"$DIR/conf"
	managed_begin -c "$DIR/conf"
	wait_for 20 grep -q '^capture.a$' "$DIR/manager/kept"
	wait_for 20 ctl stats
	echo 'colour = red' >>"$DIR/conf"
	kill -USR2 "$MANAGER"
	ended() { ! kill -0 "$MANAGER" || grep -q '^State:.Z' "/proc/$MANAGER/status"; }
	wait_for 10 ended
	wait "$MANAGER" || rc=$?
	equal "exit code" "$rc" 78
	equal "descriptors kept" "$(wc -l <"$DIR/manager/kept")" 0
}

# Somebody takes the file in use away while there is no daemon: what is in it is lost, and counted, the rest goes into another one
t_the_file_went_meanwhile() {
	local rc=0
	RESTART_SEC=1 managed_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=20ms
	in_lab "$FRAMES" send vb 1000 rate=100000
	wait_for 5 counter_is written 1000
	kill -KILL "$DAEMON"
	mkdir "$DIR/taken"
	gone() { [ ! -d "/proc/$DAEMON" ]; }
	wait_for 5 gone
	mv "$OUT"/*.partial "$DIR/taken/taken.pcapng"
	wait_for 10 counter_is files_lost 1 # its status is degraded
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is discarded_file_lost 1000
	contains log "$(cat "$DIR/err")" "va/0: the file of the previous instance cannot be opened in"
	kill -TERM "$MANAGER"
	wait "$MANAGER" || rc=$?
	equal "exit code" "$rc" 1
	contains account "$(cat "$DIR/out")" "2000 received, 1000 written, 1000 discarded"
	"$FRAMES" check 1000 "$DIR/taken/taken.pcapng" || fail "frames differ"
	frames_check 1000 first=1000 || fail "frames differ"
}

# Its file is somebody else's for a while: the ring keeps what comes, a stop gives up at its deadline
t_the_file_is_held_meanwhile() {
	local line
	RESTART_SEC=0.5 managed_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=20ms -o drain_timeout=2s
	in_lab "$FRAMES" send vb 1000 rate=100000
	wait_for 5 counter_is written 1000
	hold # until $DIR/release is there
	killed_and_back
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is packets 2000
	equal "written while it is held" "$(counter written)" 1000
	touch "$DIR/release"
	wait_for 5 counter_is written 2000
	rm "$DIR/release"
	hold
	killed_and_back
	in_lab "$FRAMES" send vb 1000 first=2000 rate=50000
	wait_for 5 counter_is packets 3000
	managed_stop
	equal seen "$(account seen)" 3000
	equal discarded "$(account discarded)" 1000
	touch "$DIR/release"
	line=$("$FRAMES" check 2000 "$OUT"/*.partial) || fail "$line"
}
killed_and_back() {
	n=$(starts)
	kill -KILL "$DAEMON"
	back() { [ "$(starts)" -gt "$n" ] && daemon_find && ctl stats; }
	wait_for 10 back
}
hold() {
	rm -f "$DIR/looking"
	python3 - "$OUT" "$DIR/release" "$DIR/looking" <<'P' &
import fcntl, glob, os, sys, time
fds = []
open(sys.argv[3], "w").close()
while not os.path.exists(sys.argv[2]):
    for path in glob.glob(sys.argv[1] + "/*.partial") if not fds else []:
        fd = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fds.append(fd)
        except BlockingIOError:
            os.close(fd)
    time.sleep(0.0005)
P
	PIDS="$PIDS $!"
	wait_for 10 test -e "$DIR/looking"
}

# Killed at any moment of its start or its stop
t_killed_while_it_starts_and_stops() {
	managed_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is received 1000
	for ms in 2 5 8 12 16 20 25 30 40 50; do
		n=$(starts)
		kill -KILL "$DAEMON"
		started() { [ "$(starts)" -gt "$n" ]; }
		wait_for 5 started
		daemon_find
		sleep "0.0$(printf %02d "$ms")"
	done
	n=$(starts)
	kill -TERM "$DAEMON"
	kill -KILL "$DAEMON"
	wait_for 10 started_and_running $((n + 1))
	in_lab "$FRAMES" send vb 1000 first=1000 rate=50000
	wait_for 5 counter_is received 2000
	managed_stop
	all_there 2000
}

t_a_hand_over_without_a_manager_is_refused() {
	daemon_start -i va -w "$OUT" -j 1
	kill -USR2 "$DAEMON"
	told() { grep -q "SIGUSR2 is ignored: no service manager" "$DIR/err"; }
	wait_for 5 told
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is written 100
	daemon_stop
}

# Daemon and worker die between a write into the next file, the first there, and its commit
t_what_was_written_ahead_is_no_packet() {
	command -v strace >/dev/null || skip "no strace here"
	# shellcheck disable=SC2086
	managed_start -i va -w "$OUT" -j 1 $SMALL -o file_size=1M
	worker=$(worker_pid 0)
	kill -STOP "$DAEMON" # else the next worker does it again
	spare=$(find "$OUT" -name '.*-w0-*-1.spare')
	strace -f -qq -p "$worker" -P "$spare" -e trace=pwrite64 -e inject=pwrite64:delay_exit=60000000 \
		-o "$DIR/strace" 2>"$DIR/strace.err" &
	tracer=$!
	PIDS="$PIDS $tracer"
	attached() { grep -q "^TracerPid:.*[1-9]" "/proc/$worker/status"; }
	wait_for 5 attached
	send 15000 rate=10000
	written_to() { [ "$(stat -c %s "$1")" -gt 4096 ]; }
	wait_for 10 written_to "$spare"
	kill -KILL "$worker" "$tracer"
	dead() { grep -q '^State:.Z' "/proc/$worker/status"; }
	wait_for 10 dead
	n=$(starts)
	kill -KILL "$DAEMON"
	wait_for 10 started_and_running $((n + 1))
	wait "$SENDER"
	managed_stop
	all_there 15000
	equal "repaired, though in use" "$(grep -c repaired "$DIR/err")" 0
}

# What other programs took away is not forgotten: readers see no counter fall, and the account at the end is exact
t_a_lost_file_is_known_to_the_next_daemon() {
	# shellcheck disable=SC2086
	managed_start -i va -w "$OUT" -j 1 $SMALL
	started_and_asked() { [ "$(starts)" -ge "$1" ] && ctl stats; } # its status is degraded
	partial() { find "$OUT" -name '*.partial' | grep .; }
	in_lab "$FRAMES" send vb 300 rate=3000 >/dev/null
	wait_for 10 counter_is written 300
	wait_for 10 partial
	rm "$(partial)"
	wait_for 10 counter_is files_lost 1
	equal "written, which does not fall" "$(counter written)" 300
	n=$(starts)
	kill -USR2 "$MANAGER"
	wait_for 10 started_and_asked $((n + 1))
	equal "written, for the next daemon" "$(counter written)" 300
	equal "files lost, for the next daemon" "$(counter files_lost)" 1
	in_lab "$FRAMES" send vb 400 first=300 rate=3000 >/dev/null
	wait_for 10 counter_is discarded_file_lost 300
	wait_for 10 counter_is written 400
	# Nobody is there to see it: the next one does
	wait_for 10 partial
	daemon_find
	kill -STOP "$(archive_pid)"
	rm "$(partial)"
	n=$(starts)
	kill -KILL "$DAEMON"
	wait_for 10 started_and_asked $((n + 1))
	wait_for 10 counter_is files_lost 2
	equal "written, which does not fall" "$(counter written)" 400
	in_lab "$FRAMES" send vb 50 first=700 rate=3000 >/dev/null
	wait_for 10 counter_is received 750
	kill -TERM "$MANAGER"
	rc=0
	wait "$MANAGER" || rc=$?
	equal "exit code" $rc 1
	contains account "$(cat "$DIR/out")" "750 received, 50 written, 700 discarded"
	frames_check 50 first=700 || fail "what was written last is not there"
}

run_tests
