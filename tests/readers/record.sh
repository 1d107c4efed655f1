# shellcheck shell=bash
# For tests/readers/run: makes the files that are tried, KIND.pcapng below $FILES, and how many packets are in each, KIND.count, as
# afcapd's account says.
#
#   compact      Ethernet, blocks copied          quarantine  Ethernet, with a ring block of which two workers died
#   inplace      Ethernet, blocks made in place   repaired    Ethernet, of a daemon that was killed, cut and finished by the next
#   drops        Ethernet, after a loss           tun         raw IP
#   sll2, sll    interface = any
KINDS=(compact inplace drops quarantine repaired tun sll2 sll)
NS=afcap-readers-$$
in_lab() { ip netns exec "$NS" "$@"; }

lab_make() {
	ip netns add "$NS" || die "no network namespaces here"
	in_lab sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	ip -n "$NS" link set lo up
	ip -n "$NS" link add va type veth peer name vb
	ip -n "$NS" link set va up
	ip -n "$NS" link set vb up
}
lab_remove() {
	[ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null
	ip netns del "$NS" 2>/dev/null
	[ -z "$OUT" ] || rm -rf "$OUT" "$OUT".*
}

# daemon_start ARGS...: recording into $OUT when it returns
daemon='' OUT=''
daemon_start() {
	ip netns exec "$NS" "$AFCAPD" -w "$OUT" -j 1 -o daemon.control="$OUT.s" -o daemon.metrics=off -o block_timeout=10ms \
		-o write_delay=50ms "$@" >"$OUT.account" 2>"$OUT.log" &
	daemon=$!
	until "$BUILD/afctl" -s "$OUT.s" status >/dev/null 2>&1; do
		kill -0 "$daemon" 2>/dev/null || die "$kind: $(cat "$OUT.log")"
		sleep 0.05
	done
}
children() { tr ' ' '\n' <"/proc/$daemon/task/$daemon/children" | grep .; }
wait_until() { # JQ_CONDITION on the capture's sums
	local deadline=$((SECONDS + 120))
	until "$BUILD/afctl" -s "$OUT.s" --json stats | jq -e ".captures[0].total | $1" >/dev/null; do
		{ kill -0 "$daemon" && [ $SECONDS -lt $deadline ]; } 2>/dev/null || die "$kind: not $1: $(cat "$OUT.log")"
		sleep 0.1
	done
}
daemon_stop() {
	kill -TERM "$daemon"
	wait "$daemon" || die "$kind: $(cat "$OUT.log")"
	daemon=
}
keep() { # FILE COUNT
	mv "$1" "$FILES/$kind.pcapng"
	echo "$2" >"$FILES/$kind.count"
}
account() { sed -n '1s/.* \([0-9]*\) written.*/\1/p' "$OUT.account"; }
send() { in_lab "$BUILD/tests/frames" send vb "$@" >/dev/null; }

plain() { # ARGS...
	daemon_start "$@"
	send 1500 rate=20000 size=60-1500
	in_lab ping -c 20 -i 0.01 -q 127.0.0.1 >/dev/null
	wait_until '.packets >= 1500 and .packets == .written'
	daemon_stop
	keep "$OUT"/*.pcapng "$(account)"
}
make_compact() { plain -i va -o layout=compact; }
make_inplace() { plain -i va -o layout=inplace -o block_size=64K; }
make_sll2() { plain -i any; }
make_sll() { plain -i any -o cooked=sll; }

# The worker stands still until the ring is full; the next packet after the kernel's counter was read tells what was dropped
make_drops() {
	local pid
	daemon_start -i va -o ring_size=512K -o block_size=64K
	pid=$("$BUILD/afctl" -s "$OUT.s" --json status | jq '.captures[0].workers[0].pid')
	kill -STOP "$pid"
	send 3000 size=1000-1400
	kill -CONT "$pid"
	wait_until '.drops > 0 and .packets == 3000 and .packets == .drops + .written'
	send 500 first=3000 rate=20000
	wait_until '.packets == 3500 and .packets == .drops + .written'
	daemon_stop
	python3 tests/readers/has "$OUT"/*.pcapng dropcount || die "no packet says what was dropped before it"
	keep "$OUT"/*.pcapng "$(account)"
}

# A ring block of more than readers take in one piece
make_quarantine() {
	local AFCAPD=$BUILD/tests/afcapd-other
	AFCAP_CRASH_BLOCK=3 daemon_start -i va -o block_size=32M -o ring_size=256M -o block_timeout=50ms
	send 2000 rate=2000 size=700-1400
	wait_until '.packets == 2000 and .packets == .drops + .received and .received == .written + .discarded_abandoned'
	daemon_stop
	python3 tests/readers/has "$OUT"/*.pcapng quarantine || die "no quarantine block"
	keep "$OUT"/*.pcapng "$(account)"
}

make_repaired() {
	local list
	daemon_start -i va
	send 1500 rate=20000
	wait_until '.packets == 1500 and .packets == .written'
	mapfile -t list < <(children)
	kill -KILL "$daemon" "${list[@]}"
	wait "$daemon" 2>/dev/null
	while kill -0 "${list[@]}" 2>/dev/null; do sleep 0.05; done # their files are held until then
	head -c 3000 /dev/urandom >>"$(echo "$OUT"/*.partial)" # what a write that did not end leaves
	daemon_start -i va
	wait_until '.files_repaired == 1'
	list=("$OUT"/*.pcapng)
	daemon_stop
	keep "${list[0]}" 1500
}

make_tun() {
	ip -n "$NS" tuntap add dev tun0 mode tun
	ip netns exec "$NS" python3 - "$OUT.go" <<-'P' &
		import fcntl, os, struct, sys, time
		tun = os.open("/dev/net/tun", os.O_RDWR)
		fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH", b"tun0", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
		while not os.path.exists(sys.argv[1]):
		    time.sleep(0.05)
		for n in range(1500):
		    size = 36 + n % 1000
		    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, n, 0, 64, 17, 0, bytes((10, 9, 0, 9)), bytes((10, 9, 0, 1)))
		    check = sum(struct.unpack(">10H", ip))
		    check = 0xFFFF ^ ((check & 0xFFFF) + (check >> 16))
		    udp = struct.pack(">HHHH", 1000 + n % 64, 9, size - 20, 0)
		    os.write(tun, ip[:10] + struct.pack(">H", check) + ip[12:] + udp + bytes(size - 28))
		sys.stdin.readline() # holds the device
	P
	local sender=$!
	ip -n "$NS" link set tun0 up
	daemon_start -i tun0
	: >"$OUT.go"
	wait_until '.packets == 1500 and .packets == .written'
	daemon_stop
	wait "$sender"
	ip -n "$NS" link del tun0
	keep "$OUT"/*.pcapng "$(account)"
}

# Leaves in KINDS what could be made
record_all() {
	local kind AFCAPD=$BUILD/afcapd made=()
	mkdir -p "$FILES"
	lab_make
	for kind in "${KINDS[@]}"; do
		if [ "$kind" = tun ] && ! [ -c /dev/net/tun ]; then
			echo "skip   readers: tun: no tun devices here"
			skipped=$((skipped + 1))
			continue
		fi
		OUT=$(mktemp -d)
		"make_$kind"
		rm -rf "$OUT" "$OUT".*
		OUT=
		made+=("$kind")
		echo "$kind: $(cat "$FILES/$kind.count") packets"
	done
	KINDS=("${made[@]}")
}
