# The lists of afcap-control(7) from interface.def: METHODS, ERRORS, TYPES, each declaration as the description has it.
function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
function troff(s) { # `word` becomes italic
	while (match(s, /`[^`]*`/))
		s = substr(s, 1, RSTART - 1) "\\fI" substr(s, RSTART + 1, RLENGTH - 2) "\\fP" substr(s, RSTART + RLENGTH)
	return s
}
function arguments() { # of a row, to argument[1], argument[2], ...
	sub(/^[^(]*[(]/, ""); sub(/[)][ \t]*$/, "")
	n = split($0, argument, ",")
	for (i = 1; i <= n; i++) { argument[i] = trim(argument[i]); gsub(/^"|"$/, "", argument[i]) }
}
function member(name, type) { text = text comma name ": " type; comma = ", " }
function begin(kind) { arguments(); what = kind; text = what == "method" ? argument[1] "(" : argument[1] "\n("; comma = rules = "" }
{ $0 = trim($0) }
/^HELP[(]/ { sub(/^HELP[(]"/, ""); sub(/"[)]$/, ""); help = help (help == "" ? "" : " ") $0 }
/^TYPE[(]/ { begin("type") }
/^ERROR[(]/ { begin("error") }
/^METHOD[(]/ {
	begin("method")
	rules = "For clients that may " (argument[2] == "CHANGE" ? "change something." : "read.")
}
/^PARAMETER/ {
	arguments()
	member(argument[1], (argument[3] == "NULLABLE" ? "?" : "") tolower(argument[2]))
	if (n > 3)
		rules = rules "\n.I " argument[1] "\nis " argument[4] " to " argument[5] "."
}
/^FIELD[(]/ { arguments(); member(argument[1], argument[2]) }
/^#include.*counters[.]def/ { member("each counter", "int") }
/^RETURNS/ { text = text ") \\-> ("; comma = "" }
/^END/ {
	list[what] = list[what] ".TP\n.B " text ")\n" (what == "error" && help != "" ? ".br\n" : "") (help == "" ? "" : troff(help) ".\n") (rules == "" ? "" : rules "\n")
	help = ""
}
END { printf ".nh\n.SH METHODS\n%s.SH ERRORS\n%s.SH TYPES\n%s.hy\n", list["method"], list["error"], list["type"] }
