"""Requests whose end two readers might see differently are refused, and nothing after them is read."""

import pytest

from raw import Closed, request

HOST = b"Host: x\r\n"
SECOND = request("GET", "/health", headers=[("X-Request-Id", "smuggled")])

REFUSED = {
    "length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ",
    "a list of lengths": b"Content-Length: 5, 6\r\n\r\n{}   ",
    "a signed length": b"Content-Length: +5\r\n\r\n{}   ",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length in hexadecimal": b"Content-Length: 0x5\r\n\r\n{}   ",
    "an endless length": b"Content-Length: 99999999999999999999999\r\n\r\n",
    "a length that is no number": b"Content-Length: five\r\n\r\n{}   ",
    "chunked is not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "gzip and chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nearly chunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Content-Length : 5\r\n\r\n{}   ",
    "a folded header": b"X-Folded: a\r\n Content-Length: 5\r\n\r\n{}   ",
    "a folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a bare carriage return": b"X-Bare: a\rContent-Length: 5\r\n\r\n{}   ",
    "a NUL in a value": b"X-Nul: a\0b\r\nContent-Length: 5\r\n\r\n{}   ",
    "a NUL in a name": b"X-N\0l: ab\r\nContent-Length: 5\r\n\r\n{}   ",
    "a header without a name": b": x\r\nContent-Length: 5\r\n\r\n{}   ",
    "a header without a colon": b"Nothing\r\nContent-Length: 5\r\n\r\n{}   ",
    "a chunk size that is none": b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
    "an endless chunk size": b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n",
    "a signed chunk size": b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "a chunk size in 0x": b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "a chunk ended by LF": b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(connect, name):
    connection = connect()
    connection.send(b"POST /features/batch HTTP/1.1\r\n" + HOST + REFUSED[name] + SECOND)
    try:
        answer = connection.receive()
    except Closed as closed:
        pytest.fail(f"closed without an answer: {closed}")
    assert answer.status in (400, 413, 501), answer
    # What follows is not a request any more.
    rest = connection.read_to_end()
    assert b"smuggled" not in rest


@pytest.mark.parametrize(
    "line",
    [
        b"GET /health  HTTP/1.1",
        b"GET /hea lth HTTP/1.1",
        b"GET /health HTTP/1.1 ",
        b"GET /health",
        b"GET /health HTTP/9.9",
        b"GET /health HTTX/1.1",
        b"GET\t/health HTTP/1.1",
        b"GET /hea\x01lth HTTP/1.1",
        b"GET /hea\x00lth HTTP/1.1",
        b"G\x00T /health HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_request_lines_that_are_none(connect, line):
    connection = connect()
    connection.send(line + b"\r\n" + HOST + b"\r\n" + SECOND)
    answer = connection.receive()
    assert answer.status in (400, 404, 405, 501, 505), answer
    assert b"smuggled" not in connection.read_to_end()


def test_http_1_1_without_a_host(connect):
    assert connect().call("GET", "/health", host=None).status == 400


def test_two_hosts(connect):
    assert connect().call("GET", "/health", headers=[("Host", "other")]).status == 400


def test_the_same_length_twice_is_refused_or_one(connect):
    connection = connect()
    connection.send(
        b"POST /features/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\nContent-Length: 18\r\n\r\n"
        b'{"user_ids":["u"]}'
    )
    assert connection.receive().status in (200, 400)


def test_a_body_of_a_get_is_not_the_next_request(connect):
    connection = connect()
    connection.send(request("GET", "/health", SECOND) + request("GET", "/ready"))
    first, second = connection.receive(), connection.receive()
    assert first.status == second.status == 200
    assert second.headers["x-request-id"] != "smuggled"
    assert b"ready" in second.body


def test_a_body_after_an_error_is_not_the_next_request(connect):
    connection = connect()
    connection.send(request("POST", "/nothing", SECOND) + request("POST", "/health", SECOND))
    answers = []
    try:
        connection.send(request("GET", "/ready", headers=[("Connection", "close")]))
        while len(answers) < 3:
            answers.append(connection.receive())
    except Closed:
        pass
    assert [answer.status for answer in answers] == [404, 405, 200][: len(answers)]
    assert all(answer.headers["x-request-id"] != "smuggled" for answer in answers)
