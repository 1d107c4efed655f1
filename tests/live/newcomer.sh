#!/usr/bin/env bash
# What a newcomer does: make run, make install, the library alone.
. "$(dirname "$0")/lib.sh"

# A tree of links, so that ./captures is ours
tree() {
	mkdir "$DIR/tree"
	for f in "$TOP"/* "$TOP"/.ci; do
		[ "$(basename "$f")" = captures ] || ln -s "$f" "$DIR/tree/"
	done
}

t_make_run() {
	tree
	# In a session of its own, with the default handling of SIGINT, as from a terminal
	ip netns exec "$NS" python3 - "$DIR/tree" "$BUILD" <<'P' >"$DIR/out" 2>"$DIR/err" &
import os, signal, subprocess, sys
os.chdir(sys.argv[1])
run = subprocess.Popen(["make", "run", "IFACE=va", "BUILD=" + sys.argv[2]], start_new_session=True)
print("group", run.pid, flush=True)
print("exit", run.wait(), flush=True)
P
	runner=$!
	PIDS="$PIDS $runner"
	SOCK=$DIR/tree/captures/control.sock
	wait_for 60 ctl status
	in_lab "$FRAMES" send vb 1000 rate=10000
	wait_for 5 counter_is written 1000
	line() { grep -qE '^[0-9:]+ quickstart +[0-9]+ +[0-9.]+ +1000 +1000 +0 +0 +0$' "$DIR/out"; }
	wait_for 5 line
	kill -INT -- "-$(sed -n 's/^group //p' "$DIR/out")"
	wait "$runner"
	contains "the account" "$(cat "$DIR/out")" \
		"^quickstart: 1000 packets seen, 0 dropped by the kernel, 1000 received, 1000 written, 0 discarded, [12] files$"
	OUT=$DIR/tree/captures
	frames_check 1000 || fail "frames differ"
}

t_make_run_tells_its_exit_code() {
	tree
	rc=0
	(cd "$DIR/tree" && make run IFACE=nowhere0 BUILD="$BUILD") >"$DIR/out" 2>"$DIR/err" || rc=$?
	[ $rc != 0 ] || fail "exit code 0"
	contains "the reason" "$(cat "$DIR/err")" "no such interface: nowhere0"
	contains "the code" "$(cat "$DIR/err")" "Error 78"
}

t_install_library_uninstall() {
	make -s -C "$TOP" BUILD="$BUILD" PREFIX=/usr DESTDIR="$DIR/stage" install >"$DIR/out" 2>&1 || fail "$(cat "$DIR/out")"
	for f in sbin/afcapd bin/afctl lib/libafcap.so.0 lib/libafcap.so lib/libafcap.a include/afcap.h include/afcap_inline.h lib/pkgconfig/afcap.pc \
		lib/systemd/system/afcapd{.service,-control.socket,-metrics.socket} lib/sysusers.d/afcap.conf lib/tmpfiles.d/afcap.conf share/man/man8/afcapd.8 share/man/man7/afcap-{control,counters}.7; do
		[ -e "$DIR/stage/usr/$f" ] || fail "$f is not installed"
	done
	! grep -rq '@[A-Z]*@' "$DIR/stage/usr/lib/systemd" "$DIR/stage/usr/lib/pkgconfig" || fail "a placeholder was left"
	# The example of afcap(3), against what was installed
	{
		printf '#include <afcap.h>\n#include <err.h>\n#include <stdio.h>\nint main(void)\n{\n'
		sed -n '/^\.SH EXAMPLE/,/^\.fi/p' "$TOP/lib/man/afcap.3" | sed '1,2d;$d;s/\\e/\\/g;s/\\-/-/g;s/"eth0"/"va"/;s/printf(/fflush(stdout), printf(/'
		printf 'return 0;\n}\n'
	} >"$DIR/example.c"
	export PKG_CONFIG_PATH=$DIR/stage/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DIR/stage
	# shellcheck disable=SC2046
	cc -Wall -Wextra -Werror -o "$DIR/example" "$DIR/example.c" $(pkg-config --cflags --libs afcap) 2>"$DIR/err" || fail "$(cat "$DIR/err")"
	LD_LIBRARY_PATH=$DIR/stage/usr/lib ip netns exec "$NS" "$DIR/example" >"$DIR/lengths" &
	PIDS="$PIDS $!"
	open_rings() { in_lab grep -q '3  *0003' /proc/net/packet; }
	wait_for 5 open_rings
	in_lab "$FRAMES" send vb 50 size=100
	in_lab "$FRAMES" send vb 50 size=100
	seen() { grep -qx '100 bytes' "$DIR/lengths"; }
	wait_for 5 seen
	echo "# mine" >"$DIR/stage/etc/afcap/afcapd.conf"
	make -s -C "$TOP" BUILD="$BUILD" PREFIX=/usr DESTDIR="$DIR/stage" install >/dev/null 2>&1
	equal "a changed configuration" "$(cat "$DIR/stage/etc/afcap/afcapd.conf")" "# mine"
	make -s -C "$TOP" BUILD="$BUILD" PREFIX=/usr DESTDIR="$DIR/stage" uninstall >/dev/null 2>&1
	equal "what uninstall leaves" "$(cd "$DIR/stage" && find . ! -type d)" ./etc/afcap/afcapd.conf
}

run_tests
