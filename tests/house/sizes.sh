# shellcheck shell=bash
# Sizes: of files, of functions, of their lists of parameters.
verdict "files under 500 lines" \
	"$(find lib daemon tests -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 >= 500 { print $2 ": " $1 " lines" }')"

functions() { # "FILE FIRST LAST NAME (PARAMETERS)", by tabs
	find lib daemon -name '*.[ch]' -print0 |
		xargs -0 ctags --fields=+neS --kinds-C=f --_xformat='%F	%{line}	%{end}	%N	%S' -x 2>/dev/null
}
functions_long() { awk -F'\t' '$3 - $2 + 1 > 60 { print $1 ": " $4 " has " $3 - $2 + 1 " lines" }'; }
# A parameter that is a function counts once, "..." not at all
functions_wide() {
	awk -F'\t' '{
		list = $5; sub(/^\(/, "", list); sub(/\)[^)]*$/, "", list)
		while (gsub(/\([^()]*\)/, "", list)) { }
		sub(/, *[.][.][.]/, "", list)
		if ((n = gsub(/,/, "", list) + 1) > 5) print $1 ": " $4 " has " n " parameters" }'
}
if command -v ctags >/dev/null; then
	all_functions=$(functions)
	verdict "functions up to 60 lines" "$(functions_long <<<"$all_functions")"
	ratchet "functions of five parameters at most" parameters "$(functions_wide <<<"$all_functions")"
fi
