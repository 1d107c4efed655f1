# shellcheck shell=bash
# For the tests under a real systemd: a minimal Debian in a container, the unit as installed.
#
#        afcapd.service              frames send
#          |                             |
#        veth-a <----- veth -----> veth-b        all in the container's network namespace, no IPv6, nothing else talks
#
# A test file sources this (ROOT=DIR keeps and reuses the container's root) and finds the container booted; what it
# started ends with it.
. "$TOP/tests/live/lib.sh"

case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
FRAMES=$BUILD/tests/frames
ROOT=${ROOT:-$BUILD/systemd-root}
OUT=$ROOT/var/lib/afcap
CONFIG=$ROOT/etc/afcap/afcapd.conf

skip_all() {
	echo "0 passed, 0 failed, 1 skipped: $*"
	exit 0
}

root_make() {
	local tool packages
	for tool in debootstrap systemd-nspawn nsenter; do
		command -v $tool >/dev/null || {
			DEBIAN_FRONTEND=noninteractive apt-get -qy install debootstrap systemd-container >/dev/null 2>&1 ||
				skip_all "no $tool"
			break
		}
	done
	packages=systemd,systemd-sysv,dbus,iproute2,iputils-ping,curl,libevent-2.1-7,libinih1,libjansson4,libpcap0.8
	[ -x "$ROOT/usr/bin/systemctl" ] ||
		debootstrap --variant=minbase --include=$packages bookworm "$ROOT" >"$BUILD/debootstrap.log" 2>&1 ||
		skip_all "debootstrap failed, see $BUILD/debootstrap.log"
	make -s -C "$TOP" BUILD="$BUILD" install DESTDIR="$ROOT" PREFIX=/usr >/dev/null || exit 1
}

init=
container_end() {
	[ -z "$init" ] || kill -KILL "$init" 2>/dev/null # and with it all that runs inside
	kill -KILL "$NSPAWN" 2>/dev/null
	wait "$NSPAWN" 2>/dev/null
}
find_init() { init=$(cat "/proc/$NSPAWN/task/$NSPAWN/children" 2>/dev/null) && [ -n "$init" ] && init=${init%% *}; }
inside() { nsenter -t "$init" -a "$@"; }
in_lab() { nsenter -t "$init" -n "$@"; } # its network alone
booted() { find_init && inside systemctl is-system-running | grep -qE 'running|degraded'; }

container_boot() {
	root_make
	systemd-nspawn -q -D "$ROOT" -b --private-network --link-journal=no --register=no --keep-unit \
		--system-call-filter='@memlock bpf seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self' >"$BUILD/nspawn.log" 2>&1 &
	NSPAWN=$!
	trap container_end EXIT
	(wait_for 60 booted) || { cat "$BUILD/nspawn.log"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
	find_init
	inside systemd-sysusers
	inside systemd-tmpfiles --create afcap.conf
	# What the unit's filter denies is not lost in an errno
	inside mkdir -p /etc/systemd/system/afcapd.service.d
	printf '[Service]\nSystemCallErrorNumber=kill\n' >"$ROOT/etc/systemd/system/afcapd.service.d/kill.conf"
	inside systemctl daemon-reload
	in_lab sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
}

ctl() { inside afctl "$@"; }
show() { inside systemctl show -P "$1" afcapd; }
is() { local got; got=$(show "$1"); [ "$got" = "$2" ] || { echo "$1 is $got, expected $2"; return 1; }; }

veth_make() {
	inside ip link add veth-a type veth peer name veth-b
	inside ip link set veth-a up
	inside ip link set veth-b up
}

dropin() { # LINE...: of [Service]
	inside mkdir -p /run/systemd/system/afcapd.service.d
	printf '%s\n' "[Service]" "$@" | inside tee /run/systemd/system/afcapd.service.d/test.conf >/dev/null
	inside systemctl daemon-reload
}
dropin_end() {
	inside rm -rf /run/systemd/system/afcapd.service.d
	inside systemctl daemon-reload
}
