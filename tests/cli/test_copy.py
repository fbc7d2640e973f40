"""`featured copy`: all values from one store to another, and whether they are the same there."""

import contextlib
import json
import re
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
import redis_servers
from conftest import TIMEOUT_S, Cli, Server, binary

DEFINITIONS = """
entities:
  - name: user
    features:
      - {name: c_int, data_type: int, ttl_seconds: 100000}
      - {name: c_float, data_type: float}
      - {name: c_flag, data_type: boolean}
      - {name: c_text, data_type: string}
      - {name: c_when, data_type: timestamp}
      - {name: c_vector, data_type: embedding, dimension: 3}
      - {name: c_json, data_type: json}
  - name: item
    features:
      - {name: c_price, data_type: float}
"""
NAMES = ["c_int", "c_float", "c_flag", "c_text", "c_when", "c_vector", "c_json"]
IDS = ["u1", "with:colon", "ø/ %?", "nul\x00", "x" * 512]
ODD = {"c_int": 2**63 - 1, "c_float": 0.1, "c_flag": False, "c_text": "a\"\n\x00\u2028",
       "c_when": "2026-01-02T03:04:05.123456Z", "c_vector": [1.5, -0.0, 3e-20],
       "c_json": {"a": [1.0, "x\n", None]}}


@contextlib.contextmanager
def running(directory, *flags):
    server = Server(directory, flags=list(flags)).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def old(tmp_path):
    """A server with definitions."""
    with running(tmp_path / "old") as server:
        cli = Cli(tmp_path, server.url)
        cli.fine("apply", "--yes", cli.write("c.yaml", DEFINITIONS))
        yield cli


@pytest.fixture
def new(tmp_path):
    """One that knows nothing yet."""
    with running(tmp_path / "new") as server:
        yield Cli(tmp_path, server.url)


@pytest.fixture(scope="module")
def redis_server():
    running_redis = redis_servers.RedisServer().start()
    yield running_redis
    running_redis.remove()


@pytest.fixture
def store(redis_server):
    redis_server.client().flushall()
    return redis_server


def request(url, body=None, method=None, content_type="application/json"):
    data = body.encode() if body is not None else None
    asked = urllib.request.Request(url, data, {"Content-Type": content_type}, method=method)
    with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def put(cli, rows):
    """(id, features, event time or None) each."""
    lines = "".join(json.dumps({"entity_id": i, "features": f} | ({"event_timestamp": t} if t else {}))
                    + "\n" for i, f, t in rows)
    answer = request(f"{cli.url}/features/ingest/bulk", lines, "POST", "application/x-ndjson")
    assert answer["rows_rejected"] == 0
    return answer


def erase(cli, entity, ids):
    for entity_id in ids:
        quoted = urllib.parse.quote(entity_id, safe="")
        request(f"{cli.url}/features/online/{quoted}?entity={entity}", method="DELETE")


def read(cli, entity_id, *names):
    """Values and event times."""
    body = {"entity_ids": [entity_id], "feature_names": list(names), "metadata": True}
    answer = request(f"{cli.url}/features/online", json.dumps(body))[0]
    return {name: (answer["features"][name], answer["metadata"][name]["event_timestamp"])
            for name in names}


def ids_of(cli, entity):
    ids, cursor = set(), ""
    while cursor is not None:
        url = f"{cli.url}/features/export?entity={entity}&cursor={cursor}"
        with urllib.request.urlopen(url.removesuffix("&cursor="), timeout=TIMEOUT_S) as answer:
            *rows, end = map(json.loads, answer.read().splitlines())
        ids |= {row["entity_id"] for row in rows}
        cursor = end["next_cursor"]
    return ids


def fill(cli, count=2500):
    """Odd ids and values, and some plain ones. All have their own event times."""
    now_ms = int(time.time() * 1000)
    rows = [(entity_id, ODD, now_ms - i) for i, entity_id in enumerate(IDS)]
    rows += [(f"p{i}", {"c_int": i, "c_float": i / 3}, now_ms - 1000 - i) for i in range(count)]
    rows += [(f"i{i}", {"c_price": i + 0.25}, None) for i in range(10)]
    rows += [("none", {"c_text": None}, now_ms)]
    put(cli, rows)


def copied(out):
    return tuple(int(n.replace(",", "")) for n in
                 re.search(r": ([\d,]+) ids, ([\d,]+) values copied", out).groups())


def table(out):
    """{(entity, side): (ids, values, checksum)}"""
    rows = re.findall(r"^(\w+) +(from|to) +([\d,]+) +([\d,]+) +([0-9a-f]{16})$", out, re.MULTILINE)
    return {(e, s): (int(i.replace(",", "")), int(v.replace(",", "")), c) for e, s, i, v, c in rows}


def assert_verified(out):
    found = table(out)
    for entity in {entity for entity, _ in found}:
        assert found[entity, "from"] == found[entity, "to"]
    assert out.endswith("verified: both sides hold the same\n")
    return {entity: counts for (entity, side), counts in found.items() if side == "from"}


def test_server_to_server(old, new):
    fill(old)
    out = old.fine("copy", "--from", old.url, "--to", new.url)
    assert "features registered\n" in out
    assert copied(out) == (len(IDS) + 2511, len(IDS) * 7 + 5011)
    counts = assert_verified(out)
    assert counts["user"][:2] == (len(IDS) + 2501, len(IDS) * 7 + 5001)
    assert counts["item"][:2] == (10, 10)
    for entity_id in IDS:
        assert read(new, entity_id, *NAMES) == read(old, entity_id, *NAMES)
    assert {name: value for name, (value, _) in read(new, "u1", *NAMES).items()} == ODD
    assert ids_of(new, "user") == ids_of(old, "user")
    again = old.fine("copy", "--from", old.url, "--to", new.url)
    assert_verified(again)
    assert "registered" not in again


def test_newer_values_stay_and_are_named_as_a_difference(old, new):
    fill(old, count=10)
    old.fine("copy", "--from", old.url, "--to", new.url)
    put(new, [("p3", {"c_int": 33}, None), ("beyond", {"c_int": 1}, None)])
    erase(old, "user", ["u1"])
    done = old.run("copy", "--from", old.url, "--to", new.url)
    assert done.returncode == 1
    assert ", 1 late: newer ones are there" in done.stdout
    assert sorted(done.stderr.splitlines()) == [
        "user beyond: only where it was copied to",
        "user p3: not the same on both sides",
        "user u1: only where it was copied to",
    ]
    assert read(new, "p3", "c_int")["c_int"][0] == 33
    only = old.run("copy", "--verify", "--from", old.url, "--to", new.url)
    assert (only.returncode, only.stderr) == (1, done.stderr)
    assert "copied in" not in only.stdout


def test_a_source_that_changes_while_it_is_compared_is_found(old, new):
    fill(old, count=10)
    old.fine("copy", "--no-verify", "--from", old.url, "--to", new.url)
    old.fine("copy", "--verify", "--from", old.url, "--to", new.url)
    put(old, [("p7", {"c_float": 7.5}, None)])
    done = old.run("copy", "--verify", "--from", old.url, "--to", new.url)
    assert done.returncode == 1
    assert done.stderr == "user p7: not the same on both sides\n"


def test_definitions_that_are_there_already(old, new):
    fill(old, count=3)
    new.fine("apply", "--yes", new.write("n.yaml", """
features:
  - {name: c_int, data_type: string, entity: user}
  - {name: c_price, data_type: float, entity: user}
  - {name: c_when, data_type: string, entity: user}
"""))
    done = old.run("copy", "--from", old.url, "--to", new.url)
    assert done.returncode == 1
    assert "c_int is there already as string of user, not int of user" in done.stderr
    assert "c_price is there already as float of user, not float of item" in done.stderr
    assert "not copied: 10 values of features that belong to another entity\n" in done.stdout
    assert read(new, "p2", "c_int")["c_int"][0] == "2"  # any text is a string
    without = old.run("copy", "--no-definitions", "--no-verify", "--from", new.url,
                      "--to", old.url)
    assert "registered" not in without.stdout


def test_another_version_is_said(old, new):
    old.fine("apply", "--yes", old.write("v.yaml",
             "features: [{name: c_versions, data_type: int, entity: verse}]"))
    put(old, [("v1", {"c_versions": 1}, None)])
    old.fine("apply", "--yes", "--activate", old.write("v.yaml",
             "features: [{name: c_versions, data_type: string, entity: verse}]"))
    put(old, [("v1", {"c_versions": "one"}, None)])
    done = old.run("copy", "--from", old.url, "--to", new.url)
    assert "c_versions: its active version 2 is version 1 there" in done.stderr
    assert "not copied: 1 values of versions that are not active\n" in done.stdout
    assert read(new, "v1", "c_versions")["c_versions"][0] == "one"
    assert done.returncode == 0


def test_values_that_expire_are_no_difference(old, new):
    short = "features: [{name: c_short, data_type: int, entity: brief, ttl_seconds: 30}]"
    old.fine("apply", "--yes", old.write("s.yaml", short))
    put(old, [("s1", {"c_short": 1}, None), ("s2", {"c_short": 2}, None)])
    out = old.fine("copy", "--from", old.url, "--to", new.url)
    assert "not compared: 2 values that are about to expire\n" in out
    assert read(new, "s2", "c_short") == read(old, "s2", "c_short")


def test_server_to_redis_and_back(old, new, store):
    fill(old)
    out = old.fine("copy", "--from", old.url, "--to", store.url())
    assert copied(out)[0] == len(IDS) + 2511
    assert_verified(out)
    client = store.client()
    assert client.hget("user:u1:features", "c_text") == ODD["c_text"]
    assert client.hget("user:u1:features", "c_int") == str(2**63 - 1)
    assert client.hexists("user:none:features", "c_text") is False
    times = json.loads(client.hget("user:p5:features", "__event_times"))
    assert re.fullmatch(r"\d{16}:0:v", times["c_int"])
    assert client.sismember("all_users", "p5") and client.scard("all_items") == 10
    assert client.pttl("user:p5:features") == -1  # c_float never expires
    new.fine("apply", "--yes", "c.yaml")
    back = old.fine("copy", "--from", store.url(), "--to", new.url)
    assert_verified(back)
    for entity_id in IDS:
        assert read(new, entity_id, *NAMES) == read(old, entity_id, *NAMES)
    assert_verified(old.fine("copy", "--from", old.url, "--to", store.url()))


def test_a_server_on_that_redis_serves_it(old, new, store, tmp_path):
    fill(old, count=100)
    assert_verified(old.fine("copy", "--from", old.url, "--to", store.url()))
    with running(tmp_path / "third", "--redis-url", store.url()) as server:
        third = Cli(tmp_path, server.url)
        third.fine("apply", "--yes", "c.yaml")
        for entity_id in IDS:
            assert read(third, entity_id, *NAMES) == read(old, entity_id, *NAMES)
        assert ids_of(third, "user") == ids_of(old, "user")
        assert_verified(old.fine("copy", "--verify", "--from", old.url, "--to", third.url))
        put(third, [("p3", {"c_int": 33}, None)])
        assert read(third, "p3", "c_int")["c_int"][0] == 33
        again = old.run("copy", "--from", old.url, "--to", store.url())
        assert (again.returncode, again.stderr) == (1, "user p3: not the same on both sides\n")
        assert read(third, "p3", "c_int")["c_int"][0] == 33
        put(old, [("p3", {"c_int": 34}, None)])
        assert_verified(old.fine("copy", "--from", old.url, "--to", store.url()))
        assert read(third, "p3", "c_int") == read(old, "p3", "c_int")
        assert_verified(old.fine("copy", "--from", third.url, "--to", new.url))
        assert read(new, "p3", "c_int") == read(third, "p3", "c_int")


def test_a_store_that_another_program_filled(new, store):
    """The layout of the second service: no event times, numbers as texts."""
    client = store.client()
    pipe = client.pipeline(transaction=False)
    for i in range(3000):
        pipe.hset(f"user:u{i}:features", mapping={"age": i % 90, "city": f"c{i}", "score": i / 7})
        pipe.sadd("all_users", f"u{i}")
    pipe.hset("user:bad:features", mapping={"age": "nan", "city": "x", "unknown": "1"})
    pipe.hset(b"user:\xff:features", mapping={"age": "1"})
    pipe.hset("odd:features", mapping={"age": "1"})
    pipe.set("user:text:features", "1")
    pipe.execute()
    new.fine("apply", "--yes", new.write("a.yaml", """
features:
  - {name: age, data_type: int, entity: user}
  - {name: city, data_type: string, entity: user}
  - {name: score, data_type: float, entity: user}
"""))
    done = new.run("copy", "--from", store.url(), "--to", new.url)
    assert done.returncode == 1
    assert table(done.stdout)["user", "from"] == table(done.stdout)["user", "to"]
    assert table(done.stdout)["user", "to"][:2] == (3001, 9001)
    for reason in ("1 values of features that are not registered",
                   "1 values that do not fit their feature's type", "1 ids that are not UTF-8",
                   "1 keys that are not named or filled as rows are"):
        assert f"not copied: {reason}\n" in done.stdout
    assert "user bad age: the value does not fit" in done.stderr
    assert r"user \xff: the id is not UTF-8" in done.stderr
    assert {n: v for n, (v, _) in read(new, "u8", "age", "city", "score").items()} == {
        "age": 8, "city": "c8", "score": 8 / 7}


def test_a_server_in_front_of_what_another_program_filled(new, store, tmp_path):
    """It exports what it knows no event times of."""
    for i in range(50):
        store.client().hset(f"user:u{i}:features", mapping={"age": i, "beside": "x"})
    with running(tmp_path / "front", "--redis-url", store.url()) as server:
        front = Cli(tmp_path, server.url)
        front.fine("apply", "--yes", front.write("a.yaml",
                   "features: [{name: age, data_type: int, entity: user}]"))
        done = front.run("copy", "--from", front.url, "--to", new.url)
    assert table(done.stdout)["user", "from"] == table(done.stdout)["user", "to"]
    assert table(done.stdout)["user", "to"][:2] == (50, 50)
    assert "not copied: 50 values of features that are not registered\n" in done.stdout
    assert done.returncode == 1
    assert read(new, "u8", "age")["age"][0] == 8


def test_redis_to_redis(store):
    other = redis_servers.RedisServer("valkey-server").start()
    client, there = store.client(), other.client()
    event = "1700000000000000"
    client.hset("user:a:features", mapping={
        "f": "1", "g": "x", "plain": "7",
        "__event_times": json.dumps({"f": f"{event}:12:v", "g": f"{event}:3:v", "n": f"{event}:4:n"})})
    client.hset("user:b:features", mapping={"f": "2"})
    client.pexpire("user:b:features", 500_000)
    there.hset("user:a:features", mapping={
        "f": "newer", "__event_times": json.dumps({"f": "1800000000000000:0:v"})})
    cli = Cli(store.directory)
    done = cli.run("copy", "--from", store.url(), "--to", other.url())
    assert done.returncode == 1
    assert done.stderr == "user a: not the same on both sides\n"
    times = json.loads(there.hget("user:a:features", "__event_times"))
    assert times == {"f": "1800000000000000:0:v", "g": f"{event}:0:v", "n": f"{event}:0:n"}
    assert there.hgetall("user:b:features") == {"f": "2"}
    assert 490_000 < there.pttl("user:b:features") <= 500_001
    there.delete("user:a:features")
    out = cli.fine("copy", "--from", store.url(), "--to", other.url())
    assert assert_verified(out)["user"][:2] == (2, 5)
    assert there.hgetall("user:a:features")["plain"] == "7"
    other.remove()


def test_a_cluster(old, new):
    cluster = redis_servers.shared_cluster()
    cluster.flush()
    fill(old, count=300)
    assert_verified(old.fine("copy", "--from", old.url, "--to", cluster.cluster_url()))
    new.fine("apply", "--yes", "c.yaml")
    assert_verified(old.fine("copy", "--from", cluster.url(), "--to", new.url))
    assert ids_of(new, "user") == ids_of(old, "user")
    cluster.flush()


def copying(cli, *arguments):
    return subprocess.Popen([binary(), "copy", *arguments], text=True, cwd=cli.directory,
                            env=cli.environment({}), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def await_state(path):
    """A page was acknowledged."""
    deadline = time.monotonic() + TIMEOUT_S
    while not path.exists():
        assert time.monotonic() < deadline


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("kind", ["http", "redis"])
def test_interrupted_and_resumed(old, new, store, kind, how):
    fill(old, count=40_000)
    source = old.url
    if kind == "redis":
        old.fine("copy", "--no-verify", "--from", old.url, "--to", store.url())
        new.fine("apply", "--yes", "c.yaml")
        source = store.url()
    state = old.directory / "copy.state"
    command = ["--from", source, "--to", new.url, "--state", "copy.state"]
    process = copying(old, *command)
    await_state(state)
    process.send_signal(how)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 1)
    if how == signal.SIGINT:
        assert "interrupted; the same command goes on where it was" in err
        assert copied(out)[0] < 40_000
    wrong = old.run("copy", "--from", source, "--to", store.unix_url(), "--state", "copy.state")
    assert wrong.returncode == 2
    assert "copy.state is of a copy from" in wrong.stderr
    out = old.fine("copy", *command)
    assert_verified(out)
    assert copied(out)[0] < len(IDS) + 40_011
    assert not state.exists()
    assert ids_of(new, "user") == ids_of(old, "user")


@pytest.mark.parametrize("killed", ["source", "target"])
def test_a_server_that_is_restarted_meanwhile_is_waited_for(tmp_path, killed):
    def at_a_port(name):
        return running(tmp_path / name, "--listen", f"127.0.0.1:{redis_servers.free_port()}")

    with at_a_port("source") as source, at_a_port("target") as target:
        cli = Cli(tmp_path, source.url)
        cli.fine("apply", "--yes", cli.write("c.yaml", DEFINITIONS))
        fill(cli, count=40_000)
        process = copying(cli, "--from", source.url, "--to", target.url, "--state", "copy.state")
        await_state(tmp_path / "copy.state")
        (source if killed == "source" else target).restart("kill")
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert (process.returncode, err) == (0, "")
        assert_verified(out)
        assert ids_of(Cli(tmp_path, target.url), "user") == ids_of(cli, "user")


@pytest.mark.parametrize("arguments, status, says", [
    ([], 2, "--from is missing"),
    (["--from", "http://a"], 2, "--to is missing"),
    (["--from", "http://a", "--to", "http://a"], 2, "are the same"),
    (["--from", "ftp://a", "--to", "http://a"], 2, "expected an address"),
    (["--from", "redis://", "--to", "http://a"], 2, "expected redis://"),
    (["--from", "redis://127.0.0.1:1", "--to", "http://a"], 1, "cannot connect to 127.0.0.1:1"),
    (["--from", "http://127.0.0.1:1", "--to", "http://a"], 1, "is `featured serve` running"),
    (["--from", "http://a", "--to", "http://b", "--verify", "--no-verify"], 2, "not both"),
])
def test_mistakes(alone, arguments, status, says):
    done = alone.run("copy", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr


def test_a_damaged_state_file(old, new):
    old.write("bad.state", "hello")
    done = old.run("copy", "--from", old.url, "--to", new.url, "--state", "bad.state")
    assert done.returncode == 2
    assert "bad.state holds no state of a copy" in done.stderr
