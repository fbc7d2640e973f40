"""metadata=true: per value its event time and how it came to be answered."""

import pytest

from test_ingest import now_ms

TIME = "2026-01-02T03:04:05.678900Z"


@pytest.fixture
def cells(store, client):
    """One entity with a cell of every status."""
    alive, expired = store.define("int"), store.define("int", ttl_seconds=60)
    absent, user = store.define("int"), store.unique("user")
    null = store.define("int")
    store.write(user, {alive: 1, null: None}, event_timestamp=TIME)
    store.write(user, {expired: 1}, event_timestamp=now_ms(-61))
    return user, alive, null, absent, expired


def check(metadata, cells):
    _, alive, null, absent, expired = cells
    times = {alive: metadata[alive]["event_timestamp"], null: metadata[null]["event_timestamp"]}
    assert all(time.replace("6789Z", "678900Z") == TIME for time in times.values())
    statuses = {name: item["status"] for name, item in metadata.items()}
    # An expired value is forgotten once its memory has been given back.
    assert statuses.pop(expired) in ("OUTSIDE_MAX_AGE", "NOT_FOUND")
    assert statuses == {
        alive: "PRESENT",
        null: "NULL_VALUE",
        absent: "NOT_FOUND",
        "nope": "NOT_REGISTERED",
    }
    assert metadata[absent]["event_timestamp"] is None
    assert metadata["nope"]["event_timestamp"] is None


def test_of_one_entity(store, cells):
    check(store.metadata(cells[0], [*cells[1:], "nope"]), cells)


def test_of_a_batch_by_body_or_query(store, client, cells):
    names = [*cells[1:], "nope"]
    body = {"entity_ids": [cells[0], cells[0]], "feature_names": names}
    for response in (
        client.post("/features/online", json=body | {"metadata": True}),
        client.post("/features/online?metadata=true", json=body),
    ):
        for item in response.json():
            check(item["metadata"], cells)


def test_only_when_asked_for(store, cells):
    assert "metadata" not in store.online(cells[0], [cells[1]]).json()
    assert "metadata" not in store.online(cells[0], [cells[1]], metadata="false").json()
    assert "metadata" not in store.batch([cells[0]], [cells[1]], metadata=False).json()[0]


def test_it_has_the_names_as_asked(store, cells):
    name = f"{cells[1]}@1"
    assert list(store.metadata(cells[0], [name])) == [name]


def test_of_unknown_entities(store, cells):
    found = store.metadata(store.unique("nobody"), [cells[1]])
    assert found[cells[1]] == {"event_timestamp": None, "status": "NOT_FOUND"}


def test_of_users(store, client, cells):
    response = client.get(f"/features/{cells[0]}?metadata=true").json()
    assert response["metadata"][cells[1]]["status"] == "PRESENT"
    body = {"user_ids": [cells[0]], "metadata": True}
    (item,) = client.post("/features/batch", json=body).json()
    assert item["metadata"][cells[1]]["status"] == "PRESENT"


def test_of_a_feature_service(store, cells):
    service = store.service([cells[1], cells[3]])
    response = store.online(cells[0], feature_service=service, metadata="true")
    statuses = [item["status"] for item in response.json()["metadata"].values()]
    assert statuses == ["PRESENT", "NOT_FOUND"]
