# shellcheck shell=bash
# Documents say what the code does.

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
		"${BUILD:-build}/afctl" "$verb" --help | grep -o -- '--[a-z-]*' | while read -r option; do
			grep -q -- "$(printf '%s' "$option" | sed 's/-/\\\\-/g')" daemon/afctl/afctl.1 || echo "afctl.1: no $option of $verb"
		done
	done
}
verdict "documents" "$(documented)"

# Tests that README names as proofs, the second of two without its folder
proofs() {
	local folder='' path
	grep '^|' README.md | grep -o '[a-zA-Z_/]*[a-z]\.\(c\|sh\)\>' | while read -r path; do
		case $path in tests/*) folder=${path%/*} ;; *) path=$folder/$path ;; esac
		[ -e "$path" ] || echo "README.md: there is no $path"
	done
}
verdict "README's tests are there" "$(proofs)"

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
	changed pages lib/man/*.3 daemon/afcapd.8 daemon/afctl/afctl.1 conf/afcapd.conf.5 "$BUILD"/afcap-{control,counters}.7 daemon/afcap-{internals,security}.7 |
		while read -r page; do
			man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null | sed "s|^|$page: |"
		done
}
command -v man >/dev/null && verdict "man pages without warnings" "$(clean pages "$(pages)")"
