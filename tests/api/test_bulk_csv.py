"""Bulk loads as CSV: RFC 4180, the header line, columns and types."""

import csv
import io
import random

import pytest

from store import locations
from test_bulk_ndjson import counts


@pytest.fixture
def columns(store):
    """A feature of every type, by type."""
    types = ("int", "float", "boolean", "string", "timestamp", "json")
    names = {data_type: store.define(data_type) for data_type in types}
    return names | {"embedding": store.define("embedding", dimension=2)}


@pytest.fixture
def user(store):
    return store.unique("user")


def test_every_type(store, columns, user):
    order = ["int", "float", "boolean", "string", "timestamp", "json", "embedding"]
    text = "entity_id," + ",".join(columns[key] for key in order) + "\n"
    text += f'{user},-5,2,true,Oslo,2026-01-02T03:04:05Z,"{{""a"": [1, ""x""]}}","[0.5, -1]"\n'
    response = store.csv(text)
    assert counts(response) == (1, 0, 7, 0, 2)
    assert store.read(user, [columns[key] for key in order]) == {
        columns["int"]: -5,
        columns["float"]: 2.0,
        columns["boolean"]: True,
        columns["string"]: "Oslo",
        columns["timestamp"]: "2026-01-02T03:04:05Z",
        columns["json"]: {"a": [1, "x"]},
        columns["embedding"]: [0.5, -1.0],
    }


def test_empty_is_null(store, columns, user):
    store.write(user, {columns["int"]: 1, columns["string"]: "x"})
    response = store.csv(f"entity_id,{columns['int']},{columns['string']}\n{user},,\"\"\n")
    assert counts(response) == (1, 0, 2, 0, 2)
    assert store.read(user, [columns["int"]]) == {columns["int"]: None}


def test_empty_where_null_is_not_allowed(store, user):
    name = store.define("int", is_nullable=False)
    response = store.csv(f"entity_id,{name}\n{user},\n")
    assert ["line", 2, name] in locations(response)


def test_quotes_commas_and_newlines(store, columns, user):
    value = 'He said "no",\r\nand then\nleft'
    quoted = '"' + value.replace('"', '""') + '"'
    text = f"entity_id,{columns['string']},{columns['int']}\r\n{user},{quoted},7\r\n"
    assert counts(store.csv(text))[:3] == (1, 0, 2)
    assert store.read_one(user, columns["string"]) == value
    assert store.read_one(user, columns["int"]) == 7


def test_lines_are_counted_inside_quotes(store, columns, user):
    text = f'entity_id,{columns["string"]},{columns["int"]}\n{user},"a\nb\nc",1\n{user},x,bad\n'
    response = store.csv(text)
    assert ["line", 5, columns["int"]] in locations(response)
    assert counts(response)[:2] == (1, 1)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_newlines_a_bom_and_no_last_newline(store, columns, user, newline):
    text = f"\ufeffentity_id,{columns['int']}{newline}{user},5"
    assert counts(store.csv(text)) == (1, 0, 1, 0, 2)
    assert store.read_one(user, columns["int"]) == 5


def test_a_header_and_nothing_else(store, columns):
    assert counts(store.csv(f"entity_id,{columns['int']}\n")) == (0, 0, 0, 0, 0)


def test_no_header(store):
    assert store.csv("").status_code in (200, 422)
    assert any(loc[:2] == ["line", 1] for loc in locations(store.csv("\n")))


def test_booleans(store, columns, user):
    for text, expected in (("true", True), ("false", False), ("1", True), ("0", False)):
        store.csv(f"entity_id,{columns['boolean']}\n{user},{text}\n")
        assert store.read_one(user, columns["boolean"]) is expected


@pytest.mark.parametrize(
    ("data_type", "texts"),
    [
        ("int", ["x", "25.5", "true", "1 000", "9223372036854775808", "0x10", "--1", "1-"]),
        ("float", ["x", "nan", "inf", "-inf", "1e400", "0x10", "1,5", "Infinity"]),
        ("boolean", ["yes", "2", "t", "ja"]),
        ("timestamp", ["2026-01-02", "x", "1.5", "2026-02-30T00:00:00Z"]),
        ("json", ["{", "x", "1 2", "nan"]),
        ("embedding", ["[1]", "[1,2,3]", "1", "x", '["1","2"]']),
    ],
)
def test_values_that_do_not_match_the_type(store, columns, user, data_type, texts):
    name = columns[data_type]
    for text in texts:
        quoted = '"' + text.replace('"', '""') + '"'
        response = store.csv(f"entity_id,{name}\n{user},{quoted}\n")
        assert ["line", 2, name] in locations(response), text
    assert store.read(user) == {}


@pytest.mark.parametrize(("text", "expected"), [("25.0", 25), ("1e3", 1000), ("-7", -7)])
def test_integers_as_json_writes_them(store, columns, user, text, expected):
    store.csv(f"entity_id,{columns['int']}\n{user},{text}\n")
    assert store.read_one(user, columns["int"]) == expected


def test_event_times(store, columns, user):
    text = f"entity_id,event_timestamp,{columns['int']}\n"
    text += f"{user},2026-01-02T00:00:00Z,2\n{user},2026-01-01T00:00:00Z,1\n"
    assert counts(store.csv(text)) == (2, 0, 1, 1, 3)
    text = f"entity_id,{columns['int']},event_timestamp\n{user},3,1767484800000\n"
    assert counts(store.csv(text)) == (1, 0, 1, 0, 2)
    found = store.metadata(user, [columns["int"]])[columns["int"]]
    assert found["event_timestamp"] == "2026-01-04T00:00:00Z"


def test_an_empty_event_time_is_now(store, columns, user):
    store.csv(f"entity_id,event_timestamp,{columns['int']}\n{user},,1\n")
    found = store.metadata(user, [columns["int"]])[columns["int"]]
    assert found["event_timestamp"] > "2026-01-05"


def test_columns_of_other_names(store, columns, user):
    text = f"who,when,{columns['int']}\n{user},2026-01-02T00:00:00Z,5\n"
    assert counts(store.csv(text, id_column="who", timestamp_column="when")) == (1, 0, 1, 0, 2)
    found = store.metadata(user, [columns["int"]])[columns["int"]]
    assert found["event_timestamp"] == "2026-01-02T00:00:00Z"


def test_some_columns(store, columns, user):
    text = f"entity_id,junk,{columns['int']},{columns['string']}\n{user},?,5,x\n"
    response = store.csv(text, columns=columns["int"])
    assert counts(response) == (1, 0, 1, 0, 2)
    assert store.read(user) == {columns["int"]: 5}
    response = store.csv(text, columns=f"{columns['string']},{columns['int']}")
    assert counts(response) == (1, 0, 2, 0, 2)


def test_an_unknown_column_is_an_error(store, columns, user):
    for on_error in ("stop", "skip"):
        text = f"entity_id,junk,{columns['int']}\n{user},1,5\n"
        response = store.csv(text, on_error=on_error)
        assert any("junk" in loc for loc in locations(response))
        assert store.read(user) == {}


@pytest.mark.parametrize(
    ("header", "parameters"),
    [
        ("who,{int}", {}),
        ("entity_id,{int}", {"id_column": "who"}),
        ("entity_id,{int}", {"timestamp_column": "when"}),
        ("entity_id,{int}", {"columns": "{int},{string}"}),
        ("entity_id,{int},{int}", {}),
        ("entity_id,entity_id,{int}", {}),
    ],
)
def test_headers_that_cannot_be(store, columns, user, header, parameters):
    parameters = {key: value.format(**columns) for key, value in parameters.items()}
    response = store.csv(header.format(**columns) + f"\n{user},1,1\n", **parameters)
    assert locations(response)
    assert store.read(user) == {}


@pytest.mark.parametrize("row", ["{user}", "{user},1,2", '{user},"1', '{user},"1"x', ",1"])
def test_rows_that_do_not_fit_the_header(store, columns, user, row):
    text = f"entity_id,{columns['int']}\n{user},7\n{row.format(user=user)}\n"
    response = store.csv(text)
    assert any(loc[:2] == ["line", 3] for loc in locations(response))
    assert counts(response)[:2] == (1, 1)
    assert store.read_one(user, columns["int"]) == 7


def test_skip_goes_on_after_a_bad_row(store, columns, user):
    text = f"entity_id,{columns['int']}\n{user}a,1\n{user}b,x\n{user}c,3\n{user}d\n{user}e,5\n"
    response = store.csv(text, on_error="skip")
    assert counts(response) == (3, 2, 3, 0, 6)
    assert [error["line"] for error in response.json()["errors"]] == [3, 5]


def test_a_version_may_be_a_column(store, columns, user):
    store.put(columns["int"], "string")
    store.csv(f"entity_id,{columns['int']}@2\n{user},x\n")
    assert store.read_one(user, f"{columns['int']}@2") == "x"


def test_what_pythons_writer_writes(store, columns):
    """Random rows through the csv module come back as they were. The seed is in the failure."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    generator = random.Random(seed)
    alphabet = 'ab,"\n\r \tü\u2028;\'\\'
    out, expected = io.StringIO(), {}
    writer = csv.writer(out)
    writer.writerow([columns["string"], "entity_id", columns["float"]])
    for number in range(200):
        # A lone CR or LF in front of the end is kept; an empty text would be null.
        text = "".join(generator.choices(alphabet, k=generator.randrange(1, 12)))
        real = generator.uniform(-1e6, 1e6)
        entity_id = store.unique("csv") + f"_{number}"
        writer.writerow([text, entity_id, repr(real)])
        expected[entity_id] = {columns["string"]: text, columns["float"]: real}
    response = store.csv(out.getvalue())
    assert response.status_code == 200, response.text
    names = [columns["string"], columns["float"]]
    found = {i["entity_id"]: i["features"] for i in store.batch(list(expected), names).json()}
    assert found == expected
