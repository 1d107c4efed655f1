#!/usr/bin/env bash
# A socket unit with StopPropagatedFrom= its service keeps its socket through `systemctl restart` of the service in systemd
# 252 (Debian 12). In 257 (Debian 13) the restart stops the socket and starts it again: another socket, and who connects
# meanwhile is refused. Six restarts within 10 seconds are then more than the socket's own start limit (5) takes, and leave
# it failed, which no line of the service's says. StopWhenUnneeded= with the service's Requires= ends it with the service
# alone, in both.
# Seen:
#   systemd 252.39-1~deb12u2: StopPropagatedFrom: the same socket after a restart, active after six
#   systemd 252.39-1~deb12u2: StopWhenUnneeded: the same socket after a restart, active after six
#   systemd 257.13-1~deb13u1: StopPropagatedFrom: another socket after a restart, failed after six
#   systemd 257.13-1~deb13u1: StopWhenUnneeded: the same socket after a restart, active after six
# Needs root, debootstrap, systemd-nspawn, nsenter. ROOTS=DIR: DIR/bookworm and DIR/trixie are kept there. Exits 0 where it is
# still so.
set -eu
cd "$(dirname "$0")/.."
. tests/debian.sh
TMP=$(mktemp -d)
ROOTS=${ROOTS:-$TMP}
NSPAWN=''
init=''
CGROUP=/sys/fs/cgroup/finding-$$
# A mount namespace with cgroup2 at its place, whatever the host has there
# shellcheck disable=SC2016
IN_CGROUPS=(setpriv --pdeathsig KILL unshare --mount --propagation private bash -c
	'mount -t cgroup2 none /sys/fs/cgroup && eval "$1"' "$CGROUP")
end() {
	[ -n "$NSPAWN" ] || return 0
	kill -KILL "$init" "$NSPAWN" 2>/dev/null || true
	wait "$NSPAWN" 2>/dev/null || true
	NSPAWN=
	# shellcheck disable=SC2016
	for ((i = 0; i < 100; i++)); do "${IN_CGROUPS[@]}" '! [ -d "$0" ] || find "$0" -depth -type d -exec rmdir {} +' 2>/dev/null && break || sleep 0.1; done
}
trap 'end; rm -rf "$TMP"' EXIT
inside() { nsenter -t "$init" -a "$@"; }
booted() {
	init=$(cat "/proc/$NSPAWN/task/$NSPAWN/children" 2>/dev/null) && init=${init%% *} && [ -n "$init" ] &&
		inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'
}
boot() { # ROOT
	# shellcheck disable=SC2016
	"${IN_CGROUPS[@]}" 'mkdir "$0" && echo $$ >"$0/cgroup.procs" && exec systemd-nspawn "${@:2}"' -q -D "$1" -b --private-network \
		--link-journal=no --register=no --keep-unit >"$TMP/log" 2>&1 &
	NSPAWN=$!
	for ((i = 0; i < 600; i++)); do booted && return || sleep 0.1; done
	cat "$TMP/log"
	exit 2
}
socket() { inside awk -v path="/run/$1.sock" '$8 == path { print $7; exit }' /proc/net/unix; }
look() { # NAME KEY
	local before after how=another
	mkdir -p "$root/finding"
	printf '[Unit]\nRequires=%s.socket\nAfter=%s.socket\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\n' "$1" "$1" \
		>"$root/finding/$1.service"
	printf '[Unit]\n%s\n[Socket]\nListenStream=/run/%s.sock\n' "$2" "$1" >"$root/finding/$1.socket"
	inside cp "/finding/$1.service" "/finding/$1.socket" /run/systemd/system/
	inside systemctl daemon-reload
	inside systemctl start "$1.service"
	before=$(socket "$1")
	[ -n "$before" ] || exit 2
	inside systemctl restart "$1.service"
	after=$(socket "$1")
	[ "$before" != "$after" ] || how="the same"
	for ((i = 0; i < 5; i++)); do inside systemctl restart "$1.service" >/dev/null 2>&1 || true; done
	echo "systemd $version: ${2%%=*}: $how socket after a restart, $(inside systemctl show -P ActiveState "$1.socket") after six" | tee -a "$TMP/said"
	inside systemctl stop "$1.service" "$1.socket" 2>/dev/null || true
}
for suite in bookworm trixie; do
	root=$ROOTS/$suite
	debian_make "$suite" "$root" "$TMP/log" systemd,systemd-sysv,dbus || exit 2
	version=$(chroot "$root" dpkg-query -W -f '${Version}' systemd)
	boot "$root"
	look propagated StopPropagatedFrom=propagated.service
	look unneeded StopWhenUnneeded=yes
	end
done
want='252: StopPropagatedFrom: the same socket after a restart, active after six
252: StopWhenUnneeded: the same socket after a restart, active after six
257: StopPropagatedFrom: another socket after a restart, failed after six
257: StopWhenUnneeded: the same socket after a restart, active after six'
[ "$(sed 's/^systemd \([0-9]*\)[^:]*/\1/' "$TMP/said")" = "$want" ]
