"""Row 8 of the goals, and what the charts of growth and memory are drawn from: the same reads of 1,000 to
10,000,000 users, and the memory that these take."""

import os
import time

import peers
import report
import workload
from measuring import RUN_IDS, latency

FEW = 1000
SAMPLE = 200
# Below this, a resident size says more about pages than about users.
MEMORY_USERS_AT_LEAST = 100000


def sizes(bench):
    if not bench.wanted & {"growth", "memory"}:
        return [FEW, bench.many]
    steps = [FEW]
    while steps[-1] * 10 < bench.many:
        steps.append(steps[-1] * 10)
    return steps + [bench.many]


def loaded(bench, users):
    """A server with so many users, and the bytes of resident memory that each took."""
    bench.progress(f"growth: loading {users:,} users")
    server = bench.started(peers.Featured(bench.options.binary, bench.path(f"g-{users}")))
    server.define()
    before = server.rss_bytes()
    server.load(users)
    time.sleep(1)
    per_user = (server.rss_bytes() - before) / users
    server.check(workload.random_users(users, SAMPLE, salt=1))
    return server, per_user


def redis_memory(bench, all_users):
    """Bytes per hash as one Redis grows through these sizes."""
    directory = bench.path("redis-growth")
    os.mkdir(directory)
    redis = bench.started(peers.Redis(directory))
    empty = redis.used_memory_bytes()
    per_user, before = [], 0
    for users in all_users:
        bench.progress(f"memory: {users:,} users in Redis")
        redis.load_inside(users, first=before)
        redis.check(workload.random_users(users, SAMPLE, salt=1))
        per_user.append((redis.used_memory_bytes() - empty) / users)
        before = users
    bench.stop(redis)
    return per_user


def reads(bench, servers):
    """Single reads of each size in turn: the runs of each."""
    loads = []
    for users, server in servers.items():
        numbers = workload.random_users(users, RUN_IDS)
        http = bench.requests(f"growth-{users}.http", map(workload.single_read, numbers))
        loads.append((f"single read of {users:,}", server, http, {}))
    return dict(zip(servers, bench.alternate(*loads)))


def measure(bench):
    all_users = sizes(bench)
    servers, memory = {}, {}
    for users in all_users:
        servers[users], memory[users] = loaded(bench, users)
    if bench.wanted & {8, "growth"}:
        with bench.attempt(8, "growth"):
            runs = reads(bench, servers)
            bench.charts["growth"] = [
                {"users": users, "p50_us": latency(kept, "p50"), "p99_us": latency(kept, "p99")}
                for users, kept in runs.items()]
            if 8 in bench.wanted:
                bench.add(report.Row(
                    8, f"single read p50, {bench.many:,} users against {FEW:,}", "µs",
                    latency(runs[bench.many], "p50"), latency(runs[FEW], "p50"), 1.3,
                    f"{FEW:,} users"))
    bench.stop(*servers.values())
    if "memory" in bench.wanted:
        with bench.attempt("memory"):
            counted = [n for n in all_users if n >= MEMORY_USERS_AT_LEAST] or all_users[-1:]
            bench.charts["memory"] = [
                {"users": users, "featured_bytes": memory[users], "redis_bytes": theirs}
                for users, theirs in zip(counted, redis_memory(bench, counted))]
