"""TTL is exact: served while now < event time + TTL, never after, and nothing comes back."""

import time

from store import Store
from test_ingest import now_ms


def set_ttl(store, name, ttl_seconds):
    assert store.put(name, "int", ttl_seconds=ttl_seconds).status_code == 200


def test_expiry_to_the_millisecond(store):
    """Every answer until past the end must be right for some moment of its own request."""
    name, user = store.define("int", ttl_seconds=3600), store.unique("user")
    event_ms = now_ms(-3600) + 400
    dies_at = (event_ms + 3600_000) / 1000
    store.write(user, {name: 7}, event_timestamp=event_ms)
    # The store's clock may be ahead of ours by what ours was ever stepped back, not behind.
    value = 7
    while value == 7:
        before = time.time()
        value = store.read_one(user, name)
        after = time.time()
        assert value is None or before < dies_at, f"still there {before - dies_at} s too late"
    assert value is None and after >= dies_at, f"{value} {dies_at - after} s too early"


def test_expired_on_arrival(store):
    name, user = store.define("int", ttl_seconds=60), store.unique("user")
    store.write(user, {name: 7}, event_timestamp=now_ms(-61))
    assert store.read(user) == {}
    assert store.read_one(user, name) is None
    assert store.client.get(f"/features/{user}").status_code == 404


def test_zero_and_null_never_expire(store):
    for ttl_seconds in (0, None):
        name, user = store.define("int", ttl_seconds=ttl_seconds), store.unique("user")
        store.write(user, {name: 7}, event_timestamp="1970-01-02T00:00:00Z")
        assert store.read_one(user, name) == 7


def test_an_expired_value_still_is_newer_than_an_older_one(store):
    name, user = store.define("int", ttl_seconds=60), store.unique("user")
    store.write(user, {name: 1}, event_timestamp=now_ms(-30))
    assert store.write(user, {name: 2}, event_timestamp=now_ms(-40))["values_late"] == 1
    assert store.read_one(user, name) == 1


def test_each_feature_has_its_own(store):
    short, long = store.define("int", ttl_seconds=60), store.define("int", ttl_seconds=3600)
    user = store.unique("user")
    store.write(user, {short: 1, long: 2}, event_timestamp=now_ms(-120))
    assert store.read(user, [short, long]) == {short: None, long: 2}
    assert store.read(user) == {long: 2}
    assert store.client.get(f"/features/{user}").json()["features"] == {long: 2}


def test_a_shorter_ttl_takes_effect_at_once(store):
    name, user = store.define("int", ttl_seconds=3600), store.unique("user")
    store.write(user, {name: 7}, event_timestamp=now_ms(-120))
    assert store.read_one(user, name) == 7
    set_ttl(store, name, 60)
    assert store.read_one(user, name) is None


def test_a_longer_ttl_takes_effect_at_once(store):
    name, user = store.define("int", ttl_seconds=60), store.unique("user")
    store.write(user, {name: 7}, event_timestamp=now_ms(-57))
    set_ttl(store, name, 3600)
    time.sleep(3.1)  # past the old end: there is no event to wait for
    assert store.read_one(user, name) == 7


def test_what_has_expired_does_not_come_back(store):
    name, user = store.define("int", ttl_seconds=60), store.unique("user")
    store.write(user, {name: 7}, event_timestamp=now_ms(-120))
    for ttl_seconds in (3600, None, 60, 86400):
        set_ttl(store, name, ttl_seconds)
        assert store.read_one(user, name) is None
        assert store.read(user) == {}


def test_nor_after_a_ttl_that_was_short_for_a_while(store):
    name, user = store.define("int", ttl_seconds=3600), store.unique("user")
    young = store.unique("user")
    store.write(user, {name: 7}, event_timestamp=now_ms(-120))
    store.write(young, {name: 8}, event_timestamp=now_ms(-10))
    set_ttl(store, name, 60)
    set_ttl(store, name, 3600)
    assert store.read_one(user, name) is None
    assert store.read_one(young, name) == 8


def test_a_value_may_arrive_for_the_dead_time(store):
    """dead_before holds for values by their event time, whenever they arrive."""
    name, user = store.define("int", ttl_seconds=60), store.unique("user")
    set_ttl(store, name, 3600)
    store.write(user, {name: 1}, event_timestamp=now_ms(-120))
    assert store.read_one(user, name) is None
    store.write(user, {name: 2}, event_timestamp=now_ms(-30))
    assert store.read_one(user, name) == 2


def test_dead_time_survives_a_restart(start_server, client_of):
    server = start_server()
    store = Store(client_of(server))
    name = store.define("int", ttl_seconds=60)
    set_ttl(store, name, 3600)
    server.stop()
    store = Store(client_of(server.start()))
    store.write("u", {name: 1}, event_timestamp=now_ms(-120))
    assert store.read_one("u", name) is None
    store.write("u", {name: 2}, event_timestamp=now_ms(-30))
    assert store.read_one("u", name) == 2


def test_a_new_version_never_had_the_old_ttl(store):
    """Type and TTL change together: old events may fill the new version, which never expires."""
    name = store.define("float", ttl_seconds=60)
    assert store.put(name, "int").status_code == 200
    hour_ago = int(time.time() * 1000) - 3600000
    body = {"entity_id": "fill", "features": [{"feature_name": f"{name}@2", "value": 1, "event_timestamp": hour_ago}]}
    assert store.client.post("/features/ingest", json=body).status_code == 200
    assert store.read_one("fill", f"{name}@2") == 1
