"""What all rows share: the options, the servers that run, the load generator, and the results so far."""

import contextlib
import json
import os
import subprocess
import sys
import time
import traceback

import peers
import workload

RUN_IDS = 500000  # random ids of a request file: more than a run gets through

ROWS = {
    1: "single read, server CPU, beside nginx",
    2: "single read, server CPU, beside Redis",
    3: "single read, 10 connections, beside FastAPI",
    4: "batch of 50 × 4, 1 connection, beside FastAPI",
    5: "batch of 50 × 4 as JSON, beside Redis",
    6: "batch of 500 × 4 as .npy, beside Redis",
    7: "store lookup inside a batch",
    8: "growth",
    9: "memory per user",
    10: "bulk ingest",
    11: "one durable row per request",
    12: "reads beside writes",
    13: "single read at 80 % of the highest sustained rate",
    14: "restart",
    15: "batch of 50 × 4, beside Feast",
    16: "kill -9 and lost power",
    21: "single read through Redis",
    22: "batch of 50 × 4 through Redis",
    23: "single read through Redis, beside FastAPI",
    24: "batch of 50 × 4 through Redis, beside FastAPI",
}
# What is measured for a chart only; `charts` in the list of rows means all of them.
CHARTS = ("throughput", "percentiles", "growth", "memory")


def progress(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.wanted = options.rows | {"empty server"}
        self.users = max(1000, int(1000000 * options.scale))
        self.many = max(10000, int(10000000 * options.scale))
        self.rows = []
        self.failed = {}      # row or chart -> why
        self.finished = set()
        self.charts = {}      # chart -> what it is drawn from
        self.raw = []
        self.also = []
        self.servers = []
        self.progress = progress

    def path(self, name):
        return os.path.join(self.directory, name)

    def started(self, server):
        self.servers.append(server)
        return server

    def stop(self, *servers):
        """Ends these, or all."""
        for server in servers or tuple(self.servers):
            server.stop()
            self.servers.remove(server)

    @contextlib.contextmanager
    def attempt(self, *rows, finishes=True):
        """What fails in here fails those of the rows that have not finished or failed by themselves
        (may be nested); the others are measured all the same. Else they have finished, unless this is but
        a beginning."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            self.fail(rows, reason)
        else:
            if finishes:
                self.finished |= self.wanted & set(rows) - set(self.failed)

    def fail(self, rows, reason):
        for row in sorted(self.wanted & set(rows) - self.finished - set(self.failed), key=str):
            self.failed[row] = reason
            progress(f"{row} FAILED: {reason}")

    def requests(self, name, rendered):
        return workload.write_requests(self.path(name), rendered)

    def background(self, server, requests, protocol="http", connections=64, replies=1, rate=0,
                   core=None, seconds=None):
        """A load generator at work; `rate` 0: a closed loop; `core` None: wherever there is room."""
        command = [os.path.join(self.options.tools, "bench_load"), "--port", server.port,
                   "--requests", requests, "--protocol", protocol, "--connections", connections,
                   "--replies", replies, "--warmup", self.options.warmup, "--rate", rate,
                   "--seconds", seconds or self.options.seconds, "--cpu-pid", server.pid]
        command = peers.pinned(core, command) if core else list(map(str, command))
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, generator, what):
        """Its JSON, kept among the raw numbers."""
        out, complaint = generator.communicate()
        if generator.returncode != 0:
            raise RuntimeError(f"{what}: {out} {complaint}")
        result = json.loads(out)
        self.raw.append({"what": what, **result})
        return result

    def load(self, what, server, requests, core=peers.GENERATOR_CORE, **options):
        return self.finish(self.background(server, requests, core=core, **options), what)

    def alternate(self, *loads, runs=None):
        """Every load in turn, as many times as there are runs, so that all see the same weather."""
        results = [[] for _ in loads]
        for _ in range(runs or self.options.runs):
            for kept, load in zip(results, loads):
                kept.append(self.load(*load[:3], **load[3]))
        return results

    def nginx_beside(self, server, request):
        """nginx, which gives to all requests the answer that this server gives to this one."""
        answer = peers.raw_answer(server.port, request)
        directory = self.path(f"nginx-{len(self.raw)}")
        os.mkdir(directory)
        nginx = self.started(peers.Nginx(directory, answer.split(b"\r\n\r\n")[1].decode(),
                                         len(answer)))
        self.raw.append({"what": "bytes per answer", "featured": len(answer),
                         "nginx": nginx.answer_bytes})
        return nginx

    def add(self, row):
        self.rows.append(row)
        progress("row " + " | ".join(row.cells()))

    def note(self, what, value, unit=""):
        """A figure without a goal; a list: one of each run."""
        self.also.append({"what": what, "value": value, "unit": unit})


def rates(runs):
    return [run["requests_per_second"] for run in runs]


def latency(runs, percentile):
    return [run["latency_us"][percentile] for run in runs]
