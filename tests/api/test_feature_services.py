"""Feature services: the input vector of a model never changes under it."""

import json

import pytest

from raw import request
from store import Store, locations


@pytest.fixture
def pair(store):
    return [store.define("int"), store.define("float")]


def test_answer_says_what_it_resolved_to(store, client, pair):
    name = store.unique("service")
    body = {"name": name, "features": [pair[1], f"{pair[0]}@1"]}
    body |= {"description": "the model's input", "tags": {"owner": "risk"}}
    for response in (
        client.post("/feature-services", json=body),
        client.get(f"/feature-services/{name}"),
    ):
        answer = response.json()
        assert response.status_code == 200
        assert {key: answer[key] for key in body} == body
        assert answer["resolved"] == [f"{pair[1]}@1", f"{pair[0]}@1"]


def test_it_keeps_the_versions_that_its_names_meant(store, client, pair):
    name, user = pair[0], store.unique("user")
    service = store.service([name])
    store.put(name, "string")
    store.write(user, {f"{name}@1": 7, f"{name}@2": "x"})
    client.post(f"/features/definitions/{name}/activate", json={"version": 2})
    assert store.read_one(user, name) == "x"
    assert list(store.read(user, feature_service=service).values()) == [7]
    response = client.put(f"/feature-services/{service}", json={"features": [name]})
    assert response.json()["resolved"] == [f"{name}@2"]
    assert store.read(user, feature_service=service) == {name: "x"}


def test_a_version_that_is_not_active_may_be_a_member(store, pair):
    store.put(pair[0], "string")
    user = store.unique("user")
    store.write(user, {f"{pair[0]}@2": "x"})
    service = store.service([f"{pair[0]}@2"])
    assert store.read(user, feature_service=service) == {f"{pair[0]}@2": "x"}


def test_members_that_are_not_registered_are_named(store, client, pair):
    body = {"name": store.unique("service"), "features": [pair[0], "nope", f"{pair[1]}@9"]}
    response = client.post("/feature-services", json=body)
    assert locations(response)
    assert "nope" in response.text
    assert f"{pair[1]}@9" in response.text
    assert client.get(f"/feature-services/{body['name']}").status_code == 404


def test_a_known_name_is_409(store, client, pair):
    service = store.service(pair)
    response = client.post("/feature-services", json={"name": service, "features": pair})
    assert response.status_code == 409


def test_put_creates_and_replaces_whole(store, client, pair):
    path = f"/feature-services/{store.unique('service')}"
    first = client.put(path, json={"features": pair, "description": "one"})
    assert first.status_code == 200
    second = client.put(path, json={"features": pair[:1]}).json()
    assert second["features"] == pair[:1]
    assert second["description"] is None
    assert second["created_at"] == first.json()["created_at"]


def test_put_checks_name_and_members(store, client, pair):
    service = store.service(pair)
    path = f"/feature-services/{service}"
    assert client.put(path, json={"features": pair, "name": service}).status_code == 200
    response = client.put(path, json={"features": pair, "name": "other"})
    assert ["body", "name"] in locations(response)
    assert client.put(path, json={"features": ["nope"]}).status_code == 422


def test_list_is_by_name(store, client, pair):
    services = sorted(store.service(pair) for _ in range(3))
    listed = [item["name"] for item in client.get("/feature-services").json()["feature_services"]]
    assert listed == sorted(listed)
    assert [name for name in listed if name in services] == services


def test_a_long_list_is_whole(start_server, client_of):
    """Longer than what is written at once: several pieces, each entry as it is shown alone."""
    client = client_of(start_server())
    for name in ("a", "b"):
        client.post("/register", json={"name": name, "data_type": "int", "entity": "user"})
    names = [f"long_{number:02}" for number in range(40)]
    for name in names:
        assert client.put(f"/feature-services/{name}", json={"features": ["a", "b@1"] * 50}).status_code == 200
    response = client.get("/feature-services")
    assert response.headers["transfer-encoding"] == "chunked"
    listed = response.json()["feature_services"]
    assert [item["name"] for item in listed] == names
    assert listed == [client.get(f"/feature-services/{name}").json() for name in names]


def test_put_is_answered_with_what_it_wrote(store, client, connect, pair):
    """Also if another client deletes the service before the answer."""
    service = store.unique("service")
    body = json.dumps({"features": [pair[0], f"{pair[1]}@1"]}).encode()
    path = f"/feature-services/{service}"
    put = (
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    writer, deleter = connect(), connect()
    for _ in range(300):
        writer.send(put)
        deleter.send(request("DELETE", path))
        answer = writer.receive()
        assert answer.status == 200, answer
        assert json.loads(answer.body)["resolved"] == [f"{pair[0]}@1", f"{pair[1]}@1"]
        assert deleter.receive().status in (200, 404)


def test_delete(store, client, pair):
    service = store.service(pair)
    path = f"/feature-services/{service}"
    response = client.delete(path)
    assert response.status_code == 200
    assert service in response.json()["message"]
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    assert store.definition(pair[0])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a b"),
        ("name", ""),
        ("name", None),
        ("features", "user_age"),
        ("features", None),
        ("features", [5]),
        ("features", []),
        ("description", 5),
        ("tags", [1]),
    ],
)
def test_what_is_wrong_is_named(store, client, pair, field, value):
    body = {"name": store.unique("service"), "features": pair, field: value}
    response = client.post("/feature-services", json=body)
    assert any(loc[:2] == ["body", field] for loc in locations(response))


def test_unknown_fields(store, client, pair):
    body = {"name": store.unique("service"), "features": pair, "colour": "red"}
    response = client.post("/feature-services?strict=true", json=body)
    assert ["body", "colour"] in locations(response)
    answer = client.post("/feature-services", json=body).json()
    assert any("colour" in warning for warning in answer["warnings"])


def test_members_of_several_entities(store):
    user_feature = store.define("int")
    driver_feature = store.define("int", entity="driver")
    service, both = store.service([driver_feature, user_feature]), store.unique("id")
    store.write(both, {user_feature: 1, driver_feature: 2})
    assert store.read(both, feature_service=service) == {driver_feature: 2, user_feature: 1}


def test_services_survive_a_clean_restart(start_server, client_of):
    server = start_server()
    store = Store(client_of(server))
    name = store.define("int", tags={"ä": [1]})
    store.put(name, "string")
    service = store.service([name, f"{name}@2"], description="d", tags={"o": "r"})
    before = store.client.get(f"/feature-services/{service}").json()
    definition = store.definition(name)
    server.stop()
    store = Store(client_of(server.start()))
    assert store.client.get(f"/feature-services/{service}").json() == before
    assert store.definition(name) == definition


def test_a_member_given_twice_is_one_key(store):
    name, service = store.define("int"), store.unique("service")
    store.write("twice", {name: 1})
    body = {"name": service, "features": [name, name]}
    assert store.client.post("/feature-services", json=body).status_code == 200
    response = store.client.get("/features/online/twice", params={"feature_service": service})
    assert response.text == f'{{"entity_id":"twice","features":{{"{name}":1}}}}'
