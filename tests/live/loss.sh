#!/usr/bin/env bash
# Forced loss: everybody says the same number.
. "$(dirname "$0")/lib.sh"

metric() { in_lab curl -s http://127.0.0.1:9748/metrics | awk -v m="^afcap_$1_total[{]" '$0 ~ m { n += $NF } END { print n }'; }

# All workers stopped while far more comes than their rings hold
stopped_workers() {
	local w list
	daemon_start -i va -w "$OUT" -j "$1" -o ring_size=512K -o block_size=64K -o block_timeout=50ms -o write_delay=20ms
	mapfile -t list < <(workers)
	for w in "${list[@]}"; do kill -STOP "$w"; done
	in_lab "$FRAMES" send vb 30000 rate=100000 size=200-1400
	for w in "${list[@]}"; do kill -CONT "$w"; done
	in_lab "$FRAMES" send vb 2000 first=30000 rate=10000 size=200-1400
	wait_for 5 counter_is packets 32000
	drained() { [ "$(counter packets)" = $(($(counter drops) + $(counter received))) ]; }
	wait_for 5 drained
	# The kernel's counter was read since: the next packet of each worker tells of it
	in_lab "$FRAMES" send vb 200 first=32000 rate=10000 size=200-1400
	wait_for 5 counter_is packets 32200
	wait_for 5 drained
	for name in packets drops freezes received written; do
		eval "c_$name=$(counter $name)"
		equal "metric $name" "$(metric $name)" "$(counter $name)"
	done
	daemon_stop
	# shellcheck disable=SC2154
	echo "$c_drops dropped, $c_freezes freezes"
	[ "$c_drops" -gt 10000 ] || fail "not enough was dropped: $c_drops"
	[ "$c_freezes" -ge "$1" ] || fail "freezes: $c_freezes"
	equal "account seen" "$(account seen)" 32200
	equal "account dropped" "$(account dropped)" "$c_drops"
	equal "account received" "$(account received)" "$c_received"
	equal "account written" "$(account written)" "$c_written"
	equal "the files' statistics blocks" "$(isb_sum)" "32200 $c_drops $c_written"
	equal "packets in the files" "$(capinfos_count)" "$c_written"
	equal "drops told by packets" "$(files | xargs -n 1 tshark -T fields -e frame.drop_count -Y frame.drop_count -nr 2>/dev/null |
		awk '{ n += $1 } END { print n }')" "$c_drops"
	equal "packets = drops + received" 32200 $((c_drops + c_received))
	frames_check 32200 size=200-1400 partial=1 || fail "damaged"
}

t_a_stopped_worker_of_one() { stopped_workers 1; }
t_stopped_workers_of_two() { stopped_workers 2; }

t_a_full_disk_is_counted_and_files_stay_whole() {
	mkdir "$DIR/small"
	mount -t tmpfs -o size=2m tmpfs "$DIR/small"
	OUT=$DIR/small
	daemon_start -i va -w "$OUT" -j 1 -o ring_size=4M -o block_size=64K -o block_timeout=50ms -o write_delay=0 \
		-o file_size=4M -o disk_reserve=0
	in_lab "$FRAMES" send vb 5000 rate=20000 size=1000
	wait_for 10 counter_is received 5000
	[ "$(counter discarded_no_space)" -gt 1000 ] || fail "nothing was discarded"
	equal "the metric with its reason" \
		"$(in_lab curl -s http://127.0.0.1:9748/metrics | sed -n 's/^afcap_discarded_total{.*reason="no_space"} //p')" \
		"$(counter discarded_no_space)"
	equal "the metric of another reason" \
		"$(in_lab curl -s http://127.0.0.1:9748/metrics | sed -n 's/^afcap_discarded_total{.*reason="io_error"} //p')" 0
	daemon_stop
	equal "received = written + discarded" "$(account received)" $(($(account written) + $(account discarded)))
	contains "log" "$(cat "$DIR/err")" "No space left on device"
	capinfos_all=$(find "$OUT" -name 'va-*' | while read -r f; do tcpdump -nr "$f" 2>/dev/null | wc -l; done | paste -sd+ | bc)
	equal "packets in the files" "$capinfos_all" "$(account written)"
	umount "$DIR/small"
}

t_a_stop_takes_what_the_ring_holds() {
	daemon_start -i va -w "$OUT" -j 2 -o write_delay=60s -o block_timeout=1s
	in_lab "$FRAMES" send vb 1000 rate=100000 size=60-100
	daemon_stop
	equal written "$(account written)" 1000
	frames_check 1000 size=60-100 || fail "frames differ"
}

t_a_second_signal_abandons_and_counts() {
	daemon_start -i va -w "$OUT" -j 1 -o write_delay=60s -o drain_timeout=60s
	in_lab "$FRAMES" send vb 1000 rate=100000 size=60-100
	wait_for 3 counter_is packets 1000
	w=$(workers)
	kill -STOP "$w"
	kill -TERM "$DAEMON"
	stopping() { ctl --json status >"$DIR/state"; grep -q stopping "$DIR/state"; }
	wait_for 5 stopping
	daemon_stop TERM
	equal seen "$(account seen)" 1000
	equal "received = written + discarded" 1000 $(($(account written) + $(account discarded)))
	equal discarded "$(account discarded)" 1000
}

t_a_drain_has_its_deadline() {
	daemon_start -i va -w "$OUT" -j 1 -o write_delay=60s -o drain_timeout=500ms
	in_lab "$FRAMES" send vb 1000 rate=100000 size=60-100
	wait_for 3 counter_is packets 1000
	kill -STOP "$(workers)"
	daemon_stop TERM
	contains log "$(cat "$DIR/err")" "1000 packets left in the ring are abandoned"
	equal discarded "$(account discarded)" 1000
}

# As timeout(1) does it, to the process and then to its group: that is no second one. It comes as soon as the first was taken
# (before, the kernel makes one of both), whatever else runs (SCHED_FIFO).
t_one_signal_sent_twice() {
	daemon_start -i va -w "$OUT" -j 1 -o write_delay=60s -o block_timeout=1s
	in_lab "$FRAMES" send vb 1000 rate=100000 size=60-100
	wait_for 5 counter_is packets 1000
	python3 - "$DAEMON" "$DIR/err" <<-'P'
		import os, signal, sys, time
		os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
		os.sched_setscheduler(int(sys.argv[1]), os.SCHED_FIFO, os.sched_param(2))
		log = open(sys.argv[2])
		log.read()
		os.kill(int(sys.argv[1]), signal.SIGTERM)
		end = time.monotonic() + 5
		while not log.read() and time.monotonic() < end:
		    pass
		os.kill(int(sys.argv[1]), signal.SIGTERM)
	P
	wait "$DAEMON" || fail "exit code $?"
	equal written "$(account written)" 1000
	! grep "at once" "$DIR/err" || fail "taken for two"
}

run_tests
