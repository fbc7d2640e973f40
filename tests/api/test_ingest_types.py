"""Which JSON a value of each type may be, and what comes back. Types are strict."""

import json

import pytest

from store import locations


def write_text(client, name, text):
    """Ingests a value given as JSON text, so that 25.0 and 1e3 arrive as written."""
    entity_id = f"typed_{name}"
    body = '{"entity_id":"%s","features":[{"feature_name":"%s","value":%s}]}'
    content = (body % (entity_id, name, text)).encode()
    return entity_id, client.post("/features/ingest", content=content)


def read_text(client, entity_id, name):
    """The value as the text that was sent."""
    text = client.get(f"/features/online/{entity_id}?feature_names={name}").text
    prefix = '"%s":' % name
    return text.replace(" ", "").split(prefix, 1)[1].removesuffix("}}")


ACCEPTED = [
    ("int", "25", "25"),
    ("int", "25.0", "25"),
    ("int", "1e3", "1000"),
    ("int", "1E+3", "1000"),
    ("int", "-0", "0"),
    ("int", "-0.0", "0"),
    ("int", "9223372036854775807", "9223372036854775807"),
    ("int", "-9223372036854775808", "-9223372036854775808"),
    ("int", "-9223372036854775808.0", "-9223372036854775808"),
    ("int", "null", "null"),
    ("float", "25", "25.0"),
    ("float", "0.1", "0.1"),
    ("float", "-0.0", "-0.0"),
    ("float", "1e3", "1000.0"),
    ("float", "null", "null"),
    ("boolean", "true", "true"),
    ("boolean", "false", "false"),
    ("boolean", "null", "null"),
    ("string", '""', '""'),
    ("string", '"25"', '"25"'),
    ("string", '"null"', '"null"'),
    ("string", "null", "null"),
    ("timestamp", '"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:05Z"'),
    ("timestamp", '"2026-01-02T03:04:05.123456Z"', '"2026-01-02T03:04:05.123456Z"'),
    ("timestamp", '"2026-01-02T03:04:05+02:00"', '"2026-01-02T01:04:05Z"'),
    ("timestamp", '"2026-01-02T03:04:05-00:30"', '"2026-01-02T03:34:05Z"'),
    ("timestamp", "1767323045123", '"2026-01-02T03:04:05.123000Z"'),
    ("timestamp", "0", '"1970-01-01T00:00:00Z"'),
    ("timestamp", "-1", '"1969-12-31T23:59:59.999000Z"'),
    ("timestamp", '"2099-12-31T23:59:59Z"', '"2099-12-31T23:59:59Z"'),
    ("timestamp", '"0001-01-01T00:00:00Z"', '"0001-01-01T00:00:00Z"'),
    ("timestamp", '"9999-12-31T23:59:59.999999Z"', '"9999-12-31T23:59:59.999999Z"'),
    ("timestamp", "null", "null"),
    ("json", "null", "null"),
    ("json", "true", "true"),
    ("json", '[1,2.5,"x",null,{"a":[]}]', '[1,2.5,"x",null,{"a":[]}]'),
    ("json", '{"b":1,"a":{"c":[true]}}', '{"b":1,"a":{"c":[true]}}'),
]


@pytest.mark.parametrize(("data_type", "text", "expected"), ACCEPTED)
def test_accepted(store, client, data_type, text, expected):
    name = store.define(data_type)
    entity_id, response = write_text(client, name, text)
    assert response.status_code == 200, response.text
    found = read_text(client, entity_id, name)
    if data_type == "timestamp" and expected != "null":
        # Zeros at the end of a fraction may be left out.
        assert found.rstrip('Z"').rstrip("0").rstrip(".") == expected.rstrip('Z"').rstrip("0").rstrip(".")
    else:
        assert found == expected


REFUSED = [
    ("int", ['"25"', "25.5", "true", "[]", "{}", "1e-3", "9223372036854775808", "1e19"]),
    ("int", ["-9223372036854775809", "9223372036854775808.0", "18446744073709551615", "1e300"]),
    ("float", ['"0.5"', "true", "[]", "{}", '"nan"', '"inf"']),
    ("boolean", ["1", "0", '"true"', "0.0", "[]", "{}"]),
    ("string", ["25", "true", "[]", "{}", "0.5"]),
    ("timestamp", ['"2026-01-02"', '"2026-01-02T03:04:05"', '"03:04:05Z"', '""', '"now"', "true"]),
    ("timestamp", ['"2026-02-30T00:00:00Z"', '"2026-01-02T24:00:00Z"', "25.5", "1e30", "{}"]),
    ("timestamp", ['"2026-01-02T03:04:05+25:00"', '"2026-13-02T03:04:05Z"', "253402300800000"]),
    ("embedding", ["1", '"[1]"', "{}", "true", '[1,"2"]', "[1,null]", "[[1]]", "[true]", "[]"]),
    ("embedding", ["[1e39]", "[1, -1e300]"]),
]


@pytest.mark.parametrize(("data_type", "texts"), REFUSED)
def test_refused(store, client, data_type, texts):
    name = store.define(data_type)
    for text in texts:
        entity_id, response = write_text(client, name, text)
        found = locations(response)
        assert any(loc[:4] == ["body", "features", 0, "value"] for loc in found), (text, found)
        assert store.read_one(entity_id, name) is None


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_what_is_not_finite_is_refused_at_the_door(store, client, text):
    for data_type, value in (("float", text), ("embedding", f"[{text}]"), ("json", text)):
        _, response = write_text(client, store.define(data_type), value)
        assert response.status_code in (400, 422)


def test_an_embedding_has_its_dimension(store, client):
    name, user = store.define("embedding", dimension=3), store.unique("user")
    assert store.ingest(user, {name: [1, 2.5, -3]}).status_code == 200
    for value in ([1, 2], [1, 2, 3, 4], []):
        assert locations(store.ingest(user, {name: value}))
    assert store.read_one(user, name) == [1, 2.5, -3]


def test_an_embedding_without_dimension_takes_any_length(store):
    name, user = store.define("embedding"), store.unique("user")
    for length in (1, 2, 16384):
        value = [float(i) for i in range(length)]
        store.write(user, {name: value})
        assert store.read_one(user, name) == value
    assert store.ingest(user, {name: [0.0] * 16385}).status_code == 422


def test_null_only_where_nullable(store):
    user = store.unique("user")
    for data_type in ("int", "float", "boolean", "string", "timestamp", "embedding", "json"):
        name = store.define(data_type, is_nullable=False)
        assert any(loc[0] == "body" for loc in locations(store.ingest(user, {name: None})))
    assert store.read(user) == {}


def test_null_replaces_a_value(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1})
    store.write(user, {name: None})
    assert store.read_one(user, name) is None
    assert store.metadata(user, [name])[name]["status"] == "NULL_VALUE"


def test_a_megabyte_of_text_is_the_limit(store):
    name, user = store.define("string"), store.unique("user")
    longest = "x" * (1 << 20)
    store.write(user, {name: longest})
    assert store.read_one(user, name) == longest
    assert store.ingest(user, {name: longest + "x"}).status_code in (413, 422)
    assert store.read_one(user, name) == longest


def test_deep_json(store, client):
    name = store.define("json")
    entity_id, response = write_text(client, name, "[" * 50 + "]" * 50)
    assert response.status_code == 200
    _, response = write_text(client, name, "[" * 1000000 + "]" * 1000000)
    assert response.status_code in (400, 413, 422)
    assert store.read_one(entity_id, name) == json.loads("[" * 50 + "]" * 50)
