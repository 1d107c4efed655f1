# shellcheck shell=bash
# Who includes whom.

# Includes of our own headers, as "FROM TO", both relative to the top
ours() {
	grep -n '^#include "' -r lib daemon --include='*.[ch]' | sed 's/:[0-9]*:#include "/ /; s/".*//' |
		while read -r from to; do echo "$from $(realpath -m --relative-to=. "$(dirname "$from")/$to")"; done
}

# The part of the house that a file is in
part() { case $1 in lib/*) echo lib ;; daemon/*/*) echo "$1" | cut -d/ -f2 ;; *) echo main ;; esac; }

arrows() {
	ours | while read -r from to; do
		a=$(part "$from") b=$(part "$to")
		[ "$a" = "$b" ] && continue
		case "$a $b" in
		"worker base" | "supervisor base" | "archive base" | "control base" | "main "*) continue ;;
		"afctl base") [ "$to" = daemon/base/counters.h ] && continue ;;
		"worker lib" | "supervisor lib") [ "$to" = lib/afcap.h ] && continue ;;
		"control supervisor") case $to in daemon/supervisor/view.h | daemon/supervisor/command.h) continue ;; esac ;;
		esac
		[ "$to" = daemon/base/counters.def ] && [ "$b" = base ] && continue
		echo "$from includes $to: $a must not know $b's inside"
	done
}
verdict "include arrows" "$(arrows)"

# A third-party header has one door (libevent is everywhere where there is an event loop)
doors() {
	while read -r header door; do
		grep -ln "^#include <$header" -r lib daemon --include='*.[ch]' | grep -vxF "$door" |
			sed "s|\$|: <$header is $door's alone|"
	done <<-D
		ini.h daemon/base/config.c
		systemd/sd-journal.h none
		systemd/sd-daemon.h daemon/supervisor/notify.c
		systemd/sd-id128.h daemon/supervisor/identity.c
		pcap daemon/supervisor/filter.c
		seccomp.h daemon/base/confine.c
		cap-ng.h daemon/base/privileges.c
		check.h none
	D
	grep -ln '^#include <event2/\|^#include <systemd/' -r lib daemon/base daemon/archive daemon/afctl --include='*.[ch]' |
		grep -vxF daemon/base/log.c | sed 's/$/: no event loop, no systemd here/'
	grep -ln '^#include <jansson' -r lib daemon --include='*.[ch]' | grep -v '^daemon/control/\|^daemon/afctl/' |
		sed 's/$/: JSON is for control and afctl/'
}
verdict "doors" "$(doors)"
