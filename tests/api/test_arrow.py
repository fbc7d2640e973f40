"""Accept: application/vnd.apache.arrow.stream: what pyarrow reads is what JSON says, type for type."""

import json
import math
import urllib.parse

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrow import ARROW, HEADERS, assert_says, table_of
from raw import request
from server import EXAMPLES

TYPES = {
    "int": pyarrow.int64(),
    "float": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
    "string": pyarrow.string(),
    "timestamp": pyarrow.timestamp("us", "UTC"),
    "vector": pyarrow.list_(pyarrow.float32(), 3),
    "embedding": pyarrow.list_(pyarrow.float32()),
    "json": pyarrow.json_(),
}
FULL = {
    "int": -(2**63),
    "float": 0.1,
    "boolean": True,
    "string": "bjørn €😀",
    "timestamp": "2026-01-02T03:04:05.123456Z",
    "vector": [0.1, -2, 1e-30],
    "embedding": [1, 2, 3, 4, 0.1],
    "json": {"a": [1, None, "x"], "b": 1e300},
}


def data_type_of(kind):
    return "embedding" if kind == "vector" else kind


@pytest.fixture(scope="module")
def names():
    return {}


@pytest.fixture
def columns(store, names):
    """A feature of every type, by its kind; the same for all tests of a server."""
    server = store.client.base_url
    if server not in names:
        names[server] = {
            kind: store.define(data_type_of(kind), **({"dimension": 3} if kind == "vector" else {}))
            for kind in TYPES
        }
    return names[server]


@pytest.fixture
def users(store, columns):
    full, some, nulls = store.unique("full"), store.unique("some"), store.unique("nulls")
    store.write(full, {columns[kind]: value for kind, value in FULL.items()})
    store.write(some, {columns["int"]: 7, columns["boolean"]: False, columns["string"]: ""})
    store.write(some, {columns["embedding"]: [0.5], columns["json"]: None})
    store.write(nulls, {columns[kind]: None for kind in FULL})
    return [full, some, nulls, store.unique("nobody")]


def types_of(columns, kinds=TYPES):
    return {columns[kind]: data_type_of(kind) for kind in kinds}


def compare(store, ids, types):
    """A batch in both forms."""
    table = table_of(store.batch(ids, list(types), headers=HEADERS))
    assert_says(table, store.batch(ids, list(types)).json(), types)
    return table


def test_types(store, users, columns):
    table = compare(store, users, types_of(columns))
    assert [field.type for field in table.schema][1:] == list(TYPES.values())
    assert all(field.nullable for field in list(table.schema)[1:])
    assert table.column(columns["json"]).to_pylist()[1] is None


def test_json_is_marked_for_those_who_do_not_know_it(store, columns):
    # what is in the bytes, and not what this pyarrow makes of them
    content = store.batch([], [columns["json"]], headers=HEADERS).content
    assert b"ARROW:extension:name\0" in content
    assert b"arrow.json\0" in content


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_alone(store, users, columns, kind):
    for count in (1, 7, 8, 9, 64, 65):
        compare(store, (users * 20)[:count], types_of(columns, [kind]))


def test_one_entity(store, users, columns):
    types = types_of(columns)
    for user in users:
        table = table_of(store.online(user, list(types), headers=HEADERS))
        assert_says(table, [store.online(user, list(types)).json()], types)


def test_all_that_an_entity_has(store):
    number, text = store.define("int", entity="crate"), store.define("string", entity="crate")
    store.write("c", {number: 5})
    table = table_of(store.online("c", entity="crate", headers=HEADERS))
    assert dict(zip(table.column_names, table.to_pylist()[0].values())) == {
        "entity_id": "c",
        number: 5,
        text: None,
    }
    assert table.schema.field(text).type == pyarrow.string()


def test_no_ids(store, columns):
    table = compare(store, [], types_of(columns))
    assert table.num_rows == 0
    assert [field.type for field in table.schema][1:] == list(TYPES.values())


def test_no_columns(store, users):
    table = table_of(store.batch(users, [], headers=HEADERS))
    assert table.column_names == ["entity_id"]
    assert table.column(0).to_pylist() == users


def test_names_as_asked(store, users, columns):
    number = columns["int"]
    response = store.batch(users, [f"{number}@1", "nope?", number, number], headers=HEADERS)
    table = table_of(response)
    assert table.column_names == ["entity_id", f"{number}@1", "nope?", number]
    assert table.schema.field("nope?").type == pyarrow.null()
    assert table.column("nope?").null_count == len(users)
    assert table.column(1).to_pylist() == table.column(3).to_pylist() == [FULL["int"], 7, None, None]
    assert urllib.parse.unquote(response.headers["X-Featured-Unregistered"]) == "nope?"


def test_strict_and_other_errors_are_json(store, users, columns):
    body = {"entity_ids": users, "feature_names": ["nope"]}
    response = store.client.post("/features/online?strict=true", json=body, headers=HEADERS)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert store.batch(users, None, headers=HEADERS).status_code == 422


def test_a_feature_service_and_several_entities(store, users, columns):
    of_driver = store.define("float", entity="driver")
    store.write(users[0], {of_driver: 2.5})
    service = store.service([of_driver, columns["string"], columns["int"]])
    body = {"entity_ids": users, "feature_service": service}
    table = table_of(store.client.post("/features/online", json=body, headers=HEADERS))
    rows = store.client.post("/features/online", json=body).json()
    assert_says(table, rows, {of_driver: "float", columns["string"]: "string", columns["int"]: "int"})
    assert table.column(1).to_pylist() == [2.5, None, None, None]


def test_of_ids_alone(store, users, columns):
    response = store.client.post(
        "/features/online",
        params={"feature_names": columns["int"]},
        content="\n".join(users),
        headers={**HEADERS, "Content-Type": "text/plain"},
    )
    assert table_of(response).column(1).to_pylist() == [FULL["int"], 7, None, None]


def test_an_answer_can_be_ingested(store, users, columns):
    """What goes out in a form comes in again in that form, and is the same."""
    names = list(columns.values())
    answer = store.batch(users[:3], names, headers=HEADERS)
    before = store.batch(users, names).json()
    for user in users:
        assert store.client.delete(f"/features/online/{user}").status_code == 200
    assert store.batch(users, names).json() != before
    written = store.client.post(
        "/features/ingest/bulk", content=answer.content, headers={"Content-Type": ARROW}
    )
    assert written.status_code == 200, written.text
    assert written.json()["rows_accepted"] == 3
    assert store.batch(users, names).json() == before


def test_ten_thousand_rows(store, users, columns):
    types = types_of(columns, ["int", "float", "boolean"])
    table = compare(store, users * 2500, types)
    assert len(table.column(0).chunks) < 20


def test_long_texts(store, columns):
    """Batches end where a piece of the answer is full; the rest is read again."""
    text, vector = columns["string"], columns["vector"]
    ids = [store.unique("long") for _ in range(40)]
    for number, user in enumerate(ids):
        store.write(user, {text: chr(97 + number % 26) * (number * 4000), vector: [number, 0, 1]})
    table = compare(store, ids * 3, types_of(columns, ["string", "vector", "int"]))
    assert len(table.column(0).chunks) > 10


def test_a_value_of_a_megabyte(store, columns):
    user = store.unique("huge")
    store.write(user, {columns["string"]: "€" * 349525, columns["json"]: "x" * 1000000})
    compare(store, [user] * 5, types_of(columns, ["string", "json"]))


def test_many_columns(store, users, columns):
    names = [store.define("int") for _ in range(120)]
    store.write(users[0], {name: number for number, name in enumerate(names)})
    types = {name: "int" for name in names} | types_of(columns)
    compare(store, users * 60, types)


def test_a_row_of_too_many_numbers_is_413(store):
    wide = [store.define("embedding", dimension=16384) for _ in range(62)]
    assert store.batch(["x"], wide, headers=HEADERS).status_code == 413
    assert table_of(store.batch(["x"], wide[:3], headers=HEADERS)).num_rows == 1


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (ARROW, ARROW),
        (ARROW.upper(), ARROW),
        (f"{ARROW}, application/json", ARROW),
        (f"{ARROW};q=0.5, application/json", "application/json"),
        (f"{ARROW}, application/x-npy;q=0.9", ARROW),
        (f"{ARROW}, application/x-npy", "application/x-npy"),
        (f"{ARROW};q=0, */*", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
    ],
)
def test_what_accept_means(store, users, columns, accept, answer):
    response = store.batch(users, [columns["int"]], headers={"Accept": accept})
    assert response.headers["Content-Type"] == answer


def test_head_and_metadata(store, users, columns):
    target = f"/features/online/{users[0]}"
    parameters = {"feature_names": columns["int"], "metadata": "true"}
    response = store.client.head(target, params=parameters, headers=HEADERS)
    whole = store.client.get(target, params=parameters, headers=HEADERS)
    assert response.headers["Content-Length"] == str(len(whole.content))
    assert table_of(whole).num_columns == 2


def test_the_columns_hold_when_a_feature_goes(connect, store):
    """The schema has been told before the column is dropped."""
    text = store.define("string")
    number = store.define("int")
    user = store.unique("goer")
    store.write(user, {text: "x" * 5000, number: 3})
    feature_id = store.definition(text)["id"]
    connection = connect(receive_buffer=4096)
    body = json.dumps({"entity_ids": [user] * 10000, "feature_names": [text, number]}).encode()
    connection.send(request("POST", "/features/online", body, headers=[("Accept", ARROW)]))
    connection.fill()
    assert store.client.delete(f"/features/{feature_id}").status_code == 200
    table = pyarrow.ipc.open_stream(connection.receive().body).read_all()
    table.validate(full=True)
    assert table.num_rows == 10000
    assert set(table.column(number).to_pylist()) == {3}
    assert table.column(text)[0].as_py() == "x" * 5000
    assert table.column(text)[-1].as_py() is None


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NARROW = st.floats(width=32, allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
VALUES = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": FLOATS,
    "boolean": st.booleans(),
    "string": TEXT,
    "timestamp": st.integers(0, 4102444800000),
    "vector": st.lists(NARROW, min_size=3, max_size=3),
    "embedding": st.lists(NARROW, min_size=1, max_size=5),
    "json": JSON.filter(lambda value: value is not None),
}
ROW = st.fixed_dictionaries({}, optional={kind: st.none() | values for kind, values in VALUES.items()})


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(ROW, max_size=12),
    kinds=st.permutations(list(TYPES)),
    width=st.integers(1, len(TYPES)),
    repeat=st.integers(1, 50),
)
def test_whatever_is_held(store, columns, rows, kinds, width, repeat):
    ids = [store.unique("any") for _ in rows]
    for user, row in zip(ids, rows):
        if row:
            store.write(user, {columns[kind]: value for kind, value in row.items()})
    table = compare(store, ids * repeat, types_of(columns, kinds[:width]))
    if "float" in kinds[:width]:
        for value, row in zip(table.column(columns["float"]).to_pylist(), rows):
            held = row.get("float")
            assert held is None or math.copysign(1, value) == math.copysign(1, held)
