"""GET /features/export: everything of one entity, as lines that bulk ingestion takes."""

import json

import pytest

from store import locations


def export(client, entity, **parameters):
    """The rows of one answer, and its cursor."""
    response = client.get("/features/export", params={"entity": entity, **parameters})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"].split(";")[0] == "application/x-ndjson"
    *rows, end = [json.loads(line) for line in response.text.splitlines()]
    return rows, end["next_cursor"]


def export_all(client, entity, **parameters):
    rows, cursor = export(client, entity, **parameters)
    while cursor is not None:
        more, cursor = export(client, entity, cursor=cursor, **parameters)
        rows += more
    return rows


@pytest.fixture
def kind(store):
    return store.unique("kind")


def test_every_type_comes_back_as_it_was_written(store, client, kind):
    values = {
        "int": -(2**63),
        "float": 1e-7,
        "boolean": True,
        "string": 'a"b\n/ü',
        "timestamp": "2026-01-02T03:04:05.123456Z",
        "embedding": [0.1, -2.0, 1e20],
        "json": {"a": [1, None]},
    }
    names = {data_type: store.define(data_type, entity=kind) for data_type in values}
    names["null"] = store.define("string", entity=kind)
    thing, time = store.unique('t"h/ü'), "2026-02-03T04:05:06.000007Z"
    store.write(
        thing,
        {name: values.get(data_type) for data_type, name in names.items()},
        event_timestamp=time,
    )
    rows, cursor = export(client, kind)
    assert cursor is None
    assert rows == [
        {
            "entity_id": thing,
            "features": [
                {"feature_name": name, "value": values.get(data_type), "event_timestamp": time}
                for data_type, name in names.items()
            ],
        }
    ]


def test_the_lines_go_back_in(store, client, kind):
    name = store.define("int", entity=kind)
    things = [store.unique("thing") for _ in range(20)]
    for number, thing in enumerate(things):
        store.write(thing, {name: number}, event_timestamp=1767323045123 + number)
    rows, _ = export(client, kind)
    assert {row["entity_id"] for row in rows} == set(things)
    # over newer values they are late, to the microsecond; over nothing they are what was there
    result = store.ndjson([json.dumps(row) for row in rows]).json()
    assert (result["rows_accepted"], result["values_written"]) == (20, 20)
    for number, thing in enumerate(things):
        store.write(thing, {name: -1}, event_timestamp=f"2026-01-02T03:04:05.{123 + number}001Z")
    result = store.ndjson([json.dumps(row) for row in rows]).json()
    assert (result["rows_accepted"], result["values_late"]) == (20, 20)


def test_pages_hold_every_id_once(store, client, kind):
    name = store.define("int", entity=kind)
    things = {f"thing_{number}": number for number in range(700)}
    store.ndjson(
        [json.dumps({"entity_id": thing, "features": {name: n}}) for thing, n in things.items()]
    )
    for limit in (1000, 100, 37):
        rows = export_all(client, kind, limit=limit)
        assert len(rows) == len(things)
        found = {row["entity_id"]: row["features"][0]["value"] for row in rows}
        assert found == things


def test_versions_that_are_not_active_have_their_number(store, client, kind):
    name, thing = store.define("int", entity=kind), store.unique("thing")
    store.write(thing, {name: 1})
    assert store.put(name, "string", entity=kind).status_code == 200
    store.write(thing, {f"{name}@2": "two"})
    (row,), _ = export(client, kind)
    assert {f["feature_name"]: f["value"] for f in row["features"]} == {name: 1, f"{name}@2": "two"}
    client.post(f"/features/definitions/{name}/activate", json={"version": 2})
    (row,), _ = export(client, kind)
    assert {f["feature_name"]: f["value"] for f in row["features"]} == {f"{name}@1": 1, name: "two"}


def test_what_is_not_alive_is_left_out(store, client, kind):
    short = store.define("int", entity=kind, ttl_seconds=5)
    name = store.define("int", entity=kind)
    gone, erased, half = store.unique("gone"), store.unique("erased"), store.unique("half")
    for thing in (gone, half):
        store.write(thing, {short: 1}, event_timestamp="2020-01-01T00:00:00Z")
    store.write(half, {name: 2})
    store.write(erased, {name: 3})
    assert client.delete(f"/features/online/{erased}").json()["values_deleted"] == 1
    rows, cursor = export(client, kind)
    assert cursor is None
    assert [row["entity_id"] for row in rows] == [half]
    assert [feature["feature_name"] for feature in rows[0]["features"]] == [name]


def test_large_rows_come_whole(store, client, kind):
    name = store.define("string", entity=kind)
    texts = {f"thing_{number}": str(number) * 50_000 for number in range(10, 60)}
    for thing, text in texts.items():
        store.write(thing, {name: text})
    rows, _ = export(client, kind)
    assert {row["entity_id"]: row["features"][0]["value"] for row in rows} == texts


def test_an_entity_without_values(store, client, kind):
    store.define("int", entity=kind)
    assert export(client, kind) == ([], None)


def test_what_is_refused(store, client, kind):
    store.define("int", entity=kind)
    assert locations(client.get("/features/export")) == [["query", "entity"]]
    for limit in ("0", "100001", "x"):
        response = client.get(f"/features/export?entity={kind}&limit={limit}")
        assert locations(response) == [["query", "limit"]]
    for cursor in ("nonsense", "0" * 300):
        response = client.get(f"/features/export?entity={kind}&cursor={cursor}")
        assert locations(response) == [["query", "cursor"]]
    assert client.head(f"/features/export?entity={kind}").status_code == 200
