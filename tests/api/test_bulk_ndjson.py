"""Bulk loads as NDJSON: the lines, their errors and the counts."""

import json

import pytest

from store import locations


def line(entity_id, **features):
    return json.dumps({"entity_id": entity_id, "features": features})


def counts(response):
    names = ("rows_accepted", "rows_rejected", "values_written", "values_late", "last_line_applied")
    return tuple(response.json()[name] for name in names)


@pytest.fixture
def age(store):
    return store.define("int")


@pytest.fixture
def users(store):
    return [store.unique("user") for _ in range(5)]


def values(store, users, name):
    response = store.batch(users, [name])
    return [item["features"][name] for item in response.json()]


def test_rows_are_written(store, users, age):
    response = store.ndjson([line(user, **{age: n}) for n, user in enumerate(users)])
    assert response.status_code == 200
    assert counts(response) == (5, 0, 5, 0, 5)
    assert response.json()["errors"] == []
    assert values(store, users, age) == [0, 1, 2, 3, 4]


def test_the_list_form_is_taken_too(store, users, age):
    features = [{"feature_name": age, "value": 1, "event_timestamp": "2026-01-02T00:00:00Z"}]
    response = store.ndjson([json.dumps({"entity_id": users[0], "features": features})])
    assert counts(response) == (1, 0, 1, 0, 1)
    assert store.metadata(users[0], [age])[age]["event_timestamp"] == "2026-01-02T00:00:00Z"


def test_event_times_and_late_values(store, users, age):
    rows = [
        {"entity_id": users[0], "features": {age: day}, "event_timestamp": f"2026-01-0{day}T00:00:00Z"}
        for day in (2, 1, 3)
    ]
    response = store.ndjson([json.dumps(row) for row in rows])
    assert counts(response) == (3, 0, 2, 1, 3)
    assert store.read_one(users[0], age) == 3


def test_sending_a_file_again_changes_nothing(store, users, age):
    rows = [
        {"entity_id": user, "features": {age: n}, "event_timestamp": 1767323045000 + n}
        for n, user in enumerate(users)
    ]
    body = [json.dumps(row) for row in rows]
    store.ndjson(body)
    before = [store.metadata(user, [age]) for user in users]
    assert store.ndjson(body).status_code == 200
    assert [store.metadata(user, [age]) for user in users] == before


def test_blank_lines_count_as_lines_but_are_skipped(store, users, age):
    body = f"\n  \n{line(users[0], **{age: 1})}\r\n\t\r\n{line(users[1], **{age: 2})}\n\n".encode()
    assert counts(store.ndjson(body)) == (2, 0, 2, 0, 5)


def test_the_last_line_may_lack_its_newline(store, users, age):
    assert counts(store.ndjson(line(users[0], **{age: 1}).encode())) == (1, 0, 1, 0, 1)


def test_a_bom_is_skipped(store, users, age):
    body = b"\xef\xbb\xbf" + line(users[0], **{age: 1}).encode()
    assert counts(store.ndjson(body)) == (1, 0, 1, 0, 1)


def test_nothing(store):
    response = store.ndjson(b"")
    assert response.status_code == 200
    assert counts(response) == (0, 0, 0, 0, 0)
    assert counts(store.ndjson(b"\n\n\n")) == (0, 0, 0, 0, 0)


def test_stop_ends_at_the_first_bad_row(store, users, age):
    rows = [line(users[0], **{age: 0}), "", line(users[1], **{age: "x"}), line(users[2], **{age: 2})]
    response = store.ndjson(rows)
    assert ["line", 3, age] in locations(response)
    assert counts(response) == (1, 1, 1, 0, 1)
    assert values(store, users, age)[:3] == [0, None, None]


def test_skip_goes_on(store, users, age):
    rows = [line(user, **{age: n if n % 2 else "x"}) for n, user in enumerate(users)]
    response = store.ndjson(rows, on_error="skip")
    assert response.status_code == 200
    assert counts(response) == (2, 3, 2, 0, 4)
    assert [error["line"] for error in response.json()["errors"]] == [1, 3, 5]
    assert all(age in error["detail"] for error in response.json()["errors"])
    assert values(store, users, age) == [None, 1, None, 3, None]


def test_stop_is_the_default_and_other_words_are_422(store, users, age):
    rows = [line(users[0], **{age: "x"}), line(users[1], **{age: 1})]
    assert store.ndjson(rows, on_error="stop").status_code == 422
    assert ["query", "on_error"] in locations(store.ndjson(rows, on_error="perhaps"))


def test_a_row_is_all_or_nothing(store, users, age):
    other = store.define("string")
    store.ndjson([line(users[0], **{age: 1, other: 5})], on_error="skip")
    assert store.read(users[0]) == {}


def test_only_the_first_hundred_errors_are_listed(store, age):
    response = store.ndjson([line("u", **{age: "x"})] * 250, on_error="skip")
    assert counts(response) == (0, 250, 0, 0, 0)
    assert [error["line"] for error in response.json()["errors"]] == list(range(1, 101))


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "5",
        '{"entity_id":"u"}',
        '{"features":{}}',
        '{"entity_id":5,"features":{}}',
        '{"entity_id":"","features":{}}',
        '{"entity_id":"u","features":5}',
        '{"entity_id":"u","features":{"no_such_feature":1}}',
        '{"entity_id":"u","features":{},"event_timestamp":"x"}',
        '{"entity_id":"u","features":{},"event_timestamp":"2999-01-01T00:00:00Z"}',
        '{"entity_id":"u","features":{}} {}',
        '{"entity_id":"u","features":{}}{"entity_id":"u","features":{}}',
    ],
)
def test_a_bad_line_is_named(store, users, age, bad):
    rows = [line(users[0], **{age: 0}), bad, line(users[1], **{age: 1})]
    response = store.ndjson(rows)
    assert any(loc[:2] == ["line", 2] for loc in locations(response))
    assert counts(response) == (1, 1, 1, 0, 1)
    response = store.ndjson(rows, on_error="skip")
    assert response.status_code == 200
    assert [error["line"] for error in response.json()["errors"]] == [2]
    assert counts(response)[:2] == (2, 1)


def test_a_line_that_is_not_utf8(store, users, age):
    body = b'{"entity_id":"\xff","features":{}}\n' + line(users[0], **{age: 1}).encode()
    response = store.ndjson(body, on_error="skip")
    assert [error["line"] for error in response.json()["errors"]] == [1]
    assert store.read_one(users[0], age) == 1


def test_features_of_several_entities_in_one_row(store, users, age):
    driver_feature = store.define("int", entity="driver")
    response = store.ndjson([line(users[0], **{age: 1, driver_feature: 2})])
    assert counts(response) == (1, 0, 2, 0, 1)
    assert store.read(users[0], entity="driver") == {driver_feature: 2}


def test_text_with_line_separators_of_other_kinds(store, users):
    name = store.define("string")
    text = "a\u2028b\u0085c\x0b\x0c"
    row = json.dumps({"entity_id": users[0], "features": {name: text}}, ensure_ascii=False)
    assert counts(store.ndjson([row])) == (1, 0, 1, 0, 1)
    assert store.read_one(users[0], name) == text


@pytest.mark.parametrize("content_type", ["application/x-ndjson; charset=utf-8", "Application/X-NDJSON"])
def test_content_type_parameters_and_case(client, store, users, age, content_type):
    response = client.post(
        "/features/ingest/bulk",
        content=line(users[0], **{age: 1}).encode(),
        headers={"Content-Type": content_type},
    )
    assert response.status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "application/xml", "image/png"])
def test_other_content_types(client, content_type):
    response = client.post(
        "/features/ingest/bulk", content=b"{}", headers={"Content-Type": content_type}
    )
    assert response.status_code == 415
