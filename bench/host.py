"""What the host of a virtual machine does to its cores.

It pauses them while they are busy: host.py SECONDS prints as JSON how often and for how long. And it takes
a core that halts away, and gives it back when it gets round to it: `host.py awake` never halts, and is in
nobody's way."""

import contextlib
import json
import os
import subprocess
import sys
import time

import peers

SHORTEST_NS = 50000
LONG_NS = 1000000
SECONDS = 5


def pauses(seconds):
    """All times of SHORTEST_NS and more in which this thread did not run."""
    found = []
    last = time.monotonic_ns()
    end = last + int(seconds * 1e9)
    while last < end:
        now = time.monotonic_ns()
        if now - last >= SHORTEST_NS:
            found.append(now - last)
        last = now
    return found


def note(bench, row):
    """Of both cores at once, as when they serve and generate, while nothing is measured."""
    seconds = min(SECONDS, bench.options.seconds)
    probes = {
        name: subprocess.Popen(peers.pinned(core, [sys.executable, __file__, seconds]),
                               stdout=subprocess.PIPE, text=True)
        for name, core in (("server", peers.SERVER_CORE), ("generator", peers.GENERATOR_CORE))}
    for name, probe in probes.items():
        result = json.loads(probe.communicate()[0])
        bench.raw.append({"what": f"pauses of a thread that never waits, the {name}'s core", **result})
        bench.note(f"row {row}: the host paused a busy {name} for more than 1 ms, share of the time",
                   100 * result["share_in_long"], "%")
        bench.note(f"row {row}: the longest such pause of the {name}", result["longest_ns"] / 1e6, "ms")


def stay_awake():
    """Until the parent has gone, whenever nothing else wants the core."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    parent = os.getppid()
    while os.getppid() == parent:
        for _ in range(1000000):
            pass


@contextlib.contextmanager
def awake():
    """Both cores, for everybody who is measured: otherwise a request that finds a core halted costs what the
    host makes of it, and a server that is always busy is spared that."""
    loops = [subprocess.Popen(peers.pinned(core, [sys.executable, __file__, "awake"]))
             for core in (peers.SERVER_CORE, peers.GENERATOR_CORE)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def print_pauses(seconds):
    found = pauses(seconds)
    print(json.dumps({"seconds": seconds, "count": len(found), "longest_ns": max(found, default=0),
                      "share_in_long": sum(n for n in found if n > LONG_NS) / (seconds * 1e9)}))


if __name__ == "__main__":
    if sys.argv[1] == "awake":
        stay_awake()
    else:
        print_pauses(float(sys.argv[1]))
