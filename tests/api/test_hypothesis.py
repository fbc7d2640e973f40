"""What is written is what is read, for every type; hypothesis looks for the value that is not."""

import datetime
import json
import math

import numpy
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from server import EXAMPLES
from store import Store, path_id

RUN = settings(
    max_examples=6 * EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def module_store(session_client):
    return Store(session_client)


@pytest.fixture(scope="module")
def names(module_store):
    types = ("int", "float", "boolean", "string", "timestamp", "embedding", "json")
    return {data_type: module_store.define(data_type) for data_type in types}


def exact(value):
    """Tells 1 from 1.0, 0.0 from -0.0 and true from 1."""
    return json.dumps(value, ensure_ascii=False)


@RUN
@given(value=st.integers(-(2**63), 2**63 - 1))
@example(value=2**63 - 1)
@example(value=-(2**63))
@example(value=2**53 + 1)
def test_int(module_store, names, value):
    module_store.write("h", {names["int"]: value})
    assert exact(module_store.read_one("h", names["int"])) == exact(value)


@RUN
@given(value=st.integers())
def test_int_out_of_range_is_refused(module_store, names, value):
    status = module_store.ingest("h", {names["int"]: value}).status_code
    assert status == (200 if -(2**63) <= value < 2**63 else 422)


@RUN
@given(value=st.floats(allow_nan=False, allow_infinity=False))
@example(value=5e-324)
@example(value=2.2250738585072014e-308)
@example(value=1.7976931348623157e308)
@example(value=-0.0)
@example(value=0.1 + 0.2)
@example(value=9007199254740993.0)
@example(value=1e23)
def test_float_is_the_same_bits_in_the_shortest_text(module_store, names, value):
    module_store.write("h", {names["float"]: value})
    response = module_store.online("h", [names["float"]])
    text = response.text.replace(" ", "").rsplit(":", 1)[1].removesuffix("}}")
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert "." in text or "e" in text.lower()
    assert len(digits(text)) <= len(digits(repr(value))), f"{text} is not the shortest"


def digits(text):
    mantissa = text.lower().lstrip("-").split("e")[0].replace(".", "")
    return mantissa.strip("0") or "0"


@RUN
@given(value=st.integers(-(2**53), 2**53))
def test_float_takes_integers(module_store, names, value):
    module_store.write("h", {names["float"]: value})
    found = module_store.read_one("h", names["float"])
    assert isinstance(found, float)
    assert found == value


@RUN
@given(value=st.text(max_size=300))
@example(value="\0")
@example(value="a\0b")
@example(value='"\\\b\f\n\r\t/')
@example(value="\u2028\u2029\ufeff\uffff\U0010ffff")
@example(value="\x7f\x80\x9f")
@example(value="\x1b[31m")
def test_string(module_store, names, value):
    module_store.write("h", {names["string"]: value})
    assert module_store.read_one("h", names["string"]) == value


@RUN
@given(value=st.datetimes(timezones=st.just(datetime.timezone.utc)), minutes=st.integers(-1439, 1439))
def test_timestamp(module_store, names, value, minutes):
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    try:
        written = value.astimezone(zone).isoformat()
    except OverflowError:
        written = value.isoformat()
    module_store.write("h", {names["timestamp"]: written})
    found = module_store.read_one("h", names["timestamp"])
    assert found.endswith("Z")
    assert datetime.datetime.fromisoformat(found.replace("Z", "+00:00")) == value


@RUN
@given(value=st.integers(-62135596800000, 253402300799999))
def test_timestamp_in_milliseconds(module_store, names, value):
    module_store.write("h", {names["timestamp"]: value})
    found = module_store.read_one("h", names["timestamp"]).replace("Z", "+00:00")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    since = datetime.datetime.fromisoformat(found) - epoch
    assert since // datetime.timedelta(milliseconds=1) == value


@RUN
@given(value=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
@example(value=[1.401298464324817e-45, 3.4028234663852886e38, -0.0])
def test_embedding(module_store, names, value):
    module_store.write("h", {names["embedding"]: value})
    found = module_store.read_one("h", names["embedding"])
    assert numpy.array(found, dtype="<f4").tobytes() == numpy.array(value, dtype="<f4").tobytes()


@RUN
@given(value=st.floats(-3e38, 3e38))
def test_embedding_is_rounded_to_32_bits(module_store, names, value):
    module_store.write("h", {names["embedding"]: [value]})
    (found,) = module_store.read_one("h", names["embedding"])
    assert numpy.float32(found) == numpy.float32(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)


@RUN
@given(value=JSON)
def test_json(module_store, names, value):
    module_store.write("h", {names["json"]: value})
    assert exact(module_store.read_one("h", names["json"])) == exact(value)


# "." and ".." as a path segment are resolved by the client (RFC 3986, 5.2.4) and never sent.
IDS = st.text(min_size=1, max_size=128).filter(
    lambda text: len(text.encode()) <= 512 and text not in (".", "..")
)


@RUN
@given(entity_id=IDS)
@example(entity_id="%2F")
@example(entity_id="a/b")
@example(entity_id=" ")
@example(entity_id="+")
@example(entity_id="\0")
@example(entity_id="\r\nX-Evil: 1")
@example(entity_id="?feature_names=x#y")
@example(entity_id="ü" * 256)
def test_entity_ids(module_store, names, entity_id):
    """Written in a body; read in a path, in a body, as a user; and erased."""
    name = names["string"]
    module_store.write(entity_id, {name: entity_id})
    assert module_store.read_one(entity_id, name) == entity_id
    assert module_store.batch([entity_id], [name]).json() == [
        {"entity_id": entity_id, "features": {name: entity_id}}
    ]
    answer = module_store.client.post("/features/batch", json={"user_ids": [entity_id]}).json()
    assert answer == [{"user_id": entity_id, "features": {name: entity_id}}]
    path = f"/features/online/{path_id(entity_id)}?entity=user"  # other tests have ids of other entities
    erased = module_store.client.delete(path).json()
    assert erased["entity_id"] == entity_id
    assert erased["values_deleted"] == 1
    assert module_store.read_one(entity_id, name) is None


@RUN
@given(name=st.text(min_size=1, max_size=30).filter(lambda text: "," not in text and text == text.strip()))
def test_names_that_are_asked_for_come_back_as_they_were(module_store, name):
    response = module_store.online("h", [name])
    assert response.status_code == 200
    assert response.json()["features"] == {name: None}


CELLS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8), st.integers(-9, 9)), max_size=25)


@RUN
@given(writes=CELLS)
def test_newest_event_wins_as_in_a_model(module_store, names, writes):
    """(feature, event time, value) in any order, in one request or in many."""
    store, user = module_store, module_store.unique("model")
    features = [names["int"], names["float"]]
    model, late = {}, 0
    for feature, time, value in writes:
        name = features[feature % 2]
        event = 1767323045000 + time
        if name in model and model[name][0] > event:
            late += 1
        else:
            model[name] = (event, value)
    cells = [
        {"feature_name": features[f % 2], "value": v, "event_timestamp": 1767323045000 + t}
        for f, t, v in writes
    ]
    assert store.write(user, cells)["values_late"] == late
    expected = {name: cell[1] for name, cell in model.items()}
    assert store.read(user) == expected
    for cell in cells:
        assert store.ingest(user, [cell]).status_code == 200
    if len({(c["feature_name"], c["event_timestamp"]) for c in cells}) == len(cells):
        assert store.read(user) == expected


@RUN
@given(value=st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_string_through_csv(module_store, names, value):
    store, name = module_store, names["string"]
    ids = [store.unique("csv") for _ in value]
    text = f"entity_id,{name}\r\n"
    for entity_id, item in zip(ids, value):
        text += entity_id + ',"' + item.replace('"', '""') + '"\r\n'
    response = store.csv(text)
    assert response.status_code == 200, response.text
    found = [item["features"][name] for item in store.batch(ids, [name]).json()]
    assert [item or "" for item in found] == value
