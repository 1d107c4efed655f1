#!/usr/bin/env python3
"""How long rings have no reader: gaps.py DIR EVENTS

Watches the files of each worker in DIR, until SIGTERM. EVENTS holds a time (nanoseconds) a line, of kills and restarts.
Prints the longest time without a write around each of them: a little more than the ring's, by the delay of a write."""
import os, re, signal, statistics, sys, time

where, events = sys.argv[1:3]
writes, last, done = {}, {}, []
signal.signal(signal.SIGTERM, lambda *_: done.append(1))
while not done:
    now = time.time_ns()
    for entry in os.scandir(where):
        worker = re.search(r"-w(\d+)\.pcapng\.partial$", entry.name)
        try:
            stat = entry.stat() if worker else None
        except FileNotFoundError:
            continue
        if stat and last.get(entry.name) != (stat.st_mtime_ns, stat.st_size):
            last[entry.name] = (stat.st_mtime_ns, stat.st_size)
            writes.setdefault(worker[1], []).append(now)
    time.sleep(0.002)
gaps = []
for event in map(int, open(events)):
    for times in writes.values():
        around = [(b - a) / 1e6 for a, b in zip(times, times[1:]) if b > event and a < event + 2 * 10**9]
        gaps.append(max(around, default=float("inf")))
print(f"median {statistics.median(gaps):.0f} ms, longest {max(gaps):.0f} ms, of {len(gaps)}")
