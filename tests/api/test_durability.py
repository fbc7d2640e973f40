"""What was acknowledged survives: after kill -9 and after a clean restart the store says the same."""

import json
import random
import threading

import httpx
import pytest

from store import Store
from test_erasure import erase
from test_ingest import now_ms
from test_ttl import set_ttl

VALUES = {
    "int": -(2**63),
    "float": 0.1,
    "boolean": True,
    "string": "Zoë\x00\n" + "x" * 3000,
    "timestamp": "2026-01-02T03:04:05.123456Z",
    "embedding": [0.5, -1.25, 3.0],
    "json": {"a": [1, None, {"b": "c"}]},
}


@pytest.fixture(params=["kill", "stop"])
def durable(request, start_server, client_of):
    """(store, again): again() ends the server and gives the store that it is after a new start."""
    server = start_server()

    def again():
        server.restart(request.param)
        return Store(client_of(server))

    return Store(client_of(server)), again


def everything(store, entity_ids):
    """All that can be asked: values with their event times, and the definitions with statistics."""
    features = store.client.get("/features").json()
    rows = [
        store.online(entity_id, [f["name"] for f in features["features"]], metadata="true").json()
        for entity_id in entity_ids
    ]
    return {"features": features, "rows": rows}


def test_values_of_every_type(durable):
    store, again = durable
    names = {kind: store.define(kind) for kind in VALUES}
    store.write("u1", {names[kind]: value for kind, value in VALUES.items()})
    store.write("u2", {name: None for name in names.values()}, event_timestamp=now_ms(-60))
    store.write("u3", {names["int"]: 1}, event_timestamp=now_ms(-1))
    store.write("u3", {names["int"]: 2}, event_timestamp=now_ms(-2))  # late
    store.write("ü/€", {names["string"]: ""})
    ids = ["u1", "u2", "u3", "ü/€", "nobody"]
    before = everything(store, ids)
    store = again()
    assert everything(store, ids) == before
    assert store.read_one("u3", names["int"]) == 1
    store.write("u3", {names["int"]: 3})
    before = everything(store, ids)
    assert everything(again(), ids) == before


def test_statistics_count_each_value_once(durable):
    store, again = durable
    name = store.define("float")
    for round_number in range(1, 4):
        for i in range(10):
            store.write(f"u{i}", {name: i * round_number})
        store.write("u0", {name: None})
        store.definition(name)  # what was shown stays, also where servers share the statistics
        store = again()
        definition = store.definition(name)
        assert (definition["count"], definition["null_count"]) == (10 * round_number, round_number)
        assert definition["max_value"] == 9 * round_number
        # nothing was written since: the same again
        before = definition
        store = again()
        assert store.definition(name) == before


def test_erasures(durable):
    store, again = durable
    names = [store.define("int"), store.define("int")]
    for user in ("all", "one"):
        store.write(user, dict.fromkeys(names, 1), event_timestamp=now_ms(-10))
    erase(store, "all")
    erase(store, "one", feature_names=names[0])
    store = again()
    assert store.read("all", names) == dict.fromkeys(names)
    assert store.read("one", names) == {names[0]: None, names[1]: 1}
    for user in ("all", "one"):  # what was true before the erasure does not return
        store.write(user, dict.fromkeys(names, 2), event_timestamp=now_ms(-5))
    assert store.read("all", names) == dict.fromkeys(names)
    assert store.read("one", names) == {names[0]: None, names[1]: 2}
    store.write("all", {names[0]: 3})
    assert again().read("all", names) == {names[0]: 3, names[1]: None}


def test_a_feature_registered_again_is_another_one(durable):
    store, again = durable
    name, kept = store.define("int"), store.define("int")
    store.write("u", {name: 1, kept: 1})
    store = again()
    assert store.client.delete(f"/features/{store.definition(name)['id']}").status_code == 200
    store.register(name, "string")
    assert store.read("u", [name, kept]) == {name: None, kept: 1}
    store = again()
    assert store.read("u", [name, kept]) == {name: None, kept: 1}
    assert store.definition(name)["count"] == 0
    store.write("u", {name: "new"})
    assert again().read("u", [name, kept]) == {name: "new", kept: 1}


def test_what_a_shorter_ttl_killed_stays_dead(durable):
    store, again = durable
    name, never = store.define("int", ttl_seconds=3600), store.define("int")
    store.write("old", {name: 1, never: 1}, event_timestamp=now_ms(-1800))
    store.write("new", {name: 2})
    set_ttl(store, name, 60)
    set_ttl(store, never, 60)
    store = again()
    set_ttl(store, name, 7200)
    set_ttl(store, never, 0)
    assert store.read("old", [name, never]) == {name: None, never: None}
    assert store.read("new", [name]) == {name: 2}
    store = again()
    assert store.read("old", [name, never]) == {name: None, never: None}
    assert store.read("new", [name]) == {name: 2}


def test_versions_and_their_activation(durable):
    store, again = durable
    name = store.define("int")
    store.write("u", {name: 1})
    assert store.put(name, "string").status_code == 200
    store.write("u", {f"{name}@2": "two"})
    store = again()
    assert store.read("u", [name, f"{name}@1", f"{name}@2"]) == {
        name: 1, f"{name}@1": 1, f"{name}@2": "two"}
    activated = store.client.post(
        f"/features/definitions/{name}/activate", json={"version": 2})
    assert activated.status_code == 200, activated.text
    store.write("v", {name: "three"})
    store = again()
    assert store.read("u", [name, f"{name}@1"]) == {name: "two", f"{name}@1": 1}
    assert store.read_one("v", name) == "three"


def test_bulk(durable):
    """More than a segment of the log."""
    store, again = durable
    names = [store.define("int"), store.define("string")]
    rows = [
        {"entity_id": f"u{i}", "features": {names[0]: i, names[1]: str(i) * 40}}
        for i in range(20000)
    ]
    answer = store.ndjson([json.dumps(row) for row in rows]).json()
    assert answer["rows_accepted"] == len(rows)
    assert store.definition(names[0])["count"] == len(rows)
    store = again()
    ids = [row["entity_id"] for row in rows]
    for begin in range(0, len(ids), 5000):
        answers = store.batch(ids[begin : begin + 5000], names).json()
        assert [row["features"] for row in answers] == [
            row["features"] for row in rows[begin : begin + 5000]]
    assert store.definition(names[0])["count"] == len(rows)


def test_time_goes_on_from_where_it_was(durable):
    """A value of the present never loses to one that was written before the restart."""
    store, again = durable
    name = store.define("int")
    for value in range(1, 6):
        store.write("u", {name: value})
        store = again()
        assert store.read_one("u", name) == value


@pytest.mark.embedded_only("the log is ours")
@pytest.mark.parametrize("policy", ["always", "interval", "never"])
def test_kill_under_load_loses_nothing_acknowledged(start_server, client_of, policy):
    """Several writers, killed at some moment; each knows what was acknowledged to it."""
    seed = random.randrange(2**32)
    print("seed", seed)
    generator = random.Random(seed)
    server = start_server("--fsync", policy, "--snapshot-log-bytes", "64KiB")
    store = Store(client_of(server))
    name = store.define("int", name="n")
    acknowledged = {}
    sent = {}

    def write(writer, url, enough):
        with httpx.Client(base_url=url, timeout=20, trust_env=False, verify=False) as client:
            for i in range(1, 1000000):
                body = {"entity_id": f"w{writer}_{i % 50}",
                        "features": [{"feature_name": name, "value": base + i}]}
                sent[body["entity_id"]] = base + i
                try:
                    answer = client.post("/features/ingest", json=body)
                except httpx.HTTPError:
                    return
                assert answer.status_code == 200, answer.text
                acknowledged[body["entity_id"]] = base + i
                if i == enough:
                    reached.release()

    for round_number in range(3):
        base = 1000000 * round_number
        reached = threading.Semaphore(0)
        writers = [
            threading.Thread(target=write, args=(w, server.url, generator.randint(1, 300)))
            for w in range(4)
        ]
        for writer in writers:
            writer.start()
        reached.acquire()  # the first to have enough ends all
        server.kill()
        for writer in writers:
            writer.join()
        server.start()
        store = Store(client_of(server))
        answers = store.batch(list(acknowledged), [name]).json()
        for answer in answers:
            # a write that was never answered may have been applied: then it is the last one sent
            found, entity_id = answer["features"][name], answer["entity_id"]
            assert found in (acknowledged[entity_id], sent[entity_id]), answer
