# shellcheck shell=bash
# Sizes: of files, of functions.
verdict "files under 500 lines" \
	"$(find lib daemon tests -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 >= 500 { print $2 ": " $1 " lines" }')"

long_functions() {
	command -v ctags >/dev/null || return 0
	find lib daemon -name '*.c' -print0 | xargs -0 ctags --fields=+ne --kinds-C=f --_xformat='%{line} %{end} %F %N' -x 2>/dev/null |
		awk '$2 - $1 + 1 > 60 { print $3 ": " $4 " has " $2 - $1 + 1 " lines" }'
}
verdict "functions up to 60 lines" "$(long_functions)"
