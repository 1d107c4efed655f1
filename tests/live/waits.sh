#!/usr/bin/env bash
# Whom the daemon waits for: nobody. Each test freezes one that it talks to, and asks it all the same.
. "$(dirname "$0")/lib.sh"

# A daemon that waits is one that does not answer
ctl() { timeout 10 "$AFCTL" -s "$SOCK" "$@"; }

FAST=(-o block_timeout=50ms -o write_delay=20ms -o ring_size=4M -o block_size=64K)

# ---- the log ----

# afcapd whose standard error (or output) is full: deaf_start KIND [PREFIX... --] ARGS..., see deaf.py
deaf_start() {
	local kind=$1 prefix=()
	shift
	case " $* " in *" -- "*)
		while [ "$1" != -- ]; do prefix+=("$1") && shift; done
		shift
		;;
	esac
	ip netns exec "$NS" "${NEW[@]}" python3 "$(dirname "$0")/deaf.py" "$kind" "$DIR" "${prefix[@]}" \
		"$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=127.0.0.1:9748 -l debug "${FAST[@]}" "$@" >"$DIR/out" 2>"$DIR/err" &
	HELPER=$!
	PIDS="$PIDS $HELPER"
	wait_for 20 [ -s "$DIR/pid" ]
	DAEMON=$(cat "$DIR/pid")
	PIDS="$PIDS $DAEMON"
	wait_for 20 daemon_running
}
NEW=()

carrier_is() { [ "$(ctl --json status | jq -r '.captures[0].state')" = "$1" ]; }
restarted() { [ "$(ctl --json stats | jq '.captures[0].total.restarts')" -ge "$1" ] && [ "$(worker_pid 0)" != "$2" ]; }

# Each of the processes has something to say: the supervisor of the link, the archive process of a file that it removes, a
# worker that it goes on where the one before was killed
all_talk() {
	local worker old=$OUT/va-20200101T000000.000000Z-w0.pcapng
	ip -n "$NS" link set vb down
	wait_for 10 carrier_is down
	ip -n "$NS" link set vb up
	wait_for 10 carrier_is running
	head -c 64M /dev/zero >"$old"
	timeout 40 "$AFCTL" -s "$SOCK" rotate || fail "afctl rotate: $?"
	wait_for 20 [ ! -e "$old" ]
	worker=$(worker_pid 0)
	kill -KILL "$worker"
	wait_for 20 restarted "$1" "$worker"
}

told_lost() { grep -aq "$1[0-9]* log lines\{0,1\} w[a-z]* lost: standard error was not read" "$DIR/read"; }
said() { grep -aq "$1" "$DIR/read"; }

all_told() {
	told_lost '\(^\|[>=#]\)' && told_lost 'archive: ' && # the supervisor and the archive process
		said 'removed va-20200101T000000.000000Z-w0.pcapng' && said 'va/0: resuming at sequence'
}

# Nothing is read until the end: nothing waits, the account is exact, the flags of the description are as they were
deaf_ends() {
	deaf_start "$@" -i va -w "$OUT" -j 1 -o file_size=8M -o disk_budget=32M
	in_lab "$FRAMES" send vb 1000 rate=10000
	wait_for 20 counter_is written 1000
	all_talk 1
	in_lab "$FRAMES" send vb 500 first=1000 rate=10000
	wait_for 20 counter_is written 1500
	in_lab curl -s --max-time 5 http://127.0.0.1:9748/metrics >"$DIR/metrics" || fail "no metrics"
	contains "the metrics" "$(cat "$DIR/metrics")" '^afcap_written_total'
	deaf_stop
	equal "written" "$(account written)" 1500
	frames_check 1500 || fail "frames differ"
}

deaf_stop() {
	local rc=0
	kill -TERM "$DAEMON"
	wait "$HELPER" || rc=$?
	equal "exit code" "$rc" "${1:-0}"
}

# It is read after a while: what was lost is told, by each process that lost something
deaf_then_read() {
	local round
	deaf_start "$@" -i va -w "$OUT" -j 1 -o file_size=8M -o disk_budget=32M
	in_lab "$FRAMES" send vb 100
	wait_for 20 counter_is written 100
	all_talk 1
	[ ! -s "$DIR/read" ] || fail "it was read too early"
	kill -USR1 "$HELPER"
	wait_for 10 [ -s "$DIR/read" ]
	in_lab "$FRAMES" send vb 100
	wait_for 20 counter_is written 200
	# With the next line that is not lost: where the reader is slow that may be another one
	for ((round = 2; round < 12; round++)); do
		all_talk "$round"
		! all_told || break
	done
	wait_for 20 all_told
	deaf_stop
	equal "written" "$(account written)" 200
}

t_a_full_pipe_as_standard_error() { deaf_ends pipe; }
t_a_full_terminal_as_standard_error() { deaf_ends terminal; }
t_a_full_socket_as_standard_error() { deaf_ends socket; }
t_lines_lost_at_a_pipe_are_told() { deaf_then_read pipe; }
t_lines_lost_at_a_terminal_are_told() { deaf_then_read terminal; }
t_lines_lost_at_a_socket_are_told() { deaf_then_read socket; }

# Of another user: it cannot be opened again
t_a_full_pipe_of_another_user() {
	chmod 711 "$DIR"
	mkdir "$DIR/run"
	chown 65534:65534 "$OUT" "$DIR/run"
	SOCK=$DIR/run/control.sock
	deaf_ends pipe setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+net_raw --ambient-caps=+net_raw --
}

# A journal that stands still: its socket, and its stream where the children write
t_a_full_journal() {
	NEW=(unshare -m sh -c 'mount -t tmpfs none /run && exec "$@"' sh)
	deaf_ends journal
}
t_lines_lost_at_the_journal_are_told() {
	NEW=(unshare -m sh -c 'mount -t tmpfs none /run && exec "$@"' sh)
	deaf_then_read journal
}

# A log file on a disk that stands still: a program that writes it, as afcapd(8) has it, waits in place of afcapd
t_a_log_file_whose_disk_stands_still() {
	local log worker cat
	mirror "$DIR/small"
	exec {log}> >(exec cat >>"$DIR/small/log")
	cat=$!
	PIDS="$PIDS $cat"
	ip netns exec "$NS" "$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=127.0.0.1:9748 -i va -w "$OUT" -j 1 "${FAST[@]}" \
		>"$DIR/out" 2>&"$log" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	wait_for 20 grep -q "recording va" "$DIR/real/log"
	kill -STOP "$MOUNTED"
	fill() { yes "what others write" | dd of="/proc/self/fd/$log" oflag=nonblock bs="$1" 2>"$DIR/filled"; } # until there is no room
	fill 4096
	writes() { read -r _ fd _ <"/proc/$1/syscall" && [ "$fd" = 0x1 ]; } # and so reads no more
	wait_for 20 writes "$cat"
	fill 4096
	fill 1
	worker=$(worker_pid 0)
	kill -KILL "$worker"
	wait_for 20 restarted 1 "$worker"
	both_answer
	in_lab "$FRAMES" send vb 500
	wait_for 20 counter_is written 500
	kill -CONT "$MOUNTED"
	wait_for 20 tail_read
	worker=$(worker_pid 0)
	kill -KILL "$worker"
	wait_for 20 restarted 2 "$worker"
	told() { grep -aq "[0-9]* log lines\{0,1\} w[a-z]* lost: standard error was not read" "$DIR/real/log"; }
	wait_for 20 told
	exec {log}>&-
	daemon_stop
	equal "written" "$(account written)" 500
}
tail_read() { [ "$(grep -ac "what others write" "$DIR/real/log")" -gt 2000 ]; }

# ---- the account ----

t_a_standard_output_that_nobody_reads() {
	deaf_start output -i va -w "$OUT" -j 1
	in_lab "$FRAMES" send vb 100
	wait_for 20 counter_is written 100
	deaf_stop 1
	contains "the log" "$(cat "$DIR/err")" "standard output: it is not read; logging it:"
	contains "the account" "$(cat "$DIR/err")" "<3>va: 100 packets seen, 0 dropped by the kernel, 100 received, 100 written"
}

t_a_standard_output_that_is_read_late() {
	deaf_start output -i va -w "$OUT" -j 1
	in_lab "$FRAMES" send vb 100
	wait_for 20 counter_is written 100
	kill -TERM "$DAEMON"
	gone() { [ -z "$(workers)" ]; }
	wait_for 20 gone # it prints now
	kill -USR1 "$HELPER"
	wait "$HELPER" || fail "exit code $?"
	contains "the account" "$(cat "$DIR/read")" "va: 100 packets seen, 0 dropped by the kernel, 100 received, 100 written"
}

# ---- the service manager ----

t_a_service_manager_that_does_not_read() {
	local kept
	deaf_start manager -i va -w "$OUT" -j 1 -o file_size=8M -o disk_budget=32M
	in_lab "$FRAMES" send vb 1000 rate=10000
	wait_for 20 counter_is written 1000
	all_talk 1
	ip -n "$NS" link del va # its ring is closed, and need not be kept any more
	va_again
	wait_for 20 carrier_is running
	in_lab "$FRAMES" send vb 500 first=1000 rate=10000
	wait_for 20 counter_is written 1500
	kill -USR1 "$HELPER"
	wait_for 20 said '^READY=1$'
	wait_for 20 said '^FDNAME=capture.va$'
	wait_for 20 said '^FDNAME=ledger.va.0$'
	wait_for 20 said '^FDNAME=ring.va.0.2$'
	wait_for 20 said '^STATUS=va: '
	kept=$(grep -aA1 '^FDSTORE=1$' "$DIR/read")
	[[ $kept != *ring.va.0.1* ]] || fail "a ring is kept that was closed"
	deaf_stop
	said '^STOPPING=1$' || fail "the stop was not told"
	equal "written" "$(account written)" 1500
	frames_check 1500 || fail "frames differ"
}

# It has five seconds to take the rings
t_a_hand_over_to_a_service_manager_that_does_not_read() {
	local rc=0
	deaf_start manager -i va -w "$OUT" -j 1
	kill -USR2 "$DAEMON"
	wait "$HELPER" || rc=$?
	equal "exit code" "$rc" 75
}

# ---- names in filters ----

# Names are those of $DIR/hosts, and what the only name server says: names_are silent (it never answers), gone (nobody is
# there) or known
names_are() {
	: >"$DIR/hosts"
	echo "nameserver 127.0.0.1" >"$DIR/resolv.conf"
	[ "$1" != known ] || echo "192.0.2.7 peer.example" >"$DIR/hosts"
	if [ "$1" != silent ]; then
		[ -z "${NAMES:-}" ] || kill "$NAMES"
		NAMES=
	elif [ -z "${NAMES:-}" ]; then
		in_lab python3 -c 'import os, socket, signal, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
open(sys.argv[1], "w").close()
signal.pause()' "$DIR/names" &
		NAMES=$!
		PIDS="$PIDS $NAMES"
		wait_for 10 [ -e "$DIR/names" ]
	fi
}

# Two captures: va by a name, lo in a file each second
named_conf() {
	cat >"$DIR/conf" <<-C
		[daemon]
		control = $SOCK
		metrics = 127.0.0.1:9748
		[capture va]
		directory = $OUT
		workers = 1
		ring_size = 4M
		block_size = 64K
		filter = not host peer.example
		on_missing = wait
		[capture lo]
		directory = $OUT
		workers = 1
		ring_size = 4M
		block_size = 64K
		file_duration = 1s
	C
	WITH_NAMES=(ip netns exec "$NS" unshare -m sh -c
		"mount --bind $DIR/hosts /etc/hosts && mount --bind $DIR/resolv.conf /etc/resolv.conf && exec \"\$@\"" sh)
}
answers() { ctl stats; }
named_start() {
	named_conf
	"${WITH_NAMES[@]}" "$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	wait_for 20 answers
}

state_of() { ctl --json status | jq -r ".captures[] | select(.name == \"$1\").state"; }
state_is() { [ "$(state_of "$1")" = "$2" ]; }
lo_files() { find "$OUT" -name 'lo-*.pcapng' | wc -l; }
lo_files_are() { in_lab ping -q -c 1 -W 1 127.0.0.1 && [ "$(lo_files)" -ge "$1" ]; }
va_again() {
	ip -n "$NS" link add va type veth peer name vb
	ip -n "$NS" link set vb up
	ip -n "$NS" link set va up
}
logged() { grep -q -- "$1" "$DIR/err"; }

# afctl and the metrics, within two seconds
both_answer() {
	local begin
	begin=$(date +%s%N)
	ctl status >/dev/null
	in_lab curl -s --max-time 5 http://127.0.0.1:9748/metrics >"$DIR/metrics" || fail "no metrics"
	[ $(($(date +%s%N) - begin)) -lt 2000000000 ] || fail "afctl status and /metrics: $(($(date +%s%N) - begin)) ns"
}

# Five times in a row; files of lo end meanwhile
others_answer() {
	local i files
	files=$(lo_files)
	for i in 1 2 3 4 5; do
		both_answer
	done
	wait_for 10 lo_files_are $((files + 2))
}

# The filter is compiled for this link type already
t_an_interface_comes_back_without_its_name_server() {
	local names
	for names in gone silent; do
		names_are known
		named_start
		wait_for 20 state_is va running
		names_are $names
		ip -n "$NS" link del va
		wait_for 20 state_is va down
		va_again
		wait_for 5 state_is va running
		others_answer
		in_lab "$FRAMES" send vb 100
		written() { [ "$(ctl --json stats va | jq '.captures[0].total.written')" -ge 100 ]; }
		wait_for 10 written
		daemon_stop
	done
}

# The name server answers at once while the configuration is checked, and late when the daemon is there: the interface is down by
# then, and the capture begins when it is up again
t_an_interface_that_went_down_while_its_first_filter_was_compiled() {
	names_are gone
	in_lab python3 -c 'import os, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
open(sys.argv[1] + "/names", "w").close()
while True:
    q, who = s.recvfrom(512)
    if os.path.exists(sys.argv[2]):
        open(sys.argv[1] + "/asked", "w").close()
        while not os.path.exists(sys.argv[1] + "/answer"): time.sleep(0.01)
    a = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07" if q[-4:-2] == b"\0\x01" else b""
    s.sendto(q[:2] + b"\x81\x80\0\x01\0" + (b"\x01" if a else b"\0") + b"\0\0\0\0" + q[12:] + a, who)' "$DIR" "$SOCK" &
	NAMES=$!
	PIDS="$PIDS $NAMES"
	wait_for 10 [ -e "$DIR/names" ]
	named_start
	wait_for 10 [ -e "$DIR/asked" ]
	equal "its state while its filter is compiled" "$(state_of va)" starting
	ip -n "$NS" link set va down
	touch "$DIR/answer"
	wait_for 20 state_is va down
	ip -n "$NS" link set va up
	wait_for 20 state_is va running
	daemon_stop
}

# It is not: it waits for the name, and nobody waits for it
t_an_interface_comes_while_no_name_is_known() {
	local names
	ip -n "$NS" link del va
	for names in gone silent; do
		names_are known
		named_start
		wait_for 20 state_is lo running
		names_are $names
		va_again
		tries() { state_is va starting || logged "unknown host"; }
		wait_for 20 tries
		others_answer
		others_answer
		wait_for 40 logged "conf:9: filter = not host peer.example: unknown host 'peer.example'; retrying"
		[ "$(state_of va)" != failed ] || fail "va has failed"
		names_are known
		wait_for 40 state_is va running
		others_answer
		ip -n "$NS" link del va
		daemon_stop
		[ "$(grep -c "unknown host" "$DIR/err")" = 1 ] || fail "told more than once: $(cat "$DIR/err")"
	done
}

# At the very start it is an error
t_a_name_that_nobody_knows_at_the_start() {
	local names rc
	for names in gone silent; do
		rc=0
		names_are $names
		named_conf
		"${WITH_NAMES[@]}" "$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" || rc=$?
		equal "exit code" $rc 78
		contains "log" "$(cat "$DIR/err")" "conf:9: filter = not host peer.example: unknown host 'peer.example'"
	done
}

# Rings that go on do not wait for a name
t_a_restart_without_a_name_server() {
	names_are known
	named_conf
	"${WITH_NAMES[@]}" python3 "$(dirname "$0")/manager.py" "$DIR" "$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" &
	MANAGER=$!
	PIDS="$PIDS $MANAGER"
	wait_for 20 answers
	wait_for 20 state_is va running
	names_are silent
	in_lab "$FRAMES" send vb 100
	kill -USR2 "$MANAGER"
	second() { [ "$(cat "$DIR/starts")" = .. ] && state_is va running; }
	wait_for 9 second # less than a look-up takes
	others_answer
	in_lab "$FRAMES" send vb 100 first=100
	wait_for 40 logged "va: the filter is not set yet, retrying: .*unknown host"
	others_answer
	written() { [ "$(ctl --json stats va | jq '.captures[0].total.written')" -ge 200 ]; }
	wait_for 10 written
	kill -TERM "$MANAGER"
	wait "$MANAGER" || fail "exit code $?"
}

# ---- its own processes ----

# Two captures, lo in a file each second, no names; va in another directory where one is given
two_start() {
	named_conf
	sed -i "0,/^directory/s|^directory.*|directory = ${1:-$OUT}|" "$DIR/conf"
	sed -i '/^filter/d; /^on_missing/s/.*/worker_timeout = 1m/' "$DIR/conf"
	ip netns exec "$NS" "$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	wait_for 20 answers
	wait_for 20 state_is va running
	wait_for 20 state_is lo running
}
va_pid() { ctl --json status | jq '.captures[] | select(.name == "va").workers[0].pid'; }
va_written() { [ "$(ctl --json stats va | jq '.captures[0].total.written')" -ge "$1" ]; }

t_a_worker_that_stands_still() {
	local pid
	two_start
	pid=$(va_pid)
	kill -STOP "$pid"
	in_lab "$FRAMES" send vb 500
	others_answer
	kill -CONT "$pid"
	wait_for 20 va_written 500
	daemon_stop
	contains "the account" "$(cat "$DIR/out")" "^va: 500 packets seen, 0 dropped by the kernel, 500 received, 500 written"
}

# Nothing can begin a file then; what has one goes on, and all is there when it goes on
t_an_archive_process_that_stands_still() {
	local pid i
	two_start
	in_lab "$FRAMES" send vb 100
	wait_for 20 va_written 100
	pid=$(archive_pid)
	kill -STOP "$pid"
	for ((i = 0; i < 5; i++)); do
		both_answer
		in_lab "$FRAMES" send vb 100 first=$((100 + 100 * i))
		wait_for 20 va_written $((200 + 100 * i))
	done
	kill -CONT "$pid"
	i=$(lo_files)
	wait_for 20 lo_files_are $((i + 1))
	daemon_stop
	contains "the account" "$(cat "$DIR/out")" "^va: 600 packets seen, 0 dropped by the kernel, 600 received, 600 written"
}

# ---- a file server ----

worker_of() { ctl --json status | jq ".captures[] | select(.name == \"$1\").workers[0].pid"; }
written_of() { ctl --json stats "$1" | jq '.captures[0].total.written'; }
# Another one records
lo_goes_on() {
	local pid before
	lo_again() { [ "$(worker_of lo)" != "$1" ] && state_is lo running; }
	lo_written() { in_lab ping -q -c 1 -W 1 127.0.0.1 && [ "$(written_of lo)" -gt "$1" ]; }
	before=$(written_of lo)
	wait_for 10 lo_written "$before"
	pid=$(worker_of lo)
	kill -KILL "$pid"
	wait_for 10 lo_again "$pid" # it has nothing to do with the other's files
	before=$(written_of lo)
	wait_for 10 lo_written "$before"
}

# Nothing of it answers: afcapd can be left, and needs no kill
frozen_ends() {
	local i rc=0 left
	for i in 1 2 3 4 5; do
		both_answer
	done
	lo_goes_on
	for left in "stopping: writing" "stopping at once" "exiting without waiting for the disk"; do
		both_answer
		kill -TERM "$DAEMON"
		wait_for 10 logged "$left"
	done
	ended() { ! kill -0 "$DAEMON" 2>/dev/null || grep -q '^State:[[:space:]]*Z' "/proc/$DAEMON/status"; }
	wait_for 20 ended
	wait "$DAEMON" || rc=$?
	equal "exit code" $rc 1
}

fuse_start() {
	mirror "$DIR/small"
	two_start "$DIR/small"
	in_lab "$FRAMES" send vb 100
	wait_for 20 va_written 100
}

# The supervisor closes no file: that would wait for the server
t_a_file_server_that_lets_the_supervisor_wait() {
	local i
	fuse_start
	echo "$DAEMON" >"$DIR/real.hold"
	for i in 1 2 3; do
		ctl rotate va || fail "afctl rotate: $?"
		others_answer
	done
	ip -n "$NS" link del va
	wait_for 20 state_is va down
	others_answer
	daemon_stop
	contains "the account" "$(cat "$DIR/out")" "^va: 100 packets seen, 0 dropped by the kernel, 100 received, 100 written"
}

t_a_file_server_whose_close_never_returns() {
	fuse_start
	: >"$DIR/real.hold"
	frozen_ends
}

t_a_file_server_that_stands_still() {
	fuse_start
	kill -STOP "$MOUNTED"
	in_lab "$FRAMES" send vb 100 first=100
	frozen_ends
}

# ---- the start ----

# A directory that does not answer: va's, and lo's is another; the order in the file is $1 then $2, each with a workers' ring
dead_conf() {
	local name
	printf '[daemon]\ncontrol = %s\nmetrics = 127.0.0.1:9748\nlog_level = debug\n' "$SOCK"
	for name; do
		printf '[capture %s]\nworkers = 1\nring_size = 4M\nblock_size = 64K\n' "$name"
		[ "$name" = va ] && echo "directory = $DIR/small" || echo "directory = $OUT"
	done
}
dead_start() {
	mirror "$DIR/small"
	kill -STOP "$MOUNTED"
	dead_conf "$@" >"$DIR/conf"
	ip netns exec "$NS" "$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	wait_for 5 answers
	wait_for 10 state_is va starting
}
not_ready() { [ "$(in_lab curl -so /dev/null --max-time 5 -w '%{http_code}' http://127.0.0.1:9748/-/ready)" = 503 ]; }
lo_written() { [ "$(written_of lo)" -ge "$1" ]; }

# It answers after a while: then all begins. A capture that stands before it in the file records meanwhile, one behind it begins
# then: the one archive process opens their directories one after the other. The supervisor waits for none.
t_a_directory_that_does_not_answer_at_the_start() {
	local order i
	for order in "lo va" "va lo"; do
		# shellcheck disable=SC2086
		dead_start $order
		for i in 1 2 3; do
			both_answer
		done
		not_ready || fail "ready without a directory"
		if [ "$order" = "lo va" ]; then
			wait_for 20 state_is lo running
			in_lab ping -q -c 10 -i 0.01 127.0.0.1
			wait_for 20 lo_written 20
		fi
		[ "$order" = "lo va" ] || [ "$(state_of lo)" = starting ] || fail "lo is $(state_of lo): afcapd(8) says that it waits"
		kill -CONT "$MOUNTED"
		wait_for 20 state_is va running
		wait_for 20 state_is lo running
		in_lab "$FRAMES" send vb 100
		wait_for 20 va_written 100
		daemon_stop
		contains "the account" "$(cat "$DIR/out")" "^va: 100 packets seen, 0 dropped by the kernel, 100 received, 100 written"
		umount "$DIR/small"
		rm -f "$OUT"/*.pcapng "$DIR"/real/*.pcapng
	done
}

# Two captures of a service manager's: lo, then va as well, in a directory of its own that comes before it
dead_restart() {
	dead_conf lo >"$DIR/conf"
	ip netns exec "$NS" python3 "$(dirname "$0")/manager.py" "$DIR" "$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" &
	MANAGER=$!
	PIDS="$PIDS $MANAGER"
	wait_for 20 answers
	wait_for 20 state_is lo running
	in_lab ping -q -c 10 -i 0.01 127.0.0.1
	wait_for 20 lo_written 20
	dead_conf va lo >"$DIR/conf"
	kill -USR2 "$MANAGER"
	second() { [ "$(cat "$DIR/starts")" = .. ] && answers; }
	wait_for 10 second
}
ready_twice() { [ "$(grep -c '^READY=1' "$DIR/notified")" = 2 ]; }

# Rings that go on do not wait for the directory of a new section
t_a_restart_with_a_new_directory_that_does_not_answer() {
	local i
	mirror "$DIR/small"
	kill -STOP "$MOUNTED"
	dead_restart
	wait_for 10 state_is lo running
	for i in 1 2 3; do
		both_answer
		in_lab ping -q -c 10 -i 0.01 127.0.0.1
		wait_for 10 lo_written $((20 + 20 * i))
	done
	not_ready || fail "ready without a directory"
	kill -CONT "$MOUNTED"
	wait_for 20 state_is va running
	wait_for 20 ready_twice
	kill -TERM "$MANAGER"
	wait "$MANAGER" || fail "exit code $?"
	contains "the account" "$(cat "$DIR/out")" "^lo: [0-9]* packets seen, 0 dropped by the kernel, .* 0 discarded"
}

confined_twice() { [ "$(grep -c 'archive: confined to 1 directories' "$DIR/err")" = 2 ]; }

# One that is not there fails its own capture, and the daemon is ready
t_a_restart_with_a_new_directory_that_is_not_there() {
	local rc=0
	dead_restart
	wait_for 10 state_is va failed
	wait_for 10 state_is lo running
	wait_for 10 ready_twice
	wait_for 10 logged "directory $DIR/small: No such file or directory (create it first, .*: the capture has failed"
	landlock_is_here() { ! sanitized && python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(444, 0, 0, 1) < 1)'; }
	! landlock_is_here || wait_for 10 confined_twice # the one before, and this one, to the directory that is left
	in_lab ping -q -c 10 -i 0.01 127.0.0.1
	wait_for 10 lo_written 40
	kill -TERM "$MANAGER"
	wait "$MANAGER" || rc=$?
	equal "exit code" $rc 1 # one has failed
	equal "told" "$(grep -c "$DIR/small" "$DIR/err")" 1
}

# Rings that go on, whose own directory does not answer: they hold what comes until it does, and the other's are written
t_a_restart_on_a_file_server_that_does_not_answer() {
	local starts
	mirror "$DIR/small"
	dead_conf lo va >"$DIR/conf"
	RESTART_SEC=3 ip netns exec "$NS" python3 "$(dirname "$0")/manager.py" "$DIR" "$AFCAPD" -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" &
	MANAGER=$!
	PIDS="$PIDS $MANAGER"
	wait_for 20 answers
	wait_for 20 state_is va running
	wait_for 20 state_is lo running
	in_lab "$FRAMES" send vb 100
	wait_for 20 va_written 100
	kill -USR2 "$MANAGER"
	childless() { [ -z "$(cat "/proc/$MANAGER/task/$MANAGER/children")" ]; }
	wait_for 10 childless
	kill -STOP "$MOUNTED"
	starts=$(cat "$DIR/starts") # on a slow machine the next one may have opened it by now
	second() { [ "$(cat "$DIR/starts")" = .. ] && answers; }
	wait_for 20 second
	in_lab "$FRAMES" send vb 100 first=100
	in_lab ping -q -c 10 -i 0.01 127.0.0.1
	wait_for 10 lo_written 20
	both_answer
	[ "$starts" = .. ] || ! va_written 101 || fail "written without a directory"
	kill -CONT "$MOUNTED"
	wait_for 20 va_written 200
	kill -TERM "$MANAGER"
	wait "$MANAGER" || fail "exit code $?"
	contains "the account" "$(cat "$DIR/out")" "^va: 200 packets seen, 0 dropped by the kernel, 200 received, 200 written, 0 discarded"
}

run_tests
