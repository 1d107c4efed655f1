#!/usr/bin/env bash
# What afctl, a varlink client and Prometheus see.
. "$(dirname "$0")/lib.sh"

# One varlink exchange by a client that is not ours: requests (JSON, one an argument) on one connection; the answers, a
# line each. STREAM=n: so many answers to the last one.
varlink() {
	python3 - "$SOCK" "${STREAM:-1}" "$@" <<'P'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
buffer = b""
def answer():
    global buffer
    while b"\0" not in buffer:
        try:
            more = s.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            print("closed")
            sys.exit(0)
        buffer += more
    text, buffer = buffer.split(b"\0", 1)
    print(text.decode())
requests = sys.argv[3:]
for i, request in enumerate(requests):
    try:
        s.sendall(request.encode() + b"\0")
    except (BrokenPipeError, ConnectionResetError):
        pass
    for _ in range(int(sys.argv[2]) if i == len(requests) - 1 else 1):
        answer()
P
}

t_stats_json_is_the_contracts() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms -o fanout_id=4711
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is written 1000
	ctl --json stats >"$DIR/stats"
	jq -e '.captures | length == 1' "$DIR/stats" >/dev/null || fail "$(cat "$DIR/stats")"
	equal "fields" "$(jq -c '.captures[0] | keys_unsorted' "$DIR/stats")" \
		'["name","interface","device","state","reason","fanout","workers","total"]'
	equal "fanout" "$(jq -c '.captures[0].fanout' "$DIR/stats")" '{"mode":"hash","flags":[],"id":4711}'
	counters=$(sed -n 's/^COUNTER(\([a-z_]*\),.*/\1/p' "$TOP/daemon/base/counters.def" | sort)
	equal "counters of the total" "$(jq -r '.captures[0].total | keys[]' "$DIR/stats")" "$counters"
	equal "counters of a worker" \
		"$(jq -r '.captures[0].workers[1] | del(.worker, .pid, .state) | keys[]' "$DIR/stats")" "$counters"
	equal "the sum" "$(jq '[.captures[0].workers[].packets] | add' "$DIR/stats")" 1000
	equal "the total" "$(jq '.captures[0].total.packets' "$DIR/stats")" 1000
	equal "worker numbers" "$(jq -c '[.captures[0].workers[].worker]' "$DIR/stats")" '[0,1]'
	equal "one capture by name" "$(ctl --json stats va | jq '.captures[0].total.written')" 1000
	rc=0
	ctl stats nonesuch 2>"$DIR/said" || rc=$?
	equal "exit code" $rc 1
	contains said "$(cat "$DIR/said")" "no such capture: nonesuch"
	# The table has every counter, in order
	equal "rows of the table" "$(ctl stats | awk 'NR > 1 { print $1 }' | sort)" "$counters"
	equal "written in the table" "$(ctl stats | awk '$1 == "written" { print $2 }')" 1000
	daemon_stop
}

t_status_says_what_is_recorded_where() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms
	send 100000000 rate=10000
	rate_right() { ctl --json status | jq -e '.captures[0].total.packets_per_second | . > 8000 and . < 12000' | grep -q true; }
	wait_for 5 rate_right
	ctl --json status >"$DIR/status"
	for w in 0 1; do
		file=$(jq -r ".captures[0].workers[$w].file" "$DIR/status")
		[ -f "$OUT/$file" ] || fail "no file $file"
		kill -0 "$(jq ".captures[0].workers[$w].pid" "$DIR/status")" || fail "no such worker"
		equal "state of worker $w" "$(jq -r ".captures[0].workers[$w].state" "$DIR/status")" running
	done
	equal "no loss" "$(jq '.captures[0].total.loss_ratio == 0' "$DIR/status")" true
	contains "since" "$(jq -r '.captures[0].since' "$DIR/status")" '^20[0-9-]*T[0-9:]*Z$'
	contains "table" "$(ctl status)" "^va: running"
	daemon_stop
}

t_a_missing_worker_is_degraded() {
	daemon_start -i va -w "$OUT" -j 2
	# A worker that dies at once again and again waits longer and longer
	for _ in $(seq 12); do
		for w in $(workers); do kill -KILL "$w"; done
		rc=0
		ctl status >"$DIR/said" || rc=$?
		! grep -q restarting "$DIR/said" || break # killed some more, it would be a crash loop
	done
	equal "exit code" "$rc" 5
	contains said "$(cat "$DIR/said")" "restarting"
	wait_for 10 ctl status
	daemon_stop
	[ "$(sed -n '$=' "$DIR/out")" = 3 ] || fail "no account"
}

watched() { # LINES ARGS...: afctl until it has said so many lines
	local lines=$1
	shift
	: >"$DIR/watch" # not what another one said
	"$AFCTL" -s "$SOCK" "$@" >"$DIR/watch" &
	watcher=$!
	PIDS="$PIDS $watcher"
	enough() { [ "$(wc -l <"$DIR/watch")" -ge "$lines" ]; }
	wait_for 5 enough
	kill "$watcher"
	wait "$watcher" 2>/dev/null
}
t_watch_prints_again_and_again() {
	daemon_start -i va -w "$OUT" -j 1
	begin=$(now_ms)
	watched 8 --json stats --watch=0.2
	took=$(($(now_ms) - begin))
	[ "$(wc -l <"$DIR/watch")" -le $((took / 200 + 2)) ] || fail "$(wc -l <"$DIR/watch") lines in $took ms"
	jq -es 'all(.[]; .captures[0].name == "va")' <(head -n 8 "$DIR/watch") >/dev/null || fail "not JSON lines"
	watched 3 stats --watch
	contains "head" "$(head -1 "$DIR/watch")" "PACKETS/S"
	contains "a line" "$(tail -1 "$DIR/watch")" "^[0-9:]* va "
	rc=0
	: >"$DIR/watch"
	"$AFCTL" -s "$SOCK" stats --watch >"$DIR/watch" 2>"$DIR/said" &
	watcher=$!
	PIDS="$PIDS $watcher"
	wait_for 5 test -s "$DIR/watch"
	daemon_stop
	wait $watcher || rc=$?
	equal "exit code when the daemon ends" $rc 3
}

t_version() {
	contains own "$(ctl version)" '^afctl [0-9]'
	daemon_start -i va -w "$OUT" -j 1
	contains daemon "$(ctl version)" '^afcapd [0-9]'
	equal json "$(ctl --json version | jq -r '.afctl == .afcapd')" true
	equal "the option" "$(ctl -V; ctl --version; ctl -V --json)" "$(ctl version; ctl version; ctl --json version)"
	daemon_stop
	contains "the option without a daemon" "$(ctl -V 2>/dev/null)" '^afctl [0-9]'
}

t_without_a_verb_it_is_the_status() {
	local rc=0
	ctl >"$DIR/none" 2>/dev/null || rc=$?
	equal "exit code without a daemon" $rc 3
	daemon_start -i va -w "$OUT" -j 1
	equal "the capture" "$(ctl --json | jq -r '.captures[0].name, .captures[0].workers[0].state')" "$(printf 'va\nrunning')"
	contains "the table" "$(ctl)" 'va'
	daemon_stop
}

# As ps and top show them; of a long name the end, where interfaces and workers differ
t_processes_have_names() {
	called() { ps -ww -o comm=,args= -p "$1" | sed 's/  */ /g; s/ *$//'; }
	printf '[daemon]\ncontrol = %s\nmetrics = off\n' "$SOCK" >"$DIR/conf"
	printf '[capture %s]\ninterface = va\nworkers = 2\noutput = none\n' va a-long-name-of-thirty-two-letter >>"$DIR/conf"
	ip netns exec "$NS" "$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	wait_for 20 ctl status
	equal supervisor "$(called "$DAEMON")" "afcapd $AFCAPD -c $DIR/conf"
	equal archive "$(called "$(archive_pid)")" "afcapd: archive afcapd: archive"
	kill -KILL "$(worker_pid 1)" # the next one, too
	replaced() { [ "$(counter restarts)" = 1 ] && ctl status; }
	wait_for 10 replaced
	equal "va/1" "$(called "$(worker_pid 1)")" "afcapd: va/1 afcapd: worker va/1"
	equal "workers" "$(workers | wc -l)" 4
	equal "long" "$(called "$(ctl --json status | jq '.captures[1].workers[0].pid')")" \
		"afcapd: etter/0 afcapd: worker a-long-name-of-thirty-two-letter/0"
	for pid in "$(archive_pid)" $(workers); do
		[ "$(cat "/proc/$pid/comm")" != exe ] || fail "one is called exe"
	done
	daemon_stop
}

t_varlink() {
	daemon_start -i va -w "$OUT" -j 1
	answer=$(varlink '{"method":"org.varlink.service.GetInfo"}')
	equal interfaces "$(jq -c .parameters.interfaces <<<"$answer")" '["org.varlink.service","org.afcap.control"]'
	equal product "$(jq -r .parameters.product <<<"$answer")" afcapd
	varlink '{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.afcap.control"}}' |
		jq -r .parameters.description >"$DIR/org.afcap.control.varlink"
	contains description "$(cat "$DIR/org.afcap.control.varlink")" "^method Stats"
	contains description "$(cat "$DIR/org.afcap.control.varlink")" "  poll_timeouts: int"
	varlink '{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.varlink.service"}}' |
		jq -r .parameters.description >"$DIR/org.varlink.service.varlink"
	for name in org.afcap.control org.varlink.service; do
		python3 "$TOP/tests/live/idl.py" "$DIR/$name.varlink" >"$DIR/$name.methods" || fail "$name is not read by every client"
		command -v varlink-go-interface-generator >/dev/null || continue
		mkdir "$DIR/go"
		cp "$DIR/$name.varlink" "$DIR/go"
		varlink-go-interface-generator "$DIR/go/$name.varlink" || fail "not varlink's language"
		while read -r method; do
			grep -q "func $method() ${method}_methods" "$DIR/go"/*.go || fail "varlink-go does not see $method of $name"
		done <"$DIR/$name.methods"
		rm -r "$DIR/go"
	done
	equal methods "$(paste -sd ' ' "$DIR/org.afcap.control.methods")" "Status Stats Rotate"
	# Several calls on one connection, in order
	answers=$(varlink '{"method":"org.afcap.control.Status"}' '{"method":"org.afcap.control.Stats","parameters":{}}')
	equal "both answered" "$(jq -s 'map(.parameters.captures | length)' -c <<<"$answers")" "[1,1]"
	answers=$(STREAM=3 varlink '{"method":"org.afcap.control.Stats","parameters":{"interval":0.1},"more":true}')
	equal "a stream" "$(jq -c -s 'map(.continues)' <<<"$answers")" "[true,true,true]"
	# Errors
	equal "unknown method" "$(varlink '{"method":"org.afcap.control.Fly"}')" \
		'{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"org.afcap.control.Fly"}}'
	equal "unknown interface" "$(varlink '{"method":"org.example.Fly"}')" \
		'{"error":"org.varlink.service.InterfaceNotFound","parameters":{"interface":"org.example"}}'
	equal "bad parameter" "$(varlink '{"method":"org.afcap.control.Stats","parameters":{"interval":"x"}}')" \
		'{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"interval"}}'
	equal "no such capture" "$(varlink '{"method":"org.afcap.control.Stats","parameters":{"capture":"x"}}')" \
		'{"error":"org.afcap.control.NoSuchCapture","parameters":{"capture":"x"}}'
	# Each with each method that has no such parameter, or one of another type
	while read -r method parameters wrong; do
		equal "$method with $parameters" "$(varlink "{\"method\":\"org.$method\",\"parameters\":$parameters}")" \
			"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"$wrong\"}}"
	done <<-'P'
		afcap.control.Rotate {"captrue":"va"} captrue
		afcap.control.Rotate {"capture":["va"]} capture
		afcap.control.Rotate {"capture":"va","interval":1} interval
		afcap.control.Status {"bogus":1} bogus
		afcap.control.Status {"capture":"va"} capture
		afcap.control.Stats {"Capture":"va"} Capture
		afcap.control.Stats {"capture":1} capture
		afcap.control.Stats {"capture":"va","interval":true} interval
		afcap.control.Stats {"interval":0.01} interval
		varlink.service.GetInfo {"interface":"x"} interface
		varlink.service.GetInterfaceDescription {} interface
		varlink.service.GetInterfaceDescription {"interface":null} interface
		varlink.service.GetInterfaceDescription {"interface":1} interface
		varlink.service.GetInterfaceDescription {"interface":"x","y":null} y
	P
	equal "null is none" "$(varlink '{"method":"org.afcap.control.Stats","parameters":{"capture":null,"interval":null}}' |
		jq '.parameters.captures | length')" 1
	equal "no JSON" "$(varlink 'hello')" closed
	equal "no method" "$(varlink '{}')" closed
	equal "too long" "$(varlink "{\"method\":\"$(head -c 70000 /dev/zero | tr '\0' x)\"}")" closed
	ctl status >/dev/null || fail "the daemon did not survive"
	daemon_stop
}

t_a_misspelt_parameter_rotates_nothing() {
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -o write_delay=20ms
	in_lab "$FRAMES" send vb 100
	wait_for 10 counter_is written 100
	contains answer "$(varlink '{"method":"org.afcap.control.Rotate","parameters":{"captrue":"va"}}')" InvalidParameter
	in_lab "$FRAMES" send vb 100 first=100
	wait_for 10 counter_is written 200 # into the same file
	equal "answer" "$(varlink '{"method":"org.afcap.control.Rotate","parameters":{"capture":"va"}}')" '{"parameters":{}}'
	equal "finished" "$(files | wc -l)" 1
	daemon_stop
	equal files "$(account files)" 1
}

t_a_client_too_many_and_a_slow_one() {
	daemon_start -i va -w "$OUT" -j 1
	python3 - "$SOCK" <<'P' || fail "clients"
import os, socket, sys, time
clients = []
for i in range(33):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(sys.argv[1])
    clients.append(s)
clients[32].sendall(b'{"method":"org.afcap.control.Status"}\0')
assert b"org.afcap.control.Busy" in clients[32].recv(4096), "not refused in words"
clients[0].sendall(b'{"method":')          # begun, never finished
begin = time.time()
assert clients[0].recv(1) == b"", "not dropped"
took = time.time() - begin
assert 4 < took < 7 * float(os.environ["WAIT_FACTOR"]), took
clients[1].sendall(b'{"method":"org.afcap.control.Status"}\0')
assert b"captures" in clients[1].recv(4096), "an idle client was dropped"
P
	wait_for 3 ctl status
	daemon_stop
}

t_metrics() {
	daemon_start -i va -w "$OUT" -j 2 -o block_timeout=50ms -o write_delay=20ms
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 5 counter_is written 1000
	in_lab curl -sD "$DIR/headers" -o "$DIR/metrics" http://127.0.0.1:9748/metrics
	contains "content type" "$(cat "$DIR/headers")" "text/plain; version=0.0.4"
	said=$(promtool check metrics <"$DIR/metrics" 2>&1) || fail "promtool: $said"
	equal "promtool says nothing" "$said" ""
	contains "a sample" "$(cat "$DIR/metrics")" '^afcap_packets_total{capture="va",device="va",worker="0"} [0-9]*$'
	contains "discarded" "$(cat "$DIR/metrics")" '^afcap_discarded_total{capture="va",device="va",worker="1",reason="no_space"} 0$'
	contains "state" "$(cat "$DIR/metrics")" '^afcap_capture_state{capture="va",device="va",state="running"} 1$'
	# Every row of counters.def, with the value that afctl prints
	sed -n 's/^COUNTER(\([a-z_]*\), "[a-z]*", "\([a-z_]*\)", "\([a-z_]*\)",.*/\1 \2 \3/p' "$TOP/daemon/base/counters.def" >"$DIR/rows"
	equal "rows" "$(wc -l <"$DIR/rows")" "$(grep -c '^COUNTER(' "$TOP/daemon/base/counters.def")"
	in_lab curl -s -o "$DIR/metrics" http://127.0.0.1:9748/metrics
	ctl --json stats >"$DIR/stats"
	while read -r name family reason; do
		case $name in polls | poll_timeouts) continue ;; esac
		sum=$(awk -v f="afcap_${family}_total{" -v r="${reason:+reason=\"$reason\"}" \
			'index($0, f) == 1 && (r == "" || index($0, r)) { n += $NF } END { print n + 0 }' "$DIR/metrics")
		equal "metric of $name" "$sum" "$(jq ".captures[0].total.$name" "$DIR/stats")"
		grep -q "^# HELP afcap_${family}_total ." "$DIR/metrics" || fail "no HELP of $family"
		grep -q "^# TYPE afcap_${family}_total counter$" "$DIR/metrics" || fail "no TYPE of $family"
	done <"$DIR/rows"
	equal "HEAD" "$(in_lab curl -s -o /dev/null -w '%{http_code}' -I http://127.0.0.1:9748/metrics)" 200
	equal "POST" "$(in_lab curl -s -o /dev/null -w '%{http_code}' -d x http://127.0.0.1:9748/metrics)" 413
	equal "elsewhere" "$(in_lab curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9748/nonesuch)" 404
	daemon_stop
}

t_metrics_on_a_unix_socket() {
	daemon_start -i va -w "$OUT" -j 1 -o daemon.metrics="unix:$DIR/metrics.sock"
	contains "metrics" "$(curl -s --unix-socket "$DIR/metrics.sock" http://x/metrics)" "^afcap_build_info"
	daemon_stop
	[ ! -e "$DIR/metrics.sock" ] || fail "the socket was left"
}

t_only_the_group_may_ask() {
	chmod 755 "$DIR"
	daemon_start -i va -w "$OUT" -j 1 -o daemon.control_group=daemon
	equal "mode" "$(stat -c %a "$SOCK")" 666
	cp "$AFCTL" "$DIR/afctl"
	rc=0
	setpriv --reuid 65534 --regid 65534 --clear-groups "$DIR/afctl" -s "$SOCK" status 2>"$DIR/said" || rc=$?
	equal "a stranger" $rc 4
	contains said "$(cat "$DIR/said")" "permission denied"
	setpriv --reuid 65534 --regid 65534 --groups daemon "$DIR/afctl" -s "$SOCK" status >/dev/null || fail "the group may not"
	daemon_stop
}

# Names of interfaces are bytes. Log, JSON, metrics get them as text
t_a_name_that_is_no_text_is_escaped_everywhere() {
	daemon_begin -i "$(printf 'v\xff"')" -w "$OUT" -j 1 -o on_missing=wait
	wait_for 20 ctl stats
	contains log "$(cat "$DIR/err")" 'there is no interface v\\xff"'
	equal interface "$(ctl --json stats | jq -r '.captures[0].interface')" 'v\xff"'
	equal reason "$(ctl --json status | jq -r '.captures[0].reason')" 'there is no interface v\xff"'
	in_lab curl -s http://127.0.0.1:9748/metrics >"$DIR/metrics"
	iconv -f UTF-8 -t UTF-8 "$DIR/metrics" >/dev/null || fail "metrics are no UTF-8"
	contains label "$(cat "$DIR/metrics")" 'device="v\\\\xff\\""'
	daemon_stop
}

run_tests
