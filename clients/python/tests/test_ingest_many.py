"""Many rows from wherever they come; what is missing, wrong, late or cut off."""

import asyncio
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import featured
from featured import Feature, IngestStopped, RowError, _rows, _wire

WHEN = pd.Timestamp("2026-01-02T03:04:05.678901Z")


@pytest.fixture(scope="module", autouse=True)
def features(store):
    store.apply(
        [Feature(name, kind, "row") for name, kind in [("n", "int"), ("x", "float"), ("s", "string")]]
    )
    store.apply(Feature("v", "embedding", "row", dimension=2))
    store.apply([Feature("t", "timestamp", "row"), Feature("b", "boolean", "row")])
    store.apply([Feature("j", "json", "row"), Feature("k", "json", "row")])


def frame(ids, **columns):
    return pd.DataFrame({"entity_id": ids, **columns})


def test_dicts_flat_and_as_exported(store, new_id):
    a, b, c = new_id(), new_id(), new_id()
    done = store.ingest_many(
        [
            {"entity_id": a, "n": 1, "s": None, "event_timestamp": WHEN},
            {"entity_id": b, "features": {"n": 2}},
            {"entity_id": c, "features": [{"feature_name": "n", "value": 3, "event_timestamp": 0}]},
        ]
    )
    assert (done.rows_accepted, done.values_written, done.values_late) == (3, 4, 0)
    assert store.get(a) == {"n": 1, "s": None}
    assert store.get_with_metadata(a)["n"].event_timestamp == WHEN.to_pydatetime()
    assert store.get_many([b, c], "n") == [{"n": 2}, {"n": 3}]
    assert store.get_with_metadata(c)["n"].event_timestamp == datetime(1970, 1, 1, tzinfo=timezone.utc)


KINDS = {
    "pandas": lambda data: data,
    "pandas by index": lambda data: data.set_index("entity_id"),
    "arrow": lambda data: pa.Table.from_pandas(data),
    "batch": lambda data: pa.RecordBatch.from_pandas(data),
    "reader": lambda data: pa.Table.from_pandas(data).to_reader(max_chunksize=2),
    "rows": lambda data: data.astype(object).where(data.notna(), None).to_dict("records"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ['plain, "quoted"', "two\nlines"])
def test_the_same_from_every_source(store, new_id, kind, text):
    ids = [new_id() for _ in range(3)]
    data = frame(
        ids,
        n=pd.array([2**53 + 1, None, 3], dtype="Int64"),
        x=[0.1, float("nan"), 5e-324],
        s=[text, None, ""],
        t=pd.to_datetime([WHEN, None, WHEN]).tz_convert("Asia/Kolkata"),
        b=pd.array([True, None, False], dtype="boolean"),
    )
    done = store.ingest_many(KINDS[kind](data))
    assert (done.rows_accepted, done.values_written) == (3, 15)
    time = "2026-01-02T03:04:05.678901Z"
    assert store.get_many(ids, ["n", "x", "s", "t", "b"]) == [
        {"n": 2**53 + 1, "x": 0.1, "s": text, "t": time, "b": True},
        {"n": None, "x": None, "s": None, "t": None, "b": None},
        {"n": 3, "x": 5e-324, "s": "", "t": time, "b": False},
    ]


def test_types_of_columns(store, new_id):
    ids = [new_id(), new_id()]
    table = pa.table(
        {
            "entity_id": pa.array(ids).dictionary_encode(),
            "x": pa.array([0.1, None], pa.float32()),
            "s": pa.array(["a", "b"], pa.large_string()),
            "n": pa.array([1, 2], pa.uint8()),
            "v": pa.array([[1, 2], None], pa.list_(pa.float32(), 2)),
            "b": pa.nulls(2),
        }
    )
    for data in (table, table.drop_columns("v")):
        store.ingest_many(data)
        assert store.get_many(ids, ["x", "s", "n", "b"]) == [
            {"x": float(np.float32(0.1)), "s": "a", "n": 1, "b": None},
            {"x": None, "s": "b", "n": 2, "b": None},
        ]
    assert store.get(ids[0], "v") == {"v": [1.0, 2.0]}
    arrays = frame(ids, v=[np.array([3, 4], dtype="f4"), None])
    store.ingest_many(arrays)
    assert store.get_many(ids, "v") == [{"v": [3.0, 4.0]}, {"v": None}]


def test_types_that_are_made_others(store, new_id):
    """And those that only NDJSON can say."""
    ids = [new_id(), new_id()]
    labels = pa.array(["a", "b"])
    columns = {
        "x": pa.array(np.array([0.5, 2], "f2")),
        "n": pa.array([7, 7]).dictionary_encode(),
        "s": pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.concat_arrays([labels] * 1000)),
        "v": pa.array([np.array([1, 2], "f2"), None], pa.list_(pa.float16())),
        "j": pa.array([[1, 2], None]),
    }
    expected = [
        {"x": 0.5, "n": 7, "s": "a", "v": [1.0, 2.0], "j": [1, 2]},
        {"x": 2.0, "n": 7, "s": "b", "v": None, "j": None},
    ]
    table = pa.table({"entity_id": ids, **columns})
    parts = [part for data in (table, table.append_column("k", pa.array([{"a": [1]}, None])))
             for part in _rows.parts_of(data, _rows.Layout(), 50_000)[0]]  # fmt: skip
    assert [part.content_type for part in parts] == [_wire.ARROW, _wire.NDJSON]
    assert len(parts[0].content) < 3000  # not the 2000 labels
    store.ingest_many(table)
    assert store.get_many(ids, list(columns)) == expected
    store.ingest_many(table.append_column("k", pa.array([{"a": [1]}, None])))
    assert store.get_many(ids, list(columns)) == expected
    assert store.get_many(ids, "k") == [{"k": {"a": [1]}}, {"k": None}]


def test_what_was_read_as_arrow_is_written_again(store, new_id):
    """The columns of get_arrow, its extension type for json included."""
    ids, others = [new_id(), new_id()], [new_id(), new_id()]
    row = {"n": 1, "x": 0.1, "s": "ü", "b": True, "t": WHEN, "v": [1, 2], "j": {"a": [None, "x"]}}
    store.ingest_many([{"entity_id": ids[0], **row}, {"entity_id": ids[1], "n": 2}])
    table = store.get_arrow(ids, list(row))
    copied = table.set_column(0, "entity_id", pa.array(others))
    assert store.ingest_many(copied).rows_accepted == 2
    assert store.get_many(others, list(row)) == store.get_many(ids, list(row))


def test_asynchronously_and_by_row_group(server, tmp_path):
    path = tmp_path / "rows.parquet"
    columns = {"entity_id": [f"pqa-{i}" for i in range(1000)], "n": range(1000), "v": [[1.0, 2.0]] * 1000}
    pq.write_table(pa.table(columns), path, row_group_size=400)
    parts, total = _rows.parts_of(path, _rows.Layout(), 300)
    assert total == 1000
    assert [(part.rows, part.content_type) for part in parts] == [
        (rows, _wire.ARROW) for rows in (300, 100, 300, 100, 200)
    ]

    async def load():
        async with server.async_store() as other:
            done = await other.ingest_many(path)
            return done, await other.get_many(["pqa-0", "pqa-999"], ["n", "v"])

    done, found = asyncio.run(load())
    assert done.rows_accepted == 1000
    assert found == [{"n": 0, "v": [1.0, 2.0]}, {"n": 999, "v": [1.0, 2.0]}]


def test_columns_of_another_type_than_the_feature(store, new_id):
    for column, word in ((["1"], "string: cast it to int64"), ([True], "bool: cast it to int64")):
        with pytest.raises(featured.InvalidRequest, match=word) as caught:
            store.ingest_many(pa.table({"entity_id": [new_id()], "n": column}))
        assert not isinstance(caught.value, IngestStopped)
        assert caught.value.ingested.rows_accepted == 0


def test_objects_of_a_frame_stay_what_they_are(store, new_id):
    """pyarrow alone would give every dict the keys of all, and make True of a list 1.0."""
    objects = [{"x": 1}, {"y": [True, 2]}, {"y": [1.5]}, None]
    ids = [new_id() for _ in objects]
    store.ingest_many(pd.DataFrame({"entity_id": ids, "a_json": objects}))
    assert [row["a_json"] for row in store.get_many(ids, ["a_json"])] == objects


def test_periods_are_no_times(store, new_id):
    frame = pd.DataFrame({"entity_id": [new_id()], "a_time": pd.period_range("2026-01", periods=1, freq="M")})
    for rows in (frame, pa.Table.from_pandas(frame)):
        with pytest.raises(TypeError, match="period"):
            store.ingest_many(rows)


def test_a_slice_of_views_is_sent_without_the_rest():
    count = 20000
    texts = pa.array(["y" * 100 + str(n) for n in range(count)], pa.string_view())
    table = pa.table({"entity_id": [str(n) for n in range(count)], "a_text": texts})
    parts, _ = _rows.parts_of(table, _rows.Layout(), 1000)
    assert sum(len(part.content) for part in parts) < 2 * table.nbytes


def test_times_of_arrow_in_a_frame(store, new_id):
    column = pd.Series(pd.to_datetime(["2026-01-02T03:04:05Z"])).astype(
        pd.ArrowDtype(pa.timestamp("us", "UTC"))
    )
    user = new_id()
    store.ingest_many(pd.DataFrame({"entity_id": [user], "a_time": column}))
    assert store.get(user, ["a_time"]) == {"a_time": "2026-01-02T03:04:05Z"}
    with pytest.raises(ValueError, match="time zone"):
        store.ingest_many(pd.DataFrame({"entity_id": [user], "a_time": column.dt.tz_localize(None)}))


def test_parquet(store, tmp_path):
    path = tmp_path / "rows.parquet"
    data = frame([f"pq-{i}" for i in range(1000)], n=range(1000), other="not a feature", at=WHEN)
    pq.write_table(pa.Table.from_pandas(data), path, row_group_size=300)
    seen = []
    done = store.ingest_many(
        path, features=["n"], timestamp_column="at", progress=lambda rows, total: seen.append((rows, total))
    )
    assert done.rows_accepted == 1000
    assert seen == [(300, 1000), (600, 1000), (900, 1000), (1000, 1000)]
    assert store.get_with_metadata("pq-999", "n")["n"] == featured.FeatureValue(999, WHEN.to_pydatetime())


def test_columns_are_chosen_and_checked(store, new_id):
    user = new_id()
    data = pd.DataFrame({"user": [user], "n": [1], "junk": [2]})
    store.ingest_many(data, id_column="user", features=["n"])
    assert store.get(user) == {"n": 1}
    for wrong in (
        {},
        {"id_column": "user", "timestamp_column": "when"},
        {"id_column": "user", "features": ["q"]},
    ):
        with pytest.raises(ValueError, match="among"):
            store.ingest_many(data, **wrong)
    with pytest.raises(featured.InvalidRequest, match="junk") as caught:
        store.ingest_many(data, id_column="user")
    assert not isinstance(caught.value, IngestStopped)
    with pytest.raises(ValueError, match="twice"):
        store.ingest_many(pd.DataFrame([["u", 1, 2]], columns=["entity_id", "n", "n"]))
    for wrong in ({"entity_id": "u"}, [1], 7):
        with pytest.raises(TypeError):
            store.ingest_many(wrong)


@pytest.mark.parametrize("kind", ["pandas", "arrow", "rows"])
def test_naive_times_are_refused(store, kind):
    for column in ("event_timestamp", "t"):
        data = frame(["u"], **{column: [pd.Timestamp("2026-01-02")]})
        with pytest.raises(ValueError, match="time zone"):
            store.ingest_many(KINDS[kind](data))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part_rows", [3, 50_000])
@pytest.mark.parametrize("text", ["s", "s\n"])
def test_bad_rows_are_named(store, new_id, kind, part_rows, text):
    """Row 5 of 10, whichever part and line of it that is."""
    ids = [new_id() for _ in range(10)]
    data = frame(ids, n=[0, 1, 2, 3, 4, 5.5, 6, 7, 8, 9], s=text)
    with pytest.raises(IngestStopped, match=r"row\.5\.n: the value of 'n' must be a whole number") as caught:
        store.ingest_many(KINDS[kind](data), part_rows=part_rows)
    assert caught.value.row == 5
    assert caught.value.ingested.rows_accepted == 5
    assert [row["n"] for row in store.get_many(ids, "n")] == [0, 1, 2, 3, 4, *[None] * 5]
    done = store.ingest_many(KINDS[kind](data), on_error="skip", part_rows=part_rows)
    assert done.errors == [RowError(5, "the value of 'n' must be a whole number")]
    assert (done.rows_accepted, done.rows_rejected) == (9, 1)
    assert store.get(ids[9], "n") == {"n": 9}


def test_hostile_values(store, new_id):
    ids = [new_id() for _ in range(4)]
    mixed = frame(ids, n=[1, 2**70, "x", None])
    done = store.ingest_many(mixed, on_error="skip")
    assert [error.row for error in done.errors] == [1, 2]
    assert "64 bits" in done.errors[0].detail
    done = store.ingest_many([{"entity_id": ids[0], "x": float("nan")}], on_error="skip")
    assert "malformed JSON" in done.errors[0].detail
    done = store.ingest_many(pa.table({"entity_id": ids[:1], "x": [float("nan")]}), on_error="skip")
    assert "x" in done.errors[0].detail
    done = store.ingest_many(frame([None, ""], n=[1, 2]), on_error="skip")
    assert done.rows_rejected == 2
    with pytest.raises(TypeError, match=r"row 1: .* is a date"):
        store.ingest_many([{"entity_id": "u", "n": 1}, {"entity_id": "u", "t": WHEN.date()}])
    with pytest.raises(featured.InvalidRequest, match="on_error"):
        store.ingest_many(frame(["u"], n=[1]), on_error="explode")


def test_nothing_and_late_rows(store, new_id):
    assert store.ingest_many([]).rows_accepted == 0
    assert store.ingest_many(frame([], n=[])).rows_accepted == 0
    data = frame([new_id()] * 2, n=[1, 2], event_timestamp=[WHEN, WHEN - pd.Timedelta("1s")])
    assert store.ingest_many(data).values_late == 1


def test_parts_are_bounded():
    """By bytes as well as by rows, and never empty."""
    layout = _rows.Layout()
    rows = [{"entity_id": "u", "s": "x" * 1_000_000}] * 20
    for data in (rows, pd.DataFrame(rows), pa.Table.from_pylist(rows)):
        parts, total = _rows.parts_of(data, layout, 50_000)
        sizes = [(part.rows, len(part.content)) for part in parts]
        assert total == 20
        assert sum(count for count, _ in sizes) == 20
        assert max(size for _, size in sizes) < 2 * _rows.PART_BYTES


def test_only_rows_with_event_times_may_be_repeated():
    layout = _rows.Layout()
    timed = {"entity_id": "u", "n": 1, "event_timestamp": WHEN}
    for row, expected in ((timed, True), ({**timed, "event_timestamp": None}, False)):
        for data in ([timed, row], pd.DataFrame([timed, row]), pa.Table.from_pylist([timed, row])):
            parts, _ = _rows.parts_of(data, layout, 50_000)
            assert [part.timed for part in parts] == [expected]


def test_without_arrow(store, new_id, monkeypatch):
    monkeypatch.setattr(_rows, "_arrow_or_none", lambda: None)
    ids = [new_id(), new_id()]
    store.ingest_many(frame(ids, n=[1, None], t=[WHEN, pd.NaT], s=["a", float("nan")]))
    assert store.get_many(ids, ["n", "t", "s"]) == [
        {"n": 1, "t": "2026-01-02T03:04:05.678901Z", "s": "a"},
        {"n": None, "t": None, "s": None},
    ]


def test_a_bar(store, new_id, capsys):
    store.ingest_many(frame([new_id()], n=[1]), progress=True)
    assert "1/1" in capsys.readouterr().err
    store.ingest_many(frame([new_id()], n=[1]), progress=False)
    assert capsys.readouterr().err == ""
