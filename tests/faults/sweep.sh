#!/usr/bin/env bash
# The n-th call of each kind fails once, in each process, when it starts and while it runs: the daemon does not start and
# says why, or it runs and its account is exact. No crash, no hang, no descriptor or file that is left.
. "$(dirname "$0")/../live/lib.sh"

# `make check-faults`: all, n = 1, 2, ... until there is no n-th call. To look into one: "archive running fsync EIO 2"
SWEEP=${SWEEP:-few}
LANES=${LANES:-4}
SECONDS_MAX=${SECONDS_MAX:-10} # what takes longer hangs
SENT=500
HOLD=$BUILD/tests/hold.so

fail() {
	echo "# $*"
	cat "$DIR/err" "$DIR/out" "$DIR/strace.err" 2>/dev/null
	exit 1
}
ctl() { timeout "$SECONDS_MAX" "$AFCTL" -s "$SOCK" "$@"; }

# What fails, and how. Not write (the messages themselves), close and munmap (what strace makes fail is not done)
FAULTS="accept4:EMFILE bind:ENOMEM clone3:EAGAIN clone:EAGAIN connect:ECONNREFUSED dup2:EBUSY dup:EMFILE
	epoll_create1:EMFILE epoll_ctl:ENOMEM epoll_pwait2:EINTR epoll_wait:EINTR eventfd2:EMFILE execve:ENOMEM
	faccessat2:EACCES faccessat:EACCES fallocate:ENOSPC fchmod:EPERM fcntl:ENOMEM fdatasync:EIO flock:ENOLCK
	fstat:EIO fstatfs:EIO fsync:EIO ftruncate:EIO getdents64:EIO getsockopt:ENOBUFS ioctl:ENODEV
	listen:EADDRINUSE lseek:EIO memfd_create:EMFILE mkdir:ENOSPC mlock:ENOMEM mmap:ENOMEM mprotect:ENOMEM
	newfstatat:EIO openat2:EMFILE openat:EMFILE pipe2:EMFILE poll:ENOMEM prctl:EPERM pread64:EIO prlimit64:EPERM pwrite64:EIO
	pwrite64:ENOSPC pwritev:EIO pwritev:ENOSPC read:EINTR readlinkat:EIO readv:ENOMEM recvfrom:ENOMEM recvmsg:ENOMEM renameat2:EIO
	sched_setaffinity:EINVAL sendmsg:ENOBUFS sendto:ENOBUFS setsockopt:ENOMEM socket:EMFILE socket:ENOBUFS
	socketpair:EMFILE statx:EIO timerfd_create:EMFILE uname:EFAULT unlink:EIO unlinkat:EIO writev:ENOBUFS"

calls() { tr -s ' \t\n' '\n' <<<"$FAULTS" | sed 's/:.*//; s/^/?/' | sort -u | paste -sd,; }

# ---- one run ----

begin() {
	local name=$AFCAPD
	[ "$WHO" = worker ] && name="afcapd: worker"
	[ "$WHO" = archive ] && name="afcapd: archive"
	rm -rf "${OUT:?}" "$DIR/held" "$DIR/strace" "$DIR/out" "$DIR/err" "$SOCK"
	mkdir "$OUT"
	[ "$WHEN" = start ] || name=nobody
	ip netns exec "$NS" env LD_PRELOAD="$HOLD" HOLD_NAME="$name" HOLD_FILE="$DIR/held" "$AFCAPD" \
		-o daemon.control="$SOCK" -o daemon.metrics=127.0.0.1:9748 -i va -w "$OUT" -j 1 -o ring_size=4M \
		-o block_size=64K -o block_timeout=5ms -o write_delay=5ms -o file_size=256K -o disk_reserve=0 \
		-o sync=500ms >"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	if [ "$WHEN" = start ]; then
		wait_for "$SECONDS_MAX" held
		trace "$(cat "$DIR/held")" "$@"
		kill -CONT "$(cat "$DIR/held")"
	fi
	wait_for "$SECONDS_MAX" begun
	[ "$WHEN" = start ] || gone && return
	wait_for "$SECONDS_MAX" there "$WHO"
	trace "$(pid_of "$WHO")" "$@"
}

held() { [ -s "$DIR/held" ] && grep -q '^State:.*T' "/proc/$(cat "$DIR/held")/status"; }
gone() { ! kill -0 "$DAEMON" 2>/dev/null; }
recording() { grep -qs 'va: recording va' "$DIR/err"; }
begun() { gone || recording; }

pid_of() {
	case $1 in
	worker) workers ;;
	archive) archive_pid ;;
	*) echo "$DAEMON" ;;
	esac 2>/dev/null | tail -n 1
}

# trace PID ARGS...: from now on. Of the supervisor alone, or with the children it makes
trace() {
	local pid=$1 follow=-f
	shift
	[ -n "$pid" ] || fail "no $WHO"
	[ "$WHO" = supervisor ] && follow=
	strace $follow -qq -p "$pid" -o "$DIR/strace" "$@" 2>"$DIR/strace.err" &
	traced() { grep -q '^TracerPid:.*[1-9]' "/proc/$pid/status"; }
	wait_for 5 traced
}

# A client is not kept waiting; what it gets is not looked at
ask() {
	timeout "$SECONDS_MAX" "$@" >"$DIR/answer" 2>&1
	[ $? != 124 ] || fail "no answer to $*"
}

there() { [ -n "$(pid_of "$1")" ]; }
another() { [ -n "$(pid_of "$1")" ] && [ "$(pid_of "$1")" != "$2" ]; }

# Its life while it records: frames, questions, a rotation; the supervisor's has deaths, too
life() {
	local worker archive
	in_lab "$FRAMES" send vb $((SENT / 2)) size=700-1400 rate=6000 >/dev/null
	if [ "$WHO $WHEN" = "supervisor running" ]; then
		worker=$(pid_of worker) archive=$(pid_of archive)
		kill -KILL "$worker" "$archive"
		replaced() { gone || { another worker "$worker" && another archive "$archive"; }; }
		wait_for "$SECONDS_MAX" replaced
	fi
	ask "$AFCTL" -s "$SOCK" --json stats
	ask "$AFCTL" -s "$SOCK" rotate
	ask in_lab curl -sm 5 http://127.0.0.1:9748/metrics
	in_lab "$FRAMES" send vb $((SENT / 2)) first=$((SENT / 2)) size=700-1400 rate=6000 >/dev/null
}

fds() { find "/proc/$(pid_of "$1")/fd" -type l 2>/dev/null | wc -l; }
fds_few() { gone || [ "$(fds "$1")" -le "$(sed -n "s/^$1 //p" "$USUAL")" ]; }

stop() {
	kill -TERM "$DAEMON" 2>/dev/null
	wait_for "$SECONDS_MAX" gone
	rc=0
	wait "$DAEMON" || rc=$?
	DAEMON=
	none() { [ -z "$(ip netns pids "$NS")" ]; }
	wait_for "$SECONDS_MAX" none
}

# What is not finished was told of; the next daemon sees to it
unfinished() { find "$OUT" -type f \( -name '.*' -o ! -name '*.pcapng' \); }
repair() {
	local list
	mapfile -t list < <(unfinished)
	[ ${#list[@]} -gt 0 ] || return 0
	grep -q '^<[34]>' "$DIR/err" || fail "left without a word: ${list[*]}"
	for f in out err; do mv "$DIR/$f" "$DIR/$f.first"; done
	daemon_start -i va -w "$OUT" -j 1 -o disk_reserve=0
	cared_none() { for f in "${list[@]}"; do [ ! -e "$f" ] || return 1; done; }
	wait_for "$SECONDS_MAX" cared_none
	daemon_stop
	DAEMON=
	for f in out err; do mv "$DIR/$f.first" "$DIR/$f"; done
	[ -z "$(unfinished)" ] || fail "not repaired: $(unfinished)"
}

# Of those whose end is in doubt all that can be read
packets() {
	local f
	echo $(($(capinfos_count) + $(for f in $(files | grep suspect); do
		capinfos -cM "$f" >/dev/null 2>&1 || tcpdump -nr "$f" 2>/dev/null
	done | wc -l)))
}

# After its end: $rc, $DIR/out, $DIR/err, the files
judge() {
	local line lost written
	if grep -q 'killed by signal \([1-8]\|11\|31\)\|(signal \([1-8]\|11\|31\))' "$DIR/err"; then fail "a crash"; fi
	case $rc in
	0) ;;
	1 | 2 | 77 | 78) grep -q '^<3>' "$DIR/err" || fail "exit code $rc without a message" ;;
	*) fail "exit code $rc" ;;
	esac
	[ ! -e "$SOCK" ] || [ "$CALL" = unlink ] || fail "the control socket is left"
	if ! recording; then
		[ "$rc" != 0 ] || fail "never recorded, exit code 0"
		[ -z "$(ls -A "$OUT")" ] || case $CALL in
		unlinkat) repair ;;
		*) fail "left: $(ls -A "$OUT")" ;;
		esac
		return 0
	fi
	repair
	[ "$rc" != 0 ] || equal seen "$(account seen)" $SENT
	equal "packets = dropped + received" "$(account seen)" $(($(account dropped) + $(account received)))
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	written=$(account written)
	equal "packets in the files" "$(packets)" "$written"
	[ "$(account seen)" = "$SENT" ] || grep -q '^<3>' "$DIR/err" || fail "lost without a word"
	[ "$written" = 0 ] || files | grep -q suspect && return
	line=$(frames_check $SENT size=700-1400 partial=1) || fail "$line"
	lost=$(sed 's/.* lost \([0-9]*\) .*/\1/' <<<"$line")
	equal "lost" "$lost" $((SENT - written))
}

leave() {
	local pid
	for pid in $(ip netns pids "$NS"); do kill -KILL "$pid" 2>/dev/null; done
	wait 2>/dev/null
}

# once WHO WHEN CALL ERROR N: 3 if there was no N-th call
once() {
	local p
	WHO=$1 WHEN=$2 CALL=$3
	trap leave EXIT
	begin -e trace="?$3" -e inject="?$3:error=$4:when=$5"
	gone || life
	for p in supervisor worker archive; do wait_for "$SECONDS_MAX" fds_few $p; done
	stop
	judge
	grep -q INJECTED "$DIR/strace" || exit 3
}

# ---- all of them ----

# What the processes do without a fault: $DIR/counts, how often each call is made (by one thread, the most), and how many
# descriptors they have at the end
usual() {
	WHO=$1 WHEN=$2 CALL=
	(
		trap leave EXIT
		begin -e trace="$(calls)"
		life
		for ((i = 0; i < 20; i++)); do
			sleep 0.05
			for p in supervisor worker archive; do echo "$p $(fds $p)"; done >"$USUAL"
		done
		stop
		judge
		[ "$rc" = 0 ] || fail "it fails without a fault: $rc"
	) || fail "$1 $2, without a fault"
	sed -n 's/^\([0-9]*\)  *\([a-z0-9_]*\)(.*/\2 \1/p; s/^\([a-z0-9_]*\)(.*/\1 0/p' "$DIR/strace" | sort | uniq -c |
		awk '$1 > n[$2] { n[$2] = $1 } END { for (c in n) print c, n[c] }' >"$DIR/counts"
}

take() { { flock 8; head -n 1 "$QUEUE"; sed -i 1d "$QUEUE"; } 8>"$QUEUE.lock"; }

# From the queue: WHO WHEN CALL ERROR N, and "on" for those after it, too, while there are any
lane() {
	local who when call error n on verdict
	while read -r who when call error n on < <(take); do
		verdict=hit
		while [ $verdict = hit ]; do
			(once "$who" "$when" "$call" "$error" "$n") >"$DIR/said" 2>&1
			case $? in
			0) ;;
			3) verdict=missed ;;
			*)
				verdict=failed
				printf '# %s %s: %s %d: %s\n%s\n' "$who" "$when" "$call" "$n" "$error" "$(cat "$DIR/said" "$DIR/err.first" 2>/dev/null
					grep INJECTED "$DIR/strace")" >>"$QUEUE.failed"
				;;
			esac
			echo "$verdict" >>"$QUEUE.verdicts"
			rm -f "$DIR/err.first"
			[ -n "$on" ] || break
			n=$((n + 1))
		done
	done
}

# The queue, by LANES at a time, each in a laboratory of its own
queue_run() {
	local k hits
	touch "$QUEUE.verdicts" "$QUEUE.failed"
	for ((k = 0; k < LANES; k++)); do
		(
			PIDS=
			trap lab_remove EXIT
			lab_make
			lane
		) &
	done
	wait
	hits=$(grep -c hit "$QUEUE.verdicts")
	echo "$hits injected and met well, $(grep -c missed "$QUEUE.verdicts") not made"
	cat "$QUEUE.failed"
	[ ! -s "$QUEUE.failed" ] || fail "$(grep -c failed "$QUEUE.verdicts") were not"
	[ "$hits" -ge "$1" ] || fail "only $hits"
}

ready() {
	command -v strace >/dev/null || skip "no strace here"
	QUEUE=$DIR/queue USUAL=$DIR/usual
}

# sweep WHO WHEN [CALL]...
sweep() {
	local who=$1 when=$2 fault n
	ready
	usual "$who" "$when"
	shift 2
	for fault in $FAULTS; do
		[ $# = 0 ] || [[ " $* " = *" ${fault%:*} "* ]] || continue
		n=$(sed -n "s/^${fault%:*} //p" "$DIR/counts")
		[ -n "$n" ] || continue
		seq -f "$who $when ${fault%:*} ${fault#*:} %.0f" "$n"
		echo "$who $when ${fault%:*} ${fault#*:} $((n + 1)) on"
	done >"$QUEUE"
	queue_run $(($(wc -l <"$QUEUE") / 2))
}

if [ "$SWEEP" = all ]; then
	t_supervisor_starts() { sweep supervisor start; }
	t_worker_starts() { sweep worker start; }
	t_archive_starts() { sweep archive start; }
	t_children_are_made() { sweep children start dup2 execve fcntl; }
	t_supervisor_runs() { sweep supervisor running; }
	t_worker_runs() { sweep worker running; }
	t_archive_runs() { sweep archive running; }
elif [ "$SWEEP" != few ]; then
	t_this() {
		ready
		usual supervisor running
		echo "$SWEEP" >"$QUEUE"
		queue_run 0
	}
else
	t_a_few() {
		ready
		usual supervisor running
		sed 's/$/ 1/' >"$QUEUE" <<-Q
			supervisor start clone EAGAIN
			supervisor start epoll_ctl ENOMEM
			supervisor start memfd_create EMFILE
			supervisor start sendmsg ENOBUFS
			supervisor start socketpair EMFILE
			supervisor running clone EAGAIN
			supervisor running epoll_ctl ENOMEM
			supervisor running sendmsg ENOBUFS
			supervisor running recvmsg ENOMEM
			children start execve ENOMEM
			children start dup2 EBUSY
			worker start mmap ENOMEM
			worker start socket EMFILE
			worker start setsockopt ENOMEM
			worker start eventfd2 EMFILE
			worker start clone3 EAGAIN
			worker running pwrite64 EIO
			worker running recvmsg ENOMEM
			worker running sendmsg ENOBUFS
			archive start openat EMFILE
			archive start recvmsg ENOMEM
			archive running openat EMFILE
			archive running sendmsg ENOBUFS
			archive running renameat2 EIO
		Q
		queue_run 20
	}
fi

run_tests
