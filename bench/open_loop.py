"""Row 13 of the goals, and what the charts of throughput and percentiles are drawn from: requests that are
due at even distances whatever the server does."""

import json
import os
import subprocess

import host
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
LOAD_SHARES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)
CHART_RUNS = 3
THROUGHPUT_SECONDS = 2
PERCENTILE_SECONDS = 5  # p99.9 of a few hundred requests per second
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
    """Doubles the rate until it is not sustained, then halves the distance to the highest that was. A rate
    is sustained if it is in every run."""
    seconds = bench.options.seconds

    def sustained(rate):
        return all(is_sustained(featured_bench(bench, server, rate, seconds), rate)
                   for _ in range(bench.options.runs))

    low, high = 0, featured_bench(bench, server, 0, seconds)["measured"]["requests_per_second"]
    while sustained(high):
        low, high = high, 2 * high
    for _ in range(SEARCH_STEPS):
        rate = (low + high) / 2
        low, high = (rate, high) if sustained(rate) else (low, rate)
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
    host.note(bench, 13)
    bench.note("row 13: p50", latency(runs, "p50"), "µs")
    bench.note("row 13: how late the generator sent, p99",
               [run["generator"]["late_us"]["p99"] for run in runs], "µs")


def in_turn(bench, contenders, connections, seconds, rates_asked=None):
    """Runs of each server in turn, at its rate or in a closed loop."""
    loads = []
    for name, (server, requests) in contenders.items():
        rate = rates_asked[name] if rates_asked else 0
        loads.append((f"{name} at {rate:.0f}/s" if rate else f"{name}, closed loop", server, requests, {
            "connections": connections, "rate": rate, "seconds": min(seconds, 2 * bench.options.seconds)}))
    runs = min(bench.options.runs, CHART_RUNS)
    return dict(zip(contenders, bench.alternate(*loads, runs=runs)))


def most(bench, contenders, connections):
    """What each answers in a closed loop, at its best."""
    closed = in_turn(bench, contenders, connections, THROUGHPUT_SECONDS)
    return {name: max(rates(runs)) for name, runs in closed.items()}


def throughput(bench, contenders):
    """Per server: what it answered, and how late, at shares of the most it can take."""
    highest = most(bench, contenders, CONNECTIONS)
    drawn = {name: [] for name in contenders}
    for share in LOAD_SHARES:
        bench.progress(f"throughput: everybody at {share:.0%} of its most")
        asked = {name: share * rate for name, rate in highest.items()}
        for name, runs in in_turn(bench, contenders, CONNECTIONS, THROUGHPUT_SECONDS, asked).items():
            drawn[name].append({"rate": asked[name], "answered": rates(runs),
                                "p50_us": latency(runs, "p50"), "p99_us": latency(runs, "p99")})
    return drawn


def percentiles(bench, contenders):
    """Everybody at one rate: half of what the slowest can take."""
    rate = 0.5 * min(most(bench, contenders, FEW).values())
    bench.progress(f"percentiles: everybody at {rate:.0f} requests per second")
    asked = dict.fromkeys(contenders, rate)
    return {"rate": rate, "latency_us": {
        name: {percentile: latency(runs, percentile) for percentile in PERCENTILES}
        for name, runs in in_turn(bench, contenders, FEW, PERCENTILE_SECONDS, asked).items()}}
