"""The benchmark of record in small: it runs, a row that fails costs only itself, and what came out gets
into the page and the charts. Peers that only `scripts/setup bench` installs are not needed."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import report
import result_files
from conftest import BINARY, ROOT

RUN_SECONDS = 300


def bench_run(directory, rows, **environment):
    """`bench/run --smoke` of these rows: exit status, standard output and the result file."""
    output = directory / "result.json"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEATURED_")}
    done = subprocess.run(
        [sys.executable, ROOT / "bench/run", "--smoke", "--rows", rows, "--binary", BINARY, "--output",
         output], capture_output=True, text=True, timeout=RUN_SECONDS, env=kept | environment,
        check=False)
    assert output.exists(), done.stderr
    return done, json.loads(output.read_text())


@pytest.fixture(scope="module")
def without_nginx(tmp_path_factory):
    """Rows 1, 2, 7 and 13, where nginx does not start."""
    directory = tmp_path_factory.mktemp("bench")
    broken = directory / "broken"
    broken.mkdir()
    nginx = broken / "nginx"
    nginx.write_text("#!/bin/sh\nexit 1\n")
    nginx.chmod(0o755)
    return bench_run(directory, "1,2,7,13", PATH=f"{broken}:{os.environ['PATH']}")


def rows_of(document):
    return [row["row"] for row in document["rows"]]


def test_a_row_that_fails_costs_itself_only(without_nginx):
    done, document = without_nginx
    assert rows_of(document) == [2, 7, 13], done.stderr
    assert [one["row"] for one in document["failed"]] == [1]
    assert document["failed"][0]["reason"]
    assert done.returncode == 1
    assert re.search(r"^\| 1 \| .* \*\*failed\*\*: ", done.stdout, re.MULTILINE), done.stdout


def test_figures_are_whole(without_nginx):
    _, document = without_nginx
    for row in document["rows"]:
        assert len(row["ours"]) == document["runs"] and all(value > 0 for value in row["ours"])
    beside_redis = document["rows"][0]
    assert beside_redis["peer"] and beside_redis["ratio"] > 0
    assert document["environment"]["commit"] and document["environment"]["peers"]["Redis"]
    assert {one["what"] for one in document["also"]} >= {"binary, stripped",
                                                         "row 13: highest sustained rate"}


def test_the_rate_of_row_13_was_sustained(without_nginx):
    _, document = without_nginx
    highest = next(one["value"] for one in document["also"]
                   if one["what"] == "row 13: highest sustained rate")
    runs = [one for one in document["raw"] if one["what"].startswith("featured bench")]
    kept_up = [run for run in runs if run["load"]["rate"] and run["errors"]["count"] == 0 and
               run["measured"]["requests_per_second"] >= 0.99 * run["load"]["rate"]]
    assert any(run["load"]["rate"] == pytest.approx(highest, rel=1e-3) for run in kept_up)
    assert runs[-1]["load"]["rate"] == pytest.approx(0.8 * highest, rel=1e-3)


def test_unknown_rows_are_refused():
    done = subprocess.run([sys.executable, ROOT / "bench/run", "--rows", "1,99"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 2 and "no row '99'" in done.stderr


def row(number, ours, peer, goal, **options):
    return report.Row(number, f"figure {number}", "µs", ours, peer, goal, "peer", **options).data()


def document(rows=(), failed=(), charts=()):
    return {"date": "2026-01-02", "scale": 1.0, "runs": 3, "seconds_per_run": 3,
            "environment": {"cpu": "CPU", "cores": 2, "memory_bytes": 8 << 30, "kernel": "6.1",
                            "featured": "featured 1", "commit": "abc1234", "peers": {"nginx": "1.2"},
                            "load_average_at_start": 0.1, "stolen_seconds": 1, "seconds": 60},
            "rows": list(rows), "failed": list(failed), "also": [
                {"what": "binary", "value": 3.0201, "unit": "MB"},
                {"what": "start", "value": [20, 30, 22], "unit": "ms"}],
            "charts": dict(charts), "raw": []}


def written(directory, name, one):
    path = directory / name
    path.write_text(json.dumps(one))
    return path


@pytest.mark.parametrize("options, reached", [
    ({"ours": [8, 9, 10], "peer": [10, 10, 10], "goal": 0.9}, True),
    ({"ours": [8, 9.1, 10], "peer": [10, 10, 10], "goal": 0.9}, False),
    ({"ours": [20, 30, 25], "peer": [10, 10, 10], "goal": 2.5, "at_least": True}, True),
    ({"ours": [24.9], "peer": [10], "goal": 2.5, "at_least": True}, False),
    ({"ours": [99, 100, 101], "peer": [], "goal": 100, "absolute": True}, True),
    ({"ours": [101], "peer": [], "goal": 100, "absolute": True}, False),
    ({"ours": [1], "peer": [1], "goal": None}, None)])
def test_a_goal_is_judged_by_the_median(options, reached):
    one = row(1, **options)
    assert one["reached"] is reached
    shown = report.Row.of(one).cells()[-1]
    assert shown == {True: "yes", False: "**no**", None: "–"}[reached]


@pytest.mark.parametrize("value, text", [
    (0, "0"), (0.0384, "0.038"), (1.2345, "1.23"), (14.96, "15.0"), (184, "184"), (872.45, "872"),
    (4047.3, "4,047"), (11993, "11,990"), (1037146, "1,037,000")])
def test_numbers_have_few_digits(value, text):
    assert report.number(value) == text


def test_later_results_replace_rows_and_failures(tmp_path):
    first = document([row(1, [1], [1], 1), row(2, [5], [1], 1)],
                     [{"row": 3, "figure": "three", "reason": "no"}])
    again = document([row(2, [1], [1], 1), row(3, [1], [1], 1)])
    merged = result_files.merged([written(tmp_path, "a.json", first),
                                  written(tmp_path, "b.json", again)])
    assert [(one["row"], one["ours"]) for one in merged["rows"]] == [(1, [1]), (2, [1]), (3, [1])]
    assert merged["failed"] == []


PAGE = """# Page
<!-- bench: machine -->
<!-- end -->
Between.
<!-- bench: table -->
old
<!-- end -->
<!-- bench: charts -->
kept where nothing is drawn
<!-- end -->
### Row 2: why
<!-- bench: also -->
<!-- end -->
After.
"""


def publish(page, *results):
    return subprocess.run([sys.executable, ROOT / "bench/publish", *results, "--to", page.parent],
                          capture_output=True, text=True, check=False)


def test_publish_replaces_the_marked_parts_only(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(PAGE)
    result = written(tmp_path, "result.json", document(
        [row(1, [1], [1], 1), row(2, [2], [1], 1), row(7, [2], [], 1, absolute=True)],
        [{"row": 15, "figure": "beside Feast", "reason": "it | did not start"}]))
    done = publish(page, result)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "| 2 | figure 2 | 2 µs | 1 µs, peer | 2 | ≤ 1 × | **no** |" in text
    assert "| 15 | beside Feast | – | – | – | – | **failed**: it / did not start |" in text
    assert "commit abc1234" in text and "`bench/results/result.json`" in text
    assert "| start | 22 (20–30) ms |" in text
    assert "kept where nothing is drawn" in text
    assert "old" not in text and "Between." in text and text.endswith("After.\n")
    assert "row 7 is not reached" in done.stderr and "row 2 is not" not in done.stderr
    again = publish(page, result)
    assert again.returncode == 0 and page.read_text() == text


def test_publish_draws_and_says_from_what(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(PAGE)
    done = publish(page, written(tmp_path, "a.json", document([row(1, [1], [1], 1)], charts=CHARTS)),
                   written(tmp_path, "b.json", document([row(2, [1], [1], 1)])))
    assert done.returncode == 0, done.stderr
    assert "bench/results/a.json`.\n<!-- end -->\n### Row 2" in page.read_text()
    assert (tmp_path / "bench-memory.svg").exists()


def test_publish_wants_its_marks(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# nothing marked\n")
    done = publish(page, written(tmp_path, "result.json", document([row(1, [1], [1], 1)])))
    assert done.returncode != 0 and "bench: machine" in done.stderr
    assert page.read_text() == "# nothing marked\n"


def test_the_page_has_the_marks_and_charts():
    text = (ROOT / "docs/performance.md").read_text()
    for part in ("machine", "table", "charts", "also"):
        assert text.count(f"<!-- bench: {part} -->") == 1
    for chart in re.findall(r"\]\((bench-[a-z]+\.svg)\)", text):
        assert (ROOT / "docs" / chart).exists(), chart


LATENCIES = {"p50_us": [90, 100], "p99_us": [900, 1000]}
CHARTS = {
    "throughput": {"featured": [{"rate": rate, "answered": [rate, rate], **LATENCIES}
                                for rate in (1000, 50000)]},
    "percentiles": {"rate": 400, "latency_us": {"featured": {
        name: [100 * (i + 1), 200 * (i + 1)]
        for i, name in enumerate(("p50", "p90", "p95", "p99", "p999", "max"))}}},
    "growth": [{"users": users, **LATENCIES} for users in (1000, 10000)],
    "memory": [{"users": 1000000, "featured_bytes": 105.3, "redis_bytes": 184.2}],
}


def drawn(directory, result):
    directory.mkdir()
    subprocess.run([sys.executable, ROOT / "bench/charts", result, "--to", directory], check=True)
    return {path.name: path.read_bytes() for path in pathlib.Path(directory).iterdir()}


def test_the_same_numbers_draw_the_same_bytes(tmp_path):
    result = written(tmp_path, "result.json", document(charts=CHARTS))
    charts = drawn(tmp_path / "one", result)
    assert sorted(charts) == [f"bench-{name}.svg" for name in sorted(CHARTS)]
    assert charts == drawn(tmp_path / "two", result)
    for name, svg in charts.items():
        text = svg.decode()
        assert len(svg) < 40000, name
        assert "prefers-color-scheme: dark" in text and 'class="fill-ink"' in text, name
        # No ink that a dark page would swallow, and no date.
        assert not re.search(r'style="[^"]*(#24292f|#000000)', text), name
        assert "<dc:date>" not in text, name
    assert b">105</text>" in charts["bench-memory.svg"]
    assert b">1 ms</text>" in charts["bench-throughput.svg"]
