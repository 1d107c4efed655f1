#!/usr/bin/env bash
# The daemon dies, is restarted, is upgraded: the rings go on in the service manager's descriptor store.
. "$(dirname "$0")/lib.sh"

KILLS=${KILLS:-10} # of the supervisor; `make check-faults`: 200
RESTARTS=${RESTARTS:-6} # ... 50
SMALL="-o block_timeout=10ms -o block_size=128K -o ring_size=32M -o write_delay=20ms -o file_size=2M"

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
	equal "gone on" "$(grep -c 'goes on with the rings' "$DIR/err")" "$KILLS"
	wait_quiet
	count=$(counter packets)
	managed_stop
	all_there "$count" size="$2"
	files_valid 2
}

# Until nothing more comes in
wait_quiet() {
	local now before=-1
	for _ in $(seq 100); do
		now=$(counter received)
		[ "$now" != "$before" ] || [ "$now" != "$(counter packets)" ] || return 0
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
	equal "gone on" "$(grep -c 'goes on with the rings' "$DIR/err")" "$RESTARTS"
	wait_quiet
	count=$(counter packets)
	equal restarts "$(counter restarts)" 0
	managed_stop
	all_there "$count"
}

run_tests
