"""The routes of the second old service: GET /features/{user_id} and POST /features/batch."""

import pytest

from store import locations, path_id


def batch(client, user_ids, **fields):
    return client.post("/features/batch", json={"user_ids": user_ids, **fields})


def test_all_a_user_has(store, client):
    names, user = [store.define("float"), store.define("string")], store.unique("user")
    store.write(user, {names[0]: 42, names[1]: "books"})
    response = client.get(f"/features/{user}")
    assert response.json() == {"user_id": user, "features": {names[0]: 42.0, names[1]: "books"}}


def test_an_unknown_user(client):
    response = client.get("/features/user00001")
    assert response.status_code == 404
    assert response.json()["detail"] == "User user00001 not found"


def test_an_unknown_user_with_a_difficult_name(store, client):
    user = store.unique('a"b\n/ü')
    response = client.get(f"/features/{path_id(user)}")
    assert response.status_code == 404
    assert response.json()["detail"] == f"User {user} not found"


def test_another_entity_of_this_id_is_no_user(store, client):
    name, driver = store.define("int", entity="driver"), store.unique("driver")
    store.write(driver, {name: 1})
    assert client.get(f"/features/{driver}").status_code == 404
    response = client.get(f"/features/{driver}?entity=driver")
    assert response.json()["features"] == {name: 1}
    assert batch(client, [driver]).json()[0]["features"] == {}
    assert batch(client, [driver], entity="driver").json()[0]["features"] == {name: 1}


def test_batch_is_in_order_with_duplicates_and_empty_for_unknown_ones(store, client):
    name, user, unknown = store.define("int"), store.unique("user"), store.unique("nobody")
    store.write(user, {name: 1})
    assert batch(client, [user, unknown, user]).json() == [
        {"user_id": user, "features": {name: 1}},
        {"user_id": unknown, "features": {}},
        {"user_id": user, "features": {name: 1}},
    ]


def test_batch_takes_1_to_100(client):
    assert batch(client, ["u"]).status_code == 200
    assert len(batch(client, ["u"] * 100).json()) == 100
    for user_ids in ([], ["u"] * 101):
        assert locations(batch(client, user_ids)) == [["body", "user_ids"]]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "user_ids"]),
        ({"user_ids": None}, ["body", "user_ids"]),
        ({"user_ids": "u"}, ["body", "user_ids"]),
        ({"user_ids": ["u", 5]}, ["body", "user_ids", 1]),
        ({"user_ids": ["u", ""]}, ["body", "user_ids", 1]),
        ([], ["body"]),
    ],
)
def test_what_is_wrong_is_named(client, body, loc):
    assert loc in locations(client.post("/features/batch", json=body))


LITERALS = ["batch", "online", "ingest", "definitions", "bulk"]


@pytest.mark.parametrize("user", LITERALS)
def test_users_called_like_a_route_are_read_by_batch(store, client, user):
    name = store.define("string")
    store.write(user, {name: user})
    assert batch(client, [user]).json()[0]["features"][name] == user
    assert store.read_one(user, name) == user


@pytest.mark.parametrize("user", ["batch", "online", "ingest"])
def test_a_literal_wins_over_an_id(store, client, user):
    response = client.get(f"/features/{user}")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert client.delete(f"/features/{user}").status_code == 405


@pytest.mark.parametrize("user", ["definitions", "bulk", "health", "register", "features"])
def test_what_is_no_literal_there_is_an_id(store, client, user):
    name = store.define("string")
    store.write(user, {name: "x"})
    assert client.get(f"/features/{user}").json()["features"][name] == "x"


def test_a_user_whose_id_is_a_number(store, client):
    name = store.define("int")
    store.write("1", {name: 1})
    assert client.get("/features/1").json()["features"][name] == 1
