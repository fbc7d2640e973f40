"""Rows 3 and 4 (beside FastAPI + Redis), 15 (beside Feast) and 21 to 24 (reading through Redis) of the goals.
Everything that serves runs on the server's core, Redis included; the generator on the other."""

import functools
import os

import feast_peer
import open_loop
import peers
import report
import workload
from measuring import RUN_IDS, latency, rates

BATCH = 50
CONNECTIONS = 64
FEW = 10  # connections of the comparison with FastAPI
ANSWER_SAMPLE = 50
OURS, THROUGH_REDIS, FASTAPI, FEAST = "featured", "featured on Redis", "FastAPI + Redis", "Feast on Redis"


class Requests:
    """The same ids and features for each way of asking."""

    def __init__(self, bench, name, numbers):
        groups = workload.groups(numbers, BATCH)
        self.numbers = numbers
        self.single = bench.requests(f"{name}-single.http", map(workload.single_read, numbers))
        self.batch = bench.requests(f"{name}-batch.http", map(workload.batch_read, groups))
        self.feast_single = bench.requests(f"{name}-single.feast", (
            feast_peer.read([n]) for n in numbers))
        self.feast_batch = bench.requests(f"{name}-batch.feast", map(feast_peer.read, groups))


def once(make):
    """Made when it is first asked for; if that fails, all who ask hear why."""
    @functools.wraps(make)
    def made(self):
        if make.__name__ not in self.made:
            try:
                self.made[make.__name__] = make(self), None
            except Exception as error:
                self.made[make.__name__] = None, error
        result, error = self.made[make.__name__]
        if error:
            raise error
        return result

    return property(made)


class Servers:
    """Each is started and filled when it is first asked for, its answers checked, and stays."""

    def __init__(self, bench):
        self.bench = bench
        self.made = {}
        self.sample = workload.random_users(bench.users, ANSWER_SAMPLE, salt=1)

    def checked(self, server, sample=None):
        server.check(sample or self.sample)
        return server

    @once
    def requests(self):
        return Requests(self.bench, "w", workload.random_users(self.bench.users, RUN_IDS))

    @once
    def few_requests(self):
        """Of the users that Feast holds too."""
        return Requests(self.bench, "few", workload.random_users(
            feast_peer.users(self.bench), RUN_IDS // 5))

    @once
    def embedded(self):
        self.bench.progress(f"loading {self.bench.users:,} users of workload W")
        ours = self.bench.started(peers.Featured(self.bench.options.binary,
                                                 self.bench.path("embedded")))
        ours.define()
        ours.load(self.bench.users)
        return self.checked(ours)

    @once
    def filled(self):
        """One Redis for all: featured fills it, and everybody reads the same hashes."""
        self.bench.progress(f"loading {self.bench.users:,} users of workload W into Redis through "
                            "featured")
        directory = self.bench.path("redis-shared")
        os.mkdir(directory)
        redis = self.bench.started(peers.Redis(directory))
        ours = self.bench.started(peers.Featured(
            self.bench.options.binary, self.bench.path("through-redis"), "--redis-url",
            f"redis://127.0.0.1:{redis.port}"))
        ours.define()
        ours.load(self.bench.users)
        return self.checked(redis), self.checked(ours)

    @property
    def redis(self):
        return self.filled[0]

    @property
    def through_redis(self):
        return self.filled[1]

    @once
    def fastapi(self):
        return self.checked(self.bench.started(peers.FastAPI(self.bench.path("fastapi"),
                                                             self.redis.port)))

    @once
    def feast(self):
        return self.checked(feast_peer.started(self.bench), workload.random_users(
            feast_peer.users(self.bench), ANSWER_SAMPLE, salt=1))


def row_3(bench, servers):
    requests = servers.requests.single
    our, their = bench.alternate(
        ("single read at 10, featured", servers.embedded, requests, {"connections": FEW}),
        ("single read at 10, FastAPI", servers.fastapi, requests, {"connections": FEW}))
    bench.add(report.Row(3, "single read, 10 connections, p99", "µs", latency(our, "p99"),
                         latency(their, "p99"), 1 / 20, FASTAPI))
    bench.add(report.Row(3, "the same, throughput", "/s", rates(our), rates(their), 40, FASTAPI,
                         at_least=True))


def row_4(bench, servers):
    requests = servers.requests.batch
    our, their = bench.alternate(
        ("batch of 50 at 1, featured", servers.embedded, requests, {"connections": 1}),
        ("batch of 50 at 1, FastAPI", servers.fastapi, requests, {"connections": 1}))
    bench.add(report.Row(4, "batch of 50 × 4, 1 connection, p50", "µs", latency(our, "p50"),
                         latency(their, "p50"), 1 / 100, FASTAPI))
    with bench.attempt():  # what a constant answer costs
        request = workload.batch_read(workload.random_users(bench.users, BATCH))
        nginx = bench.nginx_beside(servers.embedded, request)
        floor, = bench.alternate(("constant answer at 1, nginx", nginx, requests, {"connections": 1}))
        bench.note("row 4: nginx `return 200` of the same bytes, 1 connection, p50",
                   latency(floor, "p50"), "µs")


def row_15(bench, servers):
    requests = servers.few_requests
    our, their = bench.alternate(
        ("batch of 50 at 10, featured", servers.embedded, requests.batch, {"connections": FEW}),
        ("batch of 50 at 10, Feast", servers.feast, requests.feast_batch, {"connections": FEW}))
    bench.add(report.Row(15, "batch of 50 × 4, 10 connections, throughput", "/s", rates(our),
                         rates(their), 100, "Feast's Python server on Redis", at_least=True))
    bench.add(report.Row(15, "the same, p99", "µs", latency(our, "p99"), latency(their, "p99"),
                         None, "Feast"))


class Beside:
    """CPU seconds of Redis while it is asked by us, and by the generator itself."""

    def __init__(self, bench, redis):
        self.bench = bench
        self.redis = redis

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
    bench.note(f"{figure}: CPU per request, featured",
               [run["server_cpu_us_per_request"] for run in runs], "µs")
    bench.note(f"{figure}: CPU per request, its Redis",
               [run["redis_cpu_us_per_request"] for run in runs], "µs")


def beside_redis(bench, servers, number, figure, goal, requests, connections, size):
    """Throughput against the very `HMGET` that featured sends for `size` ids, and against one of the values
    alone, of which nobody could tell whether they still hold."""
    def hmget(kind, fields):
        return bench.requests(f"row-{number}-{kind}.resp", (
            b"".join(workload.hmget(n, fields) for n in group)
            for group in workload.groups(servers.requests.numbers, size)))

    options = {"connections": connections}
    resp = {**options, "protocol": "resp", "replies": size}
    our, same, values = Beside(bench, servers.redis).alternate(
        (f"{figure} through Redis", servers.through_redis, requests, options),
        (f"{figure}, the same HMGET", servers.redis, hmget("dated", workload.DATED_FEATURES), resp),
        (f"{figure}, HMGET of the values", servers.redis, hmget("values", workload.FEATURES), resp))
    bench.add(report.Row(number, f"{figure} through Redis, {connections} connections", "/s",
                         rates(our), rates(same), goal, "Redis, the same `HMGET`", at_least=True))
    bench.add(report.Row(number, "the same", "/s", rates(our), rates(values), None,
                         "Redis, `HMGET` without the event times"))
    note_cpu(bench, f"{figure} through Redis", our)


def row_21(bench, servers):
    beside_redis(bench, servers, 21, "single read", 0.6, servers.requests.single, CONNECTIONS, 1)
    bench.note("`redis-benchmark`, the same `HMGET` of one hash, 64 connections",
               servers.redis.benchmark_hmget(CONNECTIONS), "/s")


def row_22(bench, servers):
    beside_redis(bench, servers, 22, "batch of 50 × 4", 0.7, servers.requests.batch, 8, BATCH)


def beside_fastapi(bench, servers, number, figure, requests):
    """Throughput and p99 on few connections, against FastAPI on the same Redis."""
    our, their = bench.alternate(
        (f"{figure} at {FEW} through Redis", servers.through_redis, requests, {"connections": FEW}),
        (f"{figure} at {FEW}, FastAPI", servers.fastapi, requests, {"connections": FEW}))
    bench.add(report.Row(number, f"{figure} through Redis, {FEW} connections", "/s", rates(our),
                         rates(their), 20, "FastAPI, same Redis", at_least=True))
    bench.add(report.Row(number, "the same, p99", "µs", latency(our, "p99"),
                         latency(their, "p99"), 0.1, "FastAPI, same Redis"))


def row_23(bench, servers):
    beside_fastapi(bench, servers, 23, "single read", servers.requests.single)


def row_24(bench, servers):
    beside_fastapi(bench, servers, 24, "batch of 50 × 4", servers.requests.batch)


def contenders(bench, servers):
    """Who reads the same single ids, for the charts, and why the others do not."""
    requests = servers.few_requests
    started, missing = {}, []
    for name, server, file in ((OURS, "embedded", "single"), (THROUGH_REDIS, "through_redis", "single"),
                               (FASTAPI, "fastapi", "single"), (FEAST, "feast", "feast_single")):
        try:
            started[name] = getattr(servers, server), getattr(requests, file)
        except Exception as error:
            missing.append(f"{name}: {error}")
    return started, missing


def chart(name, measured):
    """A chart of those that can be started; it fails if somebody is missing, but keeps what it has."""
    def measure_chart(bench, servers):
        started, missing = contenders(bench, servers)
        bench.charts[name] = measured(bench, started)
        if missing:
            raise RuntimeError(f"without {'; '.join(missing)}")

    return measure_chart


def row_13(bench, servers):
    open_loop.row_13(bench, servers.embedded)


MEASURES = {3: row_3, 4: row_4, 13: row_13, 15: row_15, 21: row_21, 22: row_22, 23: row_23, 24: row_24,
            "throughput": chart("throughput", open_loop.throughput),
            "percentiles": chart("percentiles", open_loop.percentiles)}


def measure(bench):
    servers = Servers(bench)
    for row, function in MEASURES.items():
        if row in bench.wanted:
            with bench.attempt(row):
                function(bench, servers)
