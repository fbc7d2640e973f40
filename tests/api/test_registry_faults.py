"""PostgreSQL behind a network that breaks in every way: reads and ingestion go on, changes of definitions
are answered in their time, and it comes back without a restart."""

import time

import pytest

import postgres
from proxy import BOTH, DOWN, UP, CutAfter, Delay, Drip, Garble, Hold, Proxy, Swallow
from store import Store
from test_registry_postgres import assert_recovers, registry_up
from waiting import at_once, await_that
from traffic import Traffic

pytestmark = pytest.mark.skipif(not postgres.programs(), reason="PostgreSQL is not installed")

# Without an answer it is given up after 3 s; what was begun just before doubles that.
CHANGE_S = 8
# A change that is answered all the time, but slowly.
SLOW_CHANGE_S = 14
CREEPING = Drip(0.02)


@pytest.fixture
def proxied(start_server, client_of):
    """A store whose server reaches PostgreSQL through .proxy, and .other, whose does directly."""
    database = postgres.shared().create_database()
    socket_path = postgres.shared().directory / ".s.PGSQL.5432"
    with Proxy(socket_path) as proxy:
        url = f"postgresql://featured@127.0.0.1:{proxy.port}/{database}"
        server = start_server("--database-url", url, directory="proxied")
        store = Store(client_of(server))
        other = start_server("--database-url", postgres.shared().url(database), directory="other")
        store.server, store.proxy = server, proxy
        store.other = Store(client_of(other))
        store.define("int", "clicks")
        yield store
        proxy.heal()


@pytest.fixture
def traffic(proxied):
    """Goes on all the time, and nothing of it waits for PostgreSQL, which would take 3 s."""
    with Traffic(proxied.server.url, "clicks", "u") as running:
        yield running
    running.assert_right(slowest_s=2.9)


def register(store, name="new", timeout_s=30):
    body = {"name": name, "data_type": "int", "entity": "user"}
    return store.client.post("/register", json=body, timeout=timeout_s)


def assert_refused(store, within_s=CHANGE_S):
    began = time.monotonic()
    answer = register(store)
    assert answer.status_code == 503 and answer.headers["Retry-After"], answer.text
    assert time.monotonic() - began < within_s


def assert_away(store):
    """Once it is known, at once."""
    assert at_once(lambda: register(store), 0.5).status_code == 503
    ready = store.client.get("/ready")
    assert ready.status_code == 200 and "PostgreSQL" in ready.json()["registry"]
    assert not registry_up(store)


def reconnects(store):
    store.proxy.heal()
    assert_recovers(store, store.other)


@pytest.mark.parametrize("direction, behaviour", [(BOTH, Swallow()), (UP, Swallow()), (DOWN, Hold())],
                         ids=["half-open", "requests vanish", "answers wait"])
def test_silence(proxied, traffic, direction, behaviour):
    proxied.proxy.set(direction, behaviour)
    assert_refused(proxied)
    assert_away(proxied)
    traffic.await_answers()
    reconnects(proxied)


def test_silence_is_found_without_a_request(proxied, traffic):
    proxied.proxy.set(BOTH, Swallow())
    await_that(lambda: not registry_up(proxied))
    accepted = proxied.proxy.accepted
    await_that(lambda: proxied.proxy.accepted > accepted)
    # What it connects to now is as silent.
    assert_away(proxied)
    reconnects(proxied)


@pytest.mark.parametrize("drip", [Drip(0.5), CREEPING], ids=["a byte now and then", "creeping"])
def test_slow_drip(proxied, traffic, drip):
    proxied.proxy.set(DOWN, drip)
    assert_refused(proxied, SLOW_CHANGE_S)
    assert_away(proxied)
    traffic.await_answers()
    reconnects(proxied)


def test_a_slow_network_is_no_failure(proxied, traffic):
    proxied.proxy.set(BOTH, Delay(0.03))
    for i in range(3):
        assert register(proxied, f"slow_{i}").status_code == 200
    assert proxied.client.get("/ready").json() == {"status": "ready"}
    assert registry_up(proxied)


@pytest.mark.parametrize("seed", range(4))
def test_garbage_for_answers(proxied, traffic, seed):
    proxied.proxy.set(DOWN, Garble(seed))
    assert_refused(proxied)
    assert_away(proxied)
    reconnects(proxied)


UNASKED = {
    "noise": b"\xde\xad\xbe\xef" * 64,
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "endless row": b"D\x7f\xff\xff\xff",
    "error": b"E\x00\x00\x00\x0bSFATAL\x00\x00",
    "hint": b"A\x00\x00\x00\x1a\x00\x00\x00\x01featured_catalog\x00\x00",
    "a little": b"Z",
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("what", UNASKED)
def test_what_nobody_asked_for(proxied, traffic, what):
    proxied.proxy.inject(DOWN, UNASKED[what])
    traffic.await_answers()
    # It may not be noticed until it is in the way.
    register(proxied, "perhaps")
    assert_recovers(proxied, proxied.other)
    definition = proxied.other.client.get("/features/definitions/clicks").json()
    assert proxied.definition("clicks")["id"] == definition["id"]


def test_cut_while_idle(proxied, traffic):
    for i in range(5):
        proxied.proxy.cut()
        await_that(lambda: register(proxied, f"after_{i}").status_code == 200)
        traffic.await_answers(2)
    proxied.proxy.refuse()
    proxied.proxy.cut()
    await_that(lambda: not registry_up(proxied))
    assert_away(proxied)
    proxied.proxy.accept()
    reconnects(proxied)


def test_cut_in_the_middle_of_a_change(proxied, traffic):
    """Wherever it is cut, an answer says what happened: 200 is there, 4xx never, 503 perhaps."""
    proxy = proxied.proxy
    known = {}
    before = dict(proxy.bytes)
    assert register(proxied, "whole").status_code == 200
    sizes = {direction: proxy.bytes[direction] - before[direction] for direction in (UP, DOWN)}
    for direction in (UP, DOWN):
        for size in range(1, sizes[direction] + 40, max(sizes[direction] // 12, 1)):
            name = f"cut_{direction}_{size}"
            proxy.set(direction, CutAfter(size))
            known[name] = register(proxied, name).status_code
            proxy.heal()
            await_that(lambda: proxied.client.get("/ready").json() == {"status": "ready"})
    assert set(known.values()) <= {200, 503} and 503 in known.values(), known
    for name, status in known.items():
        there = proxied.other.client.get(f"/features/definitions/{name}").status_code
        assert there == 200 or status == 503, name
        assert proxied.client.get(f"/features/definitions/{name}").status_code == there
        if there == 404:
            assert register(proxied, name).status_code == 200


def test_it_ends_while_postgresql_is_silent(proxied):
    proxied.proxy.set(BOTH, Swallow())
    began = time.monotonic()
    proxied.server.stop()
    assert time.monotonic() - began < CHANGE_S
