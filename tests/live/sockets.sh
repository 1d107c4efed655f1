#!/usr/bin/env bash
# Listening sockets that a service manager made are served as they are: what is wrong with one is told in words.
. "$(dirname "$0")/lib.sh"

HANDED=  # NAME=[KIND,]PLACE...
ARGUMENTS= # beside those of every test
begin() {
	# shellcheck disable=SC2086
	ip netns exec "$NS" python3 "$TOP/tests/live/listen.py" $HANDED -- "$AFCAPD" -o daemon.control="$SOCK" \
		-o daemon.metrics=127.0.0.1:9748 -i va -w "$OUT" -j 1 $ARGUMENTS >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
}
start() {
	begin
	wait_for 20 daemon_running
}
ended() { ! kill -0 "$DAEMON"; }
refused() { # WORDS
	local rc=0
	begin
	wait_for 20 ended
	wait "$DAEMON" || rc=$?
	equal "exit code with $HANDED" $rc 78
	contains "message with $HANDED" "$(cat "$DIR/err")" "$1"
	equal "what is left in the directory" "$(find "$OUT" -type f)" ""
}
ready_at() { equal "at $*" "$(in_lab curl -s --max-time 5 "$@")" ready; }
said() { grep -c -- "$1" "$DIR/err"; }

t_handed_sockets_are_served_and_stay() {
	HANDED="control=$SOCK metrics=127.0.0.1:9748"
	start
	chmod 611 "$SOCK" # not made by it: its mode is no concern of it
	ready_at http://127.0.0.1:9748/-/ready
	in_lab "$FRAMES" send vb 100
	wait_for 5 counter_is received 100
	daemon_stop
	equal "warnings" "$(said '^<[0-4]>')" 0
	equal "mode" "$(stat -c %a "$SOCK")" 611 # and it is there
}

# In any order, and one of them alone
t_each_by_its_name() {
	HANDED="metrics=[::1]:9700 control=$SOCK"
	in_lab sysctl -qw net.ipv6.conf.lo.disable_ipv6=0
	ARGUMENTS="-o daemon.metrics=[::1]:9700"
	start
	ready_at "http://[::1]:9700/-/ready"
	daemon_stop
	equal "warnings" "$(said '^<[0-4]>')" 0
	rm "$SOCK"
	HANDED="metrics=$DIR/metrics.sock" ARGUMENTS="-o daemon.metrics=unix:$DIR/metrics.sock"
	start
	ready_at --unix-socket "$DIR/metrics.sock" http://localhost/-/ready
	equal "mode of its own" "$(stat -c %a "$SOCK")" 666
	daemon_stop
	equal "warnings" "$(said '^<[0-4]>')" 0
	[ -S "$DIR/metrics.sock" ] || fail "it removed what it had not made"
	[ ! -e "$SOCK" ] || fail "it left what it had made"
}

t_another_place_in_the_configuration_is_told() {
	HANDED="control=$DIR/handed.sock metrics=127.0.0.1:9700"
	begin
	handed() { "$AFCTL" -s "$DIR/handed.sock" status; }
	wait_for 20 handed
	[ ! -e "$SOCK" ] || fail "it listens at $SOCK, too"
	ready_at http://127.0.0.1:9700/-/ready
	! in_lab curl -s http://127.0.0.1:9748/-/ready || fail "it listens at port 9748, too"
	equal "warned" "$(said "^<4>control = $SOCK: the socket unit's $DIR/handed.sock is served instead$")" 1
	equal "warned" "$(said "^<4>metrics = 127.0.0.1:9748: the socket unit's 127.0.0.1:9700 is served instead$")" 1
	SOCK=$DIR/handed.sock daemon_stop
}

# Where it listens is in the log of each start, and a port is never the kernel's choice
t_where_it_listens_is_told() {
	daemon_start -i va -w "$OUT" -j 1
	equal "control" "$(said "^<6>control: listening at $SOCK$")" 1
	equal "metrics" "$(said "^<6>metrics: listening at 127.0.0.1:9748$")" 1
	daemon_stop
	HANDED="control=$SOCK metrics=127.0.0.1:9748"
	start
	equal "control" "$(said "^<6>control: serving the socket unit's $SOCK$")" 1
	equal "metrics" "$(said "^<6>metrics: serving the socket unit's 127.0.0.1:9748$")" 1
	daemon_stop
	rm "$SOCK"
	HANDED=
	for ARGUMENTS in 127.0.0.1 127.0.0.1:0 127.0.0.1:65536 ::1 "[::1]" "[::1]:0" 9748 :9748 localhost:9748; do
		ARGUMENTS="-o daemon.metrics=$ARGUMENTS" refused "metrics = .*: must be ADDRESS:PORT, unix:PATH or off"
	done
}

t_metrics_off_closes_the_socket() {
	HANDED="metrics=127.0.0.1:9748" ARGUMENTS="-o daemon.metrics=off"
	start
	equal "told" "$(said "^<5>metrics = off: the socket unit's socket is not served")" 1
	equal "listeners" "$(in_lab ss -Hltn | wc -l)" 0
	daemon_stop
}

t_of_no_use() {
	HANDED="control=dgram,$DIR/1" refused "passes as control: not a stream socket"
	HANDED="control=idle,$DIR/2" refused "passes as control: it does not listen"
	HANDED="control=127.0.0.1:1234" refused "passes as control: not a UNIX socket"
	HANDED="control=$DIR/3 control=$DIR/4" refused "passes as control: there are several"
	HANDED="metrics=dgram,127.0.0.1:1234" refused "passes as metrics: not a stream socket"
	HANDED="metrics=127.0.0.1:1234 metrics=127.0.0.1:1235 metrics=127.0.0.1:1236" refused "passes as metrics: there are several"
}

t_an_unknown_name_is_told() {
	HANDED="afcapd.socket=$DIR/1 control=$SOCK"
	start
	equal "told" "$(said "^<4>.* as afcapd.socket, which is not served")" 1
	equal "kept" "$(said 'dropping stored descriptor')" 0
	! "$AFCTL" -s "$DIR/1" status 2>/dev/null || fail "it is served"
	daemon_stop
}

run_tests
