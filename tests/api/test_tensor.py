"""Accept: application/x-npy: what NumPy reads is what JSON says."""

import io
import json
import math
import urllib.parse

import numpy
import pytest

from raw import request

NPY = {"Accept": "application/x-npy"}


def tensor(response):
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/x-npy"
    columns = response.headers["X-Feature-Names"].split(",")
    return [urllib.parse.unquote(c) for c in columns], numpy.load(io.BytesIO(response.content))


@pytest.fixture
def columns(store):
    return {
        "int": store.define("int"),
        "float": store.define("float"),
        "boolean": store.define("boolean"),
        "timestamp": store.define("timestamp"),
        "embedding": store.define("embedding", dimension=2),
    }


@pytest.fixture
def users(store, columns):
    first, second = store.unique("user"), store.unique("user")
    values = {"int": 3, "float": 0.1, "boolean": True, "embedding": [0.5, -2]}
    store.write(first, {columns[key]: value for key, value in values.items()})
    store.write(first, {columns["timestamp"]: "1970-01-01T00:01:00.5Z"})
    store.write(second, {columns["int"]: None, columns["boolean"]: False})
    return [first, second, store.unique("nobody")]


def test_a_batch(store, users, columns):
    names = [columns[key] for key in ("int", "embedding", "float", "boolean", "timestamp")]
    header, array = tensor(store.batch(users, names, headers=NPY))
    embedding = columns["embedding"]
    assert header == [names[0], f"{embedding}[0]", f"{embedding}[1]", *names[2:]]
    assert array.dtype == numpy.dtype("<f8")
    assert array.flags.c_contiguous
    nan = math.nan
    expected = [[3, 0.5, -2, 0.1, 1, 60.5], [nan, nan, nan, nan, 0, nan], [nan] * 6]
    numpy.testing.assert_array_equal(array, numpy.array(expected))


def test_one_entity_is_one_row(store, users, columns):
    names = [columns["float"], columns["int"]]
    header, array = tensor(store.online(users[0], names, headers=NPY))
    assert header == names
    assert array.shape == (1, 2)
    numpy.testing.assert_array_equal(array, [[0.1, 3]])


def test_float32(store, users, columns):
    names = [columns["float"], columns["embedding"]]
    body = {"entity_ids": users, "feature_names": names}
    response = store.client.post("/features/online?dtype=float32", json=body, headers=NPY)
    _, array = tensor(response)
    assert array.dtype == numpy.dtype("<f4")
    numpy.testing.assert_array_equal(array[0], numpy.array([0.1, 0.5, -2], dtype="<f4"))
    assert numpy.isnan(array[2]).all()
    _, array = tensor(store.online(users[0], names, headers=NPY, dtype="float64"))
    assert array.dtype == numpy.dtype("<f8")


def test_dtype_is_checked(store, users, columns):
    response = store.online(users[0], [columns["int"]], headers=NPY, dtype="int8")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "dtype"]


def test_no_ids(store, columns):
    names = [columns["int"], columns["embedding"]]
    header, array = tensor(store.batch([], names, headers=NPY))
    assert len(header) == 3
    assert array.shape == (0, 3)


def test_ten_thousand_rows(store, users, columns):
    names = [columns["int"], columns["float"]]
    _, array = tensor(store.batch(users[:1] * 10000, names, headers=NPY))
    assert array.shape == (10000, 2)
    assert (array == [3, 0.1]).all()


def test_unregistered_is_a_column_of_nan(store, users, columns):
    response = store.batch(users, ["nope?", columns["int"]], headers=NPY)
    header, array = tensor(response)
    assert header == ["nope?", columns["int"]]
    assert numpy.isnan(array[:, 0]).all()
    assert array[0, 1] == 3
    assert urllib.parse.unquote(response.headers["X-Featured-Unregistered"]) == "nope?"


def test_a_feature_service(store, users, columns):
    service = store.service([columns["float"], f"{columns['int']}@1"])
    response = store.online(users[0], feature_service=service, headers=NPY)
    header, array = tensor(response)
    assert header == [columns["float"], f"{columns['int']}@1"]
    numpy.testing.assert_array_equal(array, [[0.1, 3]])


@pytest.mark.parametrize("data_type", ["string", "json", "embedding"])
def test_what_is_no_number_is_406(store, users, columns, data_type):
    name = store.define(data_type)
    for response in (
        store.batch(users, [columns["int"], name], headers=NPY),
        store.online(users[0], [name], headers=NPY),
    ):
        assert response.status_code == 406
        assert name in response.json()["detail"]


@pytest.mark.parametrize(
    ("accept", "is_tensor"),
    [
        ("application/x-npy", True),
        ("application/x-npy, application/json;q=0.5", True),
        ("Application/X-NPY", True),
        ("application/json", False),
        ("*/*", False),
        ("application/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
    ],
)
def test_what_accept_means(store, users, columns, accept, is_tensor):
    response = store.batch(users, [columns["int"]], headers={"Accept": accept})
    assert response.status_code == 200
    assert response.content.startswith(b"\x93NUMPY") is is_tensor


def test_accept_over_several_lines(connect, store):
    """Says what one line with commas would."""
    target = f"/features/online/u?feature_names={store.define('int')}"
    lines = {("text/html", "application/x-npy"): "application/x-npy", ("application/x-npy;q=0.1", "*/*"): "application/json"}
    for values, expected in lines.items():
        connection = connect()
        connection.send(request("GET", target, headers=[("Accept", value) for value in values]))
        answer = connection.receive()
        assert (answer.status, answer.headers["content-type"]) == (200, expected)


def test_errors_are_json_all_the_same(store, users):
    response = store.batch(users, None, headers=NPY)
    assert response.status_code == 422
    assert response.headers["Content-Type"].startswith("application/problem+json")


def test_an_int_beyond_53_bits_is_the_nearest_double(store, columns, users):
    store.write(users[0], {columns["int"]: 2**62 + 1})
    _, array = tensor(store.online(users[0], [columns["int"]], headers=NPY))
    assert array[0, 0] == float(2**62)


def test_the_shape_holds_when_a_feature_goes(connect, store):
    """The header has told the shape before the column is dropped."""
    embedding = store.define("embedding", dimension=64)
    number = store.define("int")
    store.write("goer", {embedding: [0.5] * 64, number: 3})
    feature_id = store.definition(embedding)["id"]
    connection = connect(receive_buffer=4096)
    body = json.dumps({"entity_ids": ["goer"] * 10000, "feature_names": [embedding, number]}).encode()
    connection.send(request("POST", "/features/online", body, headers=[("Accept", "application/x-npy")]))
    connection.fill()
    assert store.client.delete(f"/features/{feature_id}").status_code == 200
    array = numpy.load(io.BytesIO(connection.receive().body))
    assert array.shape == (10000, 65)
    assert set(array[:, 64]) == {3.0}
    assert array[0, 0] == 0.5
    assert math.isnan(array[-1, 0])


def test_a_row_of_too_many_numbers_is_413(store):
    embedding = store.define("embedding", dimension=16384)
    names = ",".join([embedding] * 62)
    response = store.client.get(
        "/features/online/wide", params={"feature_names": names}, headers={"Accept": "application/x-npy"}
    )
    assert response.status_code == 413
