"""Bulk loads as Arrow IPC streams: what pyarrow and pandas write is read as the same rows of NDJSON are."""

import concurrent.futures
import datetime
import io
import json
import time

import numpy
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server import EXAMPLES
from store import Store, locations
from test_bulk_ndjson import counts
from test_bulk_stream import chunk, head

ARROW = "application/vnd.apache.arrow.stream"
UTC = datetime.timezone.utc


def stream_of(table, rows=None, new=pa.ipc.new_stream, **options):
    """`rows` in a record batch."""
    out = io.BytesIO()
    with new(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return out.getvalue()


def send(store, content, **parameters):
    if isinstance(content, pa.Table):
        content = stream_of(content)
    return store.client.post(
        "/features/ingest/bulk", params=parameters, content=content, headers={"Content-Type": ARROW}
    )


def table(ids, **columns):
    return pa.table({"entity_id": ids, **columns})


@pytest.fixture
def users(store):
    return [store.unique("user") for _ in range(3)]


TYPES = ("int", "float", "boolean", "string", "timestamp", "json")


@pytest.fixture
def names(store):
    found = {data_type: store.define(data_type) for data_type in TYPES}
    return found | {"embedding": store.define("embedding", dimension=2)}


def values(store, ids, name):
    return [item["features"][name] for item in store.batch(ids, [name]).json()]


# -- columns ---------------------------------------------------------------------------------------

TIME = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
COLUMNS = [
    *[("int", pa.array([1, None, 100], kind), [1, None, 100])
      for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
                   pa.uint64(), pa.float32(), pa.float64())],
    *[("float", pa.array([1.5, None, -2], kind), [1.5, None, -2.0]) for kind in (pa.float32(), pa.float64())],
    ("float", pa.array([2**64 - 1, None, 3], pa.uint64()), [1.8446744073709552e19, None, 3.0]),
    ("boolean", pa.array([True, None, False]), [True, None, False]),
    ("boolean", pa.array([1, None, 0], pa.int8()), [True, None, False]),
    *[("string", pa.array(["Oslo", None, "a longer text than twelve ü"], kind),
       ["Oslo", None, "a longer text than twelve ü"])
      for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()),
                   pa.dictionary(pa.uint32(), pa.large_string()))],
    *[("timestamp", pa.array([TIME, None, TIME], pa.timestamp(unit, zone)), [text, None, text])
      for unit, text in (("us", "2026-01-02T03:04:05.678901Z"), ("ns", "2026-01-02T03:04:05.678901Z"))
      for zone in (None, "UTC", "Asia/Kolkata")],
    ("timestamp", pa.array([1, None, -1], pa.timestamp("s")), ["1970-01-01T00:00:01Z", None, "1969-12-31T23:59:59Z"]),
    ("timestamp", pa.array([1, None, -1], pa.date32()), ["1970-01-02T00:00:00Z", None, "1969-12-31T00:00:00Z"]),
    ("timestamp", pa.array([86400000, None, 0], pa.date64()), ["1970-01-02T00:00:00Z", None, "1970-01-01T00:00:00Z"]),
    ("timestamp", pa.array([1000, None, -1], pa.int64()), ["1970-01-01T00:00:01Z", None, "1969-12-31T23:59:59.999000Z"]),
    *[("embedding", pa.array([[0.5, -1], None, [2, 3]], kind), [[0.5, -1.0], None, [2.0, 3.0]])
      for kind in (pa.list_(pa.float32()), pa.list_(pa.float64(), 2), pa.large_list(pa.float32()))],
    ("embedding", pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)), [[1.0, 2.0], None, [3.0, 4.0]]),
    ("json", pa.array(['{"a": [1, "x"]}', None, "[]"]), [{"a": [1, "x"]}, None, []]),
    ("json", pa.array([[1, 2], None, []], pa.list_(pa.int32())), [[1, 2], None, []]),
    ("json", pa.array([1.5, None, 2]), [1.5, None, 2.0]),
    ("json", pa.array([True, None, False]), [True, None, False]),
    *[(data_type, pa.nulls(3), [None] * 3) for data_type in ("int", "string", "embedding")],
]  # fmt: skip


@pytest.mark.parametrize(("data_type", "column", "expected"), COLUMNS,
                         ids=[f"{data_type}-{column.type}" for data_type, column, _ in COLUMNS])
@pytest.mark.parametrize("rows", [None, 1])
def test_columns(store, names, users, data_type, column, expected, rows):
    name = names[data_type]
    response = send(store, stream_of(table(users, **{name: column}), rows))
    assert counts(response) == (3, 0, 3, 0, 3)
    found = values(store, users, name)
    assert json.dumps(found) == json.dumps(expected)
    # A slice begins in the middle of its buffers.
    send(store, stream_of(table(users, **{name: column}).slice(1), rows))
    assert values(store, users, name) == expected


OTHERS = [
    *[("int", column) for column in (pa.array(["1"]), pa.array([True]), pa.array([TIME]), pa.array([[1]]))],
    ("float", pa.array([1.5], pa.float16())),
    ("float", pa.array(["1.5"])),
    ("boolean", pa.array([1.0])),
    ("string", pa.array([1])),
    ("string", pa.array([b"x"])),
    ("timestamp", pa.array([1.5])),
    ("timestamp", pa.array([1], pa.duration("s"))),
    ("timestamp", pa.array([1], pa.time32("s"))),
    ("embedding", pa.array([1.5])),
    ("embedding", pa.array([["1"]])),
    ("embedding", pa.array([[[1]]])),
    ("json", pa.array([{"a": 1}])),
    ("int", pa.array([1], pa.decimal128(5))),
    ("int", pa.array([1]).dictionary_encode()),
]


@pytest.mark.parametrize(("data_type", "column"), OTHERS, ids=[f"{t}-{c.type}" for t, c in OTHERS])
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_columns_of_other_types_are_refused(store, names, users, data_type, column, on_error):
    name = names[data_type]
    response = send(store, table(users[:1], **{name: column}), on_error=on_error)
    assert locations(response) == [["schema", name]]
    assert "cast it to" in response.json()["detail"][0]["msg"]
    assert counts(response) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("data_type", "column"),
    [
        ("int", pa.array([1, 1.5])),
        ("int", pa.array([1, float("nan")])),
        ("int", pa.array([1, 2.0**63])),
        ("int", pa.array([1, 2**63], pa.uint64())),
        ("float", pa.array([1, float("nan")])),
        ("float", pa.array([1, float("-inf")], pa.float32())),
        ("boolean", pa.array([1, 2])),
        ("string", pa.array([b"x", b"\xff"]).cast(pa.string(), safe=False)),
        ("string", pa.array(["x", "y" * (2**20 + 1)])),
        ("timestamp", pa.array(["2026-01-02T03:04:05Z", "soon"])),
        ("timestamp", pa.array([1, 2**62], pa.timestamp("s"))),
        ("timestamp", pa.array([1, 2**62], pa.int64())),
        ("embedding", pa.array([[1, 2], [1]])),
        ("embedding", pa.array([[1, 2], [1, None]])),
        ("embedding", pa.array([[1, 2], [1, 1e39]])),
        ("json", pa.array(["[]", "{"])),
        ("json", pa.array(["[]", ""])),
    ],
)
def test_values_that_do_not_fit(store, names, users, data_type, column):
    """Row 2 of 3."""
    name = names[data_type]
    column = pa.concat_arrays([column, column.slice(0, 1)])
    response = send(store, table(users, **{name: column}))
    assert locations(response)[0] == ["line", 2, name]
    assert counts(response) == (1, 1, 1, 0, 1)
    response = send(store, table(users, **{name: column}), on_error="skip")
    assert counts(response) == (2, 1, 2, 0, 3)
    assert [error["line"] for error in response.json()["errors"]] == [2]
    assert [value is None for value in values(store, users, name)] == [False, True, False]


def test_null_where_null_is_not_allowed(store, users):
    name = store.define("int", is_nullable=False)
    response = send(store, table(users, **{name: pa.array([1, None, 3])}))
    assert ["line", 2, name] in locations(response)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(),
                                  pa.dictionary(pa.int8(), pa.string())])
def test_ids_as_text(store, names, users, kind):
    send(store, table(pa.array(users, kind), **{names["int"]: [1, 2, 3]}))
    assert values(store, users, names["int"]) == [1, 2, 3]


def test_ids_as_numbers(store, names):
    base = 10**9 + 2 * int(store.unique("").strip("_"))
    for kind in (pa.int64(), pa.uint64(), pa.int32()):
        send(store, table(pa.array([base, base + 1], kind), **{names["int"]: [1, 2]}))
        assert values(store, [str(base), str(base + 1)], names["int"]) == [1, 2]
    send(store, table(pa.array([2**64 - 1], pa.uint64()), **{names["int"]: [7]}))
    assert values(store, [str(2**64 - 1)], names["int"]) == [7]


@pytest.mark.parametrize("bad", [None, "", "x" * 513])
def test_ids_that_cannot_be(store, names, users, bad):
    response = send(store, table([users[0], bad], **{names["int"]: [1, 2]}))
    assert ["line", 2, "entity_id"] in locations(response)


def test_event_times(store, names, users):
    name = names["int"]
    when = [TIME, None, TIME - datetime.timedelta(days=1)]
    response = send(store, table(users, event_timestamp=when, **{name: [1, 2, 3]}))
    assert counts(response) == (3, 0, 3, 0, 3)
    found = store.metadata(users[0], [name])[name]
    assert found["event_timestamp"] == "2026-01-02T03:04:05.678901Z"
    assert store.metadata(users[1], [name])[name]["event_timestamp"] > "2026-01-05"
    late = pa.table({"who": users, "when": pa.array([0, 0, 0], pa.timestamp("s")), name: [4, 5, 6]})
    response = send(store, late, id_column="who", timestamp_column="when")
    assert counts(response) == (3, 0, 0, 3, 3)
    for wrong in (pa.array([1, 4 * 10**9, 1], pa.timestamp("s")), pa.array(["1970-01-01T00:00:00Z", "x", None])):
        response = send(store, table(users, event_timestamp=wrong, **{name: [1, 2, 3]}))
        assert ["line", 2, "event_timestamp"] in locations(response)


def test_columns_are_chosen(store, names, users):
    """What is not taken may be of any type."""
    whole = table(users, junk=pa.array([{"a": [1]}, None, {"a": []}]), **{names["int"]: [1, 2, 3]},
                  also=pa.array([1, 2, 3], pa.decimal128(5)), **{names["string"]: ["x", "y", "z"]})
    assert locations(send(store, whole)) == [["schema", "junk"]]
    assert counts(send(store, whole, columns=names["string"]))[:3] == (3, 0, 3)
    assert store.read(users[1]) == {names["string"]: "y"}
    for parameters in ({"id_column": "who"}, {"timestamp_column": "when"}, {"columns": "nix"},
                       {"entity": "driver", "columns": names["int"]}):
        assert locations(send(store, whole, **parameters))[0][0] == "schema"
    twice = pa.Table.from_arrays([pa.array(users)] * 2, names=["entity_id", "entity_id"])
    assert locations(send(store, twice)) == [["schema", "entity_id"]]


# -- the stream ------------------------------------------------------------------------------------


def test_streams_that_are_none(store, names, users):
    good = stream_of(table(users, **{names["int"]: [1, 2, 3]}))
    for content, word in ((b"", "schema"), (b"entity_id,x\n", "not an Arrow"), (b"PAR1" * 4, "Parquet"),
                          (good[:-30], "within a message"), (good + good, "on its own"),
                          (good[len(good) // 2 // 8 * 8:], "Arrow")):
        response = send(store, content)
        assert locations(response)[0][0] == "message", content[:20]
        assert word in response.json()["detail"][0]["msg"]


def test_compression_is_refused(store, names, users):
    for codec in ("lz4", "zstd"):
        response = send(store, stream_of(table(users, **{names["int"]: [1, 2, 3]}), compression=codec))
        assert "without compression" in response.json()["detail"][0]["msg"]


def test_a_file_is_taken_too(store, names, users):
    whole = table(users, **{names["int"]: [1, 2, 3], names["string"]: pa.array(list("aba")).dictionary_encode()})
    assert counts(send(store, stream_of(whole, 1, pa.ipc.new_file, unify_dictionaries=True)))[:2] == (3, 0)
    assert values(store, users, names["string"]) == ["a", "b", "a"]


def test_other_content_types(store):
    response = store.client.post("/features/ingest/bulk", content=b"x", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert ARROW in response.json()["detail"]


def test_a_message_too_large_says_what_to_do(store, names, users):
    wide = numpy.zeros(3_000_000)
    wide = table(pa.array(wide.astype(int)), **{names["int"]: pa.array(wide), names["float"]: pa.array(wide)})
    response = send(store, wide)
    assert response.status_code == 413
    assert "max_chunksize" in response.json()["detail"]
    assert counts(response) == (0, 0, 0, 0, 0)


def test_rows_are_applied_while_batches_still_come(connect, store):
    """Each chunk a batch of 100 rows; in the end the counts."""
    name, prefix = store.define("int"), store.unique("early")
    schema = table([""], **{name: [1]}).schema
    connection = connect()
    connection.send(head(ARROW, Transfer_Encoding="chunked") + chunk(schema.serialize().to_pybytes()))
    number, deadline = 0, time.monotonic() + 30
    while store.read_one(f"{prefix}_0", name) is None:
        assert time.monotonic() < deadline, f"{number} rows sent and none applied"
        ids = [f"{prefix}_{n}" for n in range(number, number + 100)]
        batch = pa.record_batch([ids, list(range(number, number + 100))], schema=schema)
        connection.send(chunk(batch.serialize().to_pybytes()))
        number += 100
    connection.send(chunk(b""))
    answer = connection.receive()
    assert (answer.status, json.loads(answer.body)["rows_accepted"]) == (200, number)


def test_split_at_every_byte(connect, store):
    name, user = store.define("string"), store.unique("user")
    body = stream_of(table([user, user], **{name: pa.array(["a", "b"]).dictionary_encode()}), 1)
    connection = connect()
    connection.send(head(ARROW, Transfer_Encoding="chunked"))
    for index in range(len(body)):
        connection.send(chunk(body[index : index + 1]))
    connection.send(chunk(b""))
    answer = connection.receive()
    assert (answer.status, json.loads(answer.body)["rows_accepted"]) == (200, 2)
    assert store.read_one(user, name) == "b"


CUT_OFF = {400: b"not the length of a chunk\r\n", 408: b"40\r\nhalf", 413: chunk(bytes(100000))}


@pytest.mark.parametrize("status", CUT_OFF)
def test_a_body_that_fails_in_the_middle_is_answered_with_counts(start_server, client_of, connect, status):
    server = start_server("--max-bulk-bytes", "100000", "--read-timeout-ms", "500")
    client = client_of(server)
    client.post("/register", json={"name": "n", "data_type": "int", "entity": "user"})
    rows = table([f"cut_{n}" for n in range(700)], n=list(range(700)))
    connection = connect(server.port)
    connection.send(head(ARROW, Transfer_Encoding="chunked"))
    connection.send(chunk(stream_of(rows, 100)[:-8]) + CUT_OFF[status])
    answer = connection.receive()
    body = json.loads(answer.body)
    assert (answer.status, body["status"]) == (status, status)
    assert (body["rows_accepted"], body["last_line_applied"]) == (700, 700)
    connection.assert_closed()


def test_the_body_is_never_held_whole(server, client, store):
    name = store.define("string")
    batch = pa.record_batch({"entity_id": [f"big_{n}" for n in range(100)], name: ["x" * 10000] * 100})
    schema, message = batch.schema.serialize().to_pybytes(), batch.serialize().to_pybytes()
    before = server.rss_bytes()
    response = client.post(
        "/features/ingest/bulk",
        content=(message if n else schema for n in range(101)),
        headers={"Content-Type": ARROW},
    )
    assert counts(response)[:2] == (10000, 0)
    server.assert_rss_grew_less_than(64 << 20, before)


def test_bad_rows_of_a_large_batch_give_others_their_turn(start_server, client_of):
    """A million of them are a megabyte here: they are not all looked at in one go."""
    server = start_server("--threads", "1")
    loader, other = client_of(server), client_of(server)
    rows = table(pa.nulls(1000000, pa.int8()))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert other.get("/health").status_code == 200
        loading = pool.submit(send, Store(loader), rows, on_error="skip")
        answered = 0
        while not loading.done():
            answered += other.get("/health").status_code == 200
    assert counts(loading.result()) == (0, 1000000, 0, 0, 0)
    assert answered >= 20


def test_a_row_of_one_long_text_many_times_is_too_long(store):
    """A dictionary holds it once; parsed, it would be there for each column."""
    names = [store.define("json") for _ in range(8)]
    text = pa.array([" " * (7 << 20) + "1"]).dictionary_encode()
    good = table([store.unique("long")], **{names[0]: text, names[1]: text})
    assert counts(send(store, good)) == (1, 0, 2, 0, 1)
    response = send(store, table([store.unique("long")], **{name: text for name in names}))
    assert counts(response)[:2] == (0, 1)
    assert "longer than" in response.json()["detail"][0]["msg"]


# -- against NDJSON --------------------------------------------------------------------------------


def test_a_frame_of_pandas(store, names):
    """Categories, nullable integers, zoned times and arrays, as from_pandas makes them."""
    ids = [store.unique("pd") for _ in range(4)]
    frame = pd.DataFrame({
        "entity_id": ids,
        names["int"]: pd.array([1, None, 2**53 + 1, 4], dtype="Int64"),
        names["float"]: [0.1, None, 5e-324, -0.0],
        names["string"]: pd.Categorical(["a", None, "b", "a"]),
        names["boolean"]: pd.array([True, None, False, True], dtype="boolean"),
        names["timestamp"]: pd.to_datetime([TIME, None, TIME, TIME]).tz_convert("America/New_York"),
        names["embedding"]: [[1.5, 2], None, [3, 4], [5, 6]],
    })  # fmt: skip
    response = send(store, pa.Table.from_pandas(frame))
    assert counts(response) == (4, 0, 24, 0, 4)
    text = "2026-01-02T03:04:05.678901Z"
    expected = {
        "int": [1, None, 2**53 + 1, 4], "float": [0.1, None, 5e-324, -0.0], "string": ["a", None, "b", "a"],
        "boolean": [True, None, False, True], "timestamp": [text, None, text, text],
        "embedding": [[1.5, 2.0], None, [3.0, 4.0], [5.0, 6.0]],
    }  # fmt: skip
    for data_type, column in expected.items():
        assert json.dumps(values(store, ids, names[data_type])) == json.dumps(column)


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()]
STRINGS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
LISTS = [pa.list_(pa.float32()), pa.list_(pa.float32(), 2), pa.large_list(pa.float32())]
TIMES = [pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC", "Asia/Tokyo")]


def bounds(kind):
    bits = kind.bit_width
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if pa.types.is_signed_integer(kind) else (0, 2**bits - 1)


INT = st.sampled_from(INTEGERS).flatmap(lambda kind: st.tuples(st.just(kind), st.just(st.integers(*bounds(kind)))))
FLOAT = st.sampled_from([pa.float32(), pa.float64()]).map(
    lambda kind: (kind, st.floats(allow_nan=False, allow_infinity=False, width=kind.bit_width))
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | TEXT, lambda inner: st.lists(inner, max_size=3))
VALUES = {
    "int": INT,
    "float": FLOAT | INT,
    "boolean": st.just((pa.bool_(), st.booleans())),
    "string": st.sampled_from(STRINGS).map(lambda kind: (kind, TEXT)),
    "timestamp": st.sampled_from(TIMES).map(
        lambda kind: (kind, st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)).map(
            lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000)))
    ),
    "embedding": st.sampled_from(LISTS).map(
        lambda kind: (kind, st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=2))
    ),
    "json": st.sampled_from(STRINGS).map(lambda kind: (kind, JSON.map(json.dumps))),
}  # fmt: skip


@st.composite
def tables(draw):
    """Types, columns and rows; and how many of them are in a batch."""
    count = draw(st.integers(1, 40))
    columns = {}
    for data_type in draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, unique=True)):
        kind, items = draw(VALUES[data_type])
        column = draw(st.lists(st.none() | items, min_size=count, max_size=count))
        columns[data_type] = pa.array(column, kind)
    return count, columns, draw(st.integers(1, count)), draw(st.integers(0, count - 1))


def as_json(data_type, value):
    if value is None:
        return None
    if data_type == "timestamp":
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).isoformat()
    return json.loads(value) if data_type == "json" else value


@pytest.fixture(scope="module")
def module_store(session_client):
    return Store(session_client)


@pytest.fixture(scope="module")
def module_names(module_store):
    found = {data_type: module_store.define(data_type) for data_type in TYPES}
    return found | {"embedding": module_store.define("embedding", dimension=2)}


@settings(max_examples=2 * EXAMPLES, deadline=None, database=None, print_blob=True,
          suppress_health_check=list(HealthCheck))
@given(drawn=tables())
def test_what_ndjson_of_the_same_rows_gives(module_store, module_names, drawn):
    count, columns, rows, start = drawn
    prefix = module_store.unique("both")
    ids = {form: [f"{prefix}_{form}_{n}" for n in range(count)] for form in ("arrow", "lines")}
    named = {module_names[data_type]: column for data_type, column in columns.items()}
    whole = table(ids["arrow"], **named)
    response = send(module_store, stream_of(whole.slice(start), rows))
    assert counts(response)[:3] == (count - start, 0, (count - start) * len(columns))
    lines = []
    for n in range(start, count):
        features = {module_names[t]: as_json(t, column[n].as_py()) for t, column in columns.items()}
        lines.append(json.dumps({"entity_id": ids["lines"][n], "features": features}))
    assert counts(module_store.ndjson(lines))[:2] == (count - start, 0)
    found = {form: module_store.batch(ids[form], list(named)).json() for form in ids}
    assert json.dumps([row["features"] for row in found["arrow"]]) == json.dumps(
        [row["features"] for row in found["lines"]]
    )
