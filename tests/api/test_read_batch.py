"""POST /features/online: many ids, in the order of the request."""

import pytest

from store import locations


@pytest.fixture
def name(store):
    return store.define("int")


@pytest.fixture
def users(store, name):
    ids = [store.unique("user") for _ in range(4)]
    for number, user in enumerate(ids):
        store.write(user, {name: number})
    return ids


def post(store, **body):
    return store.client.post("/features/online", json=body)


def test_answer_is_as_the_old_service_gave_it(store, users, name):
    unknown = store.unique("nobody")
    response = store.batch([users[0], unknown], [name])
    assert response.json() == [
        {"entity_id": users[0], "features": {name: 0}},
        {"entity_id": unknown, "features": {name: None}},
    ]


def test_order_and_duplicates_are_kept(store, users, name):
    asked = [users[2], users[0], users[2], users[3], users[2]]
    answer = store.batch(asked, [name]).json()
    assert [item["entity_id"] for item in answer] == asked
    assert [item["features"][name] for item in answer] == [2, 0, 2, 3, 2]


def test_no_ids(store, name):
    response = store.batch([], [name])
    assert response.status_code == 200
    assert response.json() == []


def test_ten_thousand_ids_and_no_more(store, users, name):
    response = store.batch(users * 2500, [name])
    assert response.status_code == 200
    assert [item["features"][name] for item in response.json()] == [0, 1, 2, 3] * 2500
    response = store.batch(users * 2500 + users[:1], [name])
    assert locations(response) == [["body", "entity_ids"]]


def test_a_million_cells_and_no_more(store, users):
    names = [f"nope_{number}" for number in range(101)]
    assert store.batch(users[:1] * 10000, names[:2]).status_code == 200
    assert store.batch(users[:1] * 10000, names).status_code == 413


def test_a_feature_service_in_place_of_names(store, users, name):
    service = store.service([name])
    response = post(store, entity_ids=users, feature_service=service)
    assert [item["features"] for item in response.json()] == [{name: n} for n in range(4)]
    assert post(store, entity_ids=users, feature_service="no_such_service").status_code == 404


def test_names_and_a_service_or_neither(store, users, name):
    service = store.service([name])
    response = post(store, entity_ids=users, feature_names=[name], feature_service=service)
    assert response.status_code == 422
    assert post(store, entity_ids=users).status_code == 422
    response = post(store, entity_ids=users, feature_names=None, feature_service=None)
    assert response.status_code == 422
    assert post(store, entity_ids=users, feature_names=[name], feature_service=None).status_code == 200


def test_names_as_asked_and_unregistered_ones(store, users, name):
    response = store.batch(users[:2], [f"{name}@1", "nope"])
    assert [item["features"] for item in response.json()] == [
        {f"{name}@1": 0, "nope": None},
        {f"{name}@1": 1, "nope": None},
    ]
    assert response.headers["X-Featured-Unregistered"] == "nope"


def test_strict(store, users, name):
    body = {"entity_ids": users, "feature_names": ["nope", name, "neither"]}
    response = store.client.post("/features/online?strict=true", json=body)
    assert response.status_code == 404
    assert "nope" in response.json()["detail"] and "neither" in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"feature_names": ["a"]}, ["body", "entity_ids"]),
        ({"entity_ids": "u", "feature_names": ["a"]}, ["body", "entity_ids"]),
        ({"entity_ids": None, "feature_names": ["a"]}, ["body", "entity_ids"]),
        ({"entity_ids": ["u", 5], "feature_names": ["a"]}, ["body", "entity_ids", 1]),
        ({"entity_ids": ["u", ""], "feature_names": ["a"]}, ["body", "entity_ids", 1]),
        ({"entity_ids": ["u" * 513], "feature_names": ["a"]}, ["body", "entity_ids", 0]),
        ({"entity_ids": ["u"], "feature_names": "a"}, ["body", "feature_names"]),
        ({"entity_ids": ["u"], "feature_names": ["a", 5]}, ["body", "feature_names", 1]),
        ({"entity_ids": ["u"], "feature_service": 5}, ["body", "feature_service"]),
        ({"entity_ids": ["u"], "feature_names": ["a"], "metadata": "x"}, ["body", "metadata"]),
        ({"entity_ids": ["u"], "feature_names": ["a"], "entity": 5}, ["body", "entity"]),
        ([], ["body"]),
    ],
)
def test_what_is_wrong_is_named(client, body, loc):
    assert loc in locations(client.post("/features/online", json=body))


def test_an_entity_of_the_body_or_the_query(store):
    mine, theirs = store.define("int"), store.define("int", entity="driver")
    both = store.unique("id")
    store.write(both, {mine: 1, theirs: 2})
    body = {"entity_ids": [both], "feature_names": [theirs], "entity": "driver"}
    assert post(store, **body).json()[0]["features"] == {theirs: 2}
    del body["entity"]
    response = store.client.post("/features/online?entity=driver", json=body)
    assert response.json()[0]["features"] == {theirs: 2}


def test_features_of_several_entities(store):
    mine, theirs = store.define("int"), store.define("int", entity="driver")
    ids = [store.unique("id"), store.unique("id")]
    store.write(ids[0], {mine: 1, theirs: 2})
    store.write(ids[1], {theirs: 3})
    answer = store.batch(ids, [theirs, mine]).json()
    assert [item["features"] for item in answer] == [{theirs: 2, mine: 1}, {theirs: 3, mine: None}]
