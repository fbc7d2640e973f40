"""Row 13 of the goals, and what the charts of throughput and percentiles are drawn from: requests that are
due at even distances whatever the server does."""

import json
import os
import subprocess

import peers
import report
import workload
from measuring import latency, rates

CONNECTIONS = 64
# Row 13: the search for the highest sustained rate.
SEARCH_STEPS = 7
SUSTAINED_SHARE = 0.99
LOAD_SHARE = 0.8
# The charts: shares of what a closed loop got, so many runs of each.
LOAD_SHARES = (0.05, 0.2, 0.4, 0.6, 0.75, 0.85, 0.95)
CHART_RUNS = 3
CHART_SECONDS = 2
FEW = 10
PERCENTILES = ("p50", "p90", "p95", "p99", "p999", "max")


def featured_bench(bench, server, rate, seconds):
    """`featured bench` on the generator's core: its JSON. Rate 0 is a closed loop."""
    command = [bench.options.binary, "bench", "--server", f"http://127.0.0.1:{server.port}",
               "--entity", "user", "--features", ",".join(workload.FEATURES),
               "--ids", "user_{0..%d}" % (bench.users - 1), "--connections", CONNECTIONS,
               "--rate", rate, "--duration", f"{round(seconds * 1000)}ms",
               "--warmup", f"{round(bench.options.warmup * 1000)}ms", "--timeout", "1s", "--json"]
    if rate:
        command.append("--precise")
    done = subprocess.run(peers.pinned(peers.GENERATOR_CORE, command), capture_output=True,
                          text=True, check=False, cwd=bench.directory, env={
                              name: value for name, value in os.environ.items()
                              if not name.startswith("FEATURED_")})
    try:
        result = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"featured bench: {done.stdout[-500:]} {done.stderr}") from None
    for kind in result["by_kind"].values():
        kind.pop("histogram_ns", None)
    bench.raw.append({"what": f"featured bench, rate {rate:.0f}", **result})
    return result


def is_sustained(result, rate):
    return (result["errors"]["count"] == 0 and
            result["measured"]["requests_per_second"] >= SUSTAINED_SHARE * rate)


def highest_sustained_rate(bench, server):
    """Halves the distance between a rate that is sustained and one that is not. A rate is not sustained if
    it fails twice: once may have been the host."""
    seconds = bench.options.seconds
    closed = featured_bench(bench, server, 0, seconds)["measured"]["requests_per_second"]
    low, high = 0, 1.3 * closed
    for _ in range(SEARCH_STEPS):
        rate = (low + high) / 2 if low else 0.7 * high
        if any(is_sustained(featured_bench(bench, server, rate, seconds), rate) for _ in range(2)):
            low = rate
        else:
            high = rate
        bench.progress(f"row 13: the highest sustained rate is within {low:,.0f} and {high:,.0f}")
    if not low:
        raise RuntimeError(f"no rate was sustained, not even {high:.0f} requests/s")
    return low


def row_13(bench, server):
    highest = highest_sustained_rate(bench, server)
    rate = LOAD_SHARE * highest
    runs = [featured_bench(bench, server, rate, bench.options.seconds)
            for _ in range(bench.options.runs)]
    bench.add(report.Row(13, f"single read at {rate:,.0f}/s, 80 % of the highest sustained rate, p99",
                         "µs", latency(runs, "p99"), [], 1000, absolute=True))
    bench.note("row 13: highest sustained rate", highest, "/s")
    bench.note("row 13: p50", latency(runs, "p50"), "µs")
    bench.note("row 13: how late the generator sent, p99",
               [run["generator"]["late_us"]["p99"] for run in runs], "µs")


def capacity(bench, name, server, requests, connections):
    return bench.load(f"closed loop, {name}", server, requests, connections=connections,
                      seconds=min(bench.options.seconds, CHART_SECONDS))["requests_per_second"]


def throughput(bench, contenders):
    """Per server: what it answered, and how late, at shares of the most it can take."""
    highest = {name: capacity(bench, name, *one, CONNECTIONS) for name, one in contenders.items()}
    drawn = {name: [] for name in contenders}
    for share in LOAD_SHARES:
        loads = [(f"{name} at {share:.0%}", *one,
                  {"connections": CONNECTIONS, "rate": share * highest[name],
                   "seconds": min(bench.options.seconds, CHART_SECONDS)})
                 for name, one in contenders.items()]
        for name, runs in zip(contenders, bench.alternate(*loads, runs=chart_runs(bench))):
            drawn[name].append({"rate": share * highest[name], "answered": rates(runs),
                                "p50_us": latency(runs, "p50"), "p99_us": latency(runs, "p99")})
    return drawn


def percentiles(bench, contenders):
    """Everybody at one rate: half of what the slowest can take."""
    rate = 0.5 * min(capacity(bench, name, *one, FEW) for name, one in contenders.items())
    loads = [(f"{name} at {rate:.0f}/s", *one, {"connections": FEW, "rate": rate})
             for name, one in contenders.items()]
    return {"rate": rate, "latency_us": {
        name: {percentile: latency(runs, percentile) for percentile in PERCENTILES}
        for name, runs in zip(contenders, bench.alternate(*loads))}}


def chart_runs(bench):
    return min(bench.options.runs, CHART_RUNS)
