# shellcheck shell=bash
# For the live tests: a laboratory (a network namespace with a veth pair), a daemon in it, assertions.
#
#        afcapd                     frames send
#          |                             |
#         va  <------- veth -------->   vb        all in one namespace, no IPv6, nothing else talks
#
# A test file sources this, defines functions t_NAME, and ends with `run_tests`. Each test gets a fresh laboratory and a
# fresh directory $DIR, both removed afterwards; what it started is ended by pid.
set -u -o pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
AFCAPD=$BUILD/afcapd
AFCTL=$BUILD/afctl
FRAMES=$BUILD/tests/frames
export NO_COLOR=1
PATH=$PATH:$TOP/build/tools

in_lab() { ip netns exec "$NS" "$@"; }

fail() {
	echo "# $*" >&2
	[ -z "${DAEMON:-}" ] || { kill -CONT "$DAEMON"; timeout 10 "$AFCTL" -s "$SOCK" stats; cat "$DIR/err"; } >&2
	exit 1
}

skip() {
	echo "# skipped: $*"
	exit 77
}

# What a test loads into the daemon by LD_PRELOAD comes before a sanitizer's runtime, which refuses that
needs_preload() { [[ $BUILD != *asan* ]] || skip "a sanitizer's runtime must come first"; }

# equal WHAT GOT EXPECTED
equal() { [ "$2" = "$3" ] || fail "$1: $2, expected $3"; }

# contains WHAT TEXT PATTERN (a basic regular expression). No pipe: who writes into it might find grep gone at the first match.
contains() { grep -q -- "$3" <<<"$2" || fail "$1: no \"$3\" in: $2"; }

now_ms() { echo $((${EPOCHREALTIME/[^0-9]/} / 1000)); }

# wait_for SECONDS COMMAND...: until it succeeds. SECONDS are those of a quiet machine with a CPU for each process: on a slow or busy
# one it may take WAIT_FACTOR times as long, which costs nothing where the condition comes.
export WAIT_FACTOR=${WAIT_FACTOR:-6}
wait_for() {
	local deadline=$((SECONDS + $1 * WAIT_FACTOR + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || fail "waited too long for: $*"
		sleep 0.05
	done
}

# How much of the busiest CPU that this process may use is in use, in percent, over half a second
busy() {
	python3 -c '
import os, time
def read():
    lines = (line.split() for line in open("/proc/stat") if line.startswith("cpu"))
    return {f[0]: (sum(map(int, f[1:9])), int(f[4])) for f in lines}
cpus = ["cpu%d" % c for c in os.sched_getaffinity(0)]
before = read()
time.sleep(0.5)
after = read()
print(max(100 - 100 * (after[c][1] - before[c][1]) // max(after[c][0] - before[c][0], 1) for c in cpus))'
}

# A time that is promised can be measured only where nobody else has the CPU, or the disk
needs_a_quiet_machine() {
	local percent
	percent=$(busy)
	[ "$percent" -le "${QUIET:-40}" ] || skip "the machine is busy: $percent % of a CPU"
}

# within MS BEGIN WHAT: no more than MS since BEGIN (now_ms), on a machine that is still quiet
within() {
	local took=$(($(now_ms) - $2))
	[ $took -le "$1" ] || needs_a_quiet_machine
	[ $took -le "$1" ] || fail "$3: $took ms, at most $1"
}

lab_make() {
	NS=afcap-$BASHPID-$RANDOM
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/afcap-test-XXXXXX")
	SOCK=$DIR/control.sock
	OUT=$DIR/files
	mkdir "$OUT"
	ip netns add "$NS" || skip "no network namespaces here"
	in_lab sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
	ip -n "$NS" link set lo up
	ip -n "$NS" link add va type veth peer name vb || skip "no veth here"
	ip -n "$NS" link set va mtu 9100
	ip -n "$NS" link set vb mtu 9100
	ip -n "$NS" link set va up
	ip -n "$NS" link set vb up
	wait_for 5 in_lab grep -q up /sys/class/net/va/operstate
}

lab_remove() {
	local pid
	for pid in ${PIDS:-}; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	ip netns pids "$NS" 2>/dev/null | xargs -r kill -KILL 2>/dev/null
	ip netns del "$NS" 2>/dev/null
	ip netns del "$NS-b" 2>/dev/null # a second one, where a test made it
	umount -l "$DIR/small" 2>/dev/null # whose file system may be dead already
	umount -l "$DIR/other" "$DIR/thin" 2>/dev/null
	chattr -a "$DIR/files" 2>/dev/null # it took no names
	[ -n "${KEEP:-}" ] || rm -rf "$DIR"
}

# afcapd in the background: daemon_begin ARGS...
daemon_begin() {
	ip netns exec "$NS" "$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=127.0.0.1:9748 "$@" >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="${PIDS:-} $DAEMON"
}

mounted() { [ "$(stat -f -c %T "$1")" = fuseblk ] || [ "$(stat -f -c %T "$1")" = fuse ]; }

MIRROR=$BUILD/tests/mirror
# mirror MOUNTPOINT REFUSAL...: of $DIR/real
mirror() {
	[ -x "$MIRROR" ] || skip "no libfuse3 here"
	[ -c /dev/fuse ] || skip "no FUSE here"
	mkdir -p "$DIR/real" "$1"
	"$MIRROR" "$DIR/real" "$@" 2>"$DIR/mirror.err" &
	PIDS="${PIDS:-} $!"
	MOUNTED=$!
	mounted_or_ended() { mounted "$1" || ! kill -0 "$MOUNTED" 2>/dev/null; }
	wait_for 10 mounted_or_ended "$1"
	mounted "$1" || skip "no FUSE here: $(cat "$DIR/mirror.err")"
}

# memory_mount SIZE: OUT is on a file system in memory, which never stands still
memory_mount() {
	mkdir -p "$DIR/small"
	mount -t tmpfs -o size="$1" tmpfs "$DIR/small" || skip "no tmpfs here"
	OUT=$DIR/small
}

daemon_running() {
	! kill -0 "$DAEMON" 2>/dev/null || ctl status
}

# The clocks of what is started next are moved as clock_is says, see clock.c (a sanitizer's runtime, which must come
# first, does without); clock_unload: not of what comes then
clock_preload() {
	head -c 16 /dev/zero >"$DIR/clock"
	[[ $BUILD != *asan* ]] || return 0
	export AFCAP_CLOCK=$DIR/clock LD_PRELOAD=$BUILD/tests/clock.so
}
clock_unload() { unset LD_PRELOAD AFCAP_CLOCK; }

# The realtime clock was set by so many seconds in all, and so many have passed in all: clock_is SET PASSED
clock_is() {
	CLOCK_SET=$1 CLOCK_PASSED=$2
	python3 -c "
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    f.write(struct.pack('qq', int(sys.argv[2]), int(sys.argv[3])))" "$DIR/clock" "$1" "$2"
}

# ... and recording
daemon_start() {
	daemon_begin "$@"
	wait_for 20 daemon_running
	kill -0 "$DAEMON" 2>/dev/null || fail "afcapd ended: $(cat "$DIR/err")"
}

# A daemon that does not answer fails its test, instead of holding up the rest
ctl() { timeout 120 "$AFCTL" -s "$SOCK" "$@"; }

# The sum of a counter over all workers, as last reported
counter() { ctl --json stats | jq "[.captures[].total.$1] | add"; }
counter_is() { [ "$(counter "$1")" = "$2" ]; }
counter_at_least() { [ "$(counter "$1")" -ge "$2" ]; }

# What a worker that was taken over may do to its ledger: PID OFFSET LENGTH BYTE
scribble() { python3 -c 'import sys; f = open("/proc/%s/fd/4" % sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); f.write(bytes([int(sys.argv[4])]) * int(sys.argv[3]))' "$@"; }

# Ends it with a signal (TERM), waits, expects the exit code (0)
daemon_stop() {
	local rc=0
	kill -"${1:-TERM}" "$DAEMON"
	wait "$DAEMON" || rc=$?
	[ "$rc" = "${2:-0}" ] || fail "afcapd exited $rc: $(cat "$DIR/out" "$DIR/err")"
}

# A field of the account's first line: account seen|dropped|received|written|discarded|files
account() {
	sed -n '1{s/^[^:]*: \([0-9]*\) packets seen, \([0-9]*\) dropped by the kernel, \([0-9]*\) received, \([0-9]*\) written, \([0-9]*\) discarded, \([0-9]*\) files$/seen=\1 dropped=\2 received=\3 written=\4 discarded=\5 files=\6/p}' \
		"$DIR/out" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

files() { find "$OUT" -name '*.pcapng' ! -name '.*' | sort; }

# All files of all workers, packets as capinfos counts them
capinfos_count() {
	local list
	mapfile -t list < <(files)
	[ ${#list[@]} -gt 0 ] || { echo 0; return; }
	capinfos -cM "${list[@]}" 2>/dev/null | awk '/Number of packets:/ { n += $NF } END { print n + 0 }'
}

# frames check over all files: frames_check COUNT [OPTION]...
frames_check() {
	local list
	mapfile -t list < <(files)
	"$FRAMES" check "$@" "${list[@]}"
}

# Every file is read whole by tshark and tcpdump without a warning; with a number: so many of them
files_valid() {
	local f n text
	for f in $(files | head -n "${1:-1000}"); do
		# tcpdump says the second of every file of cooked packets, its own too
		text=$(tcpdump -nr "$f" 2>&1 >/dev/null |
			grep -v '^reading from file\|^Warning: interface names might be incorrect$')
		[ -z "$text" ] || fail "tcpdump on $f: $text"
		text=$(tshark -nr "$f" 2>&1 >"$DIR/tshark.out" | grep -v '^Running as user')
		[ -z "$text" ] || fail "tshark on $f: $text"
		n=$(wc -l <"$DIR/tshark.out")
		equal "packets by tshark in $f" "$n" "$(capinfos -cM "$f" 2>/dev/null | awk '/Number of packets:/ { print $NF }')"
	done
}

# Frame numbers of the files' packets with their times in ns, sorted by number: "NUMBER NS"
numbers() {
	local list
	mapfile -t list < <(files)
	python3 - "${list[@]}" <<'P' | sort -n
import struct, sys
for path in sys.argv[1:]:
    data = open(path, "rb").read()
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            high, low = struct.unpack_from("<II", data, at + 12)
            number, = struct.unpack_from("<Q", data, at + 28 + 42)
            print(number, high << 32 | low)
        at += length
P
}

# What the frame numbers of the files leave out, against lines of the log, one for each daemon that died: told_check LINES
told_check() {
	numbers >"$DIR/numbers"
	python3 - "$DIR/numbers" "$1" <<'P'
import re, sys, datetime
MS = 1000000
def ns(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6) * 1000
def line(text):
    last, end = map(ns, re.search(r"from (\S+), the last packet in its files, to (\S+Z)", text).groups())
    lagged = re.search(r"some may be missing from (\S+) on, the last packet of worker \d+", text)
    assert "is not known" not in text, text
    return ns(lagged[1]) if lagged else last, last, end
told = [line(l) for l in open(sys.argv[2])]
numbers = [tuple(map(int, l.split())) for l in open(sys.argv[1])]
gaps = [(a, b) for a, b in zip(numbers, numbers[1:]) if b[0] != a[0] + 1]
doubled = sum(a[0] == b[0] for a, b in zip(numbers, numbers[1:]))
print(len(numbers), "packets,", len(gaps), "gaps,", len(told), "told,", doubled, "doubled")
assert doubled == 0
for a, b in gaps:  # those that came by different CPUs may have changed places
    assert any(start - 50 * MS <= a[1] and b[1] <= end + 50 * MS for start, last, end in told), (a, b, told)
for start, last, end in told:  # to the millisecond
    assert any(last <= t < last + MS for n, t in numbers), last
    assert any(start <= t < start + MS for n, t in numbers), start
P
}

# ifrecv, ifdrop and usrdeliv of the Interface Statistics Blocks of FILES (all), summed up, read from the files' ends
isb_sum() {
	local list=("$@")
	[ $# -gt 0 ] || mapfile -t list < <(files)
	python3 - "${list[@]}" <<'P'
import struct, sys
total = [0, 0, 0]
for path in sys.argv[1:]:
    data = open(path, "rb").read()
    length = struct.unpack_from("<I", data, len(data) - 4)[0]
    block = data[len(data) - length:]
    assert struct.unpack_from("<I", block)[0] == 5, "no ISB at the end"
    at, values = 20, {}
    while at < length - 4:
        code, size = struct.unpack_from("<HH", block, at)
        if code == 0:
            break
        if size == 8:
            values[code] = struct.unpack_from("<Q", block, at + 4)[0]
        at += 4 + (size + 3) // 4 * 4
    assert values[5] == values[7]
    total = [total[0] + values[4], total[1] + values[5], total[2] + values[8]]
print(*total)
P
}

# The pids of the workers that run now
workers() {
	local pid
	for pid in $(cat "/proc/$DAEMON/task/$DAEMON/children"); do
		grep -qz 'afcapd: worker' "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
	done
}

archive_pid() {
	local pid
	for pid in $(cat "/proc/$DAEMON/task/$DAEMON/children"); do
		grep -qz 'afcapd: archive' "/proc/$pid/cmdline" && echo "$pid"
	done
}

# Frames from the other end in the background, as SENDER: send COUNT [OPTION]...
send() {
	SENT_BEFORE=$(rx_packets)
	ip netns exec "$NS" "$FRAMES" send vb "$@" >"$DIR/sent" &
	SENDER=$!
	PIDS="$PIDS $SENDER"
}

rx_packets() { in_lab cat /sys/class/net/va/statistics/rx_packets 2>/dev/null || echo 0; }

# A sender that goes on until all is done that is done under load ends; $count is what it sent
send_end() {
	kill "$SENDER"
	wait "$SENDER" 2>/dev/null
	count=$(($(rx_packets) - SENT_BEFORE))
}

# What a system call of a process is made to fail with, from now on: inject PID CALLS error=EIO:when=3
inject() {
	command -v strace >/dev/null || skip "no strace here"
	strace -f -qq -p "$1" -e trace="$2" -e inject="$2:$3" -o "$DIR/strace" 2>"$DIR/strace.err" &
	PIDS="$PIDS $!"
	attached() { grep -q "^TracerPid:.*[1-9]" "/proc/$1/status"; }
	wait_for 5 attached "$1"
}

# A build with a sanitizer, or one that counts its lines: neither is confined
sanitized() { [ "$(nm "$AFCAPD" 2>/dev/null | grep -c '__asan_init\|__tsan_init\|__gcov_dump')" -gt 0 ]; }

worker_pid() { ctl --json status | jq ".captures[0].workers[$1].pid"; }

# PART=0/3, 1/3, 2/3: every third of the chosen ones
run_tests() {
	local t rc failed=0 passed=0 skipped=0 begin chosen=0 part=${PART:-0/1}
	for t in $(declare -F | awk '$3 ~ /^t_/ { print $3 }'); do
		if [ -n "${ONLY:-}" ] && ! [[ $t =~ $ONLY ]]; then continue; fi
		chosen=$((chosen + 1))
		[ $(((chosen - 1) % ${part#*/})) = "${part%/*}" ] || continue
		begin=$(date +%s%N)
		rc=0
		(
			PIDS=
			trap lab_remove EXIT
			lab_make
			"$t"
		) >"${TMPDIR:-/tmp}/afcap-log-$$" 2>&1 || rc=$?
		case $rc in
		0) passed=$((passed + 1)) verdict=ok ;;
		77) skipped=$((skipped + 1)) verdict=skip ;;
		*) failed=$((failed + 1)) verdict=FAILED ;;
		esac
		printf '%-6s %s (%d ms)\n' "$verdict" "$(basename "$0" .sh): ${t#t_}" $((($(date +%s%N) - begin) / 1000000))
		[ "$rc" = 0 ] || sed 's/^/	/' "${TMPDIR:-/tmp}/afcap-log-$$"
		[ -z "${VERBOSE:-}" ] || sed 's/^/	/' "${TMPDIR:-/tmp}/afcap-log-$$"
	done
	rm -f "${TMPDIR:-/tmp}/afcap-log-$$"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}
