"""Rows 1, 2, 5, 6, 7 and 9 of the goals: reads of workload W and its memory, beside nginx and Redis."""

import json
import os
import statistics
import subprocess
import time

import peers
import report
import workload
from measuring import RUN_IDS

BATCH = 50
TENSOR_BATCH = 500


def row_7(bench):
    bench.progress(f"row 7: {bench.many:,} entities in the engine")
    command = [os.path.join(bench.options.tools, "bench_online"), "--entities", bench.many,
               "--batch", BATCH, "--runs", bench.options.runs]
    done = subprocess.run(peers.pinned(peers.SERVER_CORE, command), capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"bench_online: {done.stdout} {done.stderr}")
    result = json.loads(done.stdout)
    bench.raw.append({"what": "bench_online", **result})
    bench.add(report.Row(7, f"store lookup inside a batch of 50, {bench.many:,} users", "ns",
                         result["ns_per_entity"], [], 100, absolute=True))


def loaded(bench, run):
    """Both with the users of W in fresh processes, and the bytes that each of these took."""
    ours = bench.started(peers.Featured(bench.options.binary, bench.path(f"w-{run}")))
    ours.define()
    before = ours.rss_bytes()
    ours.load(bench.users)
    time.sleep(1)
    per_user = (ours.rss_bytes() - before) / bench.users
    directory = bench.path(f"redis-{run}")
    os.mkdir(directory)
    redis = bench.started(peers.Redis(directory))
    before = redis.used_memory_bytes()
    redis.load(bench.users)
    return ours, redis, per_user, (redis.used_memory_bytes() - before) / bench.users


def workload_w(bench):
    runs = range(bench.options.runs if 9 in bench.wanted else 1)
    memory, redis_memory = [], []
    for run in runs:
        bench.stop()
        bench.progress(f"loading {bench.users:,} users of workload W ({run + 1} of {len(runs)})")
        ours, redis, our_bytes, redis_bytes = loaded(bench, run)
        memory.append(our_bytes)
        redis_memory.append(redis_bytes)
    if 9 in bench.wanted:
        with bench.attempt(9):
            bench.add(report.Row(9, "memory per user", "bytes", memory, redis_memory, 0.7,
                                 "Redis hash"))
            bench.note("memory per user by `featured_online_memory_bytes`",
                       ours.metric("featured_online_memory_bytes") / bench.users, "bytes")
    sample = workload.random_users(bench.users, 200, salt=1)
    ours.check(sample)
    redis.check(sample)
    numbers = workload.random_users(bench.users, RUN_IDS)
    if bench.wanted & {1, 2}:
        with bench.attempt(1, 2):
            rows_1_and_2(bench, ours, redis, numbers)
    if 5 in bench.wanted:
        with bench.attempt(5):
            batch_row(bench, 5, "batch of 50 × 4, JSON", BATCH, "application/json", 2, ours, redis,
                      numbers)
    if 6 in bench.wanted:
        with bench.attempt(6):
            batch_row(bench, 6, "batch of 500 × 4, `.npy`", TENSOR_BATCH, "application/x-npy", 3,
                      ours, redis, numbers)


def rows_1_and_2(bench, ours, redis, numbers):
    http = bench.requests("single.http", map(workload.single_read, numbers))
    resp = bench.requests("single.resp", map(workload.hmget, numbers))
    loads = {"featured": ("single read, featured", ours, http, {})}
    if 1 in bench.wanted:
        with bench.attempt(1, finishes=False):
            nginx = bench.nginx_beside(ours, workload.single_read(numbers[0]))
            loads["nginx"] = ("single read, nginx", nginx, http, {})
    if 2 in bench.wanted:
        loads["redis"] = ("single read, redis", redis, resp, {"protocol": "resp"})
    cpu = {name: [run["server_cpu_us_per_request"] for run in runs]
           for name, runs in zip(loads, bench.alternate(*loads.values()))}
    figure = "single read, server CPU per request"
    if "nginx" in loads:
        bench.add(report.Row(1, figure, "µs", cpu["featured"], cpu["nginx"], 1.25,
                             "nginx `return 200` of the same bytes"))
    if "redis" in loads:
        bench.add(report.Row(2, figure, "µs", cpu["featured"], cpu["redis"], 0.67, "Redis `HMGET`"))


def batch_row(bench, row, figure, size, accept, goal, ours, redis, numbers):
    groups = workload.groups(numbers, size)
    http = bench.requests("batch.http", (workload.batch_read(g, accept) for g in groups))
    resp = bench.requests("batch.resp", (b"".join(map(workload.hmget, g)) for g in groups))
    ours_runs, redis_runs = bench.alternate(
        (f"{figure}, featured", ours, http, {"connections": 8}),
        (f"{figure}, redis", redis, resp,
         {"connections": 8, "protocol": "resp", "replies": size}))
    rates = [[run["requests"] * size / run["server_cpu_seconds"] for run in runs]
             for runs in (ours_runs, redis_runs)]
    bench.add(report.Row(row, f"{figure}, entities per CPU second", "/s", *rates, goal,
                         "Redis pipelined `HMGET`", at_least=True))
    alone = [bench.load(f"{figure}, featured", ours, http, connections=1)
             for _ in range(bench.options.runs)]
    bench.note(f"{figure}, 1 connection, p50",
               statistics.median(run["latency_us"]["p50"] for run in alone), "µs")


def empty_server(bench):
    """Figures without a goal, of a server that has just started."""
    binary = bench.options.binary
    starts, memory = [], []
    for i in range(bench.options.runs):
        server = bench.started(peers.Featured(binary, bench.path(f"empty-{i}")))
        starts.append(server.start_seconds * 1000)
        time.sleep(0.2)
        memory.append(server.rss_bytes() / 1e6)
        bench.stop()
    stripped = bench.path("stripped")
    subprocess.run(["strip", "-o", stripped, binary], check=True)
    bench.note("binary, stripped", os.path.getsize(stripped) / 1e6, "MB")
    bench.note("from start to ready, nothing stored", starts, "ms")
    bench.note("resident, nothing stored", memory, "MB")
