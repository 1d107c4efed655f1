#!/usr/bin/env bash
# What the machine and its limits have room for, and what the product has: memory, captures, lengths of values.
. "$(dirname "$0")/lib.sh"

# A memory control group with a limit, of either version, as GROUP: group_make BYTES
group_make() {
	local root=/sys/fs/cgroup/memory most=memory.limit_in_bytes
	if grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
		root=/sys/fs/cgroup most=memory.max
	fi
	GROUP=$root/afcap-$BASHPID
	{ [ -e "$root/cgroup.procs" ] && mkdir "$GROUP"; } 2>/dev/null || skip "no memory control group can be made here"
	trap 'lab_remove; rmdir "$GROUP"' EXIT
	{ echo "$1" >"$GROUP/$most"; } 2>/dev/null || skip "no memory control group can be made here"
}
# In it, with the machine's /sys, which `ip netns exec` would hide: group_exec ARGS...
group_exec() {
	# shellcheck disable=SC2016
	exec nsenter --net="/run/netns/$NS" bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$GROUP" "$AFCAPD" \
		-o daemon.control="$SOCK" -o daemon.metrics=off "$@"
}

# Rings are the kernel's and charged to no group; what the workers take beside them is
t_a_control_group_with_a_limit() {
	group_make $((48 << 20))
	rc=0
	local leaves='4[0-9]'
	[[ $BUILD != *asan* ]] || leaves='[34][0-9]' # a sanitizer takes its part
	(group_exec -i va -w "$OUT" -j 2 -o ring_size=128M -o block_size=32M -o file_size=128M) >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 78
	contains message "$(cat "$DIR/err")" "the workers' buffers need 100 MiB beside the rings, but the memory limit of this control group .* leaves $leaves MiB"
	(group_exec -i va -w "$OUT" -j 2 -o ring_size=128M -o block_timeout=50ms) >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	wait_for 20 daemon_running
	kill -0 "$DAEMON" || fail "ended: $(cat "$DIR/err")"
	in_lab "$FRAMES" send vb 1000 rate=50000
	wait_for 10 counter_is received 1000
	daemon_stop
	frames_check 1000 || fail "frames differ"
}

t_rings_larger_than_the_memory() {
	rc=0
	in_lab "$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=off -i va -w "$OUT" -j 2 -o ring_size=1T -o block_size=256M >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 78
	contains message "$(cat "$DIR/err")" "capture va: 2 workers, each a ring_size of 1048576 MiB"
	contains message "$(cat "$DIR/err")" "the rings need 2097152 MiB and the workers' buffers .* MiB of memory are available"
}

# As the kernel does it for want of memory: it is held before its main(), so that it is starting when it dies
t_a_worker_killed_while_it_starts() {
	needs_preload
	HOLD_NAME="afcapd: worker" HOLD_FILE=$DIR/held LD_PRELOAD=$BUILD/tests/hold.so daemon_begin -i va -w "$OUT" -j 1
	wait_for 10 test -s "$DIR/held"
	kill -KILL "$(cat "$DIR/held")"
	rc=0
	wait "$DAEMON" || rc=$?
	equal "exit code" $rc 1
	contains message "$(cat "$DIR/err")" "capture va: worker 0 was killed by signal 9 while starting (out of memory?)"
}

# As many captures as there may be, each on its own interface, in one directory
t_sixty_four_captures() {
	for ((i = 0; i < 64; i++)); do
		printf 'link add r%d type veth peer name s%d\nlink set r%d up\nlink set s%d up\n' $i $i $i $i
	done | ip -n "$NS" -batch -
	for ((i = 0; i < 64; i++)); do
		printf '[capture c%d]\ninterface = r%d\nworkers = 1\nring_size = 1M\nblock_size = 64K\nblock_timeout = 10ms\nwrite_delay = 20ms\nfile_size = 1M\ndisk_reserve = 0\ndirectory = %s\n' $i $i "$OUT"
	done >"$DIR/conf"
	daemon_start -c "$DIR/conf"
	states() { ctl --json status | jq -r '.captures[].state' | sort | uniq -c | tr -s ' '; }
	all_run() { [ "$(states)" = " 64 running" ]; }
	wait_for 60 all_run
	for ((i = 0; i < 64; i++)); do in_lab "$FRAMES" send s$i $((i + 1)) rate=50000 >/dev/null; done
	wait_for 30 counter_is received $((64 * 65 / 2))
	ctl rotate || fail "rotate"
	equal "captures in the metrics" "$(in_lab curl -s http://127.0.0.1:9748/metrics | grep -c '^afcap_packets_total')" 64
	before=$(ticks)
	sleep 5 # of doing nothing: what 64 captures cost
	echo "64 idle captures: $(($(ticks) - before)) ticks of the supervisor and the archive in 5 s"
	daemon_stop
	equal "written" "$(sed -n 's/^c[0-9]*: .* received, \([0-9]*\) written.*/\1/p' "$DIR/out" | paste -sd+ | bc)" $((64 * 65 / 2))
	equal "packets in the files" "$(capinfos_count)" $((64 * 65 / 2))
	printf '[capture one.more]\n' >>"$DIR/conf"
	rc=0
	"$AFCAPD" -n -c "$DIR/conf" >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code of -n" $rc 78
	contains message "$(cat "$DIR/err")" "$DIR/conf:641: capture one.more: at most 64 captures"
}
ticks() { cat "/proc/$DAEMON/stat" "/proc/$(archive_pid)/stat" | sed 's/.*) //' | awk '{ n += $12 + $13 } END { print n }'; }

# A filter that the kernel has no room for is told as that, with the limit; a long one is compiled and used
t_long_filters() {
	hosts=
	for ((i = 0; i < 150; i++)); do hosts="${hosts}host 10.9.8.$i or "; done
	daemon_start -i va -w "$OUT" -j 1 -o block_timeout=50ms -f "${hosts}udp"
	in_lab "$FRAMES" send vb 100 rate=50000
	wait_for 10 counter_is received 100
	daemon_stop
	contains comment "$(capinfos "$(files | head -1)")" "filter of $((${#hosts} + 3)) characters not shown"
	in_lab sysctl -qw net.core.optmem_max=2048 2>/dev/null || skip "net.core.optmem_max is not this namespace's here"
	rc=0
	in_lab timeout 30 "$AFCAPD" -o daemon.control="$SOCK" -o daemon.metrics=off -i va -w "$OUT" -j 1 -f "${hosts}udp" >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 78
	contains message "$(cat "$DIR/err")" "capture va: setting the filter of [0-9]* instructions: the kernel has no memory for it (net.core.optmem_max"
}

run_tests
