"""A table `features` that the first replaced service made: served as it is, and that service goes on."""

import datetime
import time

import pytest

import postgres
from other_service import CREATED_AT, OtherService
from server import Server
from waiting import await_that

# As older and as newer SQLModels keep times.
WITH_AND_WITHOUT_ZONE = pytest.mark.parametrize("has_zone", [False, True], ids=["timestamp", "timestamptz"])

pytestmark = pytest.mark.skipif(not postgres.programs(), reason="PostgreSQL is not installed")


@pytest.fixture
def has_zone():
    return False


@pytest.fixture
def other(database, has_zone):
    service = OtherService(postgres.shared().url(database), has_zone)
    yield service
    service.close()


@pytest.fixture
def adopted(servers, database, other):
    """A server on the table of the .other service."""
    other.add("age", ttl_seconds=3600, tags={"team": "risk"})
    other.add("gone")
    other.add("score", "float")
    other.delete("gone")
    [store] = servers(postgres.shared().url(database), "a")
    store.other = other
    return store


@WITH_AND_WITHOUT_ZONE
def test_a_table_of_another_service_is_adopted(adopted):
    age = adopted.definition("age")
    assert (age["id"], age["version"], age["data_type"], age["ttl_seconds"]) == (1, 1, "int", 3600)
    assert age["tags"] == {"team": "risk"}
    assert age["created_at"] == age["updated_at"] == "2025-01-02T03:04:05.000006Z"
    score = adopted.definition("score")
    assert (score["id"], score["tags"]) == (3, {})
    adopted.write("u", {"age": 41, "score": 0.5})
    assert adopted.read("u", ["age", "score"]) == {"age": 41, "score": 0.5}
    assert adopted.register("ours", "int")["id"] == 4
    assert adopted.put("age", "int", ttl_seconds=3_000_000_000).status_code == 200


def utc(time):
    return time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)


@WITH_AND_WITHOUT_ZONE
def test_that_service_reads_what_is_registered_here(adopted):
    adopted.register("ours", "float", description="a score", feature_group="risk", ttl_seconds=60,
                     is_nullable=False, tags={"owner": "ml"})
    ours = adopted.other.get("ours")
    assert (ours.id, ours.data_type, ours.entity, ours.description) == (4, "float", "user", "a score")
    assert (ours.feature_group, ours.ttl_seconds, ours.is_nullable) == ("risk", 60, False)
    assert ours.tags == {"owner": "ml"}
    assert utc(ours.created_at) > CREATED_AT
    assert adopted.put("age", "int", description="in years", ttl_seconds=60).status_code == 200
    age = adopted.other.get("age")
    assert (age.id, age.description, age.ttl_seconds) == (1, "in years", 60)
    assert utc(age.created_at) == CREATED_AT < utc(age.updated_at)
    assert adopted.client.delete("/features/4").status_code == 200
    assert adopted.other.names() == ["age", "score"]


@WITH_AND_WITHOUT_ZONE
def test_that_service_goes_on(adopted):
    other = adopted.other
    adopted.write("u", {"age": 41})
    assert other.add("theirs") == 4
    adopted.write("u", {"theirs": 1})
    assert adopted.register("ours", "int")["id"] == 5
    assert other.get("age").ttl_seconds == 3600
    # An id of the client's choice, which its API allows; ours goes on behind it.
    other.add("chosen", id=50)
    assert adopted.register("behind", "int")["id"] == 51
    other.change("age", ttl_seconds=60, description="theirs")
    await_that(lambda: adopted.definition("age")["description"] == "theirs")
    assert adopted.definition("age")["ttl_seconds"] == 60
    # It calls the type something else: that is a new version.
    other.change("theirs", data_type="string")
    await_that(lambda: adopted.definition("theirs")["version"] == 2)
    adopted.write("u", {"theirs": "text"})
    assert adopted.read("u", ["theirs", "theirs@1"]) == {"theirs": "text", "theirs@1": 1}
    other.change("theirs", entity="driver")
    await_that(lambda: adopted.definition("theirs")["entity"] == "driver")
    adopted.write("d", {"theirs": "text"})
    other.delete("age")
    await_that(lambda: adopted.client.get("/features/definitions/age").status_code == 404)
    assert other.names() == ["score", "theirs", "ours", "chosen", "behind"]


def test_ids_that_were_chosen_are_not_given_again(servers, database, other):
    other.add("chosen", id=2)
    [a] = servers(postgres.shared().url(database), "a")
    assert [a.register(name, "int")["id"] for name in "xyz"] == [3, 4, 5]
    assert other.add("theirs") == 6


def test_what_that_service_writes_and_we_cannot_serve_is_left_out(adopted):
    adopted.other.add("view:bad")
    adopted.other.add("typed", "blob")
    adopted.other.add("fine")
    adopted.write("u", {"fine": 1})
    names = [feature["name"] for feature in adopted.client.get("/features").json()["features"]]
    assert names == ["age", "score", "fine"]
    assert "event=features_left_out count=2" in adopted.server.own_log()
    assert adopted.client.get("/ready").json() == {"status": "ready"}


def test_a_ttl_they_change_leaves_the_expired_dead(adopted):
    past_ms = time.time_ns() // 1_000_000 - 3_601_000
    adopted.write("u", {"age": 1}, event_timestamp=past_ms)
    assert adopted.read_one("u", "age") is None
    # In their own transaction: no server has seen it yet.
    dead_us = adopted.other.change("age", ttl_seconds=None, then="SELECT dead_before_us FROM "
                                   "feature_versions WHERE feature_id = 1")
    assert abs(dead_us - (time.time() - 3600) * 1e6) < 60e6
    await_that(lambda: adopted.definition("age")["ttl_seconds"] is None)
    assert adopted.read_one("u", "age") is None


@pytest.mark.parametrize("change, says", [
    ("INSERT INTO features (name, data_type, entity, is_nullable, created_at) "
     "VALUES ('view:age', 'int', 'user', true, now())", "row id 2, column name: expected a letter"),
    ("UPDATE features SET data_type = 'blob'", "row id 1, column data_type: expected int"),
    ("UPDATE features SET ttl_seconds = -1", "row id 1, column ttl_seconds"),
    ("UPDATE features SET created_at = 'infinity'", "row id 1, column created_at"),
    ("ALTER TABLE features DROP COLUMN tags", "no such column: tags"),
    ("ALTER TABLE features ALTER ttl_seconds TYPE varchar",
     "column ttl_seconds: expected integer or bigint, found character varying"),
    ("ALTER TABLE features ADD owner int NOT NULL DEFAULT 1; ALTER TABLE features ALTER owner DROP DEFAULT",
     "column owner: it must not be null and has no default"),
    ("DROP INDEX ix_features_name; INSERT INTO features SELECT 9, name, description, data_type, entity, "
     "feature_group, is_nullable, source, transformation, min_value, max_value, mean_value, std_dev, "
     "ttl_seconds, tags, created_at FROM features", "Key (name)=(age) is duplicated"),
])
def test_a_table_that_cannot_be_served_stays_as_it_is(backend, tmp_path, database, other, change,
                                                        says):
    def content():
        return [postgres.shared().sql(text, database) for text in (
            "SELECT * FROM features", "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
            "SELECT proname FROM pg_proc WHERE proname LIKE 'featured%'")]

    other.add("age")
    postgres.shared().sql(change, database)
    before = content()
    url = postgres.shared().url(database)
    said = Server(tmp_path / "a", backend, ("--database-url", url)).refuses_to_start()
    assert says in said and "nothing was changed" in said, said
    assert content() == before
