# shellcheck shell=bash
# Style: of log lines, of the text itself; and lists that belong together.

# In the journal by AFCAP_CAPTURE, AFCAP_WORKER, AFCAP_FILE: never as text alone
verdict "lines about a capture, a worker, a file are slot_log(), capture_log(), directory_log(), file_log(), log_about()" \
	"$(grep -nPzo 'log_(error|warning|notice|info|debug)\(\s*"%s(/%u)?: [^"]*' -r daemon/supervisor daemon/archive --include='*.c' |
		tr '\0' '\n' | grep log_)"

if command -v clang-format >/dev/null; then
	verdict "format" "$(find lib daemon tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run 2>&1 | grep warning | head -20)"
fi

# A child's list counts only as far as its parent's goes
calls() { sed -n '/^static const/,/;$/p; /^#define/d' "$@" | grep -o '"[a-z0-9_ ]*"' | tr -d '"' | tr ' ' '\n' | sort -u | grep .; }
verdict "the supervisor's list has what its children's have" \
	"$(comm -23 <(calls daemon/worker/sandbox.c daemon/archive/sandbox.c) <(calls daemon/supervisor/sandbox.c))"

if command -v shellcheck >/dev/null; then
	verdict "shellcheck" "$(clean shellcheck "$(changed shellcheck tests/run tests/*.sh tests/*/*.sh .ci/run |
		xargs -r shellcheck -x -e SC1091,SC2001,SC2013,SC2317,SC2154,SC2034 -f gcc 2>&1)")"
fi
