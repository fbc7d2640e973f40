"""DELETE /features/{id}: the definition, all its versions and values."""

import pytest


def delete(client, feature_id, **parameters):
    return client.delete(f"/features/{feature_id}", params=parameters)


def test_message_is_as_the_old_service_gave_it(store, client):
    name = store.unique()
    response = delete(client, store.register(name, "int")["id"])
    assert response.status_code == 200
    assert response.json()["message"] == f"Feature '{name}' deleted successfully"
    assert client.get(f"/features/definitions/{name}").status_code == 404


def test_unknown_is_404(store, client):
    feature_id = store.register(store.unique(), "int")["id"]
    assert delete(client, feature_id).status_code == 200
    for unknown in (feature_id, 10**15):
        response = delete(client, unknown)
        assert response.status_code == 404
        assert response.json()["detail"] == "Feature not found"


@pytest.mark.parametrize("feature_id", ["abc", "1.5", "-1", "0x1", "9" * 30])
def test_an_id_is_a_number(client, feature_id):
    assert delete(client, feature_id).status_code in (404, 422)


def test_the_name_comes_back_empty_and_with_another_id(store, client):
    name, user = store.unique(), store.unique("user")
    first = store.register(name, "int")
    store.put(name, "string")
    store.write(user, {f"{name}@1": 7, f"{name}@2": "x"})
    delete(client, first["id"])
    second = store.register(name, "int")
    assert second["id"] != first["id"]
    assert second["version"] == 1
    assert len(store.definition(name)["versions"]) == 1
    assert store.definition(name)["count"] == 0
    assert store.read_one(user, name) is None
    assert store.read(user) == {}


def test_the_values_of_others_stay(store, client):
    keep, drop, user = store.define("string"), store.unique(), store.unique("user")
    feature_id = store.register(drop, "string")["id"]
    store.write(user, {keep: "k" * 100, drop: "d" * 100})
    delete(client, feature_id)
    assert store.read(user) == {keep: "k" * 100}


def test_in_use_by_services_is_409_naming_them(store, client):
    name = store.unique()
    feature_id = store.register(name, "int")["id"]
    services = [store.service([name]), store.service([f"{name}@1"])]
    response = delete(client, feature_id)
    assert response.status_code == 409
    for service in services:
        assert service in response.json()["detail"]
    assert store.definition(name)["id"] == feature_id
    assert delete(client, feature_id, force="true").status_code == 200
    assert client.get(f"/features/definitions/{name}").status_code == 404


def test_a_service_outlives_a_forced_deletion(store, client):
    keep, drop, user = store.define("int"), store.unique(), store.unique("user")
    feature_id = store.register(drop, "int")["id"]
    service = store.service([keep, drop])
    store.write(user, {keep: 1, drop: 2})
    delete(client, feature_id, force="true")
    assert client.get(f"/feature-services/{service}").status_code == 200
    features = store.read(user, feature_service=service)
    assert features[keep] == 1
    assert features[drop] is None


def test_force_is_a_boolean(store, client):
    feature_id = store.register(store.unique(), "int")["id"]
    assert delete(client, feature_id, force="maybe").status_code == 422
    assert delete(client, feature_id, force="false").status_code == 200
