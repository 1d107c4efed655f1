#!/usr/bin/env bash
# The house: who includes whom, which library is used where, sizes, and that documents say what the code does. The checks are in tests/house.
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

for checks in tests/house/*.sh; do
	# shellcheck source=/dev/null
	. "$checks"
done

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
