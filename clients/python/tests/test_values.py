"""What goes in comes out, and what must not go in is refused with the server's words."""

import math
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

import featured
from featured import FeatureValue

UTC = timezone.utc
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=5, minutes=30)))


@pytest.mark.parametrize(
    ("name", "value", "comes_back"),
    [
        ("an_int", 2**63 - 1, 2**63 - 1),
        ("an_int", -(2**63), -(2**63)),
        ("an_int", np.int32(7), 7),
        ("an_int", 25.0, 25),
        ("a_float", 0.1, 0.1),
        ("a_float", 5e-324, 5e-324),
        ("a_float", np.float32(0.1), float(np.float32(0.1))),
        ("a_float", 3, 3.0),
        ("a_bool", True, True),
        ("a_bool", np.bool_(False), False),
        ("a_text", "", ""),
        ("a_text", 'Zoë "\\\n\0 😀', 'Zoë "\\\n\0 😀'),
        ("a_time", WHEN, "2026-01-01T21:34:05.678901Z"),
        ("a_time", pd.Timestamp(WHEN), "2026-01-01T21:34:05.678901Z"),
        ("a_time", 1767323045123, "2026-01-02T03:04:05.123000Z"),
        ("a_vector", [1, 2.5, -3], [1.0, 2.5, -3.0]),
        ("a_vector", np.array([1, 2, 3], dtype=np.float32), [1.0, 2.0, 3.0]),
        ("a_list", [0.5], [0.5]),
        ("a_json", {"a": [1, None, {"b": "c"}]}, {"a": [1, None, {"b": "c"}]}),
        ("a_json", "text", "text"),
        ("an_int", None, None),
        ("a_time", pd.NaT, None),
        ("an_int", pd.NA, None),
    ],
)
def test_value_comes_back(store, new_id, name, value, comes_back):
    user = new_id()
    store.ingest(user, {name: value})
    found = store.get(user, name)[name]
    assert found == comes_back
    assert type(found) is type(comes_back)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("an_int", float("nan"), "malformed JSON"),
        ("a_float", float("inf"), "malformed JSON"),
        ("an_int", 2**63, "must fit in 64 bits"),
        ("an_int", 10**400, "64 bits"),
        ("an_int", "25", "must be an integer of at most 64 bits, not a string"),
        ("an_int", 25.5, "must be a whole number"),
        ("a_bool", 1, "a_bool"),
        ("a_text", "\ud800", "malformed JSON"),
        ("a_vector", [1, 2], "a_vector"),
        ("a_list", [], "a_list"),
        ("a_vector", [1, None, 2], "a_vector"),
        ("required", None, "required"),
    ],
)
def test_refused_with_the_servers_words(store, new_id, name, value, words):
    user = new_id()
    with pytest.raises(featured.InvalidRequest, match=words) as caught:
        store.ingest(user, {name: value})
    assert caught.value.status in (400, 422)
    assert caught.value.request_id
    assert store.get(user) == {}


@pytest.mark.parametrize("value", [datetime(2026, 1, 2), pd.Timestamp("2026-01-02")])
def test_naive_times_are_refused(store, value):
    with pytest.raises(ValueError, match="no time zone"):
        store.ingest("u", {"a_time": value})
    with pytest.raises(ValueError, match="no time zone"):
        store.ingest("u", {"an_int": 1}, event_timestamp=value)


@pytest.mark.parametrize("value", [WHEN.date(), timedelta(1), b"bytes", {1}, object(), 1j])
def test_what_is_no_value_is_refused(store, value):
    with pytest.raises(TypeError):
        store.ingest("u", {"a_json": value})


@pytest.mark.parametrize(
    "user", ["a/b", "..", ".", "...", "ü", "%41", "%2F", "a b", "?x=1", "#", "\n", "export", 7]
)
def test_any_id(store, user):
    store.ingest(user, {"an_int": 5})
    assert store.get(user) == {"an_int": 5}
    assert store.get(user, "an_int") == {"an_int": 5}
    assert store.get_user(user) == {"an_int": 5}
    assert store.erase(user) == 1
    assert store.get(user) == {}


@pytest.mark.parametrize("user", [True, 1.5, None, b"u"])
def test_ids_that_are_none(store, user):
    with pytest.raises(TypeError, match="entity id"):
        store.get(user)
    with pytest.raises(TypeError, match="list of entity ids"):
        store.get_many("user_1", "an_int")


def test_event_times_and_metadata(store, new_id):
    user = new_id()
    store.ingest(
        user, {"an_int": 1, "a_float": FeatureValue(2.0, WHEN - timedelta(days=1))}, event_timestamp=WHEN
    )
    late = store.ingest(user, {"an_int": 9, "a_text": "x"}, event_timestamp=WHEN - timedelta(seconds=1))
    assert (late.values_written, late.values_late) == (1, 1)
    cells = store.get_with_metadata(user, ["an_int", "a_float", "a_bool"])
    assert cells["an_int"] == FeatureValue(1, WHEN.astimezone(UTC), "PRESENT")
    assert cells["a_float"] == FeatureValue(2.0, WHEN.astimezone(UTC) - timedelta(days=1), "PRESENT")
    assert cells["a_bool"] == FeatureValue(None, None, "NOT_FOUND")
    assert store.get_many_with_metadata([user], ["an_int"]) == [{"an_int": cells["an_int"]}]
    # What metadata gives, ingest takes.
    other = new_id()
    store.ingest(other, {"an_int": cells["an_int"]})
    assert store.get_with_metadata(other)["an_int"] == cells["an_int"]


def test_unknown_names(server, store):
    with pytest.raises(featured.NotFound, match="Feature 'zz' not registered"):
        store.get("u", ["an_int", "zz"])
    with pytest.raises(featured.NotFound, match="zz"):
        store.get("u", feature_service="zz")
    with pytest.raises(ValueError, match="one of the two"):
        store.get_many(["u"])
    with server.store(strict=False) as lenient:
        assert lenient.get("nobody", ["an_int", "zz"]) == {"an_int": None, "zz": None}
        matrix = lenient.get_numpy(["nobody"], ["zz"])
        assert math.isnan(matrix.values[0, 0])
        assert lenient.get_pandas(["nobody"], ["zz"])["zz"].iloc[0] is None
        assert str(lenient.get_arrow(["nobody"], ["zz"]).schema.field("zz").type) == "null"
