"""GET /features: filters add up, pages join without a gap."""

import concurrent.futures

import pytest

from store import Store, locations


@pytest.fixture
def group(store):
    """Five features of a group of their own."""
    name = store.unique("group")
    members = []
    for number in range(5):
        members.append(
            store.define(
                "int" if number % 2 else "float",
                entity="user" if number < 3 else "driver",
                feature_group=name,
                description=f"the {number}th",
                tags={"team": "risk" if number else "growth", "n": number, "even": number % 2 == 0},
            )
        )
    return name, members


def names(response):
    assert response.status_code == 200, response.text
    return [feature["name"] for feature in response.json()["features"]]


def test_all_features_are_listed_in_order_of_id(store, client):
    mine = [store.define() for _ in range(3)]
    listed = names(client.get("/features"))
    assert [name for name in listed if name in mine] == mine
    assert client.get("/features").json()["next_cursor"] is None
    ids = [feature["id"] for feature in client.get("/features").json()["features"]]
    assert ids == sorted(set(ids))


def test_by_group(client, group):
    name, members = group
    assert names(client.get("/features", params={"feature_group": name})) == members
    assert names(client.get("/features", params={"feature_group": name + "_not"})) == []


def test_by_entity(client, group):
    name, members = group
    parameters = {"feature_group": name, "entity": "driver"}
    assert names(client.get("/features", params=parameters)) == members[3:]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("team:growth", [0]),
        ("team:risk", [1, 2, 3, 4]),
        ("n:3", [3]),
        ("even:true", [0, 2, 4]),
        ("team:ris", []),
        ("colour:red", []),
    ],
)
def test_by_tag(client, group, tag, expected):
    name, members = group
    listed = names(client.get("/features", params={"feature_group": name, "tag": tag}))
    assert listed == [members[number] for number in expected]


def test_a_tags_value_may_hold_a_colon(store, client):
    group = store.unique("group")
    name = store.define(feature_group=group, tags={"url": "a:b:c"})
    parameters = {"feature_group": group, "tag": "url:a:b:c"}
    assert names(client.get("/features", params=parameters)) == [name]


def test_by_substring(store, client):
    part = store.unique("needle")
    name = store.define(name=f"a_{part}_b")
    assert names(client.get("/features", params={"q": part})) == [name]
    assert names(client.get("/features", params={"q": part + "%"})) == []
    assert names(client.get("/features", params={"q": part.replace("_", ".")})) == []


def test_pages_join_without_a_gap(client, group):
    name, members = group
    seen, parameters = [], {"feature_group": name, "limit": 2}
    while True:
        response = client.get("/features", params=parameters)
        page = names(response)
        assert 1 <= len(page) <= 2
        seen += page
        cursor = response.json()["next_cursor"]
        if cursor is None:
            break
        parameters["cursor"] = cursor
    assert seen == members


def test_a_page_goes_on_though_its_last_feature_was_deleted(store, client, group):
    name, members = group
    first = client.get("/features", params={"feature_group": name, "limit": 2}).json()
    client.delete(f"/features/{first['features'][-1]['id']}")
    parameters = {"feature_group": name, "cursor": first["next_cursor"]}
    assert names(client.get("/features", params=parameters)) == members[2:]


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "two", "1.5", ""])
def test_limit_is_checked(client, limit):
    assert ["query", "limit"] in locations(client.get(f"/features?limit={limit}"))


def test_cursor_is_checked(client):
    assert ["query", "cursor"] in locations(client.get("/features?cursor=no-such-thing"))


def test_unknown_parameters_are_ignored(client):
    assert client.get("/features?colour=red").status_code == 200


def test_one_definition_has_all_its_versions(store):
    definition = store.definition(store.define("int"))
    (version,) = definition["versions"]
    assert version["version"] == 1
    assert version["active"] is True
    assert version["data_type"] == "int"


def test_one_definition_unknown(client):
    assert client.get("/features/definitions/no_such_feature").status_code == 404


def test_statistics_are_those_of_the_version_that_is_shown(start_server, client_of):
    """The list is written in pieces while versions are activated forth and back."""
    server = start_server()
    client, other = client_of(server), client_of(server)
    for number in range(400):
        client.post("/register", json={"name": f"f{number}", "data_type": "int", "entity": "user"})
    client.put("/features/definitions/f399", json={"data_type": "float", "entity": "user"})
    for version, values in ((1, 1), (2, 2)):
        for value in range(values):
            Store(client).write("u", {f"f399@{version}": value})
    listing = True

    def activate():
        version = 1
        while listing:
            version = 3 - version
            path = "/features/definitions/f399/activate"
            assert other.post(path, json={"version": version}).status_code == 200

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        activating = pool.submit(activate)
        try:
            shown = [client.get("/features").json()["features"][399] for _ in range(80)]
        finally:
            listing = False
        activating.result()
    assert {(feature["version"], feature["count"]) for feature in shown} == {(1, 1), (2, 2)}
    assert {(feature["version"], feature["data_type"]) for feature in shown} == {(1, "int"), (2, "float")}
