#!/usr/bin/env python3
"""Ends a real server with SIGKILL, again and again, and compares what it serves with what it promised.

A round: start (sometimes killed in the middle of recovery, and started again), compare everything with
what was acknowledged, load over many connections with snapshots and new log segments all the time, and
SIGKILL at a random moment. The data directory is carried from round to round.

Usage: tests/crash/crash.py [--rounds N] [--seed S] [--keep]      (FEATURED_BINARY: the server)
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "api")]

from known import AGAIN, FEATURES, TYPES, USER, number_of  # noqa: E402
from load import Load, Wrong  # noqa: E402
from server import Server, binary  # noqa: E402

IDS = 600
CONNECTIONS = 32
READ_IDS = 300
ROUNDS_PER_DIRECTORY = 25  # about


def call(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body and json.dumps(body),
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status != 200:
        raise Wrong(f"{method} {path} answered {response.status}: {answer[:500]}")
    return json.loads(answer)


class Rounds:
    def __init__(self, options):
        self.random = random.Random(options.seed)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="featured-crash-"))
        self.directory = None
        self.load = None
        self.answers = self.checks = self.directories = self.segments = 0
        self.terminations = self.definitions = 0
        self.kills_at_start = self.kills_before_ready = self.kills_in_snapshot = 0

    def flags(self):
        """Small segments and snapshots. SIGKILL leaves what was written, so that nothing may be
        lost under any policy."""
        policy = self.random.choices(("always", "interval", "never"), (6, 2, 1))[0]
        return ("--fsync", policy, "--fsync-interval-ms", "50",
                "--log-segment-bytes", self.random.choice(("64KiB", "256KiB")),
                "--snapshot-log-bytes", self.random.choice(("64KiB", "256KiB", "2MiB")),
                "--log-retention", self.random.choice(("0", "0", "1s")),
                "--threads", self.random.choice(("1", "2")), "--log-level", "warn")

    def new_directory(self):
        self.directories += 1
        if self.directory:
            shutil.rmtree(self.directory)
        self.directory = self.root / f"{self.directories}"
        self.load = Load(IDS, self.random.getrandbits(64))

    def check_directory(self):
        self.checks += 1
        done = subprocess.run([binary(), "check", str(self.directory / "data")],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120)
        if done.returncode != 0:
            raise Wrong(f"featured check: {done.stdout.decode(errors='replace')}")

    def kill_at_start(self):
        """Somewhere between its first instruction and a little after it is ready."""
        self.kills_at_start += 1
        server = Server(self.directory, flags=self.flags())
        with open(server.log_path, "ab") as log:
            process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=log, env=server.environment)
        time.sleep(self.random.uniform(0, self.random.choice((0.01, 0.03, 0.1))))
        if process.poll() is not None:
            raise Wrong(f"the server did not start: {server.log()}")
        process.kill()
        self.kills_before_ready += b"ready on" not in process.communicate()[0]

    def look_around(self):
        """What the kill has left, to know that the moments are well spread."""
        data = self.directory / "data"
        self.kills_in_snapshot += any((data / "snapshot").glob("*.new"))
        self.segments = max(self.segments, len(list((data / "log").glob("*.log"))))

    def define(self, port):
        known = {f["name"] for f in call(port, "GET", "/features")["features"]}
        for name, kind in TYPES.items():
            if name not in known:
                call(port, "POST", "/register", {"name": name, **kind})

    def define_again(self, port):
        """A feature is deleted and registered anew; a kill may follow at once."""
        self.definitions += 1
        features = {f["name"]: f for f in call(port, "GET", "/features")["features"]}
        call(port, "DELETE", f"/features/{features[AGAIN]['id']}")
        call(port, "POST", "/register", {"name": AGAIN, **TYPES[AGAIN]})
        self.load.rows_before[AGAIN] = self.load.rows_counted
        for known in self.load.knowns:
            known.forget(AGAIN)

    # Comparing

    def served(self, port, knowns):
        """Numbers served for each id, in the order of FEATURES."""
        rows = [[] for _ in knowns]
        for names in (USER, FEATURES[len(USER):]):
            body = {"entity_ids": [k.name for k in knowns], "feature_names": list(names)}
            for row, answer in zip(rows, call(port, "POST", "/features/online", body)):
                row += [number_of(name, answer["features"][name]) for name in names]
        return [tuple(row) for row in rows]

    def compare_id(self, known, got):
        before = known.numbers()
        if not known.pending:
            if got != before:
                raise Wrong(f"{known.name}: serves {got}, acknowledged {before}: {known}")
            return
        effect = known.pending[0]
        after = known.numbers(effect.cells)
        if got not in (before, after):
            raise Wrong(f"{known.name}: serves {got}; acknowledged {before}, in flight {after}")
        effect.resolve(got == after != before)

    def compare_statistics(self, port):
        load = self.load
        features = {f["name"]: f for f in call(port, "GET", "/features")["features"]}
        counts = {name: features[name]["count"] + load.rows_before[name] for name in FEATURES}
        low = load.rows_counted + load.rows_acknowledged
        high = low + sum(effect.is_row for effect in load.in_flight)
        count = counts[FEATURES[0]]
        if set(counts.values()) != {count} or not low <= count <= high:
            raise Wrong(f"statistics count {counts}, expected {low} to {high}, all the same")
        load.rows_counted, load.rows_acknowledged = count, 0

    def compare(self, port):
        self.compare_statistics(port)
        for i in range(0, IDS, READ_IDS):
            knowns = self.load.knowns[i:i + READ_IDS]
            for known, got in zip(knowns, self.served(port, knowns)):
                self.compare_id(known, got)
        self.load.in_flight = []

    # A round

    def start(self):
        if self.random.random() < 0.3:
            self.check_directory()
        while self.random.random() < 0.3:
            self.kill_at_start()
        return Server(self.directory, flags=self.flags()).start()

    def disturb(self, process, seconds):
        """On its own thread: snapshots, then the end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self.random.uniform(0.01, 0.15)))
            if self.random.random() < 0.7:
                os.kill(process.pid, signal.SIGUSR1)
        if self.random.random() < 0.15:  # in the middle of a clean end, or just after it
            self.terminations += 1
            process.terminate()
            time.sleep(self.random.uniform(0, 0.1))
        process.kill()

    def run(self):
        is_first = self.directory is None or self.random.random() < 1 / ROUNDS_PER_DIRECTORY
        if is_first:
            self.new_directory()
            server = Server(self.directory, flags=self.flags()).start()
            self.define(server.port)
        else:
            server = self.start()
            self.compare(server.port)
            if self.random.random() < 0.15:
                self.define_again(server.port)
                if self.random.random() < 0.5:
                    server.kill()
                    server = self.start()
                    self.compare(server.port)
        seconds = self.random.uniform(0.02, 0.7)
        before, terminations = self.load.answers, self.terminations
        thread = threading.Thread(target=self.disturb, args=(server.process, seconds))
        thread.start()
        try:
            self.load.run(server.port, CONNECTIONS)
        finally:
            thread.join()
        self.answers += self.load.answers - before
        status = server.process.wait()
        may_end = self.terminations > terminations and status == 0
        if status != -signal.SIGKILL and not may_end:
            raise Wrong(f"the server ended by itself with {status}: {server.log()}")
        server.kill()
        self.look_around()


def show(rounds, done, total, started):
    print(f"round {done}/{total}: {rounds.answers} answers noted, {rounds.directories} "
          f"directories, up to {rounds.segments} log segments, {rounds.kills_in_snapshot} kills "
          f"during a snapshot, {rounds.terminations} after SIGTERM, {rounds.kills_at_start} at a "
          f"start ({rounds.kills_before_ready} before it was ready), {rounds.checks} checks, "
          f"{rounds.definitions} features registered again, "
          f"{time.monotonic() - started:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--keep", action="store_true", help="keep the directory of a failure")
    options = parser.parse_args()
    os.environ["FEATURED_BINARY"] = os.path.abspath(binary())  # servers run elsewhere
    print(f"crash: {options.rounds} rounds, --seed {options.seed}", flush=True)
    rounds = Rounds(options)
    started = time.monotonic()
    done = 0
    try:
        for done in range(1, options.rounds + 1):
            rounds.run()
            if done % 50 == 0:
                show(rounds, done, options.rounds, started)
    except (Wrong, AssertionError, ValueError) as wrong:
        show(rounds, done, options.rounds, started)
        print(f"FAILED in round {done}, --seed {options.seed}: {wrong}", flush=True)
        if options.keep:
            print(f"kept: {rounds.directory}", flush=True)
        print("0 passed, 1 failed")
        return 1
    finally:
        if not options.keep:
            shutil.rmtree(rounds.root, ignore_errors=True)
    show(rounds, done, options.rounds, started)
    print(f"{done} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
