"""What a start with --redis-url makes of data directories, settings and the log."""

import os
import re

import pytest

import redis_servers
from server import BACKENDS, REGISTRIES, Server
from store import Store

pytestmark = pytest.mark.only_on("redis", "valkey", "cluster")


@pytest.fixture
def servers(client_of):
    """servers(directory, backend, *flags) → a running one, ended with the test."""
    running = []

    def start(directory, backend, *flags, url=None):
        running.append(Server(directory, backend, flags, store_url=url))
        return Store(client_of(running[-1].start())), running[-1]

    yield start
    for server in running:
        server.kill()


@pytest.mark.skipif(os.environ.get("FEATURED_TEST_REGISTRY") == "postgres", reason="no directory then")
def test_values_of_the_directory_are_not_hidden(backend, servers, tmp_path):
    embedded = BACKENDS["embedded"]
    store, server = servers(tmp_path / "a", embedded)
    store.define("int", "clicks")
    server.stop()
    server = Server(tmp_path / "a", backend).start()  # definitions only: nothing is lost
    server.stop()
    (tmp_path / "a/data/values.redis").unlink()
    store, server = servers(tmp_path / "a", embedded)
    store.write("u", {"clicks": 1})
    server.kill()
    for _ in range(2):
        said = Server(tmp_path / "a", backend).refuses_to_start()
        assert "holds values of a server without --redis-url" in said and "featured copy" in said
    store, server = servers(tmp_path / "a", embedded)
    assert store.read_one("u", "clicks") == 1
    server.stop()  # they are in a snapshot now
    assert "holds values" in Server(tmp_path / "a", backend).refuses_to_start()


@pytest.mark.skipif(os.environ.get("FEATURED_TEST_REGISTRY") == "postgres", reason="no directory then")
def test_values_in_redis_are_not_hidden(backend, servers, tmp_path):
    store, server = servers(tmp_path / "a", backend)
    url = server.environment["FEATURED_REDIS_URL"]
    store.define("int", "clicks")
    store.write("u", {"clicks": 1})
    server.stop()
    said = Server(tmp_path / "a").refuses_to_start()
    assert "are in Redis (redis" in said and "--redis-url" in said
    store, server = servers(tmp_path / "a", backend, url=url)
    assert store.read_one("u", "clicks") == 1
    assert not any((tmp_path / "a/data/log").iterdir())
    # A store that never was ours leaves no trace.
    stranger = Server(tmp_path / "b", backend, store_url=url)
    assert "belongs to another registry" in stranger.refuses_to_start()
    Server(tmp_path / "b").start().stop()


def test_with_both_elsewhere_there_is_no_directory(backend, servers, tmp_path):
    flags = ("--database-url", REGISTRIES.url_for(tmp_path / "registry"))
    stores = []
    for name in ("a", "b"):
        url = stores[0][1].environment["FEATURED_REDIS_URL"] if stores else None
        stores.append(servers(tmp_path / name, backend, *flags, url=url))
        assert not (tmp_path / name / "data").exists()
    (a, _), (b, server) = stores
    a.define("int", "clicks")
    a.write("u", {"clicks": 1})
    assert b.read_one("u", "clicks") == 1
    assert "event=settings_ignored settings=\"--data" in server.own_log()
    assert "event=ready" in server.own_log() and "data=\"\"" in server.own_log()


def test_the_log_says_whose_durability_it_is(backend, servers, tmp_path):
    _, server = servers(tmp_path / "a", backend, "--fsync", "always", "--max-memory", "1GiB")
    log = server.own_log()
    assert re.search(r'warn event=settings_ignored settings="[^"]*--fsync [^"]*--max-memory[^"]*" '
                     r'reason="values are in Redis"', log), log
    assert re.search(r'event=durability values="redis[^"]*" kept="as that Redis is configured', log), log
    assert re.search(r'event=store_reached values="redis[^"]*" cluster=(true|false) nodes=\d+', log), log


@pytest.mark.parametrize("options, says, warns", [
    (["--appendonly", "yes"], "masters=1 appendonly=1 evicting=0 unknown=0", set()),
    ([], "masters=1 appendonly=0 evicting=0 unknown=0", {"redis_not_durable"}),
    (["--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
     "masters=1 appendonly=1 evicting=1 unknown=0", {"redis_evicts"}),
])
@pytest.mark.only_on("redis", "valkey")
def test_the_log_says_what_redis_is_set_to(backend, servers, options, says, warns, tmp_path):
    own = redis_servers.RedisServer(backend.program, options).start()
    try:
        _, server = servers(tmp_path / "a", backend, "--redis-url", own.url(0))
        server.await_log(f"event=redis_settings {says}\n")
        server.stop()
        assert set(re.findall(r"event=(redis_not_durable|redis_evicts) ", server.own_log())) == warns
    finally:
        own.remove()


def test_without_redis_its_settings_are_named(tmp_path):
    server = Server(tmp_path / "a", BACKENDS["embedded"], ("--redis-timeout", "2s")).start()
    server.stop()
    assert 'event=settings_ignored settings="--redis-timeout"' in server.own_log()


def test_metrics_of_what_is_there(store, backend):
    text = store.client.get("/metrics").text
    assert "\nfeatured_online_up 1\n" in text
    assert float(re.search(r"^featured_redis_commands_total (\S+)$", text, re.MULTILINE)[1]) > 0
    assert f"\nfeatured_redis_cluster {int(backend.name == 'cluster')}\n" in text
    for gone in ("featured_lsn", "featured_log_", "featured_snapshot", "featured_recover",
                 "featured_online_memory", "featured_online_entities", "featured_writes_queued"):
        assert gone not in text
