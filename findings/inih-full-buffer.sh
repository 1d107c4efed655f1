#!/usr/bin/env bash
# inih throws away, from version 59 on, what 55 passed on: ini_parse_stream() takes a reader that works like fgets(). A buffer
# that such a reader has filled, with no line break at its end, was a line to 55, and what came next another one. To 59 and 61
# it is the beginning of a line that is too long: they read on up to the next line break, drop all that, and return the line's
# number as that of an error. A line of 199 characters is one of these, too, though its value comes whole. ini.h says in all of
# them that INI_MAX_LINE (200 in Debian) "must be 3 more than the longest line", and nothing of what becomes of longer ones.
#
# A program that hands over long values in pieces, as lines that begin with a space, which inih adds to the key before, works
# with Debian 12's inih; with Debian 13's all is lost that follows the first piece, unless no piece fills the buffer.
#
# Seen with libinih1 55-1 (Debian 12), 59-1 (Debian 13), 61-1+b2 (testing); result, then name and length of each value:
#
#   55: pieces that fill the buffer: 0, key 195, key 198, key 2, next 1
#   59: pieces that fill the buffer: 1, key 195, next 1
#   61: pieces that fill the buffer: 1, key 195, next 1
#
# Needs Debian's apt-get, python3. Exits with 1 where this is not so any more.
set -eu
cd "$(dirname "$0")/.."
. tests/debian.sh
mirror=$(debian_mirror)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir -p lists/partial cache/archives/partial
for suite in bookworm trixie forky; do
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} $suite main"
done >sources
# The suites' own lists, in place of this system's
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$dir/sources" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$dir/lists"
	-o "Dir::Cache=$dir/cache" -o Dir::State::status=/dev/null -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root)
"${apt[@]}" update
cat >look.py <<'P'
import ctypes, sys

HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p)
READER = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
parse = ctypes.CDLL(sys.argv[2]).ini_parse_stream

def look(what, text):
    found = []
    def handler(user, section, name, value):
        found.append(f"{name.decode()} {len(value)}")
        return 1
    def reader(buffer, size, stream):  # fgets()
        nonlocal text
        if not text:
            return None
        line = text[:size - 1].split("\n")[0]
        line = text[:len(line) + 1] if len(line) < size - 1 else line
        text = text[len(line):]
        ctypes.memmove(buffer, line.encode() + b"\0", len(line) + 1)
        return buffer
    rc = parse(READER(reader), None, HANDLER(handler), None)
    print(f"{sys.argv[1]}: {what}: " + ", ".join([str(rc)] + found))

look("a line of 198", "key=" + "x" * 194 + "\nnext=1\n")
look("a line of 199", "key=" + "x" * 195 + "\nnext=1\n")
look("pieces that fill the buffer", "key=" + "x" * 195 + " " + "y" * 198 + " zz\nnext=1\n")
look("pieces one shorter", "key=" + "x" * 194 + "\n " + "y" * 197 + "\n zz\nnext=1\n")
P
for version in 55-1 59-1 61-1+b2; do
	"${apt[@]}" download "libinih1=$version"
	dpkg -x libinih1_"$version"_*.deb "$version"
	python3 look.py "${version%%-*}" "$(find "$version" -name 'libinih.so.1')"
done | tee said
want='55: a line of 198: 0, key 194, next 1
55: a line of 199: 0, key 195, next 1
55: pieces that fill the buffer: 0, key 195, key 198, key 2, next 1
55: pieces one shorter: 0, key 194, key 197, key 2, next 1
59: a line of 198: 0, key 194, next 1
59: a line of 199: 1, key 195, next 1
59: pieces that fill the buffer: 1, key 195, next 1
59: pieces one shorter: 0, key 194, key 197, key 2, next 1
61: a line of 198: 0, key 194, next 1
61: a line of 199: 1, key 195, next 1
61: pieces that fill the buffer: 1, key 195, next 1
61: pieces one shorter: 0, key 194, key 197, key 2, next 1'
[ "$(cat said)" = "$want" ]
