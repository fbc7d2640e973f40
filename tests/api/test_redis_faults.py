"""A Redis that is away, silent, slow or mad: no wrong answer, nothing waits longer than --redis-timeout,
503 with Retry-After at once while it is away, and it comes back without a restart."""

import concurrent.futures
import json
import re
import time

import pytest

import redis_servers
from proxy import BOTH, DOWN, UP, CutAfter, Delay, Drip, Garble, Hold, Proxy, Swallow
from raw import Connection, request
from server import Server
from store import Store
from test_erasure import erase
from waiting import at_once, await_that
from traffic import Traffic

pytestmark = pytest.mark.only_on("redis", "valkey")

# Longer than a shared machine mostly stands still.
TIMEOUT_S = 1
# Two of them may follow each other: a link that was lost, a command.
ANSWER_S = 2 * TIMEOUT_S + 3
AT_ONCE_S = 0.8 * TIMEOUT_S


class Behind:
    """A server whose Redis, its own, stands behind a proxy."""

    def __init__(self, server, store, proxy, redis):
        self.server, self.store, self.proxy, self.redis = server, store, proxy, redis

    def metric(self, name):
        text = self.store.client.get("/metrics").text
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE).group(1))

    def is_ready(self):
        answer = self.store.client.get("/ready")
        return answer.status_code == 200 and answer.json() == {"status": "ready"}

    def await_known(self):
        """That it is away, by every connection: from then on everything is refused at once."""
        await_that(lambda: not self.is_ready() and self.metric("featured_redis_links_ready") == 0)

    def comes_back(self):
        """By itself; each of its connections may have to find out that what it asked before is lost."""
        await_that(lambda: self.is_ready() and self.metric("featured_redis_links_ready") > 0)
        name = self.store.unique("user")
        await_that(lambda: self.store.ingest(name, {"clicks": 1}).status_code == 200)
        await_that(lambda: self.store.online(name, ["clicks"]).status_code == 200)
        assert self.store.read_one(name, "clicks") == 1


@pytest.fixture(scope="module")
def own_redis(backend):
    """What is written survives its crash."""
    running = redis_servers.RedisServer(
        backend.program, ["--appendonly", "yes", "--appendfsync", "always"]).start()
    yield running
    running.remove()


@pytest.fixture
def behind(own_redis, start_server, client_of):
    if own_redis.process.poll() is not None:
        own_redis.start()
    own_redis.client().flushall()
    with Proxy(("127.0.0.1", own_redis.port)) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        # One loop, so that what one request has found out the next one knows.
        server = start_server("--redis-url", url, "--redis-timeout", f"{int(TIMEOUT_S * 1000)}ms",
                              "--threads", "1")
        store = Store(client_of(server))
        store.define("int", "clicks")
        store.define("string", "text")
        store.write("kept", {"clicks": 7})
        yield Behind(server, store, proxy, own_redis)
        proxy.heal()


@pytest.fixture
def traffic(behind):
    """Writes and reads on and on: 503 or right."""
    with Traffic(behind.server.url, "clicks", "traffic", allowed=(200, 503)) as running:
        yield running
    running.assert_right(slowest_s=ANSWER_S)


def requests_of(store):
    """Every kind of request that needs the store."""
    return {
        "read": lambda: store.online("kept", ["clicks"]),
        "read all": lambda: store.online("kept"),
        "user": lambda: store.client.get("/features/kept"),
        "batch": lambda: store.batch(["kept", "nobody"], ["clicks"]),
        "users": lambda: store.client.post("/features/batch", json={"user_ids": ["kept"]}),
        "tensor": lambda: store.online("kept", ["clicks"], headers={"Accept": "application/x-npy"}),
        "write": lambda: store.ingest("other", {"clicks": 1}),
        "bulk": lambda: store.csv("entity_id,clicks\nother,1\n"),
        "erase": lambda: erase(store, "other"),
    }


def assert_all_refused(behind):
    for what, ask in requests_of(behind.store).items():
        answer = at_once(ask, AT_ONCE_S)
        assert answer.status_code == 503 and answer.headers["Retry-After"], f"{what}: {answer.text}"


def assert_away(behind):
    """At once, and /ready says why; what needs no store goes on."""
    assert_all_refused(behind)
    ready = behind.store.client.get("/ready")
    assert ready.status_code == 503 and "online store" in ready.text, ready.text
    assert behind.store.client.get("/health").status_code == 200
    assert behind.store.definition("clicks")["name"] == "clicks"
    assert at_once(lambda: behind.store.client.get("/metrics"), AT_ONCE_S).status_code == 200


def vanish(behind):
    behind.proxy.refuse()
    behind.proxy.cut()


BREAKS = {
    "half-open": lambda behind: behind.proxy.set(BOTH, Swallow()),
    "requests vanish": lambda behind: behind.proxy.set(UP, Swallow()),
    "answers vanish": lambda behind: behind.proxy.set(DOWN, Swallow()),
    "answers wait": lambda behind: behind.proxy.set(DOWN, Hold()),
    "stopped": lambda behind: behind.redis.pause(),
    "gone": vanish,
    "killed": lambda behind: behind.redis.crash(),
    "dripping": lambda behind: behind.proxy.set(DOWN, Drip(0.2)),
    "garbage": lambda behind: behind.proxy.set(DOWN, Garble(1)),
}
MENDS = {
    "stopped": lambda behind: behind.redis.resume(),
    "gone": lambda behind: behind.proxy.accept(),
    "killed": lambda behind: behind.redis.start(),
}


@pytest.mark.parametrize("how", BREAKS)
def test_away_and_back(behind, traffic, how):
    traffic.await_answers(5)
    lost = behind.metric("featured_redis_lost_total") + behind.metric("featured_redis_refused_total")
    BREAKS[how](behind)
    try:
        began = time.monotonic()
        answer = behind.store.online("kept", ["clicks"])
        assert time.monotonic() - began < ANSWER_S
        assert answer.status_code == 503 or answer.json()["features"] == {"clicks": 7}
        behind.await_known()
        assert_away(behind)
        assert behind.metric("featured_redis_lost_total") + behind.metric("featured_redis_refused_total") > lost
        assert behind.metric("featured_redis_links_ready") == 0
        traffic.await_answers(10, status=503)
    finally:
        MENDS.get(how, lambda behind: behind.proxy.heal())(behind)
    behind.comes_back()
    assert behind.store.read_one("kept", "clicks") == 7
    traffic.await_answers(10)


def test_it_is_noticed_without_a_request(behind):
    behind.proxy.set(BOTH, Swallow())
    await_that(lambda: not behind.is_ready())
    behind.proxy.heal()
    await_that(behind.is_ready)
    behind.comes_back()


def test_again_and_again(behind, traffic):
    for _ in range(5):
        behind.proxy.cut()
        traffic.await_answers(5)
    for _ in range(3):
        behind.redis.crash()
        traffic.await_answers(5, status=503)
        behind.redis.start()
        traffic.await_answers(5)
    behind.comes_back()


def test_a_slow_network_is_no_failure(behind, traffic):
    behind.proxy.set(BOTH, Delay(0.05))
    # Requests do not wait for each other: they share the connection.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda _: behind.store.online("kept", ["clicks"]), range(40)))
        assert time.monotonic() - began < 40 * 0.1 / 2
    assert all(answer.json()["features"] == {"clicks": 7} for answer in answers)
    body = {"entity_ids": ["kept"] * 1000, "feature_names": ["clicks"]}
    began = time.monotonic()
    answer = behind.store.client.post("/features/online", json=body)
    assert time.monotonic() - began < 1000 * 0.1 / 10
    assert all(row["features"] == {"clicks": 7} for row in answer.json())
    assert behind.is_ready()


def test_slower_than_the_timeout(behind, traffic):
    behind.proxy.set(DOWN, Delay(3 * TIMEOUT_S))
    began = time.monotonic()
    assert behind.store.online("kept", ["clicks"]).status_code == 503
    assert time.monotonic() - began < ANSWER_S
    assert behind.metric("featured_redis_timeouts_total") > 0
    behind.proxy.heal()
    behind.comes_back()


UNASKED = {
    "noise": b"\xde\xad\xbe\xef" * 64,
    "an answer too many": b"$1\r\n9\r\n",
    "an array too many": b"*3\r\n$1\r\n9\r\n$1\r\n9\r\n$1\r\n9\r\n",
    "a push": b">2\r\n+message\r\n+hello\r\n",
    "deep": b"*1\r\n" * 100,
    "a huge string": b"$999999999999\r\n",
    "a huge array": b"*2147483647\r\n",
    "a negative length": b"$-5\r\n",
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "error": b"-ERR nobody asked\r\n",
    "half a line": b"+O",
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("what", UNASKED)
def test_what_nobody_asked_for(behind, traffic, what):
    """An answer in another's place would be a wrong one: the connection is given up as soon as one has another
    shape than what was asked for."""
    for number in range(5):
        behind.store.write(f"user_{number}", {"clicks": number})
    traffic.await_answers(5)
    behind.proxy.inject(DOWN, UNASKED[what])
    for number in range(5):
        answer = behind.store.online(f"user_{number}", ["clicks"])
        assert answer.status_code == 503 or answer.json()["features"] == {"clicks": number}, answer.text
    behind.proxy.cut()
    behind.comes_back()
    assert behind.store.read_one("kept", "clicks") == 7


def test_an_error_while_reads_are_in_flight(behind):
    """It stands where the first one's answer was awaited; no read is given that of another."""
    for number in range(5):
        behind.store.write(f"user_{number}", {"clicks": number})
    behind.proxy.set(UP, Hold())
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(behind.store.online, f"user_{number}", ["clicks"]) for number in range(5)]
        await_that(lambda: behind.metric("featured_redis_pending") >= 5)
        behind.proxy.inject(DOWN, UNASKED["error"])
        behind.proxy.heal()
    for number, answer in enumerate(future.result() for future in answers):
        assert answer.status_code == 503 or answer.json()["features"] == {"clicks": number}, answer.text
    behind.comes_back()


@pytest.mark.parametrize("seed", range(3))
def test_a_byte_in_many_is_another(behind, seed):
    """What still is the protocol cannot be told from the truth; nothing else is believed, nothing crashes."""
    behind.proxy.set(DOWN, Garble(seed, one_in=40))
    for number in range(60):
        behind.store.online("kept", ["clicks"])
        behind.store.ingest("other", {"clicks": number})
        behind.store.online("kept")
    behind.proxy.heal()
    behind.proxy.cut()
    behind.comes_back()
    assert behind.store.read_one("kept", "clicks") == 7


def test_cut_anywhere(behind):
    """In the middle of commands and of answers: what was acknowledged is there, the rest is 503."""
    acknowledged = 0
    for direction in (UP, DOWN):
        for size in (1, 3, 10, 50, 100, 200, 400, 800):
            await_that(behind.is_ready)
            behind.proxy.set(direction, CutAfter(size))
            for number in range(6):
                answer = behind.store.ingest("u", {"clicks": acknowledged + 1})
                assert answer.status_code in (200, 503), answer.text
                if answer.status_code == 200:
                    acknowledged += 1
            behind.proxy.heal()
            await_that(behind.is_ready)
            assert (behind.store.read_one("u", "clicks") or 0) in (acknowledged, acknowledged + 1)
            behind.store.write("u", {"clicks": acknowledged})


def test_a_bulk_load_through_a_cut(behind):
    """The prefix that it says was applied, was; sent again it is whole."""
    rows = [f"b{number},{number},2026-01-02T03:04:05Z\n" for number in range(3000)]
    body = "entity_id,clicks,event_timestamp\n" + "".join(rows)
    behind.proxy.set(UP, CutAfter(60000))
    answer = behind.store.csv(body)
    assert answer.status_code == 503, answer.text
    applied = answer.json()["last_line_applied"]
    behind.proxy.heal()
    await_that(behind.is_ready)
    ids = [f"b{number}" for number in range(len(rows))]
    found = [row["features"]["clicks"] for row in behind.store.batch(ids, ["clicks"]).json()]
    assert all(value in (None, number) for number, value in enumerate(found))
    before = max(applied - 1, 0)  # line 1 is the header
    assert found[:before] == list(range(before))
    assert behind.store.csv(body).json()["rows_accepted"] == len(rows)
    found = [row["features"]["clicks"] for row in behind.store.batch(ids, ["clicks"]).json()]
    assert found == list(range(len(rows)))


def test_statistics_count_once_through_cuts(behind):
    """What was acknowledged is counted; merging is not done twice."""
    acknowledged = unknown = 0
    for number in range(60):
        if number % 10 == 5:
            behind.proxy.cut()
        answer = behind.store.ingest(f"s{number}", {"clicks": number})
        acknowledged += answer.status_code == 200
        unknown += answer.status_code != 200
        if answer.status_code != 200:
            await_that(behind.is_ready)
    found = behind.store.definition("clicks")["count"] - 1  # "kept"
    assert acknowledged <= found <= acknowledged + unknown


def test_it_starts_while_redis_is_away(own_redis, start_server, backend, tmp_path, client_of):
    """It waits for it: not ready, but alive."""
    if own_redis.process.poll() is not None:
        own_redis.start()
    own_redis.client().flushall()
    with Proxy(("127.0.0.1", own_redis.port)) as proxy:
        proxy.refuse()
        server = Server(tmp_path / "early", backend, ("--redis-url", f"redis://127.0.0.1:{proxy.port}/0"))
        server.launch()
        try:
            server.await_listening()
            store = Store(client_of(server))
            assert store.client.get("/health").status_code == 200
            assert store.client.get("/ready").status_code == 503
            answer = store.online("u", ["clicks"])
            assert answer.status_code == 503 and answer.headers["Retry-After"]
            proxy.accept()
            assert "ready on" in server.first_line()
            await_that(lambda: store.client.get("/ready").status_code == 200)
            store.define("int", "clicks")
            store.write("u", {"clicks": 1})
            server.stop()
        finally:
            server.kill()


def test_it_ends_while_redis_is_silent(behind):
    connection = Connection(behind.server.port)
    behind.proxy.set(BOTH, Swallow())
    connection.send(request("GET", "/features/online/kept?feature_names=clicks"))
    began = time.monotonic()
    behind.server.stop()
    assert time.monotonic() - began < ANSWER_S + 3


def batch_of(count, name):
    body = {"entity_ids": [f"u{number}" for number in range(count)], "feature_names": [name]}
    return request("POST", "/features/online", json.dumps(body).encode())


def test_overload_is_refused_at_once(own_redis, start_server, client_of):
    """More than --redis-max-pending wait for a stopped Redis: the others are told so, and memory stays."""
    if own_redis.process.poll() is not None:
        own_redis.start()
    own_redis.client().flushall()
    server = start_server("--redis-url", own_redis.url(), "--redis-timeout", "30s",
                          "--redis-max-pending", "2000", "--threads", "1")
    store = Store(client_of(server))
    store.define("string", "text")
    store.define("int", "clicks")
    waiting, refused = ([Connection(server.port) for _ in range(10)] for _ in range(2))
    own_redis.pause()
    try:
        before = server.rss_bytes()
        for connection in waiting:
            connection.send(batch_of(200, "clicks"))
        await_that(lambda: "featured_redis_pending 200" in store.client.get("/metrics").text)
        began = time.monotonic()
        for connection in refused:
            connection.send(batch_of(200, "clicks"))
        for connection in refused:
            answer = connection.receive()
            assert answer.status == 503 and answer.headers["Retry-After"]
        assert store.ingest("u", {"clicks": 1}).status_code == 503
        # Large ones do not pile up either.
        for number in range(100):
            assert store.ingest(f"big_{number}", {"text": "x" * 1_000_000}).status_code == 503
        assert time.monotonic() - began < 25
        server.assert_rss_grew_less_than(64 << 20, before)
    finally:
        own_redis.resume()
    assert {connection.receive().status for connection in waiting} == {200}
    for connection in waiting + refused:
        connection.socket.close()
    store.write("u1", {"clicks": 1})
    # A batch of more than may wait is read in parts.
    answer = store.batch([f"u{number}" for number in range(10000)], ["clicks"]).json()
    assert [row["features"]["clicks"] for row in answer] == [None, 1] + [None] * 9998


def test_out_of_memory_is_said(own_redis, start_server, client_of):
    """maxmemory with noeviction: writes 503, reads go on."""
    if own_redis.process.poll() is not None:
        own_redis.start()
    own_redis.client().flushall()
    server = start_server("--redis-url", own_redis.url(), "--threads", "1")
    store = Store(client_of(server))
    store.define("int", "clicks")
    store.write("u", {"clicks": 1})
    own_redis.client().config_set("maxmemory", 1)
    try:
        refused = store.ingest("u", {"clicks": 2})
        assert refused.status_code == 503 and refused.headers["Retry-After"], refused.text
        assert store.read_one("u", "clicks") == 1
        assert store.ingest("u", {"clicks": 2}).status_code == 503
        # The words of Redis, once a minute for each event loop.
        assert server.own_log().count('event=writes_refused reason="OOM ') == 1
    finally:
        own_redis.client().config_set("maxmemory", 0)
    store.write("u", {"clicks": 3})
    assert store.read_one("u", "clicks") == 3


def test_a_redis_that_was_emptied_is_said(own_redis, start_server, client_of):
    """Somebody flushed it, or it came back without its data: nothing else would tell."""
    if own_redis.process.poll() is not None:
        own_redis.start()
    own_redis.client().flushall()
    server = start_server("--redis-url", own_redis.url())
    store = Store(client_of(server))
    store.define("int", "clicks")
    store.write("u", {"clicks": 1})
    assert "event=values_emptied" not in server.own_log()
    own_redis.client().flushall()
    await_that(lambda: "event=values_emptied" in server.own_log())
    assert store.read_one("u", "clicks") is None
    store.write("u", {"clicks": 2})
    assert server.own_log().count("event=values_emptied") == 1


def test_a_read_only_replica_takes_no_writes(own_redis, start_server, client_of):
    """A failover outside of a cluster: until the URL leads to a master again, writes are 503."""
    if own_redis.process.poll() is not None:
        own_redis.start()
    own_redis.client().flushall()
    server = start_server("--redis-url", own_redis.url(), "--redis-timeout", "500ms")
    store = Store(client_of(server))
    store.define("int", "clicks")
    store.write("u", {"clicks": 1})
    own_redis.client().execute_command("REPLICAOF", "127.0.0.1", redis_servers.free_port())
    try:
        began = time.monotonic()
        assert store.ingest("u", {"clicks": 2}).status_code == 503
        assert time.monotonic() - began < ANSWER_S
    finally:
        own_redis.client().execute_command("REPLICAOF", "NO", "ONE")
    await_that(lambda: store.ingest("u", {"clicks": 3}).status_code == 200)
    assert store.read_one("u", "clicks") == 3


@pytest.fixture(scope="module")
def guarded(backend):
    """One that asks for a user and a password, and speaks TLS."""
    running = redis_servers.RedisServer(backend.program, user="feeder", password="se/cr@t: x",
                                        certificates=redis_servers.Certificates()).start()
    yield running
    running.remove()


def assert_serves(store):
    store.define("int", "clicks")
    store.write("u", {"clicks": 1})
    assert store.read_one("u", "clicks") == 1


@pytest.mark.parametrize("kind, database", [("url", 1), ("unix_url", 2), ("tls_url", 3)])
def test_ways_to_reach_it(guarded, start_server, client_of, kind, database):
    url = getattr(guarded, kind)(database)
    server = start_server("--redis-url", url)
    assert_serves(Store(client_of(server)))
    assert guarded.client(database).hget("user:u:features", "clicks") == "1"
    shown = [server.log(), Store(client_of(server)).client.get("/metrics").text]
    assert not any(secret in text for secret in ("cr@t", "%40t", "se%2F", "se/cr") for text in shown)


def test_by_the_default_users_password(backend, start_server, client_of):
    running = redis_servers.RedisServer(backend.program, password="only%one").start()
    try:
        assert_serves(Store(client_of(start_server("--redis-url", running.url(3)))))
    finally:
        running.remove()


@pytest.mark.parametrize("change, says", [
    (lambda url: url.replace("feeder", "nobody"), "password"),
    (lambda url: url.replace("x@", "y@"), "password"),
    (lambda url: url.replace("feeder:se%2Fcr%40t%3A%20x@", ""), "password"),
])
def test_wrong_credentials_are_refused(guarded, backend, tmp_path, change, says):
    said = Server(tmp_path / "a", backend, ("--redis-url", change(guarded.url()))).refuses_to_start()
    assert says in said and not any(secret in said for secret in ("cr@t", "%40t", "se%2F")), said


def test_a_certificate_that_is_not_trusted_is_refused(guarded, backend, tmp_path):
    server = Server(tmp_path / "a", backend, ("--redis-url", guarded.tls_url(4, parameters="")))
    assert "certificate" in server.refuses_to_start()


def test_a_certificate_need_not_be_verified(guarded, start_server, client_of):
    url = guarded.tls_url(5, parameters="?verify=none")
    assert_serves(Store(client_of(start_server("--redis-url", url))))


@pytest.mark.parametrize("url", [
    "redis://:hid/den@host", "redis://u:hid@den@host/1", "http://u:hidden@host", "hidden",
    "redis://u:hidden@host:port", "redis://u:hidden@host/many", "redis://u:hid%zzden@host",
    "redis-cluster://u:hidden@host/1", "unix://u:hidden@relative/path",
])
def test_a_url_that_is_wrong_is_not_repeated(backend, tmp_path, url):
    server = Server(tmp_path / "a", backend, ("--redis-url", url))
    server.launch()
    assert server.first_line() == "" and server.wait() == 2
    said = server.own_log()
    assert "--redis-url" in said and "hid" not in said and "den" not in said, said


def test_the_sum_of_what_was_sent_is_told(behind):
    before = behind.metric("featured_redis_commands_total")
    for number in range(10):
        behind.store.read_one("kept", "clicks")
    assert behind.metric("featured_redis_commands_total") >= before + 10
    assert behind.metric("featured_redis_sent_bytes_total") > 0
    assert behind.metric("featured_redis_pending") == 0
