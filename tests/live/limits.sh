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
	(group_exec -i va -w "$OUT" -j 2 -o ring_size=128M -o block_size=32M -o file_size=128M) >"$DIR/out" 2>"$DIR/err" || rc=$?
	equal "exit code" $rc 78
	contains message "$(cat "$DIR/err")" "the workers' buffers need 100 MiB beside the rings, but the memory limit of this control group .* leaves 4[0-9] MiB"
	(group_exec -i va -w "$OUT" -j 2 -o ring_size=128M -o block_timeout=10ms) >"$DIR/out" 2>"$DIR/err" &
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

# As the kernel does it for want of memory, while the ring is made
t_a_worker_killed_while_it_starts() {
	daemon_begin -i va -w "$OUT" -j 1 -o ring_size=1G -o block_size=4M
	some() { [ -n "$(workers)" ]; }
	wait_for 10 some
	kill -KILL "$(workers)"
	rc=0
	wait "$DAEMON" || rc=$?
	equal "exit code" $rc 1
	contains message "$(cat "$DIR/err")" "capture va: worker 0 was killed by signal 9 while starting (out of memory?)"
}

run_tests
