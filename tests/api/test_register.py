"""POST /register: a definition in, what is forgiven and what is not."""

import pytest

from store import locations

ALIASES = {
    "int": ["int", "int64", "integer", "INT"],
    "float": ["float", "float64", "double"],
    "boolean": ["boolean", "bool"],
    "string": ["string", "str", "text"],
    "timestamp": ["timestamp", "datetime"],
    "embedding": ["embedding", "vector"],
    "json": ["json"],
}


def test_answer_is_as_the_old_service_gave_it(store):
    name = store.unique("age")
    answer = store.register(name, "int")
    assert answer["message"] == "Feature registered"
    assert answer["name"] == name
    assert answer["version"] == 1
    assert "warnings" not in answer


def test_every_field_comes_back(store):
    fields = {
        "description": "Åge in years",
        "feature_group": "demographics",
        "source": "crm",
        "transformation": "floor(age)",
        "is_nullable": False,
        "ttl_seconds": 3600,
        "tags": {"owner": "growth", "pii": True, "deep": {"a": [1, None, "ü"]}},
    }
    name = store.define("int", **fields)
    definition = store.definition(name)
    assert {key: definition[key] for key in fields} == fields
    assert definition["data_type"] == "int"
    assert definition["entity"] == "user"
    assert definition["dimension"] is None
    assert definition["version"] == 1
    assert definition["created_at"] == definition["updated_at"]


def test_defaults(store):
    definition = store.definition(store.define("string"))
    assert definition["is_nullable"] is True
    assert not definition["ttl_seconds"]
    assert definition["description"] is None
    assert definition["count"] == definition["null_count"] == 0
    assert definition["last_event_timestamp"] is None


@pytest.mark.parametrize("data_type", ALIASES)
def test_aliases_of_types_are_stored_under_the_name(store, data_type):
    for alias in ALIASES[data_type]:
        assert store.definition(store.define(alias))["data_type"] == data_type


def test_ids_are_the_servers_and_grow(store, client):
    first = store.register(store.unique(), "int")
    body = {"name": store.unique(), "data_type": "int", "entity": "user"}
    body |= {"id": 987654321, "created_at": "1999-01-01T00:00:00Z", "updated_at": None}
    second = client.post("/register", json=body).json()
    assert first["id"] < second["id"] < 987654321
    assert "warnings" not in second
    assert not store.definition(body["name"])["created_at"].startswith("1999")


def test_a_known_name_is_409(store, client):
    name = store.define("int")
    response = client.post("/register", json={"name": name, "data_type": "int", "entity": "user"})
    assert response.status_code == 409
    detail = response.json()["detail"]
    assert detail.startswith("Feature already exists")
    assert name in detail and "version 1" in detail


def test_unknown_fields_are_named_in_warnings(store, client):
    body = {"name": store.unique(), "data_type": "int", "entity": "user"}
    body |= {"colour": "red", "size": {"w": 1}}
    answer = client.post("/register", json=body).json()
    for field in ("colour", "size"):
        assert any(field in warning for warning in answer["warnings"])


def test_unknown_fields_are_errors_when_strict(store, client):
    body = {"name": store.unique(), "data_type": "int", "entity": "user", "colour": "red"}
    response = client.post("/register", params={"strict": "true"}, json=body)
    assert ["body", "colour"] in locations(response)
    assert client.get(f"/features/definitions/{body['name']}").status_code == 404
    assert client.post("/register", params={"strict": "false"}, json=body).status_code == 200


@pytest.mark.parametrize("missing", ["name", "data_type", "entity"])
def test_required_fields(store, client, missing):
    body = {"name": store.unique(), "data_type": "int", "entity": "user"}
    del body[missing]
    response = client.post("/register", json=body)
    assert ["body", missing] in locations(response)
    assert response.json()["detail"][0]["type"] == "missing"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "1st"),
        ("name", "a b"),
        ("name", "a:b"),
        ("name", "a@1"),
        ("name", "a,b"),
        ("name", "naïve"),
        ("name", "n" * 129),
        ("name", "a\n"),
        ("name", "a\0"),
        ("name", 5),
        ("name", None),
        ("data_type", "colour"),
        ("data_type", ""),
        ("data_type", 5),
        ("entity", None),
        ("entity", 5),
        ("entity", ""),
        ("description", 5),
        ("feature_group", ["a"]),
        ("is_nullable", "yes please"),
        ("ttl_seconds", -1),
        ("ttl_seconds", 1.5),
        ("ttl_seconds", "3600"),
        ("ttl_seconds", 2**63),
        ("dimension", 0),
        ("dimension", 16385),
        ("dimension", -1),
        ("dimension", "3"),
        ("tags", "a:b"),
        ("tags", ["a"]),
        ("min_value", "low"),
    ],
)
def test_what_is_wrong_is_named(store, client, field, value):
    body = {"name": store.unique(), "data_type": "int", "entity": "user"}
    if field == "dimension":
        body["data_type"] = "embedding"
    body[field] = value
    assert ["body", field] in locations(client.post("/register", json=body))


def test_the_longest_name(store):
    name = store.unique("n" * 120)[:128].ljust(128, "z")
    assert store.register(name, "int")["name"] == name


def test_every_character_that_a_name_may_have(store):
    name = "_Az0.-" + store.unique()
    assert store.definition(store.define("int", name=name))["name"] == name


@pytest.mark.parametrize("field", ["description", "feature_group", "source", "ttl_seconds", "tags"])
def test_null_is_as_good_as_absent(store, field):
    definition = store.definition(store.define("int", **{field: None}))
    assert not definition[field]


def test_dimension_of_an_embedding(store):
    assert store.definition(store.define("embedding", dimension=16384))["dimension"] == 16384
    assert store.definition(store.define("embedding"))["dimension"] is None


@pytest.mark.parametrize("body", [b"[]", b'"name"', b"5", b"null", b"true"])
def test_a_body_that_is_no_object(client, body):
    assert client.post("/register", content=body).status_code == 422
