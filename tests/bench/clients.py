"""afcapd under a load, with slow clients at all places of both its doors or without, and how long a scrape takes then.

As a program: scrapes ADDRESS:PORT ten times a second until a signal, one connection kept and one anew in turn; prints JSON.
"""
import http.client, json, os, re, signal, statistics, subprocess, sys, time

METRICS = "127.0.0.1:9748"
top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def scrape(address):
    """Milliseconds of each scrape that was answered; how many were not."""
    took, refused, kept = [], 0, http.client.HTTPConnection(address, timeout=10)
    turn = 0

    def ended(*_):
        print(json.dumps({"took": took, "refused": refused}), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, ended)
    while True:
        turn += 1
        door = kept if turn % 2 else http.client.HTTPConnection(address, timeout=10)
        begin = time.monotonic()
        try:
            door.request("GET", "/metrics")
            answer = door.getresponse()
            answer.read()
            if answer.status == 200:
                took.append((time.monotonic() - begin) * 1e3)
            else:
                refused += 1
        except (OSError, http.client.HTTPException):
            refused += 1
            door.close()
        if door is not kept:
            door.close()
        time.sleep(max(0.0, begin + 0.1 - time.monotonic()))


def measure_clients(slow, count, rate):
    """One run. Drops, scrapes, kB that the supervisor grew by."""
    from recorders import afcapd, folder, fresh_output, lab, load, log_tail, netns, processes, sh, start, stop

    def helper(*command, cpus="1"):
        return subprocess.Popen(lab + ["taskset", "-c", cpus, "/usr/bin/python3", *command], stdout=subprocess.PIPE, text=True)

    def resident():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{process.pid}/status").read()).group(1))

    fresh_output()
    sh("ip", "-n", netns, "link", "set", "lo", "up")
    recorder = afcapd("-o", "daemon.metrics=" + METRICS)
    process = start(recorder)
    pids = processes()
    many = slow and helper(top + "/tests/live/slowclients.py", folder + "/sock", METRICS, "32")
    if many:
        many.stdout.readline()  # ready
    scraper = helper(os.path.abspath(__file__), METRICS, cpus="0,1")
    time.sleep(2)  # the places are taken, the first have been cut
    before = resident()
    said, _ = load(recorder, pids, [str(count), "200", f"rate={rate}"])
    after = resident()
    for one in [scraper] + ([many] if many else []):
        one.terminate()
    scrapes = json.loads(scraper.communicate()[0])
    cut = int(many.communicate()[0].split()[-1]) if many else 0
    stop(process, recorder)
    account = re.search(r"va: (\d+) packets seen, (\d+) dropped by the kernel", log_tail())
    return {"seen": int(account.group(1)), "drops": int(account.group(2)), "grown": after - before, "cut": cut,
            "rate": float(re.search(r"(\d+) packets/s", said).group(1)), **scrapes}


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else float("inf")


def report(name, runs):
    took = [ms for run in runs for ms in run["took"]]
    print(f"{name:<22} {statistics.median(r['rate'] for r in runs) / 1e3:5.0f} kpps, drops {sum(r['drops'] for r in runs)} of "
          f"{sum(r['seen'] for r in runs)}; {len(took)} scrapes: p50 {percentile(took, .5):.1f} ms, p99 "
          f"{percentile(took, .99):.1f} ms, worst {max(took, default=0):.1f} ms, {sum(r['refused'] for r in runs)} refused; memory "
          f"grew {max(r['grown'] for r in runs)} kB at most; clients cut {sum(r['cut'] for r in runs)} times", flush=True)
    return percentile(took, .99)


def clients(rounds, count, rate):
    runs = {"without slow clients": [], "32 + 32 slow clients": []}
    for _ in range(rounds):
        for name, of_name in runs.items():
            of_name.append(measure_clients(name.startswith("32"), count, rate))
    p99 = [report(name, of_name) for name, of_name in runs.items()][1]
    without, with_slow = runs.values()
    added = sum(r["drops"] for r in with_slow) - sum(r["drops"] for r in without)
    for text, met in ((f"added drops {added}; target 0", added <= 0), (f"scrape p99 {p99:.1f} ms; target 50 ms", p99 <= 50),
                      (f"memory grew {max(r['grown'] for r in with_slow)} kB; target 4096 kB",
                       max(r["grown"] for r in with_slow) <= 4096)):
        print(f"{'met   ' if met else 'MISSED'} {text}")
    return runs


if __name__ == "__main__":
    scrape(sys.argv[1])
