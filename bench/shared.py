"""Rows 3 and 4 of the goals (beside FastAPI + Redis), and 21 to 24: reading through Redis. Everything that
serves runs on the server's core, Redis included; the generator on the other."""

import os
import statistics

import peers
import report
import workload

BATCH = 50
CONNECTIONS = 64
FEW = 10  # connections of the comparison with FastAPI
ANSWER_SAMPLE = 50


class Requests:
    """The same ids and features for each way of asking."""

    def __init__(self, bench, numbers):
        groups = workload.groups(numbers, BATCH)
        self.single = bench.requests("single.http", map(workload.single_read, numbers))
        self.batch = bench.requests("batch50.http", map(workload.batch_read, groups))
        self.hmget = bench.requests("single.resp", map(workload.hmget, numbers))
        self.pipeline = bench.requests("batch50.resp",
                                       (b"".join(map(workload.hmget, group)) for group in groups))


def rates(runs):
    return [run["requests_per_second"] for run in runs]


def latency(runs, percentile):
    return [run["latency_us"][percentile] for run in runs]


def embedded_rows(bench, wanted, requests, fastapi, sample):
    ours = bench.started(peers.Featured(bench.options.binary, bench.path("embedded")))
    ours.define()
    ours.load(bench.users)
    ours.check(sample)
    if 3 in wanted:
        our, their = bench.alternate(
            ("single read at 10, featured", ours, requests.single, {"connections": FEW}),
            ("single read at 10, FastAPI", fastapi, requests.single, {"connections": FEW}))
        bench.add(report.Row(3, "single read, 10 connections, p99", "µs", latency(our, "p99"),
                             latency(their, "p99"), 1 / 20, "FastAPI + Redis"))
        bench.add(report.Row(3, "single read, 10 connections, throughput", "/s", rates(our),
                             rates(their), 40, "FastAPI + Redis", at_least=True))
    if 4 in wanted:
        our, their = bench.alternate(
            ("batch of 50 at 1, featured", ours, requests.batch, {"connections": 1}),
            ("batch of 50 at 1, FastAPI", fastapi, requests.batch, {"connections": 1}))
        bench.add(report.Row(4, "batch of 50 × 4, 1 connection, p50", "µs", latency(our, "p50"),
                             latency(their, "p50"), 1 / 100, "FastAPI + Redis"))
    ours.stop()
    bench.servers.remove(ours)


class Beside:
    """CPU seconds of Redis while it is asked by us, and by the generator itself."""

    def __init__(self, bench, redis):
        self.bench = bench
        self.redis = redis
        self.cpu = {}

    def load(self, what, server, requests, **options):
        before = self.redis.cpu_seconds()
        run = self.bench.load(what, server, requests, **options)
        # The generator's warm-up counts too: per request of both.
        length = self.bench.options.seconds + self.bench.options.warmup
        run["redis_cpu_us_per_request"] = (1e6 * (self.redis.cpu_seconds() - before) /
                                           (run["requests_per_second"] * length))
        return run

    def alternate(self, *loads):
        results = [[] for _ in loads]
        for _ in range(self.bench.options.runs):
            for kept, (what, server, requests, options) in zip(results, loads):
                kept.append(self.load(what, server, requests, **options))
        return results


def note_cpu(bench, figure, runs):
    bench.also[f"{figure}: CPU per request, featured"] = statistics.median(
        run["server_cpu_us_per_request"] for run in runs)
    bench.also[f"{figure}: CPU per request, its Redis"] = statistics.median(
        run["redis_cpu_us_per_request"] for run in runs)


def beside_fastapi(beside, number, figure, requests, ours, fastapi):
    """Throughput and p99 on few connections, against FastAPI on the same Redis."""
    our, their = beside.alternate(
        (f"{figure} at {FEW} through Redis", ours, requests, {"connections": FEW}),
        (f"{figure} at {FEW}, FastAPI", fastapi, requests, {"connections": FEW}))
    beside.bench.add(report.Row(number, f"{figure} through Redis, {FEW} connections", "/s", rates(our),
                                rates(their), 20, "FastAPI, same Redis", at_least=True))
    beside.bench.add(report.Row(number, "the same, p99", "µs", latency(our, "p99"),
                                latency(their, "p99"), 0.1, "FastAPI, same Redis"))


def redis_rows(bench, wanted, requests, redis, ours, fastapi):
    beside = Beside(bench, redis)
    if 21 in wanted:
        our, their = beside.alternate(
            ("single read through Redis", ours, requests.single, {"connections": CONNECTIONS}),
            ("single read, HMGET", redis, requests.hmget,
             {"connections": CONNECTIONS, "protocol": "resp"}))
        bench.add(report.Row(21, "single read through Redis, 64 connections", "/s", rates(our),
                             rates(their), 0.6, "Redis HMGET", at_least=True))
        note_cpu(bench, "single read through Redis", our)
        bench.also["redis-benchmark HMGET"] = redis.benchmark_hmget(CONNECTIONS)
    if 22 in wanted:
        our, their = beside.alternate(
            ("batch of 50 through Redis", ours, requests.batch, {"connections": 8}),
            ("batch of 50, HMGET", redis, requests.pipeline,
             {"connections": 8, "protocol": "resp", "replies": BATCH}))
        bench.add(report.Row(22, "batch of 50 × 4 through Redis, 8 connections", "/s", rates(our),
                             rates(their), 0.7, "Redis pipelined HMGET", at_least=True))
        note_cpu(bench, "batch of 50 through Redis", our)
    if 23 in wanted:
        beside_fastapi(beside, 23, "single read", requests.single, ours, fastapi)
    if 24 in wanted:
        beside_fastapi(beside, 24, "batch of 50 × 4", requests.batch, ours, fastapi)


def measure(bench, wanted):
    """One Redis for all: featured fills it, and everybody reads the same hashes."""
    if not wanted & {3, 4, 21, 22, 23, 24}:
        return
    bench.progress(f"loading {bench.users:,} users of workload W into Redis through featured")
    directory = bench.path("redis-shared")
    os.mkdir(directory)
    redis = bench.started(peers.Redis(directory))
    ours = bench.started(peers.Featured(
        bench.options.binary, bench.path("through-redis"), "--redis-url",
        f"redis://127.0.0.1:{redis.port}"))
    ours.define()
    ours.load(bench.users)
    fastapi = bench.started(peers.FastAPI(bench.path("fastapi"), redis.port))
    sample = workload.random_users(bench.users, ANSWER_SAMPLE, salt=1)
    for server in (ours, redis, fastapi):
        server.check(sample)
    requests = Requests(bench, workload.random_users(bench.users, bench.run_ids))
    if wanted & {3, 4}:
        embedded_rows(bench, wanted, requests, fastapi, sample)
    redis_rows(bench, wanted, requests, redis, ours, fastapi)
    bench.stop()
