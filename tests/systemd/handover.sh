#!/usr/bin/env bash
# shellcheck disable=SC2031
# afcapd is killed, restarted, upgraded under a real systemd, with traffic: the rings go on in its descriptor store, and
# where they cannot, that is told.
TOP=$(cd "$(dirname "$0")/../.." && pwd)
. "$TOP/tests/systemd/lib.sh"

SUPERVISOR_KILLS=${SUPERVISOR_KILLS:-15} # `make check-faults`: 200
RESTARTS=${RESTARTS:-6}                  # ... 50
WORKERS=2
SIZE=60-300
RING=32M
CAPTURE= # whose files are looked at; empty: all

# ---- a laboratory: a fresh veth pair, an empty directory, the unit stopped ----

lab_make() {
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/afcap-test-XXXXXX")
	find "$OUT" -mindepth 1 -delete 2>/dev/null
	veth_make
	inside journalctl --sync
	CURSOR=$(inside journalctl -n 1 -o cat --show-cursor | sed -n 's/^-- cursor: //p')
	configure
}
lab_remove() {
	local pid
	for pid in $PIDS; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	sockets_disable
	# shellcheck disable=SC2086
	inside systemctl stop afcapd $SOCKETS
	inside rm -rf /run/systemd/system/afcapd-metrics.socket.d /run/clients-end
	dropin_end
	inside systemctl reset-failed
	inside ip link del veth-a
	program_install "$BUILD/afcapd"
	[ -n "${KEEP:-}" ] || rm -rf "$DIR"
}

capture_section() { # NAME [LINE]...
	printf '[capture %s]\nblock_timeout = 50ms\nblock_size = 128K\nring_size = %s\nwrite_delay = 20ms\nfile_size = 1M\n' "$1" "$RING"
	printf 'workers = %d\nfilter = udp\ndisk_reserve = 0\n' $WORKERS
	shift
	[ $# = 0 ] || printf '%s\n' "$@"
}
configure() { capture_section veth-a "$@" >"$CONFIG"; }
fail() {
	echo "# $*" >&2
	ctl stats >&2
	inside journalctl -u afcapd --no-pager -o short-precise --after-cursor="$CURSOR" >&2
	exit 1
}
journal() {
	inside journalctl --sync
	inside journalctl -u afcapd --no-pager -o short-precise --after-cursor="$CURSOR"
}
told() { journal | grep -c -- "$1"; }
account() {
	journal | sed -n 's|^.*\]: \(veth-a: [0-9]* packets seen\)|\1|p' | tail -n 1 >"$DIR/out"
	sed 's/^[^:]*: \([0-9]*\) packets seen, \([0-9]*\) dropped by the kernel, \([0-9]*\) received, \([0-9]*\) written, \([0-9]*\) discarded, \([0-9]*\) files$/seen=\1 dropped=\2 received=\3 written=\4 discarded=\5 files=\6/' \
		"$DIR/out" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

files() { find "$OUT" -name "$CAPTURE*.pcapng" ! -name '.*' | sort; }
program_install() { install -m 755 "$1" "$ROOT/usr/sbin/afcapd.new" && mv "$ROOT/usr/sbin/afcapd.new" "$ROOT/usr/sbin/afcapd"; }

# ---- what is there of it ----

main_is_not() { local pid; pid=$(show MainPID); [ "$pid" != 0 ] && [ "$pid" != "$1" ]; }
stores() { [ "$(show NFileDescriptorStore)" = "$1" ]; }
# Packet sockets of the container with a protocol: a sender's have none
# shellcheck disable=SC2016
rings_are() { [ "$(in_lab awk '$4 == "0003"' /proc/net/packet | wc -l)" = "$1" ]; }

# The processes of the container that map a ring, as seen from outside
mapping() {
	local pid ns
	ns=$(readlink "/proc/$init/ns/pid")
	for pid in $(grep -l 'socket:' /proc/[0-9]*/maps 2>/dev/null | cut -d/ -f3); do
		[ "$(readlink "/proc/$pid/ns/pid")" = "$ns" ] && echo "$pid"
	done
	return 0
}
mapped_by() { [ "$(mapping | wc -l)" = "$1" ]; }
# All of them are of the unit, and nobody else has a ring
no_orphans() { # WORKERS
	local pid
	wait_for 5 mapped_by "$1"
	for pid in $(mapping); do
		grep -q '/afcapd.service$' "/proc/$pid/cgroup" || fail "process $pid has a ring and is not of the unit"
	done
	wait_for 5 rings_are "$1"
}
running_whole() {
	wait_for 10 ctl status
	no_orphans $WORKERS
	wait_for 5 stores $((2 * WORKERS + 1))
}
nothing_left() {
	no_orphans 0
	equal "descriptors kept" "$(show NFileDescriptorStore)" 0
	equal "left behind" "$(find "$OUT" -type f ! -name '*.pcapng')" ""
}

unit_start() {
	inside systemctl start afcapd || fail "it does not start"
	running_whole
}
unit_stop() {
	inside systemctl stop afcapd || fail "it does not stop"
	equal Result "$(show Result)" success
	equal "exit status" "$(show ExecMainStatus)" 0
	nothing_left
}
sent() { inside cat /sys/class/net/veth-a/statistics/rx_packets; }
send() {
	nsenter -t "$init" -n "$FRAMES" send veth-b "$@" size=$SIZE >"$DIR/sent" &
	SENDER=$!
	PIDS="$PIDS $SENDER"
}
send_stop() {
	kill "$SENDER"
	wait "$SENDER"
	COUNT=$(sent)
}
send_all() { in_lab "$FRAMES" send veth-b "$@" size=$SIZE >"$DIR/sent"; }

# After the stop: the files hold frames 0 to COUNT-1, and the account says so
all_there() { # COUNT
	frames_check "$1" size=$SIZE >"$DIR/checked" || fail "$(cat "$DIR/checked")"
	cat "$DIR/checked"
	contains "flows keep their worker" "$(cat "$DIR/checked")" "split 0"
	equal seen "$(account seen)" "$1"
	equal dropped "$(account dropped)" 0
	equal written "$(account written)" "$1"
	equal discarded "$(account discarded)" 0
	equal "files by the account" "$(account files)" "$(files | wc -l)"
	statistics_are "$1"
}
# shellcheck disable=SC2119
statistics_are() { equal "statistics of all files: received, dropped, written" "$(isb_sum)" "$1 0 $1"; }

# How long nobody read: told, not tested
gaps_begin() {
	: >"$DIR/events"
	python3 "$TOP/tests/systemd/gaps.py" "$OUT" "$DIR/events" >"$DIR/gaps" &
	GAPS=$!
	PIDS="$PIDS $GAPS"
}
gaps_event() { date +%s%N >>"$DIR/events"; }
gaps_end() {
	kill "$GAPS"
	wait "$GAPS"
	echo "# $1: without a reader $(cat "$DIR/gaps")"
}

# ---- with socket units ----

SOCKETS="afcapd-control.socket afcapd-metrics.socket"
# shellcheck disable=SC2086
sockets_enable() { inside systemctl -q --runtime enable $SOCKETS; }
# shellcheck disable=SC2086
sockets_disable() { inside systemctl -q --runtime disable $SOCKETS; }
# ... and their inodes
listening() { in_lab ss -Hxltne 2>/dev/null | grep -E 'afcap/control.sock|:9748 ' | grep -o '[^ ]*:9748\|control.sock [0-9]*\|ino:[0-9]*'; }

t_who_asks_during_a_restart_waits() {
	unit_start # without them, as yet
	equal "socket unit" "$(inside systemctl is-active afcapd-control.socket)" inactive
	send 100000000 rate=20000
	sockets_enable
	inside systemctl restart afcapd || fail "restart"
	running_whole
	for unit in $SOCKETS; do equal "$unit" "$(inside systemctl show -P SubState "$unit")" running; done
	listening >"$DIR/listening"
	equal "listening sockets" "$(grep -c '9748\|control.sock' "$DIR/listening")" 2
	dropin 'ExecStartPre=/usr/bin/sleep 1'
	for how in restart KILL; do
		old=$(show MainPID)
		if [ $how = restart ]; then
			inside systemctl restart --no-block afcapd
		else
			inside systemctl kill -s KILL --kill-whom=main afcapd
		fi
		between() { [ "$(show SubState)" = start-pre ]; }
		wait_for 10 between
		begin=$(date +%s%N)
		ctl stats >"$DIR/stats" & asks=$!
		inside curl -s --max-time 10 http://127.0.0.1:9748/-/ready >"$DIR/ready" & scrapes=$!
		wait $asks || fail "afctl after $how"
		wait $scrapes || fail "curl after $how"
		[ $(($(date +%s%N) - begin)) -gt 500000000 ] || fail "nobody waited after $how"
		contains "stats" "$(cat "$DIR/stats")" "^received "
		running_whole
		main_is_not "$old" || fail "no other daemon after $how"
		[ $how = KILL ] || equal "sockets after $how" "$(listening)" "$(cat "$DIR/listening")"
	done
	send_stop
	unit_stop
	all_there "$COUNT"
	equal "gone on" "$(told 'resuming the rings of the previous instance, last alive at 2')" 3
	# Nobody who asks starts it again
	rc=0
	ctl status 2>"$DIR/said" || rc=$?
	equal "afctl after the stop" "$rc" 3
	! inside curl -s --max-time 5 http://127.0.0.1:9748/-/ready || fail "metrics after the stop"
	equal "listening after the stop" "$(listening)" ""
	equal ActiveState "$(show ActiveState)" inactive
}

t_sockets_of_a_daemon_that_cannot_start() {
	sockets_enable
	configure "nonsense = 1"
	! inside systemctl start afcapd 2>/dev/null || fail "it starts"
	equal "exit status" "$(show ExecMainStatus)" 78
	equal "listening" "$(listening)" ""
	rc=0
	ctl status 2>"$DIR/said" || rc=$?
	equal "afctl" "$rc" 3
	# A client that is waiting then does not start it again
	dropin 'ExecStartPre=/usr/bin/sleep 1'
	inside systemctl start --no-block afcapd
	between() { [ "$(show SubState)" = start-pre ]; }
	wait_for 10 between
	rc=0
	timeout 10 nsenter -t "$init" -a afctl status 2>"$DIR/said" || rc=$?
	equal "afctl that waited" "$rc" 3
	silent() { [ -z "$(listening)" ]; }
	wait_for 5 silent
	# Alone, without the service, a socket does not stay
	inside systemctl start afcapd-control.socket
	wait_for 5 silent
	equal "tried" "$(told 'unknown key nonsense')" 2
	equal ActiveState "$(show ActiveState)" failed
}

# Clients call again and again. One whose call a daemon had already taken may be cut off, but there is always a listener.
clients_begin() {
	# shellcheck disable=SC2016
	nsenter -t "$init" -a bash -c '
		while [ ! -e /run/clients-end ]; do
			afctl status >/dev/null
			curl -s --max-time 10 -o /dev/null "http://$0/-/ready"
			case $? in 7) echo "curl: refused" ;; 28) echo "curl: time" ;; esac
			n=$((n + 1))
		done
		echo "calls $n"' "$1" >"$DIR/calls" 2>&1 &
	CLIENTS=$!
	PIDS="$PIDS $CLIENTS"
}
clients_end() {
	inside touch /run/clients-end
	wait "$CLIENTS"
	echo "# clients: $(sort "$DIR/calls" | uniq -c | paste -sd ,)"
}

# More often than a unit may start by default, at another port than the configuration's
t_sockets_stay() {
	sockets_enable
	inside mkdir -p /run/systemd/system/afcapd-metrics.socket.d
	printf '[Socket]\nListenStream=\nListenStream=127.0.0.1:9760\n' |
		inside tee /run/systemd/system/afcapd-metrics.socket.d/port.conf >/dev/null
	inside systemctl daemon-reload
	unit_start
	send 100000000 rate=20000
	ports() { in_lab ss -Hxltne | grep -E 'afcap/control.sock|:97[46]' | grep -o '[^ ]*:97[46][0-9]\|control.sock [0-9]*\|ino:[0-9]*' | paste -sd ' '; }
	before=$(ports)
	contains "at its port" "$before" "127.0.0.1:9760"
	clients_begin 127.0.0.1:9760
	for ((i = 0; i < 6; i++)); do
		inside systemctl restart afcapd || fail "restart"
	done
	running_whole
	clients_end
	equal "handed over" "$(told 'handing over')" 6
	equal "sockets after restarts" "$(ports)" "$before"
	equal "calls that found no listener" "$(grep -c 'no daemon at\|curl' "$DIR/calls")" 0
	for ((i = 0; i < 6; i++)); do
		old=$(show MainPID)
		inside systemctl kill -s KILL --kill-whom=main afcapd
		wait_for 10 main_is_not "$old"
	done
	running_whole
	equal "sockets after crashes" "$(ports)" "$before"
	equal "failed" "$(inside systemctl --failed --plain --no-legend)" ""
	[ "$(told "metrics = 127.0.0.1:9748: the socket unit's 127.0.0.1:9760 is served instead")" -ge 7 ] || fail "the other port is not told"
	equal "listeners of its own" "$(told ': listening at ')" 0
	contains "metrics" "$(inside curl -s http://127.0.0.1:9760/metrics)" "^afcap_packets_total"
	send_stop
	unit_stop
	equal "listening after the stop" "$(ports)" ""
	all_there "$COUNT"
}

# ---- kills and restarts ----

t_kills_of_the_supervisor() {
	unit_start
	gaps_begin
	send 100000000 rate=20000
	for ((i = 0; i < SUPERVISOR_KILLS; i++)); do
		sleep "0.$((RANDOM % 800 + 100))" # since it was begun: it may not be ready yet
		whom=main
		[ $((i % 4)) != 3 ] || whom=all
		old=$(show MainPID)
		gaps_event
		inside systemctl kill -s KILL --kill-whom=$whom afcapd
		wait_for 10 main_is_not "$old"
		[ $((i % 5)) != 0 ] || running_whole
	done
	running_whole
	send_stop
	gaps_end "kill"
	equal NRestarts "$(show NRestarts)" "$SUPERVISOR_KILLS"
	unit_stop
	all_there "$COUNT"
	equal "repaired, though in use" "$(told ' repaired ')" 0
	equal "gaps told of" "$(told 'nothing is recorded')" 0
	equal "times not known" "$(told "there at 1970-")" 0
}

t_restarts() {
	SIZE=60-1514
	configure "layout = inplace"
	unit_start
	gaps_begin
	send 100000000 rate=20000
	for ((i = 0; i < RESTARTS; i++)); do
		sleep "0.$((RANDOM % 800 + 100))"
		gaps_event
		inside systemctl restart afcapd || fail "restart"
		running_whole
	done
	send_stop
	gaps_end "restart"
	equal "gone on" "$(told 'resuming the rings of the previous instance, last alive at 2')" "$RESTARTS"
	equal "handed over" "$(told 'handing over')" "$RESTARTS"
	equal restarts "$(counter restarts)" 0
	unit_stop
	all_there "$COUNT"
}

# A hand-over without a restart: the rings would be lost if nobody came
t_a_hand_over_by_itself_is_a_restart() {
	unit_start
	send 100000000 rate=20000
	sleep 0.5
	old=$(show MainPID)
	inside systemctl kill -s USR2 --kill-whom=main afcapd
	wait_for 10 main_is_not "$old"
	running_whole
	equal "handed over" "$(told 'handing over')" 1
	equal "gone on" "$(told 'resuming the rings of the previous instance, last alive at 2')" 1
	send_stop
	spares_are() { [ "$(find "$OUT" -name '.*.spare' | wc -l)" = "$1" ]; }
	wait_for 10 spares_are $WORKERS # one more may have been in the making; its successor removes it
	unit_stop
	all_there "$COUNT"
}

# What comes while there is no daemon: exactly so much
meanwhile() { dropin "ExecStartPre=+/usr/bin/frames send veth-b $1 first=$2 size=$SIZE"; }

t_what_comes_meanwhile_is_recorded() {
	unit_start
	send_all 5000
	meanwhile 3000 5000
	inside systemctl restart afcapd || fail "restart"
	meanwhile 3000 8000
	old=$(show MainPID)
	inside systemctl kill -s KILL --kill-whom=main afcapd
	wait_for 10 main_is_not "$old"
	running_whole
	send_all 5000 first=11000
	unit_stop
	all_there 16000
}

t_a_hung_daemon_is_replaced_without_loss() {
	dropin WatchdogSec=1
	unit_start
	send 100000000 rate=20000
	sleep 0.5
	old=$(show MainPID)
	inside systemctl kill -s STOP --kill-whom=main afcapd
	wait_for 20 main_is_not "$old"
	running_whole
	equal NRestarts "$(show NRestarts)" 1
	send_stop
	unit_stop
	all_there "$COUNT"
}

t_stop_drains() {
	unit_start
	send 100000000 rate=50000
	sleep 1.5
	unit_stop
	send_stop
	frames_check "$COUNT" size=$SIZE partial=1 >"$DIR/checked" || fail "$(cat "$DIR/checked")"
	contains "frames" "$(cat "$DIR/checked")" "^frames $(account seen) "
	equal discarded "$(account discarded)" 0
	equal dropped "$(account dropped)" 0
	statistics_are "$(account seen)"
}

# systemd itself is executed anew, and keeps what it kept; a ring's socket whose link went down, too
t_systemd_is_executed_anew() {
	unit_start
	send_all 5000
	inside systemctl daemon-reexec
	wait_for 10 stores $((2 * WORKERS + 1))
	inside ip link set veth-a down
	sleep 1
	inside ip link set veth-a up
	wait_for 5 stores $((2 * WORKERS + 1))
	old=$(show MainPID)
	inside systemctl kill -s KILL --kill-whom=main afcapd
	wait_for 10 main_is_not "$old"
	running_whole
	send_all 5000 first=5000
	unit_stop
	all_there 10000
}

t_a_store_that_is_too_small() {
	local said="the service manager does not store the $((2 * WORKERS + 1)) descriptors of these captures"
	dropin FileDescriptorStoreMax=2
	inside systemctl start afcapd || fail "it does not start"
	too_small() { [ "$(told "$said")" = "$1" ]; }
	wait_for 5 too_small 1
	inside systemctl stop afcapd
	dropin FileDescriptorStoreMax=$((2 * WORKERS + 2))
	unit_start
	equal "told of once more" "$(told "$said")" 1
	unit_stop
}

# ---- upgrades ----

# Another build of the daemon as $VARIANT: the objects named are compiled with these arguments of make
variant() { # "OBJECT..." ARGUMENT...
	local object
	VARIANT=$DIR/build/afcapd
	mkdir "$DIR/build"
	cp -a "$BUILD/daemon" "$BUILD/lib" "$DIR/build/"
	for object in $1; do rm "$DIR/build/$object"; done
	shift
	make -s -C "$TOP" BUILD="$DIR/build" "$@" "$VARIANT" >"$DIR/make.log" 2>&1 || fail "$(cat "$DIR/make.log")"
}
# The program that is installed is the one that runs
program_runs() { equal "inode" "$(inside stat -L -c %i "/proc/$(show MainPID)/exe")" "$(stat -c %i "$ROOT/usr/sbin/afcapd")"; }

t_upgrade_hands_over() {
	variant "daemon/main.o daemon/control/control.o" VERSION=99
	unit_start
	send 100000000 rate=20000
	for program in "$VARIANT" "$BUILD/afcapd" "$VARIANT"; do
		sleep 0.7
		program_install "$program"
		inside systemctl restart afcapd || fail "restart"
		running_whole
		program_runs
	done
	contains "version" "$(ctl version)" "afcapd 99"
	send_stop
	unit_stop
	all_there "$COUNT"
	equal "gone on" "$(told 'resuming the rings of the previous instance, last alive at 2')" 3
}

# The intervals in which there is no packet in the files, longest first, N of them, as "FROM TO" in seconds
pauses() { # N
	local list
	mapfile -t list < <(files)
	python3 - "$1" "${list[@]}" <<'P'
import struct, sys
times = []
for path in sys.argv[2:]:
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            high, low = struct.unpack_from("<II", data, at + 12)
            times.append((high << 32 | low) / 1e9)
        at += length
times.sort()
for a, b in sorted(zip(times, times[1:]), key=lambda p: p[0] - p[1])[:int(sys.argv[1])]:
    print(f"{a:.3f} {b:.3f}")
P
}
# ... and as they were told
told_pauses() { # REASON
	journal | sed -n "s/.*nothing is recorded from \([^ ]*\) to \([^ ]*\): $1\$/\1 \2/p" |
		while read -r from to; do echo "$(date -d "$from" +%s.%3N) $(date -d "$to" +%s.%3N)"; done
}
# They are the same: from a little before the last packet, as nobody wrote down more, to the first one
pauses_are_told() { # N REASON
	equal "gaps told of" "$(told 'nothing is recorded')" "$1"
	pauses "$1" | sort >"$DIR/pauses"
	told_pauses "$2" | sort >"$DIR/told"
	paste -d ' ' "$DIR/pauses" "$DIR/told" | awk -v n="$1" '
		{ print; good += $3 < $1 + 0.05 && $3 > $1 - 0.6 && $4 > $2 - 0.3 && $4 < $2 + 0.3 }
		END { exit good != n || NR != n }' >"$DIR/compared" || fail "pauses, and as told: $(cat "$DIR/compared")"
}

# Of other ledgers nothing is misread: a clean start, there and back
upgrade_begins_anew() { # OBJECT VERSION REASON
	variant "$1" CPPFLAGS="-D$2=99"
	unit_start
	send 100000000 rate=20000
	sleep 1
	for program in "$VARIANT" "$BUILD/afcapd"; do
		program_install "$program"
		inside systemctl restart afcapd || fail "restart"
		running_whole
		program_runs
		sleep 1
	done
	send_stop
	unit_stop
	equal "clean starts" "$(told "cannot be resumed: $3")" 2
	equal "what the rings held" "$(told 'veth-a: its rings held [0-9]* packets, which are lost')" 2
	frames_check "$COUNT" size=$SIZE partial=1 >"$DIR/checked" || fail "$(cat "$DIR/checked")"
	cat "$DIR/checked"
	contains "flows keep their worker" "$(cat "$DIR/checked")" "split 0"
	recorded=$(sed 's/^frames \([0-9]*\) .*/\1/' "$DIR/checked")
	statistics_are "$recorded"
	pauses_are_told 2 "$3"
	[ "$(told ': repaired ')" -ge $((2 * WORKERS)) ] || fail "only $(told ': repaired ') files repaired"
	equal seen "$(account seen)" "$(account written)"
	equal dropped "$(account dropped)" 0
	equal discarded "$(account discarded)" 0
	[ "$(account written)" -lt "$recorded" ] || fail "counters did not begin anew"
}
t_upgrade_with_other_ledgers() { upgrade_begins_anew daemon/base/ledger.o LEDGER_VERSION "its ledgers have another version"; }
t_upgrade_with_other_records() { upgrade_begins_anew daemon/supervisor/checkpoint.o CHECKPOINT_VERSION "it had another version"; }

# ---- another configuration ----

t_another_configuration_loses_nothing() {
	unit_start
	send_all 5000
	wait_for 5 counter_is written 5000
	meanwhile 1000 5000
	RING=16M configure
	inside systemctl restart afcapd || fail "restart"
	running_whole
	send_all 5000 first=6000
	unit_stop
	equal "written out" "$(told "first writing out the rings of the previous instance")" 1
	equal "gaps told of" "$(told 'nothing is recorded from .*: its configuration has changed (ring_size)')" 1
	all_there 11000
}

# The one that begins again dies before it records: its successor tells the whole of the gap, once
t_a_clean_start_that_dies() {
	local begin killed up
	unit_start
	send_all 5000
	RING=16M configure
	old=$(show MainPID)
	begin=$(date +%s.%N)
	inside ip link set veth-a down # so that it writes the rings out and comes no further
	inside systemctl restart --no-block afcapd
	wait_for 10 main_is_not "$old"
	wait_for 10 stores $((WORKERS + 1)) # and no ring
	old=$(show MainPID)
	killed=$(date +%s.%N)
	inside systemctl kill -s KILL --kill-whom=main afcapd
	wait_for 10 main_is_not "$old"
	up=$(date +%s.%N)
	inside ip link set veth-a up
	running_whole
	send_all 5000 first=5000
	unit_stop
	all_there 10000
	told_pauses "its configuration has changed (ring_size)" >"$DIR/told"
	awk -v begin="$begin" -v killed="$killed" -v up="$up" '
		{ good += begin < $1 + 0.001 && $1 < killed && $2 > up } END { exit good != 1 || NR != 1 }' "$DIR/told" ||
		fail "begun at $begin, killed at $killed, up at $up, told: $(cat "$DIR/told")"
}

t_a_removed_section_loses_nothing() {
	two() { capture_section veth-a; capture_section other "interface = veth-b"; }
	two_are_there() {
		wait_for 10 ctl status
		wait_for 5 stores $((4 * WORKERS + 2))
		no_orphans $((2 * WORKERS))
	}
	two >"$CONFIG"
	inside systemctl start afcapd || fail "it does not start"
	two_are_there
	send_all 5000
	wait_for 5 counter_is written 10000
	configure
	inside systemctl restart afcapd || fail "restart"
	running_whole
	equal "written out" "$(told 'other: no longer configured, writing out the rings of the previous instance')" 1
	ended() { [ "$(told 'other: 5000 packets seen, 0 dropped by the kernel, 5000 received, 5000 written, 0 discarded')" = 1 ]; }
	wait_for 5 ended
	none_left() { ! find "$OUT" -name '*other*' | grep -v '\.pcapng$'; }
	wait_for 5 none_left
	send_all 5000 first=5000
	two >"$CONFIG"
	inside systemctl restart afcapd || fail "restart"
	two_are_there
	equal "repaired" "$(told ': repaired ')" 0
	unit_stop
	CAPTURE=veth-a
	all_there 10000
	CAPTURE=other
	frames_check 10000 size=$SIZE partial=1 >"$DIR/checked"
	contains "frames" "$(cat "$DIR/checked")" "^frames 5000 lost 5000 doubled 0 "
}

container_boot
cp "$FRAMES" "$ROOT/usr/bin/frames"
run_tests
