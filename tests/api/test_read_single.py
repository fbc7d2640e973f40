"""GET /features/online/{entity_id}: names as asked, null for what is not there."""

import urllib.parse

import pytest

from store import locations, path_id


@pytest.fixture
def pair(store):
    return [store.define("int"), store.define("string")]


@pytest.fixture
def user(store, pair):
    entity_id = store.unique("user")
    store.write(entity_id, {pair[0]: 25, pair[1]: "Oslo"})
    return entity_id


def test_answer_is_as_the_old_service_gave_it(store, user, pair):
    response = store.online(user, pair[:1])
    assert response.json() == {"entity_id": user, "features": {pair[0]: 25}}


def test_in_the_order_of_the_request(store, user, pair):
    assert list(store.read(user, pair)) == pair
    assert list(store.read(user, pair[::-1])) == pair[::-1]


def test_unknown_entities_are_null(store, pair):
    assert store.read(store.unique("nobody"), pair) == {pair[0]: None, pair[1]: None}


def test_without_names_all_it_has(store, user, pair):
    assert store.read(user) == {pair[0]: 25, pair[1]: "Oslo"}
    assert store.read(store.unique("nobody")) == {}


def test_repeated_parameters_add_up(client, user, pair):
    path = f"/features/online/{user}?feature_names={pair[1]}&feature_names={pair[0]}"
    assert client.get(path).json()["features"] == {pair[1]: "Oslo", pair[0]: 25}


def test_a_name_asked_twice_is_answered_once(store, user, pair):
    assert store.read(user, [pair[0], pair[0]]) == {pair[0]: 25}


def test_names_are_answered_as_they_were_asked(store, user, pair):
    asked = [f"{pair[0]}@1", pair[0]]
    assert list(store.read(user, asked).items()) == [(asked[0], 25), (asked[1], 25)]


def test_a_feature_service_in_place_of_names(store, user, pair):
    service = store.service([pair[1], f"{pair[0]}@1"])
    found = store.read(user, feature_service=service)
    assert list(found.items()) == [(pair[1], "Oslo"), (f"{pair[0]}@1", 25)]


def test_an_unknown_service_is_404(store, user):
    response = store.online(user, feature_service="no_such_service")
    assert response.status_code == 404
    assert "no_such_service" in response.json()["detail"]


def test_names_and_a_service_together_are_422(store, user, pair):
    response = store.online(user, pair, feature_service=store.service(pair))
    assert locations(response)[0][0] == "query"


def test_names_that_are_not_registered(store, user, pair):
    names = ["nope", pair[0], "what is this?", "ü", f"{pair[0]}@2", f"{pair[0]}@0", f"{pair[0]}@"]
    response = store.online(user, names)
    unknown = [name for name in names if name != pair[0]]
    assert response.json()["features"] == {pair[0]: 25} | {name: None for name in unknown}
    header = response.headers["X-Featured-Unregistered"]
    assert [urllib.parse.unquote(name) for name in header.split(",")] == unknown
    assert header.isascii() and " " not in header


def test_no_header_when_all_are_registered(store, user, pair):
    assert "X-Featured-Unregistered" not in store.online(user, pair).headers


def test_the_header_has_at_most_a_kibibyte(store, user):
    names = [f"nope_{number}_" + "x" * 90 for number in range(40)]
    header = store.online(user, names).headers["X-Featured-Unregistered"]
    assert 0 < len(header) <= 1024
    assert header.split(",")[:5] == names[:5]


def test_no_line_break_gets_into_a_header(client, user):
    response = client.get(f"/features/online/{user}?feature_names=a%0d%0aX-Evil:%201")
    assert response.status_code == 200
    assert "X-Evil" not in response.headers
    assert "a%0D%0AX-Evil" in response.headers["X-Featured-Unregistered"]


def test_strict_names_all_that_are_not_registered(store, user, pair):
    response = store.online(user, ["nope", pair[0], "neither"], strict="true")
    assert response.status_code == 404
    assert "nope" in response.json()["detail"]
    assert "neither" in response.json()["detail"]
    assert pair[0] not in response.json()["detail"]
    assert store.online(user, pair, strict="true").status_code == 200


@pytest.mark.parametrize("parameter", ["strict", "metadata"])
def test_booleans_of_the_query(store, user, pair, parameter):
    for text in ("true", "false", "1", "0"):
        assert store.online(user, pair, **{parameter: text}).status_code == 200
    assert ["query", parameter] in locations(store.online(user, pair, **{parameter: "maybe"}))


@pytest.mark.parametrize(
    "suffix", ["/", "//", "a/b", "%2F", " ", "+", "%", "?", "#", "ü", "日本語", "\0", "\x7f", ".", "..", ";", "&="]
)
def test_any_id(store, pair, suffix):
    entity_id = store.unique("id") + suffix
    store.write(entity_id, {pair[0]: 1})
    assert store.read_one(entity_id, pair[0]) == 1


def test_an_id_is_not_unescaped_twice(store, client, pair):
    plain, escaped = store.unique("a") + "/b", None
    escaped = plain.replace("/", "%2F")
    store.write(plain, {pair[0]: 1})
    assert store.read_one(escaped, pair[0]) is None
    # A plus is a plus in a path, and a space in a query.
    store.write(plain + "+", {pair[0]: 2})
    assert client.get(f"/features/online/{path_id(plain)}+").json()["entity_id"] == plain + "+"


@pytest.mark.parametrize("encoded", ["%ff", "%c3%28", "%ed%a0%80", "%f5%80%80%80", "%c0%af", "a%", "a%4", "a%zz"])
def test_an_id_that_is_not_utf8_or_badly_escaped_is_400(connect, encoded):
    assert connect().call("GET", f"/features/online/{encoded}").status == 400


@pytest.mark.parametrize("encoded", ["%ff", "a%", "%zz"])
def test_a_query_that_is_not_utf8_or_badly_escaped_is_400(connect, encoded):
    assert connect().call("GET", f"/features/online/u?feature_names={encoded}").status == 400


def test_ids_have_512_bytes_at_most(client, pair):
    assert client.get(f"/features/online/{'x' * 512}").status_code == 200
    for entity_id in ("x" * 513, "%C3%BC" * 257):
        assert ["path", "entity_id"] in locations(client.get(f"/features/online/{entity_id}"))


def test_unregistered_names_are_counted_in_the_metrics(client, user):
    def total():
        lines = client.get("/metrics").text.splitlines()
        numbers = [line.rsplit(" ", 1)[1] for line in lines if "unregistered" in line.split(" ")[0]]
        return sum(float(number) for number in numbers)

    before = total()
    client.get(f"/features/online/{user}?feature_names=nope,neither")
    assert total() == before + 2
