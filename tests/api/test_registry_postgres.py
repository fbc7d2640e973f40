"""Servers that share a registry in PostgreSQL, and a PostgreSQL that goes away."""

import concurrent.futures
import json
import pathlib
import statistics
import subprocess
import time

import pytest

import postgres
from server import Server, binary
from store import Store, locations
from waiting import await_that

pytestmark = pytest.mark.skipif(not postgres.programs(), reason="PostgreSQL is not installed")

def line(entity_id, **features):
    return json.dumps({"entity_id": entity_id, "features": features})


@pytest.fixture
def own_postgres():
    """One that the test may harm."""
    running = postgres.Postgres()
    yield running
    running.remove()


def lose_hints(database):
    postgres.shared().sql("DROP TRIGGER featured_tell ON catalog_revision", database)


def test_a_name_registered_on_one_server_is_known_to_all(servers, database):
    a, b = servers(postgres.shared().url(database), "a", "b")
    lose_hints(database)
    for i in range(30):
        name = a.define("int", f"clicks_{i}")
        b.write("u", {name: i})
        assert b.read_one("u", name) == i
    a.define("int", "bulk_1")
    assert b.ndjson([line("u", bulk_1=7)]).json()["rows_accepted"] == 1
    a.define("int", "bulk_2")
    assert b.csv("entity_id,bulk_2\nu,8\n").json()["rows_accepted"] == 1
    a.define("float", "driven", entity="driver")
    assert b.client.get("/features/d1", params={"entity": "driver"}).status_code == 404
    vector = a.service(["clicks_0", "clicks_1@1"])
    answer = b.online("u", feature_service=vector)
    assert answer.json()["features"] == {"clicks_0": 0, "clicks_1@1": 1}
    a.define("int", "shown")
    assert b.definition("shown")["data_type"] == "int"
    last = a.register("soon_gone", "int")["id"]
    assert b.client.delete(f"/features/{last}").status_code == 200
    assert a.register("again", "int")["id"] > last


def test_an_unknown_name_stays_unknown(servers, database):
    [a] = servers(postgres.shared().url(database), "a")
    a.define("int", "known")
    assert a.ingest("u", {"nobody": 1}).status_code == 404
    answer = a.online("u", ["known", "nobody"])
    assert answer.json()["features"] == {"known": None, "nobody": None}
    assert answer.headers["X-Featured-Unregistered"] == "nobody"
    assert a.online("u", ["nobody"], strict="true").status_code == 404
    assert a.client.get("/features/definitions/nobody").status_code == 404
    assert a.client.get("/feature-services/nobody").status_code == 404
    assert a.client.delete("/features/999").status_code == 404
    assert a.ndjson([line("u", nobody=7)]).status_code == 422


def test_unknown_names_do_not_hammer_the_database(servers, database):
    [a] = servers(postgres.shared().url(database), "a")

    def transactions():
        postgres.shared().sql("SELECT pg_stat_force_next_flush()")
        return int(postgres.shared().sql(
            f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'"))

    def ask(thread):
        until, asked = time.monotonic() + 2, 0
        while time.monotonic() < until:
            assert a.client.get("/features/online/u", params={"feature_names": "nobody"}).status_code == 200
            asked += 1
        return asked

    before = transactions()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = sum(pool.map(ask, range(8)))
    time.sleep(1.1)  # a backend reports what it did once a second
    looked = transactions() - before
    print(f"{asked} requests for unknown names: {looked} transactions")
    assert looked <= 2 * 100 + 50


def test_a_change_is_seen_within_a_second(servers, database):
    a, b = servers(postgres.shared().url(database), "a", "b")
    a.define("int", "clicks", ttl_seconds=60)
    assert b.definition("clicks")["version"] == 1
    took = []
    for round in range(5):
        data_type = ("float", "int")[round % 2]
        a.put("clicks", data_type, ttl_seconds=60 + round)
        version = 2 if data_type == "float" else 1
        answer = a.client.post("/features/definitions/clicks/activate", json={"version": version})
        assert answer.status_code == 200, answer.text
        began = time.monotonic()
        await_that(lambda: b.definition("clicks")["version"] == version
                   and b.definition("clicks")["ttl_seconds"] == 60 + round)
        took.append(time.monotonic() - began)
    print("ms:", *(f"{seconds * 1000:.1f}" for seconds in took))
    assert statistics.median(took) < 1


def test_a_hint_that_is_lost_costs_a_second(servers, database):
    a, b = servers(postgres.shared().url(database), "a", "b")
    a.define("int", "clicks")
    b.write("u", {"clicks": 1})
    lose_hints(database)
    a.put("clicks", "int", description="changed")
    await_that(lambda: b.definition("clicks")["description"] == "changed", timeout_s=3)


def test_servers_may_start_at_once(backend, tmp_path, database):
    url = postgres.shared().url(database)
    running = [Server(tmp_path / str(i), backend, ("--database-url", url)) for i in range(4)]
    try:
        for server in running:
            server.launch()
        for server in running:
            assert "ready on" in server.first_line(), server.log()
        assert postgres.shared().sql("SELECT count(*) FROM schema_migrations", database) == "2"
        for server in running:
            server.stop()
    finally:
        for server in running:
            server.kill()


def test_one_of_many_gets_the_name(servers, database):
    stores = servers(postgres.shared().url(database), "a", "b", "c")

    def register(job):
        store, name = job
        body = {"name": name, "data_type": "int", "entity": "user"}
        return name, store.client.post("/register", json=body)

    jobs = [(store, f"raced_{i}") for i in range(15) for store in stores for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(register, jobs))
    ids = set()
    for i in range(15):
        mine = [answer for name, answer in answers if name == f"raced_{i}"]
        assert sorted(answer.status_code for answer in mine) == [200] + 5 * [409]
        ids |= {answer.json()["id"] for answer in mine if answer.status_code == 200}
    assert len(ids) == 15
    assert postgres.shared().sql("SELECT revision FROM catalog_revision", database) == "15"
    await_that(lambda: all(
        {f"raced_{i}" for i in range(15)} <= {f["name"] for f in store.client.get("/features").json()["features"]}
        for store in stores))


def registry_up(store):
    text = store.client.get("/metrics").text
    return "\nfeatured_registry_up 1\n" in text


def assert_serves_without_registry(store):
    """Quickly, each of these."""
    began = time.monotonic()
    answer = store.client.post("/register", json={"name": "later", "data_type": "int", "entity": "user"})
    assert answer.status_code == 503 and answer.headers["Retry-After"], answer.text
    store.write("u", {"clicks": 5})
    assert store.read("u", ["clicks", "nobody"]) == {"clicks": 5, "nobody": None}
    # Another server may know it: not for us to say.
    assert store.ingest("u", {"nobody": 1}).status_code == 503
    bulk = store.ndjson([line("u", clicks=6), line("u", nobody=7)],
                        on_error="skip")
    assert bulk.status_code == 503 and bulk.json()["rows_accepted"] == 1
    assert store.csv("entity_id,nobody\nu,8\n").status_code == 503
    ready = store.client.get("/ready")
    assert ready.status_code == 200 and "PostgreSQL" in ready.json()["registry"]
    assert not registry_up(store)
    assert time.monotonic() - began < 2.5  # a change that waits for PostgreSQL takes 3 s


def assert_recovers(store, other):
    await_that(lambda: store.client.get("/ready").json() == {"status": "ready"})
    assert registry_up(store)
    name = other.unique("after")
    await_that(lambda: other.client.get("/ready").json() == {"status": "ready"})
    other.define("int", name)
    store.write("u", {name: 1})


def test_postgresql_hangs(servers, own_postgres):
    a, b = servers(own_postgres.url("postgres"), "a", "b")
    a.define("int", "clicks")
    own_postgres.pause()
    try:
        began = time.monotonic()
        body = {"name": "first", "data_type": "int", "entity": "user"}
        assert a.client.post("/register", json=body, timeout=20).status_code == 503
        assert time.monotonic() - began < 6
        assert_serves_without_registry(a)
    finally:
        own_postgres.resume()
    assert_recovers(a, b)


def test_postgresql_dies_and_comes_back(servers, own_postgres):
    a, b = servers(own_postgres.url("postgres"), "a", "b")
    a.define("int", "clicks")
    for _ in range(2):
        own_postgres.crash()
        await_that(lambda: "registry" in a.client.get("/ready").json())
        assert_serves_without_registry(a)
        own_postgres.start()
        assert_recovers(a, b)
    assert a.server.own_log().count("event=registry_back") == 2


def test_a_session_that_is_ended_is_made_again(servers, database):
    [a] = servers(postgres.shared().url(database), "a")
    for i in range(5):
        postgres.shared().sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                              f"datname = '{database}' AND application_name = 'featured'")
        await_that(lambda: a.client.post("/register", json={
            "name": f"f{i}", "data_type": "int", "entity": "user"}).status_code == 200)
    log = a.server.own_log()
    assert 'event=registry_notice severity=FATAL reason="terminating connection' in log
    assert "\nFATAL" not in log


def test_postgresql_is_away_at_the_start(backend, tmp_path):
    url = f"postgresql://me:se%63ret@/db?host={tmp_path}"
    said = Server(tmp_path / "a", backend, ("--database-url", url)).refuses_to_start()
    assert "cannot open the registry 'postgresql://me@/db" in said and "secret" not in said, said


def test_the_password_is_never_shown(servers, own_postgres, backend, tmp_path):
    own_postgres.sql("ALTER USER featured PASSWORD 'se/cr@t'")
    (own_postgres.directory / "data/pg_hba.conf").write_text("local all all scram-sha-256\n")
    own_postgres.process.send_signal(1)  # reload
    host = own_postgres.directory
    good = f"postgresql://featured:se%2Fcr%40t@/postgres?host={host}"
    await_that(lambda: "password" in Server(tmp_path / "wrong", backend, (
        "--database-url", good.replace("cr%40t", "kret"))).refuses_to_start())
    [a] = servers(good, "a")
    a.define("int", "clicks")
    assert "fe_sendauth" not in a.server.log()
    own_postgres.crash()
    await_that(lambda: "registry" in a.client.get("/ready").json())
    shown = [a.server.log(), a.client.get("/metrics").text, a.client.get("/ready").text,
             a.client.post("/register", json={"name": "x", "data_type": "int", "entity": "u"}).text,
             (tmp_path / "wrong/server.log").read_text()]
    process = pathlib.Path(f"/proc/{a.server.process.pid}")
    shown += [(process / name).read_bytes().decode() for name in ("cmdline", "environ")]
    for text in shown:
        assert not any(secret in text for secret in ("cr@t", "%40t", "se%2F", "se/", "kret")), text


@pytest.mark.parametrize("url", [
    "postgresql://u:hid/den@host/db", "postgresql://u:hid@den@host/db", "postgresql://u:hid?den@host/db",
    "postgresql://u:1?hidden@host/db", "postgresql://u:1/hidden@host/db", "mysql://u:hidden@host/db",
    "postgresql://u:hidden@host:port/db", "hidden", "postgresql://u:hid%zzden@host/db",
])
def test_a_url_that_is_wrong_is_not_repeated(backend, tmp_path, url):
    server = Server(tmp_path / "a", backend, ("--database-url", url))
    server.launch()
    assert server.first_line() == "" and server.wait() == 2
    said = server.own_log()
    assert "--database-url" in said and "postgresql://USER:PASSWORD@HOST" in said
    assert "hid" not in said and "den" not in said, said


@pytest.mark.embedded_only("the data directory holds the values")
def test_values_stay_with_their_registry(start_server, backend, tmp_path, client_of, database,
                                         monkeypatch):
    monkeypatch.setenv("FEATURED_TEST_REGISTRY", "sqlite")
    url = postgres.shared().url(database)
    other = postgres.shared().url(postgres.shared().create_database())
    shared = start_server("--database-url", url, directory="shared")
    store = Store(client_of(shared))
    store.define("int", "clicks")
    store.write("u", {"clicks": 5})
    shared.restart("kill")
    assert Store(client_of(shared)).read_one("u", "clicks") == 5
    shared.kill()
    for flags in ((), ("--database-url", other)):
        assert "belong to" in Server(tmp_path / "shared", backend, flags).refuses_to_start()
    shared.start()
    own = start_server(directory="own")
    own.stop()
    says = Server(tmp_path / "own", backend, ("--database-url", url)).refuses_to_start()
    assert "registry.db" in says
    own.start()


def featured(*arguments):
    done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.embedded_only("the data directory holds the values")
def test_a_backup_stays_with_its_registry(start_server, tmp_path, client_of, database):
    url = postgres.shared().url(database)
    running = start_server("--database-url", url, directory="shared")
    store = Store(client_of(running))
    store.define("int", "clicks")
    store.write("u", {"clicks": 5})
    copy = tmp_path / "copy/data"
    copy.parent.mkdir()
    assert "registry: in PostgreSQL" in featured("check", running.data_path)
    featured("backup", "--data", running.data_path, copy)
    assert featured("check", copy).endswith("whole\n")
    restored = start_server("--database-url", url, directory="copy")
    assert Store(client_of(restored)).read_one("u", "clicks") == 5


def test_a_text_with_nul_is_refused(servers, database):
    [a] = servers(postgres.shared().url(database), "a")
    answer = a.client.post("/register", json={
        "name": "x", "data_type": "int", "entity": "user", "description": "a\0b"})
    assert answer.status_code == 422 and "U+0000" in answer.text
    assert locations(answer) is not None
