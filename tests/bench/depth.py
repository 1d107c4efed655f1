"""How much of what the disk takes at any queue depth one worker of afcapd uses, where more is offered.

fio writes a file from its beginning to its end, 1 MiB a write, O_DIRECT, by libaio, at each depth: appending to an empty file,
and into one that has its size before. It runs on the recorder's CPU, in turn with afcapd.
"""
import json, shutil, subprocess, sys

from recorders import MIB, afcapd, fresh_output, measure, medians, output, raw_disk

DEPTHS = 1, 2, 4, 8, 16, 32
SECONDS = 1.5  # for each, as the disk is
TARGET = 0.95
kinds = {"appended": ["--file_append=1", "--fallocate=none"], "preallocated": ["--fallocate=native"]}


def fio(queue, kind, size):
    """Bytes a second."""
    fresh_output()
    command = ["fio", "--name=bench", f"--filename={output}/fio", "--rw=write", "--bs=1M", "--direct=1", "--ioengine=libaio",
               f"--iodepth={queue}", f"--size={size}", "--cpus_allowed=0", "--output-format=json", *kinds[kind]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit("bench: fio: " + done.stderr[-500:])
    return {"disk": json.loads(done.stdout)["jobs"][0]["write"]["bw_bytes"]}


def depth(options):
    if not shutil.which("fio"):
        sys.exit("bench: --depth needs fio")
    size = max(64, int(raw_disk(256 * MIB)["disk"] * SECONDS) // MIB) * MIB
    runs = {f"fio {kind}, depth {queue}": [] for kind in kinds for queue in DEPTHS}
    mine = {frames: [] for frames in options.sizes}
    for _ in range(options.rounds):
        for frames in mine:
            mine[frames].append(measure(afcapd(), frames, options.count, options.rate))
        for kind in kinds:
            for queue in DEPTHS:
                runs[f"fio {kind}, depth {queue}"].append(fio(queue, kind, size))
    middles = {name: medians(of_name)["disk"] for name, of_name in runs.items()}
    for name, disk in middles.items():
        print(f"{name:<28} {disk / 1e6:6.0f} MB/s")
    best = max(middles, key=middles.get)
    for frames, of_frames in mine.items():
        middle = medians(of_frames)
        said = (f"{frames}: afcapd, one worker: {middle['disk'] / 1e6:.0f} MB/s of {middle['offer'] / 1e6:.0f} offered, "
                f"{middle['disk'] / middles[best]:.3f} of {best}")
        if middle["offer"] <= middles[best]:
            print(f"       {said}: the disk takes more than is offered")
        else:
            print(f"{'met   ' if middle['disk'] >= TARGET * middles[best] else 'MISSED'} {said}; target {TARGET}")
    return {**runs, **{f"afcapd {frames}": of_frames for frames, of_frames in mine.items()}}
