#!/usr/bin/env bash
# libafcap as other programs use it: its examples, built by pkg-config against what `make install` put into a folder; a Python program.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

# Installs into $DIR/stage and builds the example $1, shared or static.
example() {
	make -s -C "$TOP" BUILD="$BUILD" PREFIX=/usr DESTDIR="$DIR/stage" install >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
	export PKG_CONFIG_PATH=$DIR/stage/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DIR/stage LD_LIBRARY_PATH=$DIR/stage/usr/lib
	# shellcheck disable=SC2046
	cc -Wall -Wextra -Werror ${EXTRA:+"$EXTRA"} -o "$DIR/$1" "$DIR/stage/usr/share/doc/afcap/examples/$1.c" \
		$(pkg-config --cflags --libs ${STATIC:+--static} afcap) -pthread 2>"$DIR/err" || fail "$(cat "$DIR/err")"
}

begin() { # PROGRAM ARGS...: in the background, its output in $DIR/text
	ip netns exec "$NS" "$DIR/$1" "${@:2}" >"$DIR/text" 2>&1 &
	PROGRAM=$!
	# shellcheck disable=SC2031
	PIDS+=" $PROGRAM"
	# Bound, and without the filter that drops all until its ring is there: before that nothing is counted
	receiving() { in_lab grep -q '3  *0003' /proc/net/packet && ! in_lab ss -0 -a -n -b | grep -q 'bpf filter'; }
	wait_for 5 receiving
}

end() { # with SIGTERM; exit code 0
	local rc=0
	kill -TERM "$PROGRAM"
	wait "$PROGRAM" || rc=$?
	equal "exit code ($(cat "$DIR/text"))" "$rc" 0
}

t_count() {
	example count
	begin count va
	in_lab "$FRAMES" send vb 1000 size=100
	end
	contains "the account" "$(cat "$DIR/text")" "^va: 1000 packets seen, 0 dropped by the kernel, 1000 counted, 100000 bytes$"
	"$DIR/count" nowhere0 2>"$DIR/err" && fail "no error"
	contains "the error" "$(cat "$DIR/err")" "no such interface: nowhere0"
}

t_count_linked_statically() {
	STATIC=1 EXTRA=-static example count
	unset LD_LIBRARY_PATH
	begin count va
	in_lab "$FRAMES" send vb 10 size=100
	end
	contains "the account" "$(cat "$DIR/text")" "10 counted"
}

t_dump() {
	example dump
	begin dump -x -n 3 any
	in_lab "$FRAMES" send vb 2 size=60
	wait "$PROGRAM" || fail "$(cat "$DIR/text")"
	equal "packets" "$(grep -c ' 60 bytes$' "$DIR/text")" 3
	contains "going out" "$(cat "$DIR/text")" "^[0-9]*\.[0-9]\{9\} vb outgoing 0x[0-9a-f]\{4\} 60 bytes"
	contains "coming in" "$(cat "$DIR/text")" " va [a-z]* 0x[0-9a-f]\{4\} 60 bytes"
	equal "lines of bytes" "$(grep -c '^	[0-9a-f]' "$DIR/text")" 12
}

t_fanout() {
	example fanout
	begin fanout va 4
	members() { [ "$(in_lab grep -c '3  *0003' /proc/net/packet)" = 4 ]; }
	wait_for 5 members
	wait_for 5 grep -q "^group [0-9]*, mode hash, 4 threads" "$DIR/text"
	wait_for 5 in_lab "$FRAMES" send vb 4000 size=100 flows=64
	received() { awk '/^thread/ { n += $3 } END { print n }' "$DIR/text"; }
	end
	equal "threads" "$(grep -c '^thread' "$DIR/text")" 4
	! grep -q ' 0 packets seen' "$DIR/text" || fail "a thread without packets: $(cat "$DIR/text")"
	equal "packets of all threads" "$(received)" 4000
}

# Also a program that knows fewer options than the library
t_bound_by_its_symbols_alone() {
	example count
	cp "$TOP/tests/live/bind.py" "$DIR/bind"
	begin bind va 100
	in_lab "$FRAMES" send vb 100 size=100
	wait "$PROGRAM" || fail "$(cat "$DIR/text")"
	equal "what came" "$(cat "$DIR/text")" "100 packets, 10000 bytes"
	"$DIR/bind" nowhere0 1 2>"$DIR/err" && fail "no error"
	contains "the error" "$(cat "$DIR/err")" "no such interface: nowhere0"
}

run_tests
