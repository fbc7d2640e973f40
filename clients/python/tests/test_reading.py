"""Reading many: lists, tensors, frames, Arrow; split where a request has limits."""

import asyncio
import inspect

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import featured
from featured import AsyncFeatureStore, Feature, FeatureService, FeatureStore, _reading

FULL = {
    "an_int": 2**53 + 1,
    "a_float": 0.1,
    "a_bool": True,
    "a_text": "x",
    "a_time": "2026-01-02T03:04:05.100000Z",
    "a_vector": [1.0, 2.0, 3.0],
    "a_list": [0.5],
    "a_json": {"k": [1]},
}


@pytest.fixture(scope="module")
def users(store):
    store.ingest("full", FULL)
    return ["full", "nobody", "full"]


def test_many_in_order(store, users):
    rows = store.get_many(users, feature_service="all_types")
    assert rows == [FULL, dict.fromkeys(FULL), FULL]
    assert list(rows[0]) == list(FULL)
    assert store.get_many(iter(users), ["a_text"]) == [{"a_text": "x"}, {"a_text": None}, {"a_text": "x"}]
    assert store.get_many([], ["a_text"]) == []


def test_pandas(store, users):
    frame = store.get_pandas(users, feature_service="all_types")
    assert list(frame.index) == users
    assert frame.index.name == "entity_id"
    assert [str(kind) for kind in frame.dtypes] == [
        "Int64", "float64", "boolean", "string", "datetime64[us, UTC]", "object", "object", "object",
    ]  # fmt: skip
    assert frame["an_int"].iloc[0] == 2**53 + 1
    assert frame["a_time"].iloc[0] == pd.Timestamp("2026-01-02T03:04:05.1Z")
    assert frame["a_vector"].iloc[0].dtype == np.float32
    assert frame["a_json"].iloc[0] == {"k": [1]}
    assert frame.iloc[1].isna().all()
    nobody = store.get_pandas([], feature_service="all_types")
    assert nobody.shape == (0, 8)
    assert list(nobody.dtypes) == list(frame.dtypes)


def test_arrow(store, users):
    table = store.get_arrow(users, feature_service="all_types")
    assert [str(kind) for kind in table.schema.types] == [
        "string", "int64", "double", "bool", "string", "timestamp[us, tz=UTC]",
        "fixed_size_list<item: float>[3]", "list<item: float>", "string",
    ]  # fmt: skip
    first, second = table.slice(0, 2).to_pylist()
    assert first["an_int"] == 2**53 + 1
    assert first["a_vector"] == [1.0, 2.0, 3.0]
    assert second == {"entity_id": "nobody", **dict.fromkeys(FULL)}
    entity_id = pa.field("entity_id", pa.string(), nullable=False)
    assert store.get_arrow([], ["an_int"]).schema == pa.schema([entity_id, ("an_int", "int64")])
    table.validate(full=True)


def test_numpy(store, users):
    names = ["an_int", "a_bool", "a_time", "a_vector"]
    values, columns = store.get_numpy(users, names)
    assert columns == ["an_int", "a_bool", "a_time", "a_vector[0]", "a_vector[1]", "a_vector[2]"]
    assert values.shape == (3, 6)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values[0], [2**53, 1, 1767323045.1, 1, 2, 3])
    assert np.isnan(values[1]).all()
    assert store.get_numpy(users, names, dtype="float32").values.dtype == np.float32
    assert store.get_numpy([], names).values.shape == (0, 6)
    with pytest.raises(featured.InvalidRequest, match="406"):
        store.get_numpy(users, ["a_text"])


def test_a_matrix_too_wide_to_be_named(store):
    """The names of its columns have no place in a header."""
    store.apply(Feature("wide_vector", "embedding", "user", dimension=8192))
    store.ingest("wide", {"wide_vector": [0.5] * 8192})
    values, columns = store.get_numpy(["wide"], ["wide_vector"])
    assert (values.shape, columns) == ((1, 8192), [])
    assert (values == 0.5).all()


def test_a_new_version_is_typed_anew(store):
    store.register(Feature("moves", "int", "user"))
    store.ingest("mover", {"moves": 1})
    assert str(store.get_pandas(["mover"], "moves").dtypes["moves"]) == "Int64"
    store.apply(Feature("moves", "string", "user"))
    store.ingest("mover", {"moves@2": "one"})
    both = store.get_arrow(["mover"], ["moves@1", "moves@2"])
    assert both.to_pylist() == [{"entity_id": "mover", "moves@1": 1, "moves@2": "one"}]


def test_ids_beyond_one_request_are_split(store, monkeypatch):
    n = 2 * _reading.MAX_IDS + 5
    rows = [{"entity_id": f"split-{i}", "an_int": i} for i in range(n)]
    store.ingest_many(rows, progress=False)
    ids = [row["entity_id"] for row in rows]
    assert [row["an_int"] for row in store.get_many(ids, ["an_int"])] == list(range(n))
    np.testing.assert_array_equal(store.get_numpy(ids, ["an_int"]).values[:, 0], np.arange(n))


def test_values_beyond_one_request_are_split(store):
    """The client knows how wide a list of names is, but not a feature service: the server's 413 tells."""
    wide = [Feature(f"wide_{i}", "int", "user") for i in range(150)]
    store.apply([*wide, FeatureService("wide", wide)])
    ids = [f"wide-{i}" for i in range(7000)]
    store.ingest_many([{"entity_id": ids[-1], "wide_149": 7}])
    for chosen in ({"features": wide}, {"feature_service": "wide"}):
        values = store.get_numpy(ids, **chosen).values
        assert values.shape == (7000, 150)
        assert values[-1, -1] == 7
        assert np.isnan(values).sum() == 7000 * 150 - 1


def test_users(store, users):
    found = store.get_users(["full", "nobody", *(f"none-{i}" for i in range(150))])
    assert len(found) == 152
    assert found["full"] == FULL
    assert found["none-149"] == {}
    assert store.get_user("nobody") == {}


def test_erase_and_export(store):
    store.register(Feature("kept", "int", "crate"))
    store.register(Feature("gone", "int", "crate"))
    rows = [{"entity_id": f"c{i}", "kept": i, "gone": i} for i in range(25)]
    store.ingest_many(rows)
    assert store.erase("c3", "gone", entity="crate") == 1
    assert store.erase("c3", "gone", entity="crate") == 0
    exported = {row["entity_id"]: row["features"] for row in store.export("crate", page_size=7)}
    assert len(exported) == 25
    assert [item["feature_name"] for item in exported["c3"]] == ["kept"]
    copied = store.ingest_many(store.export("crate"))
    assert (copied.rows_accepted, copied.values_late) == (25, 0)
    with pytest.raises(featured.NotFound, match="nothing"):
        list(store.export("nothing"))


def test_async_says_the_same(server, store, users):
    async def ask():
        async with server.async_store() as other:
            assert await other.ready()
            assert await other.health() == store.health()
            return (
                await other.get("full"),
                await other.get_with_metadata("full"),
                await other.get_many(users, feature_service="all_types"),
                (await other.get_numpy(users, ["an_int"])).values.tolist(),
                await other.get_pandas(users, feature_service="all_types"),
                await other.get_arrow(users, feature_service="all_types"),
                await other.get_users(users),
                [row async for row in other.export("user", page_size=10_000)],
                await other.feature("an_int"),
                (await other.ingest_many(pd.DataFrame({"entity_id": ["as"], "an_int": [1]}))).rows_accepted,
                await asyncio.gather(*(other.get(user) for user in users)),
            )

    got = asyncio.run(ask())
    assert got[0] == store.get("full")
    assert got[1] == store.get_with_metadata("full")
    assert got[2] == store.get_many(users, feature_service="all_types")
    np.testing.assert_array_equal(got[3], store.get_numpy(users, ["an_int"]).values)
    pd.testing.assert_frame_equal(
        got[4].drop(columns=["a_vector", "a_list"]),
        store.get_pandas(users, feature_service="all_types").drop(columns=["a_vector", "a_list"]),
    )
    assert got[5] == store.get_arrow(users, feature_service="all_types")
    assert got[6] == store.get_users(users)
    assert sorted(row["entity_id"] for row in got[7]) == sorted(
        row["entity_id"] for row in store.export("user", page_size=10_000) if row["entity_id"] != "as"
    )
    assert got[8]["name"] == "an_int"
    assert got[9] == 1
    assert got[10] == [store.get(user) for user in users]


def test_both_clients_have_the_same_methods():
    def methods(kind):
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: method for name, method in found if not name.startswith("_") or name == "__init__"}

    def parameters(method):
        return [
            (p.name, p.kind, p.default, p.annotation) for p in inspect.signature(method).parameters.values()
        ]

    waiting, awaited = methods(FeatureStore), methods(AsyncFeatureStore)
    assert set(waiting) == set(awaited)
    for name, method in waiting.items():
        assert parameters(method) == parameters(awaited[name]), name
        returned = inspect.signature(method).return_annotation
        assert inspect.signature(awaited[name]).return_annotation.replace("AsyncI", "I") == returned, name
        if name != "__init__":
            assert method.__doc__, name
            assert awaited[name].__doc__ == method.__doc__, name
            assert inspect.iscoroutinefunction(awaited[name]) or inspect.isasyncgenfunction(awaited[name])
