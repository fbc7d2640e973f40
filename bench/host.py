"""What the host of a virtual machine does to its cores.

It pauses them while they are busy: host.py SECONDS prints as JSON how often and for how long. And it takes
a core that halts away, and gives it back when it gets round to it: awake() keeps them from halting."""

import contextlib
import json
import struct
import subprocess
import sys
import time

import peers

SHORTEST_NS = 50000
LONG_NS = 1000000
SECONDS = 5
LATENCY = "/dev/cpu_dma_latency"  # microseconds that a core may take to wake


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


@contextlib.contextmanager
def awake():
    """All cores, for everybody who is measured: otherwise a request that finds a core halted costs what the
    host makes of it, and a server that is always busy is spared that. Linux keeps them polling for as long as
    this file is held open (https://docs.kernel.org/power/pm_qos_interface.html). Gives whether it does."""
    try:
        file = open(LATENCY, "wb", buffering=0)
    except OSError:
        yield False
        return
    with file:
        file.write(struct.pack("i", 0))
        yield True


def print_pauses(seconds):
    found = pauses(seconds)
    print(json.dumps({"seconds": seconds, "count": len(found), "longest_ns": max(found, default=0),
                      "share_in_long": sum(n for n in found if n > LONG_NS) / (seconds * 1e9)}))


if __name__ == "__main__":
    print_pauses(float(sys.argv[1]))
