# shellcheck shell=bash
# What afcap-internals(7) says is in the sources: files, functions and which file a walk says that they are in, constants, messages,
# states. The page is written by hand: what it names must not rot.
internals=daemon/afcap-internals.7
internals_text() { sed 's/\\-/-/g; s/\\&//g' "$internals"; }
internals_words() { internals_text | grep -oE "$1" | sort -u; } # EXTENDED_REGEX
internals_lack() { sed "s|.*|$internals: there is no &$1|"; }

# Files, by their path, by that below daemon, or by their name alone
internals_files() {
	internals_words '[A-Za-z0-9_./-]*[A-Za-z0-9_]\.(c|h|sh|py|def|awk|mk|debt)\b' | grep -v NAME | while read -r file; do
		[ -e "$file" ] || [ -e "daemon/$file" ] || { [ "${file#*/}" = "$file" ] && [ -n "$(find lib daemon -name "$file" -print -quit)" ]; } || echo "$file"
	done
}
verdict "internals: files" "$(internals_files | internals_lack '')"

# Functions that are declared or defined, "NAME FILE": their names stand in lines that begin without white space
functions_there() {
	# shellcheck disable=SC2016
	find lib daemon -name '*.[ch]' -print0 | xargs -0 awk '
		/^[A-Za-z_]/ {
			while (sub(/__attribute__\(\([^)]*(\([^)]*\))?[^)]*\)\)/, "")) { }
			if (match($0, /[a-z_][a-z0-9_]*\(/)) print substr($0, RSTART, RLENGTH - 1), FILENAME
		}' | sort -u
}
all_there=$(functions_there)
verdict "internals: functions" "$(comm -23 <(internals_words '\b[a-z_][a-z0-9_]*\(\)' | tr -d '()') \
	<(cut -d' ' -f1 <<<"$all_there" | sort -u) | internals_lack '()')"

# In lists a line that begins with a file, or stands below one, goes on with functions in it
internals_walks() {
	internals_text | awk '
		/^\.nf/ { list = 1; file = ""; next }
		/^\.fi/ { list = 0 }
		!list || !NF { next }
		match($0, /[^ ]/) > 30 { next } # the text behind them
		/^[^ ]/ { file = $1 ~ /\.c$/ ? $1 : ""; sub(/^[^ ]+/, "") }
		{ sub(/^ +/, "") }
		file { while (match($0, /^[a-z_][a-z0-9_]*\(\)[:;]?( |$)/)) {
			name = $1; sub(/\(.*/, "", name); print name, file; $0 = substr($0, RLENGTH + 1) } }' | sort -u
}
internals_misplaced() {
	internals_walks | awk 'FNR == NR { there[$1] = there[$1] " " $2; next }
		{ n = split(there[$1], files, " "); found = 0
		  for (i = 1; i <= n; i++) if (substr("/" files[i], length(files[i]) - length($2) + 1) == "/" $2) found = 1
		  if (!found) print $1 "() in " $2 ", but in" (n ? there[$1] : " none") }' <(printf '%s\n' "$all_there") -
}
verdict "internals: each function in its file" "$(internals_misplaced | internals_lack '')"

verdict "internals: constants" "$(comm -23 <(internals_words '\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b') \
	<(grep -ohE '\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b' -r lib daemon tests --include='*.[ch]' --include='*.mk' | sort -u) | internals_lack '')"

verdict "internals: messages" "$(comm -13 <(internals_words '\bMESSAGE_[A-Z_]+\b') \
	<(sed -n '/^enum message_type/,/^}/s/^	\(MESSAGE_[A-Z_]*\).*/\1/p' daemon/base/message.h | grep -v 'MESSAGE_TYPES' | sort) |
	sed "s|.*|$internals: no word of &|")"

# The rows "FROM -> TO" of the page are those of the next_states[] of the sources
internals_states() {
	diff <(cat daemon/supervisor/*.c | awk '
		/^static const unsigned next_states\[\]/ { table = 1; next }
		/^};/ { table = 0 }
		table { for (i = 1; i <= NF; i++) if ($i ~ /^\[[A-Z_]*\]$/) from = substr($i, 2, length($i) - 2)
			else if ($i ~ /^[A-Z]+_[A-Z_]*,?$/) { sub(/,/, "", $i); print from " -> " $i } }' | sort) \
		<(internals_words '^[A-Z]+_[A-Z_]+ -> [A-Z_]+') | sed -n "s|^< \(.*\)|$internals: no row \1|p; s|^> \(.*\)|$internals: no next_states[] has \1|p"
}
verdict "internals: states" "$(internals_states)"

# Each file of the supervisor stands in THE LAYERS, those of a lower floor before those of a higher one
internals_layers() {
	local listed
	listed=$(sed -n '/^\.SH THE LAYERS/,/^\.SH A PACKET/{/^\.nf/,/^\.fi/s/^\([a-z_]*\.[ch]\) .*/\1/p}' "$internals")
	comm -13 <(sort <<<"$listed") <(find daemon/supervisor -name '*.c' -printf '%f\n' | sort) | sed "s|.*|$internals: no & in THE LAYERS|"
	awk -v page="$internals" 'FNR == NR { floor[$1] = $2; next }
		{ file = "daemon/supervisor/" $1; sub(/[.][ch]$/, "", file)
		  if (floor[file] < last) print page ": " $1 " stands above its floor"; else last = floor[file] }' <(floors) - <<<"$listed"
}
verdict "internals: layers" "$(internals_layers)"
