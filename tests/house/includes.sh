# shellcheck shell=bash
# Who includes whom.

# Includes of our own files, as "FROM TO", both relative to the top
includes() {
	grep '^#include "' -r lib daemon --include='*.[ch]' | awk -F'[:"]' '{
		n = split($1 "/../" $3, part, "/"); top = 0
		for (i = 1; i <= n; i++) if (part[i] == "..") top--; else path[++top] = part[i]
		to = path[1]; for (i = 2; i <= top; i++) to = to "/" path[i]
		print $1, to }'
}

arrows() {
	includes | awk '
		function folder(file, p) { n = split(file, p, "/"); return p[1] == "lib" ? "lib" : n > 2 ? p[2] : "main" }
		{
			a = folder($1); b = folder($2); arrow = a " " b
			if (a == b || a == "main" || arrow ~ /^((worker|supervisor|archive|control) base|(worker|archive|afctl) format)$/) next
			if (arrow == "format base" && $2 !~ /\/config[^\/]*$/) next # afctl links it, and has no configuration
			if (b == "base" && $2 == "daemon/base/counters.def" || arrow == "afctl base" && $2 == "daemon/base/counters.h") next
			if (arrow ~ /^(worker|supervisor) lib$/ && $2 == "lib/afcap.h") next
			if (arrow == "control supervisor" && $2 ~ /^daemon\/supervisor\/(view|command)[.]h$/) next
			print $1 " includes " $2 ": " a " must not know " b "'"'"'s inside"
		}'
}
verdict "include arrows" "$(arrows)"

# A third-party header is included in one place (libevent wherever there is an event loop)
third_parties() {
	while read -r header place; do
		grep -ln "^#include <$header" -r lib daemon --include='*.[ch]' | grep -vxF "$place" |
			sed "s|\$|: <$header is for $place alone|"
	done <<-D
		ini.h daemon/base/config_reader.c
		systemd/sd-journal.h none
		systemd/sd-daemon.h daemon/supervisor/notify.c
		systemd/sd-id128.h daemon/supervisor/identity.c
		pcap daemon/supervisor/filter.c
		seccomp.h daemon/base/confine.c
		cap-ng.h daemon/base/privileges.c
		check.h none
	D
	grep -ln '^#include <event2/\|^#include <systemd/' -r lib daemon/base daemon/format daemon/archive daemon/afctl --include='*.[ch]' |
		grep -vxF daemon/base/log.c | sed 's/$/: no event loop, no systemd here/'
	grep -ln '^#include <jansson' -r lib daemon --include='*.[ch]' | grep -v '^daemon/control/\|^daemon/afctl/' |
		sed 's/$/: JSON is for control and afctl/'
}
verdict "third-party headers" "$(third_parties)"

# The nodes of "FROM TO" that lead back to themselves, each with those that it shares a circle with
circles() { # WHAT
	awk '
		function walk(from, at, i, n, next_one) {
			n = split(edges[at], next_one, " ")
			for (i = 1; i <= n; i++) if (!((from, next_one[i]) in reached)) { reached[from, next_one[i]] = 1; walk(from, next_one[i]) }
		}
		$1 != $2 { edges[$1] = edges[$1] " " $2; nodes[$1] }
		END {
			for (a in nodes) walk(a, a)
			for (a in nodes) for (b in nodes) if (a != b && (a, b) in reached && (b, a) in reached) print a, b
		}' | sort | awk -v what="$1" '
		{ name = $2; sub(/.*\//, "", name) }
		$1 != file { if (file) print line; file = $1; line = file ": in a circle of " what " with" }
		{ line = line " " name }
		END { if (file) print line }'
}

# A .c and its .h are one
nouns() { sed 's/[.][ch]\b//g' | sort -u; }
ratchet "no include circles" include-circles "$(includes | nouns | circles includes)"

# A file of the supervisor stands on a floor: FILE FLOOR
floors() { awk '!/^#/ && NF { floor++; for (i = 1; i <= NF; i++) if ($i != "|") print "daemon/supervisor/" $i, floor }' "tests/house/floors"; }

# "FROM TO THING" of which TO is above FROM
upward() { awk 'FNR == NR { floor[$1] = $2; next } $1 in floor && floor[$2] > floor[$1]' <(floors) -; }

floors_known() {
	find daemon/supervisor -name '*.[ch]' | sed 's/[.][ch]$//' | sort -u | awk 'FNR == NR { known[$1]; next } !($1 in known) {
		print $1 " has no floor: put it on one in tests/house/floors" }' <(floors) -
	sed -n 's/^[^#]*|//p' "tests/house/floors" | tr -s ' ' '\n' | while read -r name; do
		[ -z "$name" ] || [ -e "daemon/supervisor/$name.c" ] || [ -e "daemon/supervisor/$name.h" ] ||
			echo "daemon/supervisor/$name is gone: take it out of tests/house/floors"
	done
}
verdict "each file of the supervisor has its floor" "$(floors_known)"
ratchet "no file of the supervisor includes one of a floor above" include-floors \
	"$(includes | nouns | upward | awk '{ sub(/.*\//, "", $2); print $1 ": includes " $2 ", which is above" }')"
