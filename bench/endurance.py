"""Row 16 of the goals, in small: `make crash ROUNDS=1000` is the whole."""

import os
import re
import subprocess
import sys
import time

import report

HERE = os.path.dirname(os.path.abspath(__file__))
CRASH = os.path.join(os.path.dirname(HERE), "tests/crash/crash.py")
ROUNDS = 100


def run(bench, what, command):
    began = time.monotonic()
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False,
                          env={**os.environ, "FEATURED_BINARY": bench.options.binary})
    bench.raw.append({"what": what, "seconds": time.monotonic() - began,
                      "exit_status": done.returncode, "output": done.stdout[-2000:]})
    return done


def row_16(bench):
    rounds = max(3, int(ROUNDS * min(1, bench.options.scale)))
    bench.progress(f"row 16: {rounds} rounds of kill -9, power lost from {rounds} seeds")
    done = run(bench, "kill -9", [sys.executable, CRASH, "--rounds", rounds])
    if not re.search(r"^\d+ passed, \d+ failed$", done.stdout, re.MULTILINE):
        raise RuntimeError(f"crash.py: {done.stdout[-500:]}")
    bench.add(report.Row(16, f"kill -9, {rounds} rounds: rounds with a row lost or torn, or a failed start",
                         "", [int(done.returncode != 0)], [], 0, absolute=True))
    build = os.path.dirname(bench.options.tools)
    program = os.path.join(build, "tests/unit/online/test_power_loss")
    done = run(bench, "lost power", [program, "--seeds", rounds])
    bench.add(report.Row(16, f"power lost, {rounds} seeds and each policy: the same", "",
                         [int(done.returncode != 0)], [], 0, absolute=True))
