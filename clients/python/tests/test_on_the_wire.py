"""Tensors, frames and tables with no JSON on the way: what is sent, and what comes of it."""

import asyncio
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import featured
from featured import Feature, FeatureStore, _frames, _reading

ARROW = "application/vnd.apache.arrow.stream"
NPY = "application/x-npy"


@pytest.fixture
def sent(server):
    """A store, and what it has sent."""
    seen = []
    with FeatureStore(server.url, http_options={"event_hooks": {"request": [seen.append]}}) as store:
        yield store, seen


@pytest.fixture(scope="module")
def users(store):
    ids = ["wire-1", "wire-ø", "wire-nobody"]
    store.ingest(ids[0], {"an_int": 1, "a_vector": [1, 2, 3], "a_text": "x"})
    store.ingest(ids[1], {"an_int": 2, "a_list": [0.5, 1.5], "a_json": [None, {"k": "v"}]})
    return ids


def kinds(seen):
    return [(one.headers.get("content-type"), one.headers.get("accept")) for one in seen]


def test_ids_are_lines(sent, users):
    store, seen = sent
    values = store.get_numpy(users, ["an_int"]).values
    np.testing.assert_array_equal(values[:, 0], [1, 2, np.nan])
    assert store.get_arrow(users, feature_service="all_types").num_rows == 3
    assert store.get_pandas(users, ["an_int", "a_text"]).shape == (3, 2)
    assert kinds(seen) == [("text/plain", NPY), ("text/plain", ARROW), ("text/plain", ARROW)]
    assert [one.content for one in seen] == ["wire-1\nwire-ø\nwire-nobody\n".encode()] * 3
    assert seen[0].url.params["feature_names"] == "an_int"
    assert seen[1].url.params["feature_service"] == "all_types"


def test_ids_of_any_kind(sent, users):
    store, seen = sent
    as_bytes = np.array([user.encode() for user in users])
    forms = [users, iter(users), np.array(users), pd.Series(users), as_bytes, np.array(users, dtype=object)]
    for ids in forms:
        values = store.get_numpy(ids, ["an_int"]).values
        np.testing.assert_array_equal(values[:, 0], [1, 2, np.nan])
    assert [kind for kind, _ in kinds(seen)].count(NPY) == 1
    assert store.get_arrow(as_bytes, ["an_int"]).column(0).to_pylist() == users
    assert list(store.get_pandas(as_bytes, ["an_int"]).index) == users
    assert store.get_many(as_bytes, ["an_int"]) == store.get_many(users, ["an_int"])
    store.ingest(7, {"an_int": 70})
    assert store.get_numpy(np.array([7]), ["an_int"]).values.tolist() == [[70]]
    for nonsense in ("wire-1", np.array([users]), np.array([1.5])):
        with pytest.raises(TypeError):
            store.get_numpy(nonsense, ["an_int"])


@pytest.mark.parametrize("odd", ["a\nb", "a\r", "\ufeffa", "a\r\n"])
def test_ids_that_are_no_lines_go_as_json(sent, odd):
    store, seen = sent
    store.ingest(odd, {"an_int": 5})
    ids = [odd, "wire-nobody"]
    assert store.get_arrow(ids, ["an_int"]).to_pylist() == [
        {"entity_id": odd, "an_int": 5},
        {"entity_id": "wire-nobody", "an_int": None},
    ]
    assert kinds(seen)[-1] == ("application/json", ARROW)
    assert store.get_numpy(np.array([odd.encode()]), ["an_int"]).values.tolist() == [[5]]
    assert kinds(seen)[-1] == (NPY, NPY)


def test_names_that_no_query_holds_go_as_json(sent, users):
    store, seen = sent
    many = [Feature(f"a_name_of_some_length_{i:04}_{'x' * 90}", "int", "user") for i in range(80)]
    store.apply(many)
    seen.clear()
    assert store.get_numpy(users, many).values.shape == (3, 80)
    assert kinds(seen) == [("application/json", NPY)]
    with pytest.raises(featured.NotFound, match="one, two"):
        store.get_arrow(users, ["one, two"])
    assert kinds(seen)[-1] == ("application/json", ARROW)


def test_bad_ids_are_the_servers_to_name(store):
    for ids in (["a", ""], ["a", "x" * 513], np.array([b"a", b""])):
        with pytest.raises(featured.InvalidRequest) as caught:
            store.get_numpy(ids, ["an_int"])
        assert caught.value.detail[0]["loc"] == ["body", "entity_ids", 1]
    with pytest.raises(featured.InvalidRequest, match="400"):
        store.get_arrow(["\ud800"], ["an_int"])


def test_types_and_values(store, users):
    frame = store.get_pandas(users, feature_service="all_types")
    assert frame["a_vector"].iloc[0].tolist() == [1, 2, 3]
    assert frame["a_vector"].iloc[0].flags.writeable
    assert frame["a_vector"].iloc[1] is None
    assert frame["a_list"].iloc[1].tolist() == [0.5, 1.5]
    assert frame["a_json"].iloc[1] == [None, {"k": "v"}]
    frame.loc["wire-1", "an_int"] = 9  # nothing of it is the answer's memory
    table = store.get_arrow(users, feature_service="all_types")
    assert json.loads(table.column("a_json")[1].as_py()) == [None, {"k": "v"}]


def test_unregistered_names(server, users):
    with FeatureStore(server.url, strict=False) as store:
        assert store.get_arrow(users, ["nobody_knows", "an_int"]).schema.field(1).type == pa.null()
        frame = store.get_pandas(users, ["nobody_knows", "an_int"])
        assert frame["nobody_knows"].tolist() == [None] * 3
        assert np.isnan(store.get_numpy(users, ["nobody_knows"]).values).all()


def test_parts_are_joined(store, monkeypatch):
    ids = [f"wire-part-{i}" for i in range(11)]
    rows = [{"entity_id": one, "an_int": i, "a_vector": [i, 0, 1]} for i, one in enumerate(ids)]
    store.ingest_many(rows, progress=False)
    monkeypatch.setattr(_reading, "MAX_IDS", 4)
    for form in (ids, np.array(ids).astype("S")):
        table = store.get_arrow(form, ["an_int", "a_vector"])
        table.validate(full=True)
        assert table.to_pylist() == rows
        frame = store.get_pandas(form, ["an_int", "a_vector"])
        assert frame["an_int"].tolist() == list(range(11))
        assert [vector[0] for vector in frame["a_vector"]] == list(range(11))
        assert store.get_numpy(form, ["an_int"]).values[:, 0].tolist() == list(range(11))


def test_a_pyarrow_that_does_not_know_json():
    marked = pa.field("j", pa.string(), metadata={"ARROW:extension:name": "arrow.json"})
    ids = pa.field("entity_id", pa.string(), nullable=False)
    table = pa.table([["a", "b"], ['{"k":1}', None]], schema=pa.schema([ids, marked]))
    assert _frames.to_arrow(table).schema == pa.schema([ids, ("j", pa.string())])
    assert _frames.to_pandas(table)["j"].tolist() == [{"k": 1}, None]


def test_asynchronously(server, users):
    async def ask():
        async with server.async_store() as store:
            return await asyncio.gather(
                store.get_numpy(np.array([one.encode() for one in users]), ["an_int"]),
                store.get_arrow(users, ["an_int", "a_text"]),
                store.get_pandas(users, ["an_int", "a_text"]),
            )

    matrix, table, frame = asyncio.run(ask())
    with server.store() as store:
        np.testing.assert_array_equal(matrix.values, store.get_numpy(users, ["an_int"]).values)
        assert table == store.get_arrow(users, ["an_int", "a_text"])
        pd.testing.assert_frame_equal(frame, store.get_pandas(users, ["an_int", "a_text"]))
