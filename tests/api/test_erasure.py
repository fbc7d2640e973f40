"""DELETE /features/online/{entity_id}: what was true up to now does not return."""

from store import path_id
from test_ingest import now_ms


def erase(store, entity_id, **parameters):
    return store.client.delete(f"/features/online/{path_id(entity_id)}", params=parameters)


def test_all_values(store):
    names, user = [store.define("int"), store.define("string")], store.unique("user")
    store.write(user, {names[0]: 1, names[1]: "x"})
    response = erase(store, user)
    assert response.status_code == 200
    assert response.json()["entity_id"] == user
    assert response.json()["values_deleted"] == 2
    assert store.read(user, names) == {names[0]: None, names[1]: None}
    assert store.read(user) == {}
    assert store.client.get(f"/features/{user}").status_code == 404


def test_named_values(store):
    names, user = [store.define("int") for _ in range(3)], store.unique("user")
    store.write(user, dict(zip(names, (1, 2, 3))))
    assert erase(store, user, feature_names=f"{names[0]},{names[2]}").json()["values_deleted"] == 2
    assert store.read(user) == {names[1]: 2}


def test_a_name_twice_is_one_value(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1})
    assert erase(store, user, feature_names=f"{name},{name}@1,{name}").json()["values_deleted"] == 1
    assert store.read(user) == {}


def test_an_empty_list_of_names_is_not_all(store, client):
    """A client whose list came out empty must not lose everything."""
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1})
    for query in ("feature_names=", "feature_names=,"):
        assert client.delete(f"/features/online/{user}?{query}").status_code == 422
    assert store.read_one(user, name) == 1


def test_nothing_there(store):
    name, user = store.define("int"), store.unique("user")
    for parameters in ({}, {"feature_names": name}, {"entity": "user"}):
        response = erase(store, user, **parameters)
        assert response.status_code == 200
        assert response.json()["values_deleted"] == 0


def test_a_second_time_there_is_nothing(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1})
    assert [erase(store, user).json()["values_deleted"] for _ in range(2)] == [1, 0]


def test_late_values_do_not_return(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1})
    erase(store, user)
    answer = store.write(user, {name: 2}, event_timestamp=now_ms(-60))
    assert answer["values_late"] == 1
    assert store.read_one(user, name) is None
    assert store.read(user) == {}


def test_not_even_where_there_was_nothing(store):
    """The entity was unknown when it was erased; an older value that arrives later stays out."""
    name, user = store.define("int"), store.unique("user")
    erase(store, user)
    store.write(user, {name: 2}, event_timestamp=now_ms(-60))
    assert store.read_one(user, name) is None


def test_not_even_of_other_features(store):
    names, user = [store.define("int"), store.define("int")], store.unique("user")
    store.write(user, {names[0]: 1})
    erase(store, user)
    store.write(user, {names[1]: 2}, event_timestamp=now_ms(-60))
    assert store.read(user) == {}


def test_named_erasure_leaves_other_features_open(store):
    names, user = [store.define("int"), store.define("int")], store.unique("user")
    store.write(user, {names[0]: 1})
    erase(store, user, feature_names=names[0])
    store.write(user, {names[0]: 2, names[1]: 2}, event_timestamp=now_ms(-60))
    assert store.read(user) == {names[1]: 2}


def test_what_is_true_afterwards_is_served(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1})
    erase(store, user)
    assert store.write(user, {name: 2})["values_late"] == 0
    assert store.read_one(user, name) == 2


def test_a_value_of_the_future_stays(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1}, event_timestamp=now_ms(200))
    assert erase(store, user).json()["values_deleted"] == 0
    assert store.read_one(user, name) == 1


def test_one_entity_or_all_of_this_id(store):
    mine, theirs = store.define("int"), store.define("int", entity="driver")
    both = store.unique("id")
    store.write(both, {mine: 1, theirs: 2})
    assert erase(store, both, entity="driver").json()["values_deleted"] == 1
    assert store.read(both) == {mine: 1}
    store.write(both, {theirs: 2})
    assert erase(store, both).json()["values_deleted"] == 2
    assert store.read(both) == {}


def test_others_stay(store):
    name = store.define("int")
    mine, other = store.unique("user"), store.unique("user")
    store.write(mine, {name: 1})
    store.write(other, {name: 2})
    erase(store, mine)
    assert store.read_one(other, name) == 2


def test_every_version_goes(store):
    name, user = store.define("int"), store.unique("user")
    store.put(name, "string")
    store.write(user, {f"{name}@1": 1, f"{name}@2": "x"})
    assert erase(store, user, feature_names=f"{name}@2").json()["values_deleted"] == 1
    assert store.read(user, [f"{name}@1", f"{name}@2"]) == {f"{name}@1": 1, f"{name}@2": None}
    store.write(user, {f"{name}@2": "y"})
    assert erase(store, user).json()["values_deleted"] == 2
    assert store.read(user, [f"{name}@1", f"{name}@2"]) == {f"{name}@1": None, f"{name}@2": None}


def test_an_id_with_a_slash(store):
    name, user = store.define("int"), store.unique("a/b c")
    store.write(user, {name: 1})
    assert erase(store, user).json()["values_deleted"] == 1
