"""The second replaced service: its data is served as it is, and both go on beside each other.

Its side is the `redis` client of PyPI used as it does: hashes `user:{id}:features` written by
`hset(mapping=…)` in pipelines, the set `all_users`, no definitions, numbers cast to float where they can."""

import datetime

import pytest

from server import Server
from store import Store
from test_erasure import erase
from test_ingest import now_ms
from waiting import await_that

pytestmark = pytest.mark.only_on("redis", "valkey", "cluster")

# A key outlives its last value by so long (spec/redis-layout.md).
GRACE_S = 60


def key_of(user_id, entity="user"):
    return f"{entity}:{user_id}:features"


class OtherService:
    """What it does, and how it reads."""

    def __init__(self, client):
        self.client = client

    def ingest(self, users):
        pipe = self.client.pipeline()
        for user_id, features in users.items():
            pipe.hset(key_of(user_id), mapping=features)
            pipe.sadd("all_users", user_id)
        pipe.execute()

    def user(self, user_id):
        """None: its 404."""
        if not self.client.sismember("all_users", user_id):
            return None
        return {name: self.cast(text) for name, text in self.client.hgetall(key_of(user_id)).items()}

    @staticmethod
    def cast(text):
        try:
            return float(text)
        except ValueError:
            return text


def their_features(number):
    return {
        "age": 18 + number % 60,
        "purchase_count_30d": number % 9,
        "avg_purchase_value": round(number * 1.37 % 500, 2),
        "preferred_category": ("books", "games", "garden")[number % 3],
        "last_active": datetime.datetime(2025, 12, 1, number % 24, 0, 0, 123).isoformat(),
    }


def as_served(features):
    return {name: value if isinstance(value, str) else float(value) for name, value in features.items()}


@pytest.fixture
def other(start_server, client_of, backend):
    """The other service on the store of a server of ours: .store is the server's."""
    server = start_server()
    service = OtherService(backend.keyspaces.client(server.directory))
    service.store = Store(client_of(server))
    service.server = server
    yield service
    service.client.close()


def served(other, user_id):
    answer = other.store.client.get(f"/features/{user_id}")
    return answer.json()["features"] if answer.status_code == 200 else answer.status_code


def in_set(other, user_id):
    return bool(other.client.sismember("all_users", user_id))


def test_its_users_are_served_as_they_are(other):
    users = {f"user{number:05d}": their_features(number) for number in range(1, 2001)}
    other.ingest(users)
    for user_id in ("user00001", "user00777", "user02000"):
        answer = other.store.client.get(f"/features/{user_id}")
        assert answer.json() == {"user_id": user_id, "features": as_served(users[user_id])}
        assert answer.json()["features"] == other.user(user_id)
    assert '"age":19.0' in other.store.client.get("/features/user00001").text
    ids = list(users)
    for begin in range(0, len(ids), 100):
        answer = other.store.client.post("/features/batch", json={"user_ids": ids[begin : begin + 100]})
        assert answer.json() == [
            {"user_id": user_id, "features": as_served(users[user_id])}
            for user_id in ids[begin : begin + 100]]


def test_unknown_users(other):
    other.ingest({"known": their_features(1)})
    answer = other.store.client.get("/features/nobody")
    assert answer.status_code == 404 and answer.json()["detail"] == "User nobody not found"
    body = {"user_ids": ["nobody", "known", "nobody"]}
    answer = other.store.client.post("/features/batch", json=body).json()
    assert [item["features"] for item in answer] == [{}, as_served(their_features(1)), {}]
    # Its hash decides, not the set.
    other.client.sadd("all_users", "only_in_set")
    other.client.hset(key_of("not_in_set"), mapping={"age": 5})
    assert served(other, "only_in_set") == 404
    assert served(other, "not_in_set") == {"age": 5.0}


TEXTS = {
    "25": 25.0, "-3.5": -3.5, "0": 0.0, "0.1": 0.1, "12.50": 12.5, "1e3": 1000.0, "1.5E-7": 1.5e-07,
    "1.7976931348623157e308": 1.7976931348623157e308, "123456789012345678901234567890": 1.2345678901234568e29,
    "nan": "nan", "NaN": "NaN", "inf": "inf", "-inf": "-inf", "infinity": "infinity", "1e999": "1e999",
    "007": "007", "1_000": "1_000", " 5": " 5", "5 ": "5 ", "0x10": "0x10", "1,5": "1,5", "": "",
    "books": "books", "True": "True", "None": "None", "2025-12-01T10:00:00": "2025-12-01T10:00:00",
    "Zoë €": "Zoë €", '{"a": 1}': '{"a": 1}', "1.2.3": "1.2.3", "--1": "--1", ".": ".", "-": "-",
}


def test_plain_decimals_are_floats_and_all_else_is_text(other):
    fields = {f"f{number}": text for number, text in enumerate(TEXTS)}
    other.client.hset(key_of("u"), mapping=fields)
    expected = {name: TEXTS[text] for name, text in fields.items()}
    found = served(other, "u")
    assert found == expected
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in expected.items()}


def test_what_is_no_text_does_not_break_an_answer(other):
    """Bytes that are no UTF-8, in a value or in the name of a field."""
    other.client.hset(key_of("u"), mapping={"good": "1", "bytes": b"\xff\xfe", b"\xff": "1", "nul": b"a\0b"})
    found = served(other, "u")
    assert found["good"] == 1.0 and found["nul"] == "a\0b"
    assert set(found) <= {"good", "nul", "bytes", "\ufffd"}


def test_it_goes_on_writing_beside_us(other):
    store = other.store
    other.ingest({"u": {"age": 30, "preferred_category": "books"}})
    store.define("int", "age")
    store.define("float", "score")
    assert store.read("u", ["age", "score"]) == {"age": 30, "score": None}
    store.write("u", {"score": 0.5})
    assert served(other, "u") == {"age": 30, "score": 0.5, "preferred_category": "books"}
    for age in (31, 32, 33):
        other.ingest({"u": {"age": age, "purchase_count_30d": age}})
        assert served(other, "u") == {
            "age": age, "score": 0.5, "preferred_category": "books", "purchase_count_30d": float(age)}
    store.write("u", {"age": 40})
    assert store.read_one("u", "age") == 40
    other.ingest({"u": {"age": 41}})  # last one to write
    assert store.read_one("u", "age") == 41
    assert other.user("u")["age"] == 41.0


VALUES = {
    "int": (25, "25"), "float": (0.5, "0.5"), "whole": (3.0, "3.0"), "boolean": (True, "true"),
    "string": ("Oslo, Zoë", "Oslo, Zoë"), "timestamp": ("2026-01-02T03:04:05.123456Z",) * 2,
    "embedding": ([0.5, -1.0], "[0.5,-1.0]"), "json": ({"a": [1, None]}, '{"a":[1,null]}'),
}


def test_what_we_wrote_is_read_by_it_as_plain_fields(other):
    store = other.store
    for name in VALUES:
        store.define("float" if name == "whole" else name, name)
    store.define("int", "absent")
    store.write("u", {name: value for name, (value, _) in VALUES.items()} | {"absent": None})
    fields = other.client.hgetall(key_of("u"))
    assert "__event_times" in fields
    del fields["__event_times"]
    assert fields == {name: text for name, (_, text) in VALUES.items()}
    assert store.read("u") == {name: value for name, (value, _) in VALUES.items()} | {"absent": None}
    assert other.client.hget(key_of("u"), "int") == "25"


def test_versions_have_fields_of_their_own(other):
    store = other.store
    store.define("int", "clicks")
    assert store.put("clicks", "string").status_code == 200
    store.write("u", {"clicks": 1, "clicks@2": "two"})
    assert other.client.hmget(key_of("u"), "clicks", "clicks@2") == ["1", "two"]


def test_another_entity_has_keys_of_its_own(other):
    store = other.store
    store.define("int", "trips", entity="driver")
    store.write("d1", {"trips": 7})
    assert other.client.hget(key_of("d1", "driver"), "trips") == "7"
    assert served(other, "d1") == 404
    other.client.hset(key_of("d1", "driver"), mapping={"rating": "4.5"})
    answer = store.client.get("/features/online/d1", params={"entity": "driver"})
    assert answer.json()["features"] == {"trips": 7, "rating": 4.5}


def test_registered_features_beside_fields_of_others(other):
    store = other.store
    store.define("int", "clicks")
    other.client.hset(key_of("u"), mapping={"clicks": "7", "foreign": "1.5", "text": "x"})
    assert store.read("u", ["clicks", "foreign"]) == {"clicks": 7, "foreign": None}
    assert served(other, "u") == {"clicks": 7, "foreign": 1.5, "text": "x"}
    # It is what was declared if it can be.
    other.client.hset(key_of("u"), "clicks", "7.5")
    assert store.read_one("u", "clicks") == 7.5
    other.client.hset(key_of("u"), "clicks", "many")
    assert store.read_one("u", "clicks") == "many"


def test_its_fields_lose_to_any_write_of_ours(other):
    store = other.store
    store.define("int", "clicks", ttl_seconds=0)
    other.client.hset(key_of("u"), mapping={"clicks": "99", "kept": "1"})
    metadata = store.metadata("u", ["clicks"])["clicks"]
    assert metadata == {"event_timestamp": None, "status": "PRESENT"}
    assert store.write("u", {"clicks": 1}, event_timestamp="1970-01-02T00:00:00Z")["values_late"] == 0
    assert store.read_one("u", "clicks") == 1
    assert store.write("u", {"clicks": 0}, event_timestamp="1970-01-01T00:00:00Z")["values_late"] == 1
    assert served(other, "u") == {"clicks": 1, "kept": 1.0}


def test_its_fields_never_expire(other):
    store = other.store
    store.define("int", "short", ttl_seconds=1)
    other.client.hset(key_of("u"), mapping={"short": "5", "foreign": "1"})
    store.client.post("/features/ingest", json={"entity_id": "v", "features": [
        {"feature_name": "short", "value": 1}]})
    await_that(lambda: store.read_one("v", "short") is None)
    assert store.read_one("u", "short") == 5
    assert other.client.ttl(key_of("u")) == -1


def remaining(other, user_id):
    """Seconds until the key goes; -1: never."""
    ms = other.client.pttl(key_of(user_id))
    return ms if ms < 0 else ms / 1000 - GRACE_S


def test_keys_expire_after_their_last_value(other):
    store = other.store
    store.define("int", "hour", ttl_seconds=3600)
    store.define("int", "day", ttl_seconds=86400)
    store.define("int", "always")
    store.write("u", {"hour": 1})
    assert remaining(other, "u") == pytest.approx(3600, abs=30)
    store.write("u", {"day": 1}, event_timestamp=now_ms(-3600))
    assert remaining(other, "u") == pytest.approx(86400 - 3600, abs=30)
    store.write("u", {"hour": 2})
    assert remaining(other, "u") == pytest.approx(86400 - 3600, abs=30)
    store.write("u", {"always": 2})
    assert remaining(other, "u") == -1
    store.write("u", {"hour": 3})
    assert remaining(other, "u") == -1
    # A key that never expires has something of others in it: it stays so.
    other.client.hset(key_of("theirs"), mapping={"age": 1})
    store.write("theirs", {"hour": 1})
    assert remaining(other, "theirs") == -1


def test_keys_learn_of_another_ttl(other):
    store = other.store
    store.define("int", "clicks", ttl_seconds=3600)
    for number in range(50):
        store.write(f"u{number}", {"clicks": number})
    assert store.put("clicks", "int", ttl_seconds=86400).status_code == 200
    await_that(lambda: all(remaining(other, f"u{number}") > 80000 for number in range(50)), timeout_s=30)
    assert store.put("clicks", "int", ttl_seconds=None).status_code == 200
    await_that(lambda: all(remaining(other, f"u{number}") == -1 for number in range(50)), timeout_s=30)


def test_the_fields_of_a_dropped_feature_go(other):
    store = other.store
    store.define("int", "kept")
    feature_id = store.register("dropped", "int")["id"]
    store.write("u", {"kept": 1, "dropped": 2})
    store.write("v", {"dropped": 2})
    other.client.hset(key_of("w"), mapping={"dropped": "3"})
    assert store.client.delete(f"/features/{feature_id}").status_code == 200
    assert served(other, "u") == {"kept": 1}
    assert served(other, "v") == 404
    await_that(lambda: not other.client.hexists(key_of("u"), "dropped"), timeout_s=30)
    await_that(lambda: not other.client.exists(key_of("v")), timeout_s=30)
    assert served(other, "w") == {"dropped": 3.0}  # theirs
    store.register("dropped", "string")
    assert store.read("u", ["kept", "dropped"]) == {"kept": 1, "dropped": None}


def test_all_users(other, backend):
    store = other.store
    store.define("int", "clicks", ttl_seconds=3600)
    store.define("int", "trips", entity="driver")
    store.write("u", {"clicks": 1})
    store.write("d", {"trips": 1})
    if backend.name == "cluster":
        erase(store, "u")
        assert not other.client.exists("all_users")
        return
    await_that(lambda: in_set(other, "u"))
    await_that(lambda: other.client.sismember("all_drivers", "d"))
    assert other.user("u")["clicks"] == 1.0
    rows = "".join(f"bulk_{number},1\n" for number in range(300))
    assert store.csv(f"entity_id,clicks\n{rows}").json()["rows_accepted"] == 300
    await_that(lambda: all(in_set(other, f"bulk_{number}") for number in range(300)))
    erase(store, "u")
    await_that(lambda: not in_set(other, "u"))
    assert other.user("u") is None
    other.ingest({"both": {"age": 1}})
    store.write("both", {"clicks": 1})
    erase(store, "both", feature_names="clicks")
    assert in_set(other, "both") and served(other, "both") == {"age": 1.0}


def test_erasing_an_id_erases_what_others_wrote_too(other):
    store = other.store
    store.define("int", "clicks")
    other.ingest({"u": {"age": 30, "city": "Oslo"}, "v": {"age": 31}})
    store.write("u", {"clicks": 1})
    assert erase(store, "u").json()["values_deleted"] == 3
    assert served(other, "u") == 404
    assert served(other, "v") == {"age": 31.0}
    other.ingest({"u": {"age": 32}})  # it may write again
    assert served(other, "u") == {"age": 32.0}


DAMAGE = ["", "nonsense", "[]", "{", '{"clicks":1}', '{"clicks":"x"}', '{"clicks":"99999999999999999999:1:v"}',
          "{" * 5000, '"' * 100, "\0", "null"]


@pytest.mark.parametrize("text", DAMAGE, ids=range(len(DAMAGE)))
def test_event_times_that_were_damaged(other, text):
    """Never a value that may be older than one that was served; a write says which key."""
    store = other.store
    store.define("int", "clicks")
    store.define("int", "more")
    store.write("u", {"clicks": 1, "more": 2})
    other.client.hset(key_of("u"), "__event_times", text)
    assert store.read_one("u", "clicks") is None
    refused = store.ingest("u", {"clicks": 3})
    assert refused.status_code == 503 and key_of("u") in refused.json()["detail"], refused.text
    store.write("v", {"clicks": 1})
    assert store.read_one("v", "clicks") == 1
    assert erase(store, "u").status_code in (200, 503)


def test_a_key_of_another_type(other):
    store = other.store
    store.define("int", "clicks")
    other.client.set(key_of("u"), "a string")
    for answer in (store.client.get("/features/u"), store.online("u", ["clicks"]),
                   store.ingest("u", {"clicks": 1})):
        assert answer.status_code in (200, 404, 503), answer.text
    assert other.client.get(key_of("u")) == "a string"
    answer = store.batch(["u", "v"], ["clicks"])
    assert answer.status_code in (200, 503)
    store.write("v", {"clicks": 1})


def test_many_fields(other):
    """Thousands in one row, as a wide table has it."""
    fields = {f"f{number}": number for number in range(5000)}
    other.client.hset(key_of("wide"), mapping=fields)
    assert served(other, "wide") == {name: float(value) for name, value in fields.items()}


def test_ids_and_names_with_colons_and_braces(other):
    store = other.store
    store.define("int", "clicks")
    for user_id in ("a:b", "{tag}", "{a}:{b}", "x}{", "user:1:features", "*", "a b", "ü"):
        store.write(user_id, {"clicks": 1})
        assert other.client.hget(key_of(user_id), "clicks") == "1"
        assert store.read_one(user_id, "clicks") == 1


def test_a_store_of_another_registry_is_refused(other, start_server, backend, tmp_path):
    other.store.define("int", "clicks")
    other.store.write("u", {"clicks": 1})
    url = other.server.environment["FEATURED_REDIS_URL"]
    stranger = Server(tmp_path / "stranger", backend, store_url=url)
    said = stranger.refuses_to_start()
    assert "belongs to another registry" in said and "featured:registry" in said
    assert other.store.read_one("u", "clicks") == 1
    # Its registry is gone: somebody says so.
    other.server.stop()
    other.client.delete("featured:registry")
    stranger.start()
    try:
        assert stranger.process.poll() is None
    finally:
        stranger.stop()


def test_a_database_that_is_emptied_meanwhile(other):
    store = other.store
    store.define("int", "clicks")
    store.write("u", {"clicks": 1})
    for key in list(other.client.scan_iter("*")):
        other.client.delete(key)
    assert store.read_one("u", "clicks") is None
    store.write("u", {"clicks": 2}, event_timestamp=now_ms(-60))
    assert store.read_one("u", "clicks") == 2
    await_that(lambda: other.client.exists("featured:registry"))


def test_two_servers_see_what_the_other_wrote(other, start_server, client_of, backend, tmp_path):
    """Of one registry: here a database in PostgreSQL, or the same directory one after the other."""
    store = other.store
    store.define("int", "clicks")
    store.write("u", {"clicks": 1})
    other.server.restart("kill")
    again = Store(client_of(other.server))
    assert again.read_one("u", "clicks") == 1
    assert again.write("u", {"clicks": 0}, event_timestamp=now_ms(-60))["values_late"] == 1


def test_scripts_that_redis_forgot(other):
    """SCRIPT FLUSH, or a restart: they are loaded again, and nobody notices."""
    store = other.store
    store.define("int", "clicks")
    for number in range(5):
        other.client.script_flush()
        store.write("u", {"clicks": number})
        other.client.script_flush()
        assert erase(store, "u").json()["values_deleted"] == 1
    assert "featured_redis_script_loads_total" in store.client.get("/metrics").text
