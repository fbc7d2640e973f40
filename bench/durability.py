"""Rows 10, 11, 12 and 14 of the goals, and reads during a snapshot: what durability costs."""

import os
import shutil
import signal
import statistics
import time

import peers
import report
import workload

BULK_ROWS = 5000       # of one bulk request, and commands of one Redis pipeline
BULK_REQUESTS = 40     # different ones, sent round and round
READ_CONNECTIONS = 16
BOTH_CORES = f"{peers.SERVER_CORE},{peers.GENERATOR_CORE}"


def bulk_requests(bench):
    """The same random rows for featured and for Redis."""
    numbers = workload.random_users(bench.users, BULK_ROWS * BULK_REQUESTS, salt=2)
    groups = workload.groups(numbers, BULK_ROWS)
    http = bench.requests("bulk.http", (workload.bulk_write(group, i)
                                        for i, group in enumerate(groups)))
    resp = bench.requests("bulk.resp", (b"".join(workload.hset(n, i) for n in group)
                                        for i, group in enumerate(groups)))
    return http, resp


def row_10(bench):
    """Rows per second of CPU, everybody pinned to one core, over a store that holds the users."""
    http, resp = bulk_requests(bench)
    variants = {}
    for policy in ("interval", "always", "never"):
        variants[f"featured, fsync {policy}"] = featured(bench, f"bulk-{policy}", "--fsync", policy)
    for policy in ("no", "everysec", "always"):
        directory = bench.path(f"redis-bulk-{policy}")
        os.mkdir(directory)
        options = [] if policy == "no" else ["--appendonly", "yes", "--appendfsync", policy]
        redis = bench.started(peers.Redis(directory, *options))
        redis.load(bench.users)
        variants[f"Redis, appendfsync {policy}"] = redis
    results = bench.alternate(*(
        (f"bulk ingest, {name}", server, resp if name.startswith("Redis") else http,
         {"connections": 1, "protocol": "resp", "replies": BULK_ROWS}
         if name.startswith("Redis") else {"connections": 2})
        for name, server in variants.items()))
    rates = {name: [run["requests"] * BULK_ROWS / run["server_cpu_seconds"] for run in runs]
             for name, runs in zip(variants, results)}
    wall = {name: [run["requests"] * BULK_ROWS / run["seconds"] for run in runs]
            for name, runs in zip(variants, results)}
    bench.add(report.Row(10, "bulk ingest of rows of 4, `--fsync interval`, rows per CPU second", "/s",
                         rates["featured, fsync interval"], rates["Redis, appendfsync no"], 1,
                         "Redis pipelined `HSET`, not durable", at_least=True))
    for name in variants:
        bench.note(f"bulk ingest, {name}: rows per CPU second", rates[name], "/s")
    bench.note("bulk ingest, fsync interval, 2 connections: rows per second",
               wall["featured, fsync interval"], "/s")
    return statistics.median(wall["featured, fsync interval"])


def row_11(bench):
    """One row per request and transaction, 64 connections, durable before the answer."""
    ours = featured(bench, "single", "--fsync", "always")
    numbers = workload.random_users(bench.users, 100000, salt=3)
    requests = bench.requests("single-write.http", (workload.single_write(n, 1) for n in numbers))
    postgres = bench.started(peers.Postgres(bench.path("postgres")))
    postgres.sql(workload.POSTGRES_TABLE)
    script = bench.path("upsert.sql")
    with open(script, "w") as file:
        file.write(workload.POSTGRES_UPSERT)
    os.chmod(script, 0o644)
    rates, cpu, per_sync, peer_rates, peer_cpu = [], [], [], [], []
    for _ in range(bench.options.runs):
        syncs, lsn = ours.metric("featured_log_syncs_total"), ours.metric("featured_lsn")
        run = bench.load("single write, featured", ours, requests)
        syncs = ours.metric("featured_log_syncs_total") - syncs
        per_sync.append((ours.metric("featured_lsn") - lsn) / syncs)
        rates.append(run["requests_per_second"])
        cpu.append(run["server_cpu_us_per_request"])
        rate, seconds = postgres.upserts(script, bench.users, bench.options.warmup + bench.options.seconds)
        bench.raw.append({"what": "single write, PostgreSQL", "rows_per_second": rate,
                          "server_cpu_us_per_row": seconds * 1e6})
        peer_rates.append(rate)
        peer_cpu.append(seconds * 1e6)
    bench.add(report.Row(11, "one row per request, `--fsync always`, 64 connections: rows per fsync",
                         "rows", per_sync, [], 0.8 * 64, at_least=True, absolute=True))
    bench.add(report.Row(11, "the same: server CPU per row", "µs", cpu, peer_cpu, 0.2,
                         "PostgreSQL upsert"))
    bench.add(report.Row(11, "the same: throughput", "/s", rates, peer_rates, 1,
                         "PostgreSQL upsert", at_least=True))


def reads(bench, server, what, rate, seconds=None):
    numbers = workload.random_users(bench.users, 200000, salt=4)
    requests = bench.path("reads.http")
    if not os.path.exists(requests):
        bench.requests("reads.http", map(workload.single_read, numbers))
    return bench.load(what, server, requests, connections=READ_CONNECTIONS, rate=rate, core=None,
                      seconds=seconds)["latency_us"]["p99"]


def read_rate(bench, server):
    """A fifth of what a closed loop on both cores gets: neither the generator nor the readers are
    at their limit before the writing begins."""
    numbers = workload.random_users(bench.users, 200000, salt=4)
    requests = bench.requests("reads.http", map(workload.single_read, numbers))
    return 0.2 * bench.load("highest read rate, both cores", server, requests,
                            core=None)["requests_per_second"]


def row_12(bench, bulk_rate):
    """p99 of reads at a fixed rate, server and generators on both cores, with and without bulk
    ingestion at half the rate of row 10."""
    server = featured(bench, "mixed", "--fsync", "interval", core=BOTH_CORES, threads=2)
    rate = read_rate(bench, server)
    numbers = workload.random_users(bench.users, 1000 * 200, salt=5)
    writes = bench.requests("bulk-small.http", (workload.bulk_write(group, i) for i, group in
                                                enumerate(workload.groups(numbers, 1000))))
    without, during, written = [], [], []
    for _ in range(bench.options.runs):
        without.append(reads(bench, server, "reads alone", rate))
        writer = bench.background(server, writes, rate=0.5 * bulk_rate / 1000)
        during.append(reads(bench, server, "reads while ingesting", rate))
        written.append(1000 * bench.finish(writer, "ingesting beside reads")["requests_per_second"])
    bench.add(report.Row(12, "single read p99 while ingesting at half of row 10", "µs", during,
                         without, 2, "without ingesting"))
    bench.note("beside the reads of row 12: rows per second", written, "/s")
    bench.note("row 12: reads per second", rate, "/s")


def row_14(bench):
    """Ten million users, a clean stop, and the time until reads are served again."""
    directory = bench.path("restart")
    server = featured(bench, "restart", core=BOTH_CORES, threads=2, users=bench.many)
    redis_directory = bench.path("redis-restart")
    os.mkdir(redis_directory)
    redis = bench.started(peers.Redis(redis_directory, core=BOTH_CORES))
    redis.load_inside(bench.many)
    redis.command("SAVE")
    sample = workload.random_users(bench.many, 200, salt=6)
    ours, theirs = [], []
    for _ in range(bench.options.runs):
        bench.stop(server, redis)
        server = bench.started(peers.Featured(bench.options.binary, directory, core=BOTH_CORES,
                                              threads=2))
        redis = bench.started(peers.Redis(redis_directory, core=BOTH_CORES))
        server.check(sample)
        redis.check(sample)
        ours.append(server.start_seconds)
        theirs.append(redis.start_seconds)
    bench.add(report.Row(14, f"restart with {bench.many:,} users, until ready", "s", ours, theirs, 1,
                         "Redis loading its snapshot"))
    snapshots = os.path.join(directory, "snapshot")
    bench.note("a user in a snapshot", sum(
        os.path.getsize(os.path.join(snapshots, name)) for name in os.listdir(snapshots)
    ) / bench.many, "bytes")
    bench.note("a user in a snapshot of Redis", os.path.getsize(
        os.path.join(redis_directory, "dump.rdb")) / bench.many, "bytes")
    # What a process that was killed pays: the same rows out of the log.
    bench.stop()
    shutil.rmtree(directory)
    shutil.rmtree(redis_directory)
    server = featured(bench, "restart", "--snapshot-log-bytes", "1TiB", core=BOTH_CORES, threads=2,
                      users=bench.many)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server = bench.started(peers.Featured(bench.options.binary, directory, core=BOTH_CORES,
                                          threads=2))
    server.check(sample)
    bench.note(f"restart with {bench.many:,} users from the log alone, after kill -9",
               server.start_seconds, "s")


def snapshot_reads(bench):
    """p99 of reads at a fixed rate while one snapshot after the other is written."""
    server = featured(bench, "snapshots", core=BOTH_CORES, threads=2)
    rate = read_rate(bench, server)
    without, during, snapshots = [], [], []
    for _ in range(bench.options.runs):
        without.append(reads(bench, server, "reads alone", rate))
        before = server.metric("featured_snapshots_total")
        reader = bench.background(server, bench.path("reads.http"), rate=rate,
                                  connections=READ_CONNECTIONS)
        while reader.poll() is None:
            server.process.send_signal(signal.SIGUSR1)
            time.sleep(0.05)
        during.append(bench.finish(reader, "reads during snapshots")["latency_us"]["p99"])
        snapshots.append(server.metric("featured_snapshots_total") - before)
    bench.add(report.Row(12, "single read p99 while one snapshot after the other is written", "µs",
                         during, without, 2, "without a snapshot"))
    bench.note("snapshots during a run of row 12", snapshots)


def featured(bench, name, *options, users=None, **placement):
    server = bench.started(peers.Featured(bench.options.binary, bench.path(name), *options,
                                          **placement))
    server.define()
    server.load(users or bench.users)
    server.check(workload.random_users(users or bench.users, 200, salt=1))
    return server


def rows_10_and_12(bench):
    bulk_rate = row_10(bench)
    bench.stop()
    if 12 in bench.wanted:
        with bench.attempt(12):
            row_12(bench, bulk_rate)
            bench.stop()
            snapshot_reads(bench)
