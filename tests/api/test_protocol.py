"""HTTP/1.1 as it is allowed to be sent: in pieces, in rows, in chunks."""

import json
import time

import pytest

from raw import Closed, request


def post(path, value, headers=()):
    return request("POST", path, json.dumps(value).encode(), headers)


def test_keep_alive(connect):
    connection = connect()
    for _ in range(100):
        answer = connection.call("GET", "/health")
        assert answer.status == 200
        assert answer.headers.get("connection", "keep-alive").lower() != "close"


def test_connection_close(connect):
    connection = connect()
    answer = connection.call("GET", "/health", headers=[("Connection", "close")])
    assert answer.status == 200
    assert answer.headers["connection"].lower() == "close"
    connection.assert_closed()


def test_http_1_0_closes(connect):
    connection = connect()
    answer = connection.call("GET", "/health", version="HTTP/1.0")
    assert answer.status == 200
    connection.assert_closed()


def test_http_1_0_knows_no_chunks(connect, store):
    name = store.define("int")
    store.write("old", {name: 1})
    body = json.dumps({"entity_ids": ["old"] * 10000, "feature_names": [name]}).encode()
    connection = connect()
    answer = connection.call("POST", "/features/online", body, version="HTTP/1.0")
    assert "transfer-encoding" not in answer.headers
    assert len(json.loads(answer.body)) == 10000


def test_http_1_0_with_keep_alive(connect):
    connection = connect()
    keep = [("Connection", "keep-alive")]
    first = connection.call("GET", "/health", version="HTTP/1.0", headers=keep)
    assert first.status == 200
    if first.headers.get("connection", "").lower() == "keep-alive":
        assert connection.call("GET", "/health", version="HTTP/1.0").status == 200
    connection.assert_closed()


def test_a_hundred_pipelined_requests_are_answered_in_order(connect, store):
    name, user = store.define("int"), store.unique("user")
    stream = b""
    for number in range(50):
        value = {"entity_id": user, "features": [{"feature_name": name, "value": number}]}
        stream += post("/features/ingest", value)
        stream += request("GET", f"/features/online/{user}?feature_names={name}")
    connection = connect().send(stream)
    for number in range(50):
        assert connection.receive().status == 200
        assert json.loads(connection.receive().body)["features"] == {name: number}


def test_pipelined_errors_do_not_upset_the_order(connect):
    paths = ["/health", "/nothing", "/features?limit=0", "/health"]
    connection = connect().send(b"".join(request("GET", path) for path in paths))
    assert [connection.receive().status for _ in paths] == [200, 404, 422, 200]


def test_pipelined_large_answers(connect, store):
    name = store.define("string")
    store.write("large", {name: "x" * 100000})
    target = f"/features/online/large?feature_names={name}"
    connection = connect().send(request("GET", target) * 50)
    for _ in range(50):
        assert len(connection.receive().body) > 100000


def test_split_at_every_byte(connect, store):
    """Two pieces, cut at every place: request line, headers, body."""
    name, user = store.define("int"), store.unique("user")
    value = {"entity_id": user, "features": [{"feature_name": name, "value": 7}]}
    data = post("/features/ingest", value, [("Content-Type", "application/json")])
    connection = connect()
    for cut in range(1, len(data)):
        connection.send(data[:cut])
        time.sleep(0.0005)  # lets the first piece arrive by itself
        connection.send(data[cut:])
        assert connection.receive().status == 200, data[:cut]


def test_one_byte_at_a_time(connect):
    connection = connect()
    data = post("/features/batch", {"user_ids": ["nobody"]}) + request("GET", "/health")
    for index in range(len(data)):
        connection.send(data[index : index + 1])
        time.sleep(0.0005)
    assert json.loads(connection.receive().body) == [{"user_id": "nobody", "features": {}}]
    assert connection.receive().status == 200


CHUNKED = b"POST /features/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "chunks",
    [
        b'12\r\n{"user_ids":["u"]}\r\n0\r\n\r\n',
        b'000012\r\n{"user_ids":["u"]}\r\n0\r\n\r\n',
        b'2;name=value\r\n{"\r\n10\r\nuser_ids":["u"]}\r\n0;last\r\n\r\n',
        b'12\r\n{"user_ids":["u"]}\r\n0\r\nX-Trailer: yes\r\n\r\n',
        b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in b'{"user_ids":["u"]}') + b"0\r\n\r\n",
    ],
)
def test_chunked_bodies(connect, chunks):
    connection = connect()
    for _ in range(2):
        connection.send(CHUNKED + chunks)
        answer = connection.receive()
        assert answer.status == 200, answer
        assert json.loads(answer.body) == [{"user_id": "u", "features": {}}]


def test_expect_100_continue(connect):
    connection = connect()
    head = b"POST /features/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\nExpect: 100-continue\r\n\r\n"
    connection.send(head)
    assert connection.receive().status == 100
    connection.send(b'{"user_ids":["u"]}')
    assert connection.receive().status == 200


def test_expect_100_continue_of_a_bulk_load(connect):
    connection = connect()
    connection.send(
        b"POST /features/ingest/bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
        b"Content-Type: application/x-ndjson\r\nExpect: 100-continue\r\n\r\n"
    )
    assert connection.receive().status == 100
    connection.send(b"\n")
    assert connection.receive().status == 200


def test_a_body_that_will_not_be_taken_is_not_asked_for(connect):
    connection = connect()
    connection.send(
        b"POST /features/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert connection.receive().status == 413


def test_an_expectation_that_is_unknown(connect):
    answer = connect().call("GET", "/health", headers=[("Expect", "miracles")])
    assert answer.status in (200, 417)


@pytest.mark.parametrize("path", ["/health", "/features", "/openapi.json", "/docs", "/nothing", "/features/nobody"])
def test_head_is_get_without_the_body(connect, path):
    get = connect().call("GET", path)
    connection = connect()
    head = connection.call("HEAD", path)
    assert head.status == get.status
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers.get("content-length") == get.headers.get("content-length")
    assert connection.call("GET", "/health").status == 200


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/register", {"POST", "OPTIONS"}),
        ("/features", {"GET", "HEAD", "OPTIONS"}),
        ("/features/online/u", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("/feature-services/x", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
    ],
)
def test_options(client, path, methods):
    response = client.options(path)
    assert response.status_code in (200, 204)
    assert {item.strip() for item in response.headers["Allow"].split(",")} == methods


def test_options_of_the_server(connect):
    assert connect().call("OPTIONS", "*").status in (200, 204)


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_upgrade_is_ignored(connect, protocol):
    connection = connect()
    headers = [("Connection", "Upgrade"), ("Upgrade", protocol)]
    answer = connection.call("GET", "/health", headers=headers)
    assert answer.status == 200
    assert connection.call("GET", "/health").status == 200


def test_a_post_with_upgrade_keeps_its_body(connect):
    connection = connect()
    headers = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c")]
    answer = connection.call("POST", "/features/batch", b'{"user_ids":["u"]}', headers)
    assert answer.status == 200


def test_the_prior_knowledge_preface_of_http_2(connect):
    connection = connect().send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    try:
        assert connection.receive().status >= 400
    except Closed:
        pass


def test_an_absolute_target(connect):
    connection = connect()
    answer = connection.call("GET", "http://localhost/features/nobody?metadata=true")
    assert answer.status == 404
    assert json.loads(answer.body)["detail"] == "User nobody not found"


def test_empty_lines_before_a_request(connect):
    connection = connect().send(b"\r\n\r\n" + request("GET", "/health"))
    assert connection.receive().status == 200


def test_header_names_are_read_in_any_case(connect):
    connection = connect()
    body = b"[1]"
    connection.send(b"POST /features/batch HTTP/1.1\r\nhOST: x\r\ncONTENT-lENGTH: 3\r\n\r\n" + body)
    assert connection.receive().status == 422


class TestRequestId:
    def test_it_is_echoed(self, client):
        for value in ("abc-123", "a" * 128, "trace=1;span=2"):
            response = client.get("/health", headers={"X-Request-Id": value})
            assert response.headers["X-Request-Id"] == value

    def test_it_is_made(self, client):
        made = [client.get("/health").headers["X-Request-Id"] for _ in range(10)]
        assert len(set(made)) == 10

    def test_errors_have_it(self, client):
        for path in ("/nothing", "/features?limit=0"):
            response = client.get(path, headers={"X-Request-Id": "mine"})
            assert response.headers["X-Request-Id"] == "mine"

    @pytest.mark.parametrize("value", ["x" * 5000, "", "tab\tand space"])
    def test_an_odd_one_is_replaced_or_harmless(self, connect, value):
        answer = connect().call("GET", "/health", headers=[("X-Request-Id", value)])
        assert answer.status == 200
        assert answer.headers["x-request-id"]
        assert len(answer.headers["x-request-id"]) <= 128

    def test_bytes_that_are_not_ascii_do_not_come_back(self, connect):
        connection = connect()
        connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\xff\x80b\r\n\r\n")
        answer = connection.receive()
        assert answer.headers["x-request-id"].isascii()
