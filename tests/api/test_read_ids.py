"""POST /features/online with the ids alone as its body: lines of text, or a NumPy array. The answer is that
of the JSON request."""

import io

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TEXT = "text/plain"
NPY = "application/x-npy"


def npy(ids, version=None):
    file = io.BytesIO()
    numpy.lib.format.write_array(file, numpy.asarray(ids), version=version)
    return file.getvalue()


def ask(store, body, media_type=TEXT, accept=None, **query):
    headers = {"Content-Type": media_type, **({"Accept": accept} if accept else {})}
    return store.client.post("/features/online", params=query, content=body, headers=headers)


def problem(response, status=422):
    assert response.status_code == status, response.text
    detail = response.json()["detail"]
    return detail if status != 422 else (detail[0]["loc"], detail[0]["type"])


@pytest.fixture
def names(store):
    return [store.define("int"), store.define("string")]


@pytest.fixture
def users(store, names):
    ids = [store.unique("user"), store.unique("bjørn€😀")]
    store.write(ids[0], {names[0]: 3, names[1]: "Oslo"})
    store.write(ids[1], {names[0]: 4})
    return [ids[1], ids[0], store.unique("nobody"), ids[0]]


FORMS = {
    "lines": (TEXT, lambda ids: "\n".join(ids).encode()),
    "lines, the last one ended": (TEXT, lambda ids: "".join(f"{one}\n" for one in ids).encode()),
    "CRLF": (TEXT, lambda ids: "".join(f"{one}\r\n" for one in ids).encode()),
    "a BOM": ("text/plain; charset=utf-8", lambda ids: b"\xef\xbb\xbf" + "\n".join(ids).encode()),
    "bytes": (NPY, lambda ids: npy([one.encode() for one in ids])),
    "text": (NPY, npy),
    "version 2.0": ("Application/X-Npy", lambda ids: npy([one.encode() for one in ids], (2, 0))),
    "a longer width": (NPY, lambda ids: npy(numpy.array([one.encode() for one in ids], "S600"))),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_answer_is_that_of_json(store, names, users, form):
    media_type, encode = FORMS[form]
    response = ask(store, encode(users), media_type, feature_names=",".join(names))
    assert response.status_code == 200, response.text
    assert response.json() == store.batch(users, names).json()


def test_as_a_tensor(store, names, users):
    response = ask(store, npy(users), NPY, accept=NPY, feature_names=names[0], dtype="float32")
    array = numpy.load(io.BytesIO(response.content))
    assert array.dtype == numpy.dtype("<f4")
    numpy.testing.assert_array_equal(array, [[4], [3], [numpy.nan], [3]])


def test_no_ids(store, names):
    for body, media_type in ((b"", TEXT), (npy(numpy.array([], "S1")), NPY)):
        response = ask(store, body, media_type, feature_names=names[0])
        assert response.json() == []


def test_parameters_of_the_query(store, names, users):
    body = "\n".join(users).encode()
    service = store.service(names)
    assert ask(store, body, feature_service=service).json() == store.batch(users, names).json()
    with_metadata = ask(store, body, feature_names=names[0], metadata="true").json()
    assert with_metadata == store.batch(users, names[:1], metadata=True).json()
    of_others = ask(store, body, feature_names=names[0], entity="driver")
    assert of_others.headers["X-Featured-Unregistered"] == names[0]
    assert ask(store, body, feature_names="nope", strict="true").status_code == 404
    assert ask(store, body, feature_service="nope").status_code == 404


def test_features_are_named_in_one_place(store, names, users):
    body = "\n".join(users).encode()
    assert problem(ask(store, body)) == (["query", "feature_names"], "missing")
    both = ask(store, body, feature_names=names[0], feature_service="x")
    assert problem(both) == (["query", "feature_service"], "value_error")
    in_json = store.client.post(
        "/features/online", params={"feature_names": names[0]}, json={"entity_ids": users, "feature_names": names}
    )
    assert problem(in_json) == (["query", "feature_names"], "value_error")
    unknown = ask(store, body, feature_names=names[0], colour="red", strict="true")
    assert problem(unknown) == (["query", "colour"], "extra_forbidden")


ID_1 = ["body", "entity_ids", 1]


@pytest.mark.parametrize(
    ("media_type", "body", "expected"),
    [
        (TEXT, b"a\n\nb", (ID_1, "string_too_short")),
        (TEXT, b"a\n" + b"x" * 513, (ID_1, "string_too_long")),
        (TEXT, b"u\n" * 10001, (["body", "entity_ids"], "too_long")),
        (NPY, npy(["a", ""]), (ID_1, "string_too_short")),
        (NPY, npy([b"u"] * 10001), (["body", "entity_ids"], "too_long")),
        (NPY, npy([1.5]), (["body"], "dtype")),
        (NPY, npy(numpy.array(["a"]).astype(">U1")), (["body"], "dtype")),
        (NPY, npy([["a"]]), (["body"], "shape")),
    ],
)
def test_what_is_wrong_is_named(store, names, media_type, body, expected):
    assert problem(ask(store, body, media_type, feature_names=names[0])) == expected


@pytest.mark.parametrize(
    ("media_type", "body", "word"),
    [
        (TEXT, b"a\n\xff", "entity id 1 (counted from 0) is not UTF-8"),
        (NPY, npy([b"a", b"\xff"]), "entity id 1 (counted from 0) is not UTF-8"),
        (NPY, b"", "at byte 0"),
        (NPY, b'{"entity_ids": []}', "at byte 0"),
        (NPY, npy([b"abc"])[:-1], "2 bytes follow the header"),
        (NPY, npy([b"abc"])[:20], "cut off"),
    ],
)
def test_malformed_bodies(store, names, media_type, body, word):
    assert word in problem(ask(store, body, media_type, feature_names=names[0]), 400)


def test_too_many_values_are_413(store, names):
    names = ",".join(names[:1] * 150)
    response = ask(store, b"u\n" * 10000, accept=NPY, feature_names=names)
    assert response.status_code == 413


def test_other_media_types(store, names):
    for media_type in ("text/csv", "application/octet-stream", "text/plainer"):
        detail = problem(ask(store, b"a", media_type, feature_names=names[0]), 415)
        assert "text/plain (one a line)" in detail
    # only of this route
    body = store.client.post("/features/batch", content=b"a", headers={"Content-Type": TEXT})
    assert body.status_code == 415


IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: not text.endswith("\0") and "\n" not in text and not text.endswith("\r")
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(IDS, max_size=20))
def test_ids_of_any_letters(store, ids):
    query = {"feature_names": "nobody_registered_it"}
    lines = "".join(f"{one}\n" for one in ids).encode()
    if lines.startswith(b"\xef\xbb\xbf"):
        lines = b"\xef\xbb\xbf" + lines
    found = [
        ask(store, lines, **query),
        ask(store, npy(numpy.array([one.encode() for one in ids], "S" if ids else "S1")), NPY, **query),
        ask(store, npy(numpy.array(ids, "U" if ids else "U1")), NPY, **query),
    ]
    for response in found:
        assert [row["entity_id"] for row in response.json()] == ids
