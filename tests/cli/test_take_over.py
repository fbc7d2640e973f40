"""`featured ingest --from-redis`: the values of a feature store that keeps each under a string key."""

import json
import re
import signal
import socket
import subprocess
import threading
import urllib.request

import pytest
import redis_servers
from conftest import TIMEOUT_S, binary

DEFINITIONS = """
features:
  - {name: t_int, data_type: int, entity: thing, ttl_seconds: 1000}
  - {name: t_float, data_type: float, entity: thing, ttl_seconds: 1000}
  - {name: t_flag, data_type: boolean, entity: thing}
  - {name: t_text, data_type: string, entity: thing}
  - {name: t_when, data_type: timestamp, entity: thing}
  - {name: t_vector, data_type: embedding, dimension: 3, entity: thing}
  - {name: t_json, data_type: json, entity: thing}
  - {name: t_never_null, data_type: int, entity: thing, is_nullable: false}
"""


@pytest.fixture(scope="module")
def source():
    running = redis_servers.RedisServer().start()
    yield running
    running.remove()


@pytest.fixture
def there(source):
    """The other store's own client; empty at first."""
    source.client().flushall()
    return source.client()


@pytest.fixture
def here(cli):
    cli.fine("apply", "--yes", cli.write("t.yaml", DEFINITIONS))
    return cli


def read(cli, entity_id, *names):
    query = f"metadata=true&feature_names={','.join(names)}"
    with urllib.request.urlopen(f"{cli.url}/features/online/{entity_id}?{query}") as answer:
        return json.load(answer)


def values(cli, entity_id, *names):
    return read(cli, entity_id, *names)["features"]


def age_s(cli, entity_id, name):
    """How long ago the value became true, by the clock of this machine."""
    import datetime
    text = read(cli, entity_id, name)["metadata"][name]["event_timestamp"]
    then = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()


def counts(out):
    return {word: int(number.replace(",", ""))
            for number, word in re.findall(r"([\d,]+) (?:keys |values )?(seen|taken|late|rejected|passed)",
                                           out.splitlines()[0])}


def test_every_type_and_kind_of_id(here, source, there):
    put = {
        "a:t_int": 25, "a:t_float": 0.1, "a:t_flag": True, "a:t_text": "Øl\n\"x\"\x00",
        "a:t_when": "2026-01-02T03:04:05.123456Z", "a:t_vector": [1, 2.5, -3],
        "a:t_json": {"deep": [1.0, {"k": None}]}, "with:colons::t_int": 7, "ø:t_int": -1,
        "null:t_text": None,
    }
    for key, value in put.items():
        there.set(key, json.dumps(value))
    out = here.fine("ingest", "--from-redis", source.url())
    assert counts(out) == {"seen": 10, "taken": 10}
    names = [name for key, name in (key.rsplit(":", 1) for key in put) if key == "a"]
    assert values(here, "a", *names) == {name: put[f"a:{name}"] for name in names}
    assert values(here, "with:colons:", "t_int") == {"t_int": 7}
    assert values(here, "%C3%B8", "t_int") == {"t_int": -1}
    assert read(here, "null", "t_text")["metadata"]["t_text"]["status"] == "NULL_VALUE"


def test_the_life_that_is_left(here, source, there):
    there.set("life:t_int", "1", ex=400)       # 600 s old
    there.set("begun:t_int", "1")              # no TTL there
    there.set("cut:t_float", "1", ex=5000)     # more than the feature's
    there.set("ended:t_text", '"x"', ex=50)    # the feature has none
    out = here.fine("ingest", "--from-redis", source.url())
    assert 599 < age_s(here, "life", "t_int") < 630
    for entity_id, name in [("begun", "t_int"), ("cut", "t_float"), ("ended", "t_text")]:
        assert -1 < age_s(here, entity_id, name) < 30
    assert "\n1 values had no TTL there" in out
    assert "\n1 values had a TTL there and their feature has none" in out
    assert "\n1 values had longer to live there" in out


def test_what_came_since_stays(here, source, there):
    there.set("since:t_int", "1", ex=900)
    here.fine("ingest", "--from-redis", source.url())
    here.fine("ingest", here.write("r.ndjson", '{"entity_id":"since","features":{"t_int":2}}\n'))
    out = here.fine("ingest", "--from-redis", source.url())
    assert counts(out)["late"] == 1
    assert values(here, "since", "t_int") == {"t_int": 2}


def test_values_that_do_not_fit_are_named_and_the_rest_taken(here, source, there):
    there.set("bad1:t_int", '"25"')
    there.set("bad2:t_float", "NaN")
    there.set("bad3:t_vector", "[1,2]")
    there.set("bad4:t_never_null", "null")
    there.set("bad5:t_int", "1 2")
    there.set("good:t_int", " 25\n")
    done = here.run("ingest", "--from-redis", source.url())
    assert done.returncode == 1
    assert counts(done.stdout) == {"seen": 6, "taken": 1, "rejected": 5}
    for name in ("bad1", "bad2", "bad3", "bad4", "bad5"):
        assert f"\n{name}" in "\n" + done.stderr
    assert values(here, "good", "t_int") == {"t_int": 25}


def test_keys_that_are_none_of_its_are_passed_over(here, source, there):
    for i in range(7):
        there.set(f"other{i}:no_such", "1")
    there.set("nothing", "1")
    there.set(":t_int", "1")
    there.set("x" * 513 + ":t_int", "1")
    there.set(b"\xff\xfe:t_int", "1")
    there.set("esc\x1b[31m:nope", "1")
    there.rpush("list:t_int", "1")
    there.set("fine:t_int", "3")
    done = here.run("ingest", "--from-redis", source.url())
    assert done.returncode == 0
    assert counts(done.stdout) == {"seen": 12, "taken": 1, "passed": 11}
    assert "… and 6 more keys passed over" in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 6
    assert values(here, "fine", "t_int") == {"t_int": 3}


def test_the_layout_of_the_other_command_is_hinted_at(here, source, there):
    there.hset("user:u1:features", mapping={"age": 1})
    done = here.run("ingest", "--from-redis", source.url())
    assert (done.returncode, counts(done.stdout)) == (0, {"seen": 0, "taken": 0})
    assert "are copied by `featured copy --from URL --to SERVER`" in done.stderr


def test_many_keys_and_again(here, source, there):
    pipe = there.pipeline(transaction=False)
    for i in range(20_000):
        pipe.set(f"many{i}:t_int", i, ex=500)
    pipe.execute()
    out = here.fine("ingest", "--from-redis", source.url())
    assert counts(out)["taken"] >= 20_000
    for i in (0, 9_999, 19_999):
        assert values(here, f"many{i}", "t_int") == {"t_int": i}
    here.fine("ingest", "--from-redis", source.unix_url())
    assert values(here, "many77", "t_int") == {"t_int": 77}


def test_a_cluster(here):
    cluster = redis_servers.shared_cluster()
    cluster.flush()
    client = cluster.client()
    for i in range(300):
        client.set(f"cl{i}:t_int", i)
    for url in (cluster.url(), cluster.cluster_url()):
        out = here.fine("ingest", "--from-redis", url)
        assert counts(out)["seen"] == 300
    assert [values(here, f"cl{i}", "t_int")["t_int"] for i in range(300)] == list(range(300))
    cluster.flush()


def test_a_password_and_tls(here):
    guarded = redis_servers.RedisServer(user="reader", password="s3cr:t/@",
                                        certificates=redis_servers.Certificates()).start()
    guarded.client(3).set("tls:t_int", "9")
    assert counts(here.fine("ingest", "--from-redis", guarded.tls_url(3)))["taken"] == 1
    assert values(here, "tls", "t_int") == {"t_int": 9}
    guarded.client(3).set("plain:t_int", "8")
    assert counts(here.fine("ingest", "--from-redis", guarded.url(3)))["taken"] == 2
    assert counts(here.fine("ingest", FEATURED_FROM_REDIS=guarded.url(3)))["taken"] == 2
    wrong = here.run("ingest", "--from-redis",
                     f"redis://reader:hunter2@127.0.0.1:{guarded.port}/3")
    assert wrong.returncode == 1
    assert "WRONGPASS" in wrong.stderr and "hunter2" not in wrong.stderr
    unknown = here.run("ingest", "--from-redis", guarded.tls_url(3, ""))
    assert unknown.returncode == 1 and "certificate" in unknown.stderr
    guarded.remove()


class Held:
    """Passes bytes on to a server; after so many of its answers it waits for release()."""

    def __init__(self, port, after_bytes):
        self.port, self.left = port, after_bytes
        self.reached, self.released = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        near, far = self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.port))
        threading.Thread(target=self.pump, args=(near, far, False), daemon=True).start()
        self.pump(far, near, True)

    def pump(self, source, target, held):
        while piece := source.recv(4096):
            self.left -= len(piece) if held else 0
            if self.left < 0:
                self.reached.set()
                self.released.wait()
            target.sendall(piece)
        target.close()

    def release(self):
        self.released.set()


def test_ctrl_c_ends_it_cleanly(here, source, there):
    for i in range(5_000):
        there.set(f"stop{i}:t_int", i)
    held = Held(source.port, after_bytes=50_000)
    process = subprocess.Popen([binary(), "ingest", "--from-redis", held.url], text=True,
                               cwd=here.directory, env=here.environment({}),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert held.reached.wait(TIMEOUT_S)
    process.send_signal(signal.SIGINT)
    held.release()
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert "interrupted; run it again to take over the rest" in err
    seen = counts(out)
    assert 0 < seen["taken"] == seen["seen"] < 5_000
    assert counts(here.fine("ingest", "--from-redis", source.url()))["taken"] >= 5_000


@pytest.mark.parametrize("arguments, status, says", [
    (["--from-redis", "redis://127.0.0.1:1"], 1, "cannot connect to 127.0.0.1:1"),
    (["--from-redis", "http://x"], 2, "expected redis://"),
    (["--from-redis", "redis://h", "f.csv"], 2, "files or --from-redis, not both"),
    ([], 2, "FILE... is missing"),
])
def test_mistakes(here, arguments, status, says):
    done = here.run("ingest", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
