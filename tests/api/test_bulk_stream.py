"""Bulk bodies arrive in pieces: memory stays bounded, a cut leaves a prefix."""

import concurrent.futures
import json
import time

import pytest

from raw import request
from test_bulk_ndjson import counts


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def head(content_type, **headers):
    lines = ["POST /features/ingest/bulk HTTP/1.1", "Host: x", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def test_a_generator_is_streamed(client, store):
    name = store.define("int")

    def rows():
        yield f"entity_id,{name}\n".encode()
        for block in range(100):
            lines = (f"stream_{number % 5000},{number}\n" for number in range(block * 1000, block * 1000 + 1000))
            yield "".join(lines).encode()

    response = client.post(
        "/features/ingest/bulk", content=rows(), headers={"Content-Type": "text/csv"}
    )
    assert counts(response) == (100000, 0, 100000, 0, 100001)
    assert store.read_one("stream_4999", name) == 99999


def test_the_body_is_never_held_whole(server, client, store):
    name = store.define("string")
    row = json.dumps({"entity_id": "big", "features": {name: "x" * 10000}}).encode() + b"\n"
    block = row * 100
    before = server.rss_bytes()
    response = client.post(
        "/features/ingest/bulk",
        content=(block for _ in range(100)),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert counts(response)[:2] == (10000, 0)
    server.assert_rss_grew_less_than(64 << 20, before)


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "text/csv"])
def test_split_at_every_byte(connect, store, content_type):
    name, text_name, user = store.define("int"), store.define("string"), store.unique("user")
    if content_type == "text/csv":
        body = f'\ufeffentity_id,{name},{text_name}\r\n{user},1,"a\r\n""ü"\r\n\r\n{user},2,x'.encode()
    else:
        values = {name: 1, text_name: "a\r\n\"ü"}
        body = json.dumps({"entity_id": user, "features": values}, ensure_ascii=False).encode()
        body = b"\xef\xbb\xbf" + body + b"\r\n\r\n" + body.replace(b": 1", b": 2")
    connection = connect()
    connection.send(head(content_type, Transfer_Encoding="chunked"))
    for index in range(len(body)):
        connection.send(chunk(body[index : index + 1]))
    connection.send(chunk(b""))
    answer = connection.receive()
    assert answer.status == 200, answer
    assert json.loads(answer.body)["rows_accepted"] == 2
    assert store.read_one(user, name) == 2


def test_rows_are_applied_while_the_body_still_comes(connect, store):
    name, prefix = store.define("int"), store.unique("early")
    connection = connect()
    connection.send(head("application/x-ndjson", Transfer_Encoding="chunked"))
    number, deadline = 0, time.monotonic() + 30
    while store.read_one(f"{prefix}_0", name) is None:
        assert time.monotonic() < deadline, f"{number} rows sent and none applied"
        rows = b"".join(
            json.dumps({"entity_id": f"{prefix}_{n}", "features": {name: n}}).encode() + b"\n"
            for n in range(number, number + 1000)
        )
        connection.send(chunk(rows))
        number += 1000
    connection.send(chunk(b""))
    answer = connection.receive()
    assert json.loads(answer.body)["rows_accepted"] == number


def test_a_cut_connection_leaves_a_prefix(connect, store, backend):
    name, prefix, count = store.define("int"), store.unique("cut"), 5000
    connection = connect()
    connection.send(head("application/x-ndjson", Transfer_Encoding="chunked"))
    for start in range(0, count, 500):
        rows = (
            json.dumps({"entity_id": f"{prefix}_{n}", "features": {name: n}}).encode() + b"\n"
            for n in range(start, start + 500)
        )
        connection.send(chunk(b"".join(rows)))
    connection.send(b'40\r\n{"entity_id":"')
    connection.socket.close()
    # From the last to the first, so that rows applied meanwhile cannot look like a hole.
    ids = [f"{prefix}_{n}" for n in reversed(range(count))]

    def holes():
        values = [item["features"][name] for item in store.batch(ids, [name]).json()]
        applied = next((n for n, value in enumerate(values) if value is not None), count)
        return values[applied:] != list(reversed(range(count - applied)))

    deadline = time.monotonic() + 20
    while holes():  # rows of one piece reach the nodes of a cluster in any order
        assert backend.name == "cluster" and time.monotonic() < deadline
    assert store.client.get("/health").status_code == 200


def test_after_stop_the_rest_of_the_body_is_not_a_request(connect, store):
    name = store.define("int")
    bad = json.dumps({"entity_id": "u", "features": {name: "x"}}).encode() + b"\n"
    evil = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    connection = connect()
    body = bad + evil * 1000
    connection.send(head("application/x-ndjson", Content_Length=len(body)) + body)
    answer = connection.receive()
    assert answer.status == 422
    assert json.loads(answer.body)["last_line_applied"] == 0
    if answer.headers.get("connection", "").lower() != "close":
        connection.send(evil)
        assert connection.receive().status == 200
    connection.socket.close()


def test_the_limit_of_a_bulk_body(start_server, client_of, connect):
    server = start_server("--max-bulk-bytes", "2000")
    headers = {"Content-Type": "application/x-ndjson"}
    with_length = client_of(server).post("/features/ingest/bulk", content=b"\n" * 2000, headers=headers)
    assert with_length.status_code == 200
    connection = connect(server.port)
    connection.send(head("application/x-ndjson", Content_Length=2001))
    assert connection.receive().status == 413
    connection = connect(server.port)
    connection.send(head("application/x-ndjson", Transfer_Encoding="chunked") + chunk(b"\n" * 1900))
    connection.send(chunk(b"\n" * 1900))
    assert connection.receive().status == 413


def numbered(name, prefix, first, end):
    """A chunk of rows, each with its number as the value."""
    rows = (json.dumps({"entity_id": f"{prefix}_{n}", "features": {name: n}}) for n in range(first, end))
    return chunk("".join(f"{row}\n" for row in rows).encode())


CUT_OFF = {
    400: b"not the length of a chunk\r\n",
    408: b"40\r\n{\"entity_id\":\"half a row",
    413: chunk(b"\n" * 100000),
}


@pytest.mark.parametrize("status", CUT_OFF)
def test_a_body_that_fails_in_the_middle_is_answered_with_counts(start_server, client_of, connect, status):
    server = start_server("--max-bulk-bytes", "100000", "--read-timeout-ms", "500")
    client = client_of(server)
    client.post("/register", json={"name": "n", "data_type": "int", "entity": "user"})
    connection = connect(server.port)
    connection.send(head("application/x-ndjson", Transfer_Encoding="chunked"))
    connection.send(numbered("n", "cut", 0, 700))
    connection.send(CUT_OFF[status])
    answer = connection.receive()
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    body = json.loads(answer.body)
    assert body["status"] == status and isinstance(body["detail"], str) and body["title"]
    assert {key: body[key] for key in body if key.startswith(("rows", "values", "last", "errors"))} == {
        "rows_accepted": 700,
        "rows_rejected": 0,
        "values_written": 700,
        "values_late": 0,
        "last_line_applied": 700,
        "errors": [],
    }
    values = client.post("/features/online", json={"entity_ids": ["cut_0", "cut_699"], "feature_names": ["n"]})
    assert [item["features"]["n"] for item in values.json()] == [0, 699]
    connection.assert_closed()


def test_rows_skipped_before_a_body_fails_are_listed(connect, store):
    name = store.define("int")
    connection = connect()
    connection.send(head("application/x-ndjson", Transfer_Encoding="chunked").replace(b"bulk", b"bulk?on_error=skip"))
    connection.send(numbered(name, "skip", 0, 3) + chunk(b"{bad\n") + numbered(name, "skip", 4, 6))
    connection.send(b"not the length of a chunk\r\n")
    answer = connection.receive()
    body = json.loads(answer.body)
    assert answer.status == 400
    assert (body["rows_accepted"], body["rows_rejected"], body["last_line_applied"]) == (5, 1, 6)
    assert [entry["line"] for entry in body["errors"]] == [4]


def test_a_bad_row_is_told_before_a_body_that_fails_after_it(connect, store):
    name = store.define("int")
    connection = connect()
    connection.send(head("application/x-ndjson", Transfer_Encoding="chunked"))
    connection.send(numbered(name, "stop", 0, 3) + chunk(b"{bad\n") + b"not the length of a chunk\r\n")
    answer = connection.receive()
    assert answer.status == 422
    assert json.loads(answer.body)["last_line_applied"] == 3


def test_many_loads_at_once(client, store):
    """Two loads of the same rows by time: whichever order, the newest event stays."""
    name, prefix = store.define("int"), store.unique("race")

    def load(offset):
        rows = (
            {"entity_id": f"{prefix}_{n % 50}", "features": {name: n}, "event_timestamp": 1767323045000 + n}
            for n in range(offset, 4000, 2)
        )
        return store.ndjson([json.dumps(row) for row in rows])

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(load, (0, 1)))
    assert [answer.status_code for answer in answers] == [200, 200]
    ids = [f"{prefix}_{n}" for n in range(50)]
    values = [item["features"][name] for item in store.batch(ids, [name]).json()]
    assert values == [3950 + n for n in range(50)]


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "text/csv"])
def test_definitions_change_while_rows_wait(client, store, content_type):
    """Rows wait for the writer while the catalog they were decoded by is replaced and freed."""
    name = store.define("int")
    loading = True

    def define():
        count = 0
        while loading or count < 20:
            store.define("float")
            count += 1
        return count

    def rows():
        if content_type == "text/csv":
            yield f"entity_id,{name}\n".encode()
        for block in range(60):
            numbers = range(block * 1000, block * 1000 + 1000)
            if content_type == "text/csv":
                yield "".join(f"wait_{n % 500},{n}\n" for n in numbers).encode()
            else:
                lines = (json.dumps({"entity_id": f"wait_{n % 500}", "features": {name: n}}) for n in numbers)
                yield "".join(f"{line}\n" for line in lines).encode()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        defining = pool.submit(define)
        response = client.post(
            "/features/ingest/bulk", content=rows(), headers={"Content-Type": content_type}
        )
        loading = False
        assert defining.result() >= 20
    assert counts(response)[:2] == (60000, 0)
    assert store.read_one("wait_499", name) == 59999


@pytest.mark.parametrize("good_before", [0, 10])
def test_bad_rows_alone_do_not_stop_a_load(store, good_before):
    name = store.define("int")
    good = [json.dumps({"entity_id": "skip", "features": {name: n}}) for n in range(good_before)]
    bad = [json.dumps({"entity_id": "skip", "features": {"nope": 1}})] * 30000
    response = store.ndjson(good + bad + [json.dumps({"entity_id": "skip", "features": {name: 7}})], on_error="skip")
    assert counts(response)[:2] == (good_before + 1, 30000)
    assert store.read_one("skip", name) == 7


@pytest.mark.parametrize("count", [1, 5])
def test_long_bad_rows_are_skipped(store, count):
    name = store.define("int")
    long_row = json.dumps({"entity_id": "skip", "features": {name: "x" * 1500000}})
    good_row = json.dumps({"entity_id": "skip", "features": {name: 1}})
    response = store.ndjson([long_row] * count + [good_row], on_error="skip")
    assert counts(response)[:2] == (1, count)


def test_a_request_behind_a_load_is_answered(connect, store):
    """The last row, without its line feed, fills the second chunk: the body has ended while it waits."""
    name = store.define("int")
    body = "\n".join(f'{{"entity_id":"p","features":{{"{name}":{n % 10}}}}}' for n in range(1024)).encode()
    assert len(body) < 65536
    connection = connect()
    for _ in range(10):
        connection.send(head("application/x-ndjson", Content_Length=len(body)) + body + request("GET", "/health"))
        assert json.loads(connection.receive().body)["rows_accepted"] == 1024
        assert json.loads(connection.receive().body) == {"status": "healthy"}


@pytest.mark.embedded_only("memory is bounded by that Redis' own maxmemory")
def test_the_first_thing_that_goes_wrong_is_told(start_server, client_of):
    """A full store refuses row 1; that row 600 is bad comes after it."""
    server = start_server("--max-memory", "16MiB")
    client = client_of(server)
    client.post("/register", json={"name": "text", "data_type": "string", "entity": "user"})
    rows = [json.dumps({"entity_id": f"u{n}", "features": {"text": "x" * 30000}}) for n in range(1200)]
    rows[1100] = json.dumps({"entity_id": "u", "features": {"text": 1}})
    response = client.post(
        "/features/ingest/bulk",
        content="\n".join(rows).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert response.status_code == 503
    assert response.json()["rows_rejected"] == 0
    assert response.json()["last_line_applied"] < 1100
