"""PUT and activate: what changes in place, and what makes a version."""

import pytest

from store import locations


def test_put_creates(store):
    name = store.unique()
    response = store.put(name, "int", description="new")
    assert response.status_code == 200
    assert response.json()["version"] == 1
    assert store.definition(name)["description"] == "new"


def test_put_replaces_whole(store):
    name = store.define("int", description="old", tags={"a": 1}, ttl_seconds=60, is_nullable=False)
    before = store.definition(name)
    answer = store.put(name, "int", source="crm").json()
    after = store.definition(name)
    assert answer["version"] == 1
    assert answer["id"] == before["id"] == after["id"]
    assert after["source"] == "crm"
    assert after["description"] is None
    assert not after["tags"]
    assert not after["ttl_seconds"]
    assert after["is_nullable"] is True
    assert after["created_at"] == before["created_at"]
    assert after["updated_at"] >= before["updated_at"]
    assert len(after["versions"]) == 1


def test_put_in_place_keeps_the_values(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 7})
    store.put(name, "integer", description="an alias is no other type")
    assert store.read_one(user, name) == 7


def test_another_type_is_a_new_version_that_is_not_active(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 7})
    assert store.put(name, "float").json()["version"] == 2
    definition = store.definition(name)
    assert definition["version"] == 1
    assert definition["data_type"] == "int"
    assert [(v["version"], v["active"], v["data_type"]) for v in definition["versions"]] == [
        (1, True, "int"),
        (2, False, "float"),
    ]
    assert store.read_one(user, name) == 7


def test_another_dimension_is_a_new_version(store):
    name = store.define("embedding", dimension=2)
    assert store.put(name, "embedding", dimension=3).json()["version"] == 2
    definition = store.definition(name)
    assert [version["dimension"] for version in definition["versions"]] == [2, 3]


def test_a_version_is_filled_and_then_activated_forth_and_back(store, client):
    name, user = store.define("int"), store.unique("user")
    store.put(name, "string")
    store.write(user, {f"{name}@1": 7, f"{name}@2": "seven"})
    assert store.read(user, [name, f"{name}@1", f"{name}@2"]) == {
        name: 7,
        f"{name}@1": 7,
        f"{name}@2": "seven",
    }
    for version, value in ((2, "seven"), (1, 7)):
        path = f"/features/definitions/{name}/activate"
        response = client.post(path, json={"version": version})
        assert response.status_code == 200
        assert response.json()["version"] == version
        assert store.definition(name)["version"] == version
        assert store.read_one(user, name) == value
        assert store.read(user) == {name: value}


def test_the_bare_name_takes_the_type_of_the_active_version(store, client):
    name, user = store.define("int"), store.unique("user")
    store.put(name, "string")
    assert store.ingest(user, {name: "x"}).status_code == 422
    client.post(f"/features/definitions/{name}/activate", json={"version": 2})
    assert store.ingest(user, {name: "x"}).status_code == 200
    assert store.ingest(user, {name: 1}).status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"version": 2}, 404),
        ({"version": 0}, 422),
        ({"version": "1"}, 422),
        ({"version": None}, 422),
        ({}, 422),
    ],
)
def test_activating_what_is_not_there(store, client, body, status):
    name = store.define("int")
    response = client.post(f"/features/definitions/{name}/activate", json=body)
    assert response.status_code == status
    if status == 422:
        assert ["body", "version"] in locations(response)


def test_activating_an_unknown_feature(client):
    response = client.post("/features/definitions/no_such_feature/activate", json={"version": 1})
    assert response.status_code == 404


def test_another_entity_is_refused(store):
    name = store.define("int")
    assert store.put(name, "int", entity="driver").status_code == 409
    assert store.definition(name)["entity"] == "user"


def test_a_name_in_the_body_must_agree(store):
    name = store.define("int")
    assert store.put(name, "int", name=name).status_code == 200
    assert ["body", "name"] in locations(store.put(name, "int", name=name + "x"))


def test_put_checks_as_register_does(store, client):
    name = store.unique()
    assert ["body", "data_type"] in locations(store.put(name, "colour"))
    assert client.put("/features/definitions/a:b", json={}).status_code == 422
    response = store.put(name, "int", colour="red")
    assert any("colour" in warning for warning in response.json()["warnings"])
    body = {"data_type": "int", "entity": "user", "colour": "red"}
    response = client.put(f"/features/definitions/{name}?strict=true", json=body)
    assert ["body", "colour"] in locations(response)
