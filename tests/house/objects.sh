# shellcheck shell=bash
# What the objects say: who calls whom, and what is kept in global variables.
sources() { find lib daemon -path lib/examples -prune -o -name '*.c' -print | sort; }
objects_read() { # TOOL and its options: of all objects
	sources | sed "s|\(.*\)\.c\$|$BUILD/\1.o|" | xargs "$@"
}

verdict "each source has its object" "$(sources | while read -r source; do
	[ -e "$BUILD/${source%.c}.o" ] || echo "$BUILD/${source%.c}.o: there is none: make tests"
done)"

# "USER DEFINER SYMBOL" between files of the same folder
calls_between() {
	objects_read nm -A | awk -v skip="$((${#BUILD} + 2))" '
		{ file = substr($1, skip); sub(/[.]o:.*/, "", file); folder = file; sub(/[^\/]*$/, "", folder); type = $(NF - 1); symbol = $NF }
		type == "U" { used[file " " symbol] = folder }
		type ~ /^[TDBRVW]$/ { defined[folder, symbol] = file }
		END {
			for (use in used) {
				split(use, u, " ")
				if ((used[use], u[2]) in defined) print u[1], defined[used[use], u[2]], u[2]
			}
		}' | sort
}
all_calls=$(calls_between)
ratchet "no circles of calls between files of a folder" call-circles "$(circles calls <<<"$all_calls")"
ratchet "no file of the supervisor calls one of a floor above" call-floors \
	"$(upward <<<"$all_calls" | awk '{ sub(/.*\//, "", $2); print $1 ": calls " $3 "() of " $2 ", which is above" }')"

# Variables that are written to, as "FILE NAME"; a static one of a function without the compiler's number
globals() {
	objects_read objdump -t | awk -v skip="$((${#BUILD} + 2))" '
		/file format/ { file = substr($1, skip); sub(/[.]o:$/, "", file) }
		(/ O [.](data|bss)/ && !/ O [.]data[.]rel[.]ro/ || /[.]t(data|bss)/) && $NF !~ /^(__|[.])/ { name = $NF; sub(/[.][0-9]+$/, "", name); print file, name }' |
		sort -u
}
all_globals=$(globals | awk '{ n = split($1, path, "/"); print (path[1] == "lib" ? "lib" : n > 2 ? path[2] : "main"), $2, $1 }')
# tests/house/globals against them: those that it lacks, and those of its rows that have no variable
globals_unknown() { awk 'FNR == NR { known[$1, $2]; next } !(($1, $2) in known) { print $3 ": " $2 " is a global variable" }' tests/house/globals -; }
globals_gone() { awk 'FNR == NR { there[$1, $2]; next } !/^#/ && NF && !(($1, $2) in there) { print $1 " has no " $2 ": take it out of tests/house/globals" }' - tests/house/globals; }
ratchet "no global variables but those of tests/house/globals" globals "$(globals_unknown <<<"$all_globals")"
verdict "each of tests/house/globals is there" "$(globals_gone <<<"$all_globals")"
