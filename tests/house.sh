#!/usr/bin/env bash
# The house: who includes whom, which door leads to which library, sizes, and that documents say what the code does.
cd "$(dirname "$0")/.." || exit 1
failed=0 passed=0

verdict() { # NAME FINDINGS: findings are failures
	if [ -z "$2" ]; then
		passed=$((passed + 1))
		echo "ok     house: $1"
	else
		failed=$((failed + 1))
		printf 'FAILED house: %s\n' "$1"
		printf '%s\n' "$2" | sed 's/^/	/'
	fi
}

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

# In the journal by AFCAP_CAPTURE, AFCAP_WORKER, AFCAP_FILE: never as text alone
verdict "lines about a capture, a worker, a file are slot_log(), capture_log(), directory_log(), file_log(), log_about()" \
	"$(grep -nPzo 'log_(error|warning|notice|info|debug)\(\s*"%s(/%u)?: [^"]*' -r daemon/supervisor daemon/archive --include='*.c' |
		tr '\0' '\n' | grep log_)"

verdict "the library never logs, prints, exits" \
	"$(grep -nE '\b(printf|fprintf|puts|perror|syslog|exit|abort|signal|sigaction)\(' lib/*.c)"

verdict "files under 500 lines" \
	"$(find lib daemon tests -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 >= 500 { print $2 ": " $1 " lines" }')"

long_functions() {
	command -v ctags >/dev/null || return 0
	find lib daemon -name '*.c' -print0 | xargs -0 ctags --fields=+ne --kinds-C=f --_xformat='%{line} %{end} %F %N' -x 2>/dev/null |
		awk '$2 - $1 + 1 > 60 { print $3 ": " $4 " has " $2 - $1 + 1 " lines" }'
}
verdict "functions up to 60 lines" "$(long_functions)"

if command -v clang-format >/dev/null; then
	verdict "format" "$(find lib daemon tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run 2>&1 | grep warning | head -20)"
fi

# A child's list counts only as far as its parent's goes
calls() { sed -n '/^static const/,/;$/p; /^#define/d' "$@" | grep -o '"[a-z0-9_ ]*"' | tr -d '"' | tr ' ' '\n' | sort -u | grep .; }
verdict "the supervisor's list has what its children's have" \
	"$(comm -23 <(calls daemon/worker/sandbox.c daemon/archive/sandbox.c) <(calls daemon/supervisor/sandbox.c))"

# The symbols of libafcap: those that its header declares are those that its map names, one by one, and those that the shared object
# exports, each with a version
exported() { nm -D --defined-only "${BUILD:-build}/libafcap.so.0" | awk '$2 == "T" { sub(/@@.*/, "", $3); print $3 }' | sort; }
symbols() {
	local header map
	header=$(${CC:-cc} -E -P lib/afcap.h | grep -o '\bafcap_[a-z0-9_]* *(' | tr -d ' (' | sort -u)
	map=$(sed -n 's/^	\(.*\);$/\1/p' lib/afcap.map | grep -vx '\*' | sort)
	diff <(echo "$header") <(echo "$map") | sed -n 's/^</lib\/afcap.map: no/p; s/^>/lib\/afcap.h: no/p'
	diff <(echo "$map") <(exported) | sed -n 's/^</libafcap.so.0: no/p; s/^>/lib\/afcap.map: no/p'
	sed -n '/^global:/,/^local:/p' lib/afcap.map | grep '\*' | sed 's/^/lib\/afcap.map: /'
	nm -D --defined-only "${BUILD:-build}/libafcap.so.0" | grep ' T ' | grep -v '@@LIBAFCAP_[0-9.]*$' | sed 's/$/: has no version/'
}
verdict "symbols of the library" "$(symbols)"

# Every config key and every counter is documented; every option of --help is in its man page
documented() {
	sed -n 's/^	{ "\([a-z_]*\)", CONFIG_.*/\1/p' daemon/base/config_schema.c | while read -r key; do
		grep -q "^$key = \|^$key =\$" conf/afcapd.conf || echo "conf/afcapd.conf: no $key"
		grep -q "^\.BR\? $key\b" conf/afcapd.conf.5 || echo "conf/afcapd.conf.5: no $key"
	done
	sed -n 's/^COUNTER(\([a-z_]*\),.*/\1/p' daemon/base/counters.def | while read -r counter; do
		grep -q "^\.B $counter\$" "${BUILD:-build}/afcap-counters.7" || echo "afcap-counters.7: no $counter"
	done
	"${BUILD:-build}/afcapd" --help | grep -o -- '--[a-z-]*' | while read -r option; do
		grep -q -- "$(printf '%s' "$option" | sed 's/-/\\\\-/g')" daemon/afcapd.8 || echo "afcapd.8: no $option"
	done
	"${BUILD:-build}/afctl" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | while read -r verb; do
		grep -q "^\.BR\? $verb\b" daemon/afctl/afctl.1 || echo "afctl.1: no $verb"
	done
	exported | while read -r name; do
		sed -n '/^\.SH NAME/{n;p}' lib/man/*.3 | grep -q "\\b$name\\b" || echo "lib/man: no page for $name"
	done
}
verdict "documents" "$(documented)"

# Exit codes, of afcapd in the sources, the manual and the README, of afctl in its sources and its manual
exit_codes() {
	grep -ohw 'EX_[A-Z]*' -r daemon/main.c daemon/base daemon/control daemon/supervisor daemon/worker daemon/archive | sort -u |
		sed 's/.*/^#define[ \t]*&[ \t]/' | grep -hf - /usr/include/sysexits.h | awk '{ print $3 }'
	printf '%s\n' 0 1 "$(sed -n 's/^#define EXIT_USAGE *//p' daemon/main.c)"
}
page_codes() { sed -n '/^\.SH EXIT STATUS/,/^\.SH SEE/s/^\.B \([0-9]*\)$/\1/p' "$1" | sort -n; }
differing() { diff <(echo "$2") <(echo "$4") >/dev/null || echo "$1: ${2//$'\n'/ }; $3: ${4//$'\n'/ }"; }
verdict "exit codes" "$(
	page=$(page_codes daemon/afcapd.8)
	differing "the daemon's sources" "$(exit_codes | sort -n)" daemon/afcapd.8 "$page"
	differing README.md "$(sed -n 's/^| \([0-9][0-9]*\) |.*/\1/p' README.md)" daemon/afcapd.8 "$page"
	differing daemon/afctl/client.h "$(sed -n 's/^	AFCTL_[A-Z_]* = \([0-9]*\),*$/\1/p' daemon/afctl/client.h)" \
		daemon/afctl/afctl.1 "$(page_codes daemon/afctl/afctl.1)"
	differing "the unit's and 0, 1" "$({ echo 0; echo 1; sed -n 's/^Restart\(Force\|Prevent\)ExitStatus=//p' systemd/afcapd.service.in | tr ' ' '\n'; } | sort -n)" \
		daemon/afcapd.8 "$page"
)"

pages() {
	for page in lib/man/*.3 daemon/afcapd.8 daemon/afctl/afctl.1 conf/afcapd.conf.5 "${BUILD:-build}/afcap-counters.7" daemon/afcap-security.7; do
		man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null | sed "s|^|$page: |"
	done
}
command -v man >/dev/null && verdict "man pages without warnings" "$(pages)"

if command -v shellcheck >/dev/null; then
	verdict "shellcheck" "$(shellcheck -x -e SC1091,SC2001,SC2013,SC2317,SC2154,SC2034 -f gcc tests/run tests/*.sh tests/*/*.sh .ci/run 2>&1)"
fi

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
