"""Live statistics of a definition: what they cover, and that a clean restart keeps them."""

import math

import pytest

from store import Store

STATISTICS = ("min_value", "max_value", "mean_value", "std_dev")


def statistics(store, name):
    definition = store.definition(name)
    return {key: definition[key] for key in ("count", "null_count", *STATISTICS)}


def assert_values(store, name, values, null_count=0):
    """The statistics are those of these values, computed here anew."""
    found = statistics(store, name)
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    assert found["count"] == len(values)
    assert found["null_count"] == null_count
    assert found["min_value"] == pytest.approx(min(values))
    assert found["max_value"] == pytest.approx(max(values))
    assert found["mean_value"] == pytest.approx(mean)
    assert found["std_dev"] == pytest.approx(deviation, abs=1e-9)


@pytest.mark.parametrize("data_type", ["int", "float"])
def test_numbers_by_value(store, data_type):
    name, values = store.define(data_type), [3, -1, 4, 1, 5, 9, 2, 6]
    for value in values:
        store.write(store.unique("user"), {name: value})
    store.write(store.unique("user"), {name: None})
    assert_values(store, name, values, null_count=1)


def test_embeddings_by_norm(store):
    name = store.define("embedding")
    store.write("a", {name: [3, 4]})
    store.write("b", {name: [0, 0, 1]})
    assert_values(store, name, [5, 1])


@pytest.mark.parametrize(
    ("data_type", "value"),
    [("string", "x"), ("boolean", True), ("json", {"a": 1}), ("timestamp", 1767323045123)],
)
def test_other_types_are_only_counted(store, data_type, value):
    name = store.define(data_type)
    store.write("a", {name: value})
    store.write("b", {name: None})
    found = statistics(store, name)
    assert (found["count"], found["null_count"]) == (1, 1)
    assert all(found[key] is None for key in STATISTICS)


def test_late_values_and_overwritten_ones_count_and_erasure_does_not_subtract(store, client):
    name, user = store.define("int"), store.unique("user")
    for value, time in ((1, "2026-01-03T00:00:00Z"), (2, "2026-01-02T00:00:00Z")):
        store.write(user, {name: value}, event_timestamp=time)
    store.write(user, {name: 3}, event_timestamp="2026-01-03T00:00:00Z")
    client.delete(f"/features/online/{user}")
    assert_values(store, name, [1, 2, 3])
    assert store.definition(name)["last_event_timestamp"] == "2026-01-03T00:00:00Z"


def test_refused_requests_do_not_count(store):
    name = store.define("int")
    store.ingest("a", {name: 1, "no_such_feature": 2})
    store.ingest("a", {name: "x"})
    assert statistics(store, name)["count"] == 0


def test_what_registration_said_holds_until_the_first_live_value(store):
    given = {"min_value": -5, "max_value": 99.5, "mean_value": 40, "std_dev": 2.25}
    name = store.define("float", **given)
    assert {key: store.definition(name)[key] for key in STATISTICS} == given
    store.write("a", {name: None})
    assert {key: store.definition(name)[key] for key in STATISTICS} == given
    store.write("a", {name: 7})
    assert_values(store, name, [7], null_count=1)


def test_what_would_not_be_finite_is_null(store):
    name = store.define("float")
    for value in (1.7e308, -1.7e308):
        store.write("a", {name: value})
    found = statistics(store, name)
    assert found["min_value"] == -1.7e308
    assert found["max_value"] == 1.7e308
    assert found["std_dev"] is None or math.isfinite(found["std_dev"])


def test_each_version_has_its_own(store):
    name = store.define("int")
    store.put(name, "float")
    store.write("a", {f"{name}@1": 1, f"{name}@2": 2.5})
    store.write("a", {f"{name}@2": 3.5})
    versions = store.definition(name)["versions"]
    assert [version["count"] for version in versions] == [1, 2]
    assert [version["mean_value"] for version in versions] == [1, 3]
    assert store.definition(name)["count"] == 1


def test_they_are_in_the_list_too(store, client):
    group = store.unique("group")
    name = store.define("int", feature_group=group)
    store.write("a", {name: 4})
    (feature,) = client.get("/features", params={"feature_group": group}).json()["features"]
    assert (feature["count"], feature["max_value"]) == (1, 4)


def test_they_survive_a_clean_restart(start_server, client_of):
    server = start_server()
    store = Store(client_of(server))
    name, given, embedding = store.define("int"), store.define("float", min_value=3), "emb"
    store.define("embedding", name=embedding)
    for value in (1, 2, 4):
        store.write("a", {name: value}, event_timestamp=f"2026-01-0{value}T00:00:00.5Z")
    store.write("a", {name: None, embedding: [3, 4]})
    before = [store.definition(feature) for feature in (name, given, embedding)]
    server.stop()
    store = Store(client_of(server.start()))
    assert [store.definition(feature) for feature in (name, given, embedding)] == before
    store.write("a", {name: 9})
    assert_values(store, name, [1, 2, 4, 9], null_count=1)
