#!/usr/bin/env bash
# The house: who includes and calls whom, which library is used where, sizes, global variables, and that documents say what the code
# does. The checks are in tests/house.    tests/house.sh [lower]
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build}
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

# What is not as it should be yet may become less and never more. tests/house.debt has the number of findings that a check may
# have in a folder, "CHECK FOLDER NUMBER", none where there is no row; fewer fail, too, until `tests/house.sh lower` has written
# down how many are left. After a conflict in it: all rows of both sides, then lower.
left=$(mktemp)
trap 'rm -f "$left"' EXIT
ratchet() { # NAME CHECK FINDINGS, each "FILE: what is wrong"
	local findings
	findings=$(printf '%s\n' "$3" | awk -v check="$2" -v counts="$left" -v lower="$lower" '
		FNR == NR { if ($1 == check) allowed[$2] += $3; next }
		NF { n = split($1, path, "/"); folder = path[1] == "lib" ? "lib" : n > 2 ? path[2] : "main"; found[folder]++; text[folder] = text[folder] $0 "\n" }
		END {
			for (f in allowed) print check, f, found[f] < allowed[f] ? found[f] + 0 : allowed[f] >>counts
			for (f in found) if (found[f] > allowed[f])
				printf "%s%s: %d, of which tests/house.debt allows %d\n", text[f], f, found[f], allowed[f]
			for (f in allowed) if (found[f] < allowed[f] && !lower)
				printf "%s: %d left, tests/house.debt says %d: run `tests/house.sh lower` and commit it\n", f, found[f], allowed[f]
		}' tests/house.debt -)
	verdict "$1$(awk -v check="$2" '$1 == check { printf "%s%d in %s", n++ ? ", " : " (but ", $3, $2 } END { if (n) print ")" }' tests/house.debt)" "$findings"
}

# Slow checks read those files alone that changed since they last found nothing
changed() { # CHECK FILE...
	local stamp=$BUILD/house-$1
	shift
	touch "$stamp.now"
	if [ -e "$stamp" ]; then find "$@" -newer "$stamp"; else printf '%s\n' "$@"; fi
}
clean() { # CHECK FINDINGS: prints them
	if [ -z "$2" ]; then mv "$BUILD/house-$1.now" "$BUILD/house-$1"; else printf '%s\n' "$2"; fi
}

lower=
[ "${1:-}" = lower ] && lower=1
for checks in tests/house/*.sh; do
	# shellcheck source=/dev/null
	. "$checks"
done

if [ -n "$lower" ]; then
	awk 'FNR == NR { left[$1, $2] = $3; next }
		/^#/ { print; next }
		seen[$1, $2]++ { next }
		($1, $2) in left { $3 = left[$1, $2] }
		$3 > 0' "$left" tests/house.debt >"$left.new" && cat "$left.new" >tests/house.debt
	rm -f "$left.new"
fi

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
