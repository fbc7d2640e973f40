"""POST /features/ingest: all or nothing, newest event wins, what is checked in which order."""

import datetime

import pytest

from store import locations

DAY = "2026-01-0{}T00:00:00Z"


def now_ms(offset_s=0):
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    return int((now + offset_s) * 1000)


def test_answer_is_as_the_old_service_gave_it(store):
    names, user = [store.define("int"), store.define("string")], store.unique("user")
    assert store.write(user, {names[0]: 25, names[1]: "Oslo"}) == {
        "message": "Features ingested successfully",
        "entity_id": user,
        "features": names,
        "values_late": 0,
    }
    assert store.read(user, names) == {names[0]: 25, names[1]: "Oslo"}


def test_unregistered_is_404_and_nothing_is_written(store):
    name, user = store.define("int"), store.unique("user")
    response = store.ingest(user, {name: 1, "not_there": 2})
    assert response.status_code == 404
    assert response.json()["detail"] == "Feature 'not_there' not registered"
    assert store.read(user) == {}
    response = store.ingest(user, {f"{name}@2": 1})
    assert response.status_code == 404
    assert response.json()["detail"] == f"Feature '{name}@2' not registered"


def test_one_wrong_value_and_nothing_is_written(store):
    names, user = [store.define("int") for _ in range(3)], store.unique("user")
    response = store.ingest(user, dict(zip(names, (1, "x", 3))))
    assert ["body", "features", 1, "value"] in locations(response)
    assert store.read(user) == {}


def test_shape_is_checked_before_existence(store):
    features = [{"feature_name": "not_there", "value": 1}, {"feature_name": 5, "value": 1}]
    response = store.ingest("u", features)
    assert ["body", "features", 1, "feature_name"] in locations(response)
    features = [{"feature_name": "not_there", "value": 1}, {"feature_name": "not_there"}]
    assert ["body", "features", 1, "value"] in locations(store.ingest("u", features))


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"features": []}, ["body", "entity_id"]),
        ({"entity_id": "u"}, ["body", "features"]),
        ({"entity_id": 5, "features": []}, ["body", "entity_id"]),
        ({"entity_id": None, "features": []}, ["body", "entity_id"]),
        ({"entity_id": "", "features": []}, ["body", "entity_id"]),
        ({"entity_id": "u" * 513, "features": []}, ["body", "entity_id"]),
        ({"entity_id": "ü" * 257, "features": []}, ["body", "entity_id"]),
        ({"entity_id": "u", "features": {"a": 1}}, ["body", "features"]),
        ({"entity_id": "u", "features": "a"}, ["body", "features"]),
        ({"entity_id": "u", "features": [5]}, ["body", "features", 0]),
        ({"entity_id": "u", "features": [{"value": 1}]}, ["body", "features", 0, "feature_name"]),
        ({"entity_id": "u", "features": [], "event_timestamp": "x"}, ["body", "event_timestamp"]),
        ({"entity_id": "u", "features": [], "event_timestamp": True}, ["body", "event_timestamp"]),
        ({"entity_id": "u", "features": [], "entity": 5}, ["body", "entity"]),
        ([], ["body"]),
        ("text", ["body"]),
    ],
)
def test_what_is_wrong_is_named(client, body, loc):
    assert loc in locations(client.post("/features/ingest", json=body))


def test_the_longest_id(store):
    name, user = store.define("int"), store.unique("u").ljust(510, "u") + "ü"
    store.write(user, {name: 1})
    assert store.read_one(user, name) == 1


def test_null_for_what_is_optional(store):
    name, user = store.define("int"), store.unique("user")
    store.write(user, {name: 1}, event_timestamp=None, entity=None)
    assert store.read_one(user, name) == 1


@pytest.mark.parametrize(
    ("times", "winner", "late"),
    [((1, 2), "second", 0), ((2, 1), "first", 1), ((1, 1), "second", 0)],
)
def test_a_feature_named_twice(store, times, winner, late):
    name, user = store.define("string"), store.unique("user")
    answer = store.write(
        user,
        [
            {"feature_name": name, "value": value, "event_timestamp": DAY.format(day)}
            for value, day in zip(("first", "second"), times)
        ],
    )
    assert store.read_one(user, name) == winner
    assert answer["values_late"] == late


def test_newest_event_wins_and_late_ones_are_counted(store):
    name, user = store.define("int"), store.unique("user")
    late = []
    for day in (3, 1, 2, 3, 4):
        answer = store.write(user, {name: day * 10}, event_timestamp=DAY.format(day))
        late.append(answer["values_late"])
    assert late == [0, 1, 1, 0, 0]
    assert store.read_one(user, name) == 40


def test_at_a_tie_the_later_arrival_wins(store):
    name, user = store.define("int"), store.unique("user")
    for value in (1, 2, 3):
        store.write(user, {name: value}, event_timestamp=DAY.format(1))
    assert store.read_one(user, name) == 3


def test_late_for_one_feature_is_not_late_for_another(store):
    names, user = [store.define("int"), store.define("int")], store.unique("user")
    store.write(user, {names[0]: 1}, event_timestamp=DAY.format(2))
    answer = store.write(user, {names[0]: 9, names[1]: 9}, event_timestamp=DAY.format(1))
    assert answer["values_late"] == 1
    assert store.read(user, names) == {names[0]: 1, names[1]: 9}


def test_an_event_time_of_a_feature_wins_over_that_of_the_request(store):
    names, user = [store.define("int"), store.define("int")], store.unique("user")
    values = [
        {"feature_name": names[0], "value": 1, "event_timestamp": 1767323045123},
        {"feature_name": names[1], "value": 2},
    ]
    store.write(user, values, event_timestamp="2026-01-02T03:04:05.123456+00:00")
    found = store.metadata(user, names)
    assert found[names[0]]["event_timestamp"].startswith("2026-01-02T03:04:05.123")
    assert not found[names[0]]["event_timestamp"].startswith("2026-01-02T03:04:05.1234")
    assert found[names[1]]["event_timestamp"] == "2026-01-02T03:04:05.123456Z"


def test_without_an_event_time_it_is_now(store):
    name, user = store.define("int"), store.unique("user")
    before = datetime.datetime.now(datetime.timezone.utc)
    store.write(user, {name: 1})
    after = datetime.datetime.now(datetime.timezone.utc)
    text = store.metadata(user, [name])[name]["event_timestamp"]
    event = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    # The clock of the store never steps back and may be a little ahead of a wall clock that did.
    slack = datetime.timedelta(seconds=1)
    assert before - slack <= event <= after + slack


def test_what_is_now_is_not_late_after_what_was_now(store):
    name, user = store.define("int"), store.unique("user")
    for value in range(50):
        assert store.write(user, {name: value})["values_late"] == 0
    assert store.read_one(user, name) == 49


def test_five_minutes_into_the_future_and_no_more(store):
    name, user = store.define("int"), store.unique("user")
    response = store.ingest(user, {name: 1}, event_timestamp=now_ms(302))
    assert ["body", "event_timestamp"] in locations(response)
    value = {"feature_name": name, "value": 1, "event_timestamp": now_ms(3600)}
    response = store.ingest(user, [value])
    assert ["body", "features", 0, "event_timestamp"] in locations(response)
    assert store.read(user) == {}
    assert store.ingest(user, {name: 1}, event_timestamp=now_ms(290)).status_code == 200
    assert store.read_one(user, name) == 1


def test_features_of_several_entities_in_one_request(store):
    user_feature, driver_feature = store.define("int"), store.define("int", entity="driver")
    both = store.unique("id")
    store.write(both, {user_feature: 1, driver_feature: 2})
    assert store.read(both, [user_feature, driver_feature]) == {user_feature: 1, driver_feature: 2}
    assert store.read(both, entity="user") == {user_feature: 1}
    assert store.read(both, entity="driver") == {driver_feature: 2}


def test_several_entities_are_all_or_nothing(store):
    user_feature, driver_feature = store.define("int"), store.define("int", entity="driver")
    both = store.unique("id")
    assert store.ingest(both, {user_feature: 1, driver_feature: "x"}).status_code == 422
    assert store.read(both) == {}


def test_ids_are_compared_byte_for_byte(store):
    name, prefix = store.define("string"), store.unique("id")
    ids = [prefix + suffix for suffix in ("e\u0301", "é", "É", " ", "", "\0", "%00", "/", "%2F")]
    for entity_id in ids:
        store.write(entity_id, {name: entity_id})
    assert [store.read_one(entity_id, name) for entity_id in ids] == ids


def test_ten_thousand_features_in_one_request(store, client):
    name, user = store.define("int"), store.unique("user")
    values = [{"feature_name": name, "value": value} for value in range(10000)]
    assert len(store.write(user, values)["features"]) == 10000
    assert store.read_one(user, name) == 9999
    assert store.ingest(user, values + values[:1]).status_code in (413, 422)


def test_a_value_that_was_read_is_one_that_was_acknowledged(store):
    name, user = store.define("int"), store.unique("user")
    for value in range(100):
        store.write(user, {name: value})
        assert store.read_one(user, name) == value
