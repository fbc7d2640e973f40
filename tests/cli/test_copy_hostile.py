"""What a Redis may say, and rows may hold, that makes no sense: said, and nothing worse."""

import json
import re
import socket
import threading

import pytest
import redis_servers
from conftest import Cli

DEFINITIONS = "features: [{name: h_int, data_type: int, entity: user}]"
NULL_ARRAY, OK = b"*-1\r\n", b"+OK\r\n"


def bulk(data):
    return b"$%d\r\n%s\r\n" % (len(data), data)


def array(*items):
    return b"*%d\r\n" % len(items) + b"".join(items)


KEY = bulk(b"user:u1:features")
ANSWERS = {
    b"INFO": bulk(b"run_id:abc\r\ncluster_enabled:0\r\n"), b"DBSIZE": b":1\r\n",
    b"SCAN": array(bulk(b"0"), array(KEY)), b"GET": bulk(b"1"), b"PTTL": b":-1\r\n",
    b"HGETALL": array(bulk(b"h_int"), bulk(b"1")),
}
CLUSTER = ANSWERS | {b"INFO": bulk(b"cluster_enabled:1\r\n")}


class FakeRedis:
    """Answers every command with the same bytes, or ends the connection."""

    def __init__(self, answers):
        self.answers = answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, connection.makefile("rb") as lines:
            while header := lines.readline():
                words = []
                for _ in range(int(header[1:])):
                    words.append(lines.read(int(lines.readline()[1:]) + 2)[:-2])
                answer = self.answers.get(words[0])
                if answer is None:
                    return
                try:
                    connection.sendall(answer)
                except OSError:
                    return


@pytest.fixture
def here(cli):
    cli.fine("apply", "--yes", cli.write("h.yaml", DEFINITIONS))
    return cli


HOSTILE = [
    {b"INFO": b"-NOAUTH Authentication required.\r\n"},
    {b"INFO": b":1\r\n", b"DBSIZE": b"-ERR\r\n"},
    {b"INFO": b"$-1\r\n"},
    {b"INFO": b"HTTP/1.1 400 Bad Request\r\n\r\n"},
    {b"INFO": b"$99999999999999999999\r\n"},
    {b"INFO": None},
    {b"DBSIZE": bulk(b"x")},
    {b"SCAN": None},
    {b"SCAN": OK},
    {b"SCAN": NULL_ARRAY},
    {b"SCAN": b"-ERR \x1b[31mno\r\n"},
    {b"SCAN": array(bulk(b"0"))},
    {b"SCAN": array(b":0\r\n", array(KEY))},
    {b"SCAN": array(bulk(b"9" * 40), array(KEY))},
    {b"SCAN": array(bulk(b"0"), array(KEY, b":5\r\n"))},
    {b"SCAN": array(bulk(b"0"), NULL_ARRAY)},
    {b"GET": b"-LOADING\r\n", b"HGETALL": b"-LOADING\r\n"},
    {b"GET": None, b"HGETALL": None},
    {b"PTTL": None},
    {b"PTTL": b":" + b"1" * 40 + b"\r\n"},
]
CLUSTERS = [
    NULL_ARRAY, OK, array(), array(array()), b"-ERR no\r\n",
    array(array(b":0\r\n", b":16383\r\n", array(bulk(b"127.0.0.1"), b":1\r\n"))),
    array(array(b":0\r\n", b":99999\r\n", array(bulk(b"127.0.0.1"), b":1\r\n"))),
    array(array(b":-5\r\n", b":16383\r\n", array(bulk(b"x" * 5000), b":70000\r\n"))),
]


@pytest.mark.parametrize("answers", [ANSWERS | case for case in HOSTILE] +
                         [CLUSTER | {b"CLUSTER": slots} for slots in CLUSTERS])
def test_a_peer_that_makes_no_sense(here, answers):
    fake = FakeRedis(answers)
    for command in (["ingest", "--from-redis", fake.url],
                    ["copy", "--from", fake.url, "--to", here.url],
                    ["copy", "--no-verify", "--from", here.url, "--to", fake.url]):
        done = here.run(*command)
        assert "\x1b" not in done.stderr
        assert done.returncode == 0 or done.stderr.startswith("featured ") or \
            re.search(r"^featured ", done.stderr, re.MULTILINE) or "rows refused" in done.stdout


@pytest.mark.parametrize("said", [
    b"-ERR unknown command 'AUTH', with args beginning with: 'reader' 'hunter2' \r\n",
    b"-ERR who is hunter2?\r\n"])
def test_a_peer_that_repeats_the_password(here, said):
    fake = FakeRedis(ANSWERS | {b"AUTH": said})
    url = fake.url.replace("redis://", "redis://reader:hunter2@")
    for command in (["ingest", "--from-redis", url], ["copy", "--from", url, "--to", here.url],
                    ["copy", "--from", here.url, "--to", url]):
        done = here.run(*command)
        assert done.returncode == 1 and " answers: " in done.stderr
        assert "hunter2" not in done.stderr + done.stdout


@pytest.mark.parametrize("left", [b":-3\r\n", b":9223372036854775807\r\n", bulk(b"x")])
def test_times_that_make_no_sense(here, left):
    fake = FakeRedis(ANSWERS | {b"PTTL": left})
    here.run("ingest", "--from-redis", fake.url)
    here.run("copy", "--from", fake.url, "--to", here.url)


@pytest.mark.parametrize("fields", [
    array(bulk(b"h_int")), array(bulk(b"h_int"), b":1\r\n"), array(b":1\r\n", bulk(b"1")),
    array(bulk(b"h_int"), b"$-1\r\n"), b"%1\r\n" + bulk(b"h_int") + bulk(b"1"), OK, NULL_ARRAY])
def test_hashes_that_are_none(here, fields):
    fake = FakeRedis(ANSWERS | {b"HGETALL": fields})
    here.run("copy", "--from", fake.url, "--to", here.url)


@pytest.mark.parametrize("times", [
    "", "[", "null", "[]", '{"h_int":5}', '{"h_int":"x"}', '{"h_int":"99999999999999999999:0:v"}',
    '{"h_int":"1:0:q"}', '{"h_int":"1:0:v"} x', "[" * 5000, "\xff", '{"\\ud800":"1:0:v"}'])
def test_event_times_that_cannot_be_understood(here, times):
    store = redis_servers.shared()
    client = store.client(7)
    client.flushdb()
    client.hset("user:damaged:features", mapping={"h_int": 1, "__event_times": times})
    client.hset("user:whole:features", mapping={
        "h_int": 2, "__event_times": json.dumps({"h_int": "1700000000000000:0:v"})})
    done = here.run("copy", "--from", store.url(7), "--to", here.url)
    client.flushdb()
    assert done.returncode == 1
    assert "not copied: 1 keys that are not named or filled as rows are\n" in done.stdout
    assert re.search(r": 1 ids, \d+ values copied", done.stdout)


def test_rows_that_the_target_cannot_understand_are_named(here):
    store = redis_servers.shared()
    client = store.client(8)
    client.flushdb()
    here.fine("ingest", here.write("r.ndjson", '{"entity_id":"bad","features":{"h_int":1}}\n'
                                   '{"entity_id":"list","features":{"h_int":1}}\n'
                                   '{"entity_id":"good","features":{"h_int":1}}\n'))
    client.hset("user:bad:features", "__event_times", "[")
    client.rpush("user:list:features", "x")
    done = Cli(here.directory).run("copy", "--from", here.url, "--to", store.url(8))
    assert done.returncode == 1
    assert ", 2 rows refused in" in done.stdout
    assert "user bad: " in done.stderr and "user list: " in done.stderr
    assert client.hget("user:good:features", "h_int") == "1"
    client.flushdb()
