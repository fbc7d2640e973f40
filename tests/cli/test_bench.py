"""`featured bench` against a real server, and against servers that misbehave."""

import http.server
import json
import os
import signal
import socket
import threading
import time
import urllib.request
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import TIMEOUT_S, Cli, Server, Terminal, binary

SHORT = ["--duration", "300ms", "--warmup", "0", "--timeout", "20s"]
OURS = ["user_age", "user_avg_session_time", "user_clicks_30d", "user_purchases_7d"]
STALL_S = 0.4


@pytest.fixture
def own(tmp_path):
    """A server with nothing in it, so that a test may register what it likes."""
    server = Server(tmp_path / "server").start()
    yield Cli(tmp_path, server.url), server
    server.stop()


def bench(cli, *arguments):
    return json.loads(cli.fine("bench", *SHORT, "--json", *arguments))


def features(cli):
    with urllib.request.urlopen(f"{cli.url}/features") as answer:
        return {f["name"]: f for f in json.load(answer)["features"]}


def values_from(kind, least_us):
    """How many latencies of a kind lie in buckets from there on."""
    return sum(count for low_ns, count in kind["histogram_ns"] if low_ns >= least_us * 1000)


def test_nothing_registered_says_what_to_do(own):
    cli, _ = own
    done = cli.run("bench", *SHORT)
    assert done.returncode == 1
    assert "featured bench --setup" in done.stderr


def test_setup_load_and_teardown(own):
    cli, _ = own
    result = bench(cli, "--setup", "--users", 1234, "--rate", 500)
    assert sorted(features(cli)) == OURS
    assert {f["feature_group"] for f in features(cli).values()} == {"featured_bench"}
    assert {f["count"] for f in features(cli).values()} == {1234}
    assert cli.fine("get", "user_1233", "user_age", "--json")
    workload = result["workload"]
    assert (workload["ids"], workload["id_count"]) == ("user_{0..1233}", 1234)
    assert workload["features"].split(",") == OURS
    assert result["errors"]["count"] == 0
    # every request that was due in the window was answered: 500/s for 0.3 s
    assert result["latency_us"]["count"] == result["by_kind"]["single"]["answered"] == 150
    # what is there is found again without --setup
    assert bench(cli, "--rate", 100)["workload"]["id_count"] == 1234
    out = cli.run("bench", "--teardown")
    assert out.returncode == 0 and "4 features" in out.stderr
    assert features(cli) == {}
    # with both, nothing is left
    assert bench(cli, "--setup", "--users", 10, "--teardown")["errors"]["count"] == 0
    assert features(cli) == {}


def test_features_of_others_are_read_but_neither_written_nor_taken(own):
    cli, _ = own
    cli.fine("apply", "--yes", cli.write("f.yaml", """
features:
  - {name: user_age, data_type: int, entity: user}
  - {name: user_city, data_type: string, entity: user}
"""))
    cli.fine("ingest", cli.write("rows.csv", "entity_id,user_age,user_city\nu/1,5,Oslo\nu2,6,Rome\n"))
    result = bench(cli, "--rate", 200)
    assert result["workload"]["features"] == "user_age,user_city"
    assert result["workload"]["id_count"] == 2  # listed by the server
    assert result["errors"]["count"] == 0
    for arguments in [["--setup"], ["--workload", "ingest"]]:
        done = cli.run("bench", *SHORT, *arguments)
        assert done.returncode == 2, done
    # removing removes nothing of theirs
    cli.fine("bench", "--teardown")
    there = features(cli)
    assert sorted(there) == ["user_age", "user_city"]
    assert there["user_age"]["count"] == 2  # nothing was written
    # but who says so may write
    written = bench(cli, "--workload", "ingest", "--write-existing", "--rate", 100)
    assert written["errors"]["count"] == 0
    assert features(cli)["user_age"]["count"] == 2 + written["by_kind"]["ingest"]["answered"]


def test_every_type_can_be_written(own):
    cli, _ = own
    cli.fine("apply", "--yes", cli.write("f.yaml", """
features:
  - {name: a_int, data_type: int, entity: thing}
  - {name: a_float, data_type: float, entity: thing}
  - {name: a_boolean, data_type: boolean, entity: thing}
  - {name: a_string, data_type: string, entity: thing}
  - {name: a_timestamp, data_type: timestamp, entity: thing}
  - {name: a_embedding, data_type: embedding, entity: thing, dimension: 3}
  - {name: a_open, data_type: embedding, entity: thing}
  - {name: a_json, data_type: json, entity: thing}
"""))
    result = bench(cli, "--workload", "ingest", "--write-existing", "--rate", 100)
    assert result["errors"]["count"] == 0
    assert result["workload"]["ids"] == "thing_{0..99999}"  # nothing there to list
    assert {f["count"] for f in features(cli).values()} == {result["latency_us"]["count"]}


@pytest.mark.parametrize("loop", [["--rate", 0], ["--rate", 300]], ids=["closed", "open"])
def test_a_mix_keeps_its_shares(cli, loop):
    result = bench(cli, "--setup", "--users", 100, "--workload", "single=2,batch=1,ingest=1",
                   "--batch", 7, "--distribution", "zipf", "--threads", 2, "--connections", 5,
                   "--duration", "1s", *loop)
    assert result["errors"]["count"] == 0
    answered = {kind: figures["answered"] for kind, figures in result["by_kind"].items()}
    assert sorted(answered) == ["batch", "ingest", "single"]
    assert result["latency_us"]["count"] == sum(answered.values())
    # 100 requests and a share of a half: five standard deviations are a quarter
    assert 0.25 < answered["single"] / sum(answered.values()) < 0.75
    measured = result["measured"]
    assert measured["requests_answered"] < measured["entity_ids"] < 7 * measured["requests_answered"]
    for kind in result["by_kind"].values():
        assert values_from(kind, 0) == kind["latency_us"]["count"]


def test_tensors_and_ids_from_a_file(cli):
    cli.fine("bench", "--setup", "--users", 10, *SHORT)
    ids = cli.directory / os.fsdecode(b"ids\xff.txt")  # a name that is no text
    ids.write_text("user_1\r\n\nuser 2/ä\n", encoding="utf-8", newline="")
    result = bench(cli, "--id-file", ids, "--tensors", "--workload", "single,batch", "--rate", 100)
    assert result["errors"]["count"] == 0
    assert result["workload"]["id_count"] == 2
    # the header of an .npy alone is 128 bytes
    assert result["measured"]["bytes_received"] > 128 * result["measured"]["requests_answered"]


def test_the_page_and_the_chart(cli):
    out = cli.fine("bench", "--setup", "--users", 10, *SHORT, "--svg", "chart.svg",
                   "--workload", "single,batch")
    assert "\033" not in out and "p99.99" in out
    assert any(line.rstrip().endswith("#") for line in out.splitlines())
    text = (cli.directory / "chart.svg").read_text()
    root = ElementTree.fromstring(text)
    assert "prefers-color-scheme: dark" in text
    # self-contained: no address but the name of the format
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"') == 1
    lines = root.findall("{http://www.w3.org/2000/svg}path/{http://www.w3.org/2000/svg}title")
    assert [line.text for line in lines] == ["single", "batch"]


def stalled_run(cli, server, *arguments):
    """A run during which the server stands still for STALL_S."""
    with open(cli.directory / "stalled.json", "w", encoding="utf-8") as out:
        run = Terminal([binary(), "bench", "--json", "--connections", "4", "--timeout", "20s",
                        "--warmup", "0", "--duration", "3s", *arguments],
                       cli.directory, cli.environment({}), stdout=out)
        run.read_until("requests/s")  # a second is over, two are to come
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            time.sleep(STALL_S)
            stalled_us = (time.monotonic() - begin) * 1e6
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        assert run.end() == 0
    return json.loads((cli.directory / "stalled.json").read_text()), stalled_us


def test_a_stall_counts_for_all_that_it_held_up(own):
    """No coordinated omission: an open loop sees a stall in every request that was due meanwhile, a
    closed one in at most one request for each connection."""
    cli, server = own
    cli.fine("bench", "--setup", "--users", "100", *SHORT)
    rate = 500
    result, stalled_us = stalled_run(cli, server, "--rate", str(rate))
    period_us = 1e6 / rate
    assert result["errors"]["count"] == 0
    assert result["latency_us"]["count"] == 3 * rate
    assert result["latency_us"]["max"] >= stalled_us - 2 * period_us >= 300_000
    # those due in the first three quarters of the stall waited for more than a quarter of it
    slow = values_from(result["by_kind"]["single"], stalled_us / 4)
    assert slow >= 0.75 * stalled_us / period_us - 4
    closed, stalled_us = stalled_run(cli, server, "--rate", "0")
    assert closed["latency_us"]["max"] >= stalled_us / 2  # one was on its way, or sent at once
    # a busy machine may stand still a few times more, each time for all four connections
    assert values_from(closed["by_kind"]["single"], stalled_us / 4) <= 4 * 8 < slow


def test_a_rate_that_is_too_high_is_not_hidden(cli):
    """More is due than one connection can carry: all of it counts, with the time it waited."""
    cli.fine("bench", "--setup", "--users", "10", *SHORT)
    done = cli.run("bench", *SHORT, "--json", "--rate", 200_000, "--connections", 1,
                   "--timeout", "100ms")
    assert done.returncode == 1 and "of the requests failed" in done.stderr
    result = json.loads(done.stdout)
    assert result["latency_us"]["count"] == 60_000
    assert result["errors"]["unanswered"] > 0
    assert result["generator"]["waited_share"] > 0.5
    assert result["latency_us"]["max"] > 100_000


class Misbehaving(http.server.BaseHTTPRequestHandler):
    """Lets the discovery pass and answers reads as it is told."""

    protocol_version = "HTTP/1.1"
    how = "error"
    released = threading.Event()  # what is silent may end

    def answer(self, body, status=200):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/features/online/"):
            if self.how == "close":
                self.close_connection = True
            elif self.how == "silent":
                self.released.wait()
                self.close_connection = True
            elif self.how == "chunked":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(b"2\r\n{}\r\n0\r\n\r\n")
            else:
                self.answer({"detail": "no"}, 503)
        elif self.path == "/features":
            self.answer({"features": [{"name": "x", "id": 1, "data_type": "int", "entity": "user",
                                       "version": 1, "is_nullable": True}], "next_cursor": None})
        else:
            self.answer({"detail": "Not Found"}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer([{"entity_id": i, "features": {"x": 1}} for i in body["entity_ids"]])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def misbehaving(tmp_path):
    Misbehaving.released.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Cli(tmp_path, f"http://127.0.0.1:{server.server_address[1]}")
    Misbehaving.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("how, counted", [("error", "statuses"), ("close", "broken"),
                                          ("silent", "timeouts")])
def test_bad_answers_are_errors_by_kind(misbehaving, monkeypatch, how, counted):
    monkeypatch.setattr(Misbehaving, "how", how)
    done = misbehaving.run("bench", "--warmup", "0", "--duration", "300ms", "--rate", "20", "--json",
                           "--timeout", "150ms" if how == "silent" else "20s")
    assert done.returncode == 1
    assert "no request was answered well" in done.stderr
    result = json.loads(done.stdout)
    errors = result["errors"]
    assert errors["count"] == 6 and errors["share"] == 1
    if how == "silent":  # what is due last may be given up with the run
        errors["timeouts"] += errors["unanswered"]
    assert errors[counted] == ({"503": 6} if how == "error" else 6)
    assert result["measured"]["requests_answered"] == 0
    # a fast refusal is no fast answer; what was waited for in vain is a slow one
    assert result["latency_us"]["count"] == (6 if counted == "timeouts" else 0)


def test_connections_that_end_after_an_answer_are_made_again(misbehaving, monkeypatch):
    monkeypatch.setattr(Misbehaving, "how", "chunked")
    result = bench(misbehaving, "--rate", 100, "--connections", 2)
    assert result["errors"]["count"] == 0
    assert result["latency_us"]["count"] == 30


def test_an_interrupt_shows_what_there_is(cli):
    cli.fine("bench", "--setup", "--users", "10", *SHORT)
    with open(cli.directory / "out.json", "w", encoding="utf-8") as out:
        run = Terminal([binary(), "bench", "--json", "--duration", "1h", "--warmup", "0"],
                       cli.directory, cli.environment({}), stdout=out)
        run.read_until("requests/s")
        run.process.send_signal(signal.SIGINT)
        assert run.end() == 0
    result = json.loads((cli.directory / "out.json").read_text())
    assert result["interrupted"] is True
    assert result["errors"]["count"] == 0
    assert 1 <= result["measured"]["seconds"] < TIMEOUT_S
    assert result["latency_us"]["count"] >= 900


def result_file(cli, name, latency_ns, requests=100_000, errors=0):
    figures = {"min": latency_ns / 1000, "mean": latency_ns / 1000, "max": latency_ns / 1000}
    return cli.write(name, json.dumps({
        "featured_bench": 1, "server": "x", "load": {"rate": 0}, "workload": {"mix": "single"},
        "measured": {"seconds": 1, "requests_answered": requests, "entity_ids": requests},
        "errors": {"statuses": {"503": errors}, "broken": 0, "timeouts": 0, "unanswered": 0},
        "by_kind": {"single": {"answered": requests, "latency_us": figures,
                               "histogram_ns": [[latency_ns, requests]]}}}))


def test_compare(alone):
    # bucket bounds: 65536 ns is 2^16, its neighbours are 64 ns apart
    base = result_file(alone, "base.json", 65_536)
    same = alone.run("bench", "--compare", base, base)
    assert same.returncode == 0 and "worse" not in same.stdout
    slower = result_file(alone, "slower.json", 65_536 + 64 * 128)  # 12.5 %
    assert alone.run("bench", "--compare", base, slower).returncode == 1
    assert alone.run("bench", "--compare", base, slower, "--tolerance", 15).returncode == 0
    assert alone.run("bench", "--compare", slower, base).returncode == 0
    fewer = result_file(alone, "fewer.json", 65_536, requests=80_000)
    done = alone.run("bench", "--compare", base, fewer)
    assert done.returncode == 1 and done.stdout.count("worse") == 1
    failing = result_file(alone, "failing.json", 65_536, errors=500)
    done = alone.run("bench", "--compare", base, failing)
    assert done.returncode == 1 and done.stdout.count("worse") == 1
    alone.fine("bench", "--compare", base, base, "--svg", "both.svg")
    ElementTree.fromstring((alone.directory / "both.svg").read_text())


@pytest.mark.parametrize("text", [
    "", "{}", "[]", '{"featured_bench":2}', '{"featured_bench":1,"measured":{}}',
    '{"featured_bench":1,"measured":{},"by_kind":{"single":{"histogram_ns":[[3001,1]]}}}',
    '{"featured_bench":1,"measured":{},"by_kind":{"single":{"histogram_ns":[[5,1],[4,1]]}}}',
    '{"featured_bench":1,"measured":{},"by_kind":{"single":{"histogram_ns":[[5,-1]]}}}'])
def test_compare_refuses_what_is_no_result(alone, text):
    bad = alone.write("bad.json", text)
    done = alone.run("bench", "--compare", result_file(alone, "base.json", 65_536), bad)
    assert done.returncode == 2
    assert "bad.json is no result" in done.stderr


def test_a_result_is_read_back_as_it_was(cli):
    cli.write("real.json", cli.fine("bench", "--setup", "--users", 10, *SHORT, "--rate", 0, "--json"))
    out = cli.fine("bench", "--compare", "real.json", "real.json", "--tolerance", 0)
    assert "the two did not ask for the same" not in out
    shown = {line.split()[0]: line for line in out.splitlines() if line.startswith("p")}
    assert {"p50", "p90", "p99"} <= set(shown)


@pytest.mark.parametrize("arguments, said", [
    (["--workload", "reads"], "single=8,batch=1,ingest=1"),
    (["--workload", "single=0"], "single=8,batch=1,ingest=1"),
    (["--rate", "-1"], "requests per second"),
    (["--rate", "nan"], "requests per second"),
    (["--threads", "8", "--connections", "4"], "--connections"),
    (["--duration", "soon"], "30s"),
    (["--batch", "10001"], "--batch"),
    (["--ids", "a", "--id-file", "b"], "not both"),
    (["--compare", "a.json"], "two files"),
    (["a.json", "b.json"], "--compare"),
    (["--distribution", "zipf", "--zipf", "0"], "exponent"),
])
def test_usage(alone, arguments, said):
    done = alone.run("bench", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("pattern", ["user_{0..}", "user_{9..1}", "{a..b}", "x{1..2", "x}1..2{",
                                     "{0..100000000}", "{-1..5}"])
def test_patterns_that_are_none(cli, pattern):
    cli.fine("bench", "--setup", "--users", "10", *SHORT)
    done = cli.run("bench", *SHORT, "--ids", pattern)
    assert done.returncode == 1
    assert "user_{0..99999}" in done.stderr


def test_no_server(alone):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        done = alone.run("bench", FEATURED_SERVER=f"http://127.0.0.1:{port}")
    assert done.returncode == 1
    assert "cannot connect" in done.stderr
    assert alone.run("bench", "--server", "https://127.0.0.1:1").returncode == 1
