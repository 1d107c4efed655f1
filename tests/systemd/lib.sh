# shellcheck shell=bash
# For the tests under a real systemd: a minimal Debian in a container, the unit as installed.
#
#        afcapd.service              frames send
#          |                             |
#        veth-a <----- veth -----> veth-b        all in the container's network namespace, no IPv6, nothing else talks
#
# A test file sources this and finds the container booted; what it started ends with it. SUITE says which Debian, so which
# systemd: bookworm (252), trixie (257), testing; its unpacked system stays beside the build (ROOT=DIR: there).
. "$TOP/tests/live/lib.sh"
. "$TOP/tests/debian.sh"

case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
FRAMES=$BUILD/tests/frames
SUITE=${SUITE:-bookworm}
ROOT=${ROOT:-$BUILD/systemd/$SUITE}
LOG=$BUILD/systemd/$SUITE.log # what its making and its booting said
OUT=$ROOT/var/lib/afcap
CONFIG=$ROOT/etc/afcap/afcapd.conf

skip_all() {
	echo "0 passed, 0 failed, 1 skipped: $SUITE: $*"
	exit 0
}

root_make() {
	local why library=t64
	[ "$SUITE" != bookworm ] || library=
	mkdir -p "$BUILD/systemd"
	if ! command -v systemd-nspawn nsenter >/dev/null; then skip_all "needs systemd-nspawn and nsenter"; fi
	why=$(debian_make "$SUITE" "$ROOT" "$LOG" \
		systemd,systemd-sysv,dbus,iproute2,iputils-ping,curl,libevent-2.1-7$library,libinih1,libjansson4,libpcap0.8$library) ||
		skip_all "$why"
	make -s -C "$TOP" BUILD="$BUILD" install DESTDIR="$ROOT" PREFIX=/usr >/dev/null || exit 1
	chroot "$ROOT" /usr/sbin/afcapd -V >"$LOG" 2>&1 || skip_all "this build does not run there: $(tail -n 1 "$LOG")"
}

init=
# In a mount namespace with cgroup2 at its place, whatever the host has there, and in a cgroup of its own: two containers in
# one would take each other's units for theirs, newer systemds boot on nothing else.
CGROUP=/sys/fs/cgroup/afcap-test-$$
# shellcheck disable=SC2016
IN_CGROUPS=(setpriv --pdeathsig KILL unshare --mount --propagation private bash -c
	'mount -t cgroup2 none /sys/fs/cgroup && eval "$1"' "$CGROUP")
container_end() {
	[ -z "$init" ] || kill -KILL "$init" 2>/dev/null # and with it all that runs inside
	kill -KILL "$NSPAWN" 2>/dev/null
	wait "$NSPAWN" 2>/dev/null
	# shellcheck disable=SC2016
	gone() { "${IN_CGROUPS[@]}" '! [ -d "$0" ] || find "$0" -depth -type d -exec rmdir {} +'; }
	(wait_for 10 gone)
}
find_init() { init=$(cat "/proc/$NSPAWN/task/$NSPAWN/children" 2>/dev/null) && [ -n "$init" ] && init=${init%% *}; }
inside() { nsenter -t "$init" -a "$@"; }
in_lab() { nsenter -t "$init" -n "$@"; } # its network alone
booted() { find_init && inside systemctl is-system-running | grep -qE 'running|degraded'; }

container_boot() {
	root_make
	# shellcheck disable=SC2016
	"${IN_CGROUPS[@]}" 'mkdir "$0" && echo $$ >"$0/cgroup.procs" && exec systemd-nspawn "${@:2}"' \
		-q -D "$ROOT" -b --private-network --link-journal=no --register=no --keep-unit \
		--system-call-filter='@memlock bpf seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self' >"$LOG" 2>&1 &
	NSPAWN=$!
	trap container_end EXIT
	(wait_for 60 booted) || { cat "$LOG"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
	find_init
	echo "systemd $(inside systemctl --version | head -n 1 | grep -o "[^ ]* *([^)]*)") of $SUITE"
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
