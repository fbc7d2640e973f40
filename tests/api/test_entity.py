"""Which entity is meant when it is not said."""

from store import path_id


def test_the_same_id_in_two_entities(store, client):
    mine, theirs = store.define("int"), store.define("int", entity="driver")
    both = store.unique("id")
    store.write(both, {mine: 1, theirs: 2})
    # It follows from the names.
    assert store.read(both, [mine]) == {mine: 1}
    assert store.read(both, [theirs]) == {theirs: 2}
    # Else all of this id, but on the routes of users it is `user`.
    assert store.read(both) == {mine: 1, theirs: 2}
    assert client.get(f"/features/{path_id(both)}").json()["features"] == {mine: 1}
    # It was said.
    assert store.read(both, entity="user") == {mine: 1}
    assert store.read(both, entity="driver") == {theirs: 2}


def test_an_entity_that_nobody_described(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1})
    assert store.read(user, entity="no_such_entity") == {}


def test_an_entity_in_an_ingest_request(store):
    name, driver = store.define("int", entity="driver"), store.unique("driver")
    store.write(driver, {name: 1}, entity="driver")
    assert store.read_one(driver, name) == 1


def test_entities_do_not_see_each_other(store):
    mine, theirs = store.define("int"), store.define("int", entity="driver")
    user, driver = store.unique("id"), store.unique("id")
    store.write(user, {mine: 1})
    store.write(driver, {theirs: 2})
    assert store.read(user, [mine, theirs]) == {mine: 1, theirs: None}
    assert store.read(driver, [mine, theirs]) == {mine: None, theirs: 2}
