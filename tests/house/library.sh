# shellcheck shell=bash
# The library: what it never does, and what it exports.
verdict "the library never logs, prints, exits" \
	"$(grep -nE '\b(printf|fprintf|puts|perror|syslog|exit|abort|signal|sigaction)\(' lib/*.c)"

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

pages_missing() {
	exported | while read -r name; do
		sed -n '/^\.SH NAME/{n;p}' lib/man/*.3 | grep -q "\\b$name\\b" || echo "lib/man: no page for $name"
	done
}
verdict "a page for each function of the library" "$(pages_missing)"
