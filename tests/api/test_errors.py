"""Bad input of any kind gets a clear error that names the place."""

import re

import pytest

ROUTES_WITH_BODY = [
    ("POST", "/register"),
    ("PUT", "/features/definitions/some_name"),
    ("POST", "/features/definitions/some_name/activate"),
    ("POST", "/feature-services"),
    ("PUT", "/feature-services/some_name"),
    ("POST", "/features/ingest"),
    ("POST", "/features/online"),
    ("POST", "/features/batch"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES_WITH_BODY)
class TestBodies:
    def test_malformed_json_is_400_with_the_offset(self, client, method, path):
        response = client.request(method, path, content=b'{"name": "x", }')
        assert response.status_code == 400
        offset = int(re.search(r"byte (\d+)", response.json()["detail"]).group(1))
        assert 12 <= offset <= 15

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"{}{}", b"{} x", b"{'a':1}", b"\xff\xfe{}", b'{"a":"\xc3("}', b'{"a":"\\ud800"}', b"nul", b"01"],
    )
    def test_other_malformed_bodies(self, client, method, path, body):
        assert client.request(method, path, content=body).status_code == 400

    def test_a_bom_is_skipped(self, client, method, path):
        assert client.request(method, path, content=b"\xef\xbb\xbf[]").status_code == 422

    def test_other_content_types_are_415(self, client, method, path):
        for content_type in ("text/html", "application/xml", "application/x-www-form-urlencoded", "x"):
            headers = {"Content-Type": content_type}
            response = client.request(method, path, content=b"{}", headers=headers)
            assert response.status_code == 415, content_type

    def test_json_content_types(self, client, method, path):
        for content_type in ("application/json; charset=utf-8", "APPLICATION/JSON"):
            headers = {"Content-Type": content_type}
            response = client.request(method, path, content=b"[]", headers=headers)
            assert response.status_code == 422, content_type


def test_a_422_has_fastapis_list(client):
    response = client.post("/features/ingest", json={})
    assert response.headers["Content-Type"].split(";")[0] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "about:blank"
    assert problem["status"] == 422
    for item in problem["detail"]:
        assert {"loc", "msg", "type"} <= set(item)


@pytest.mark.parametrize(
    "path", ["/nothing", "/features/online/a/b", "/registers", "/Register", "/features/ingest/bulk/x", "//"]
)
def test_no_such_route(client, connect, path):
    answer = connect().call("GET", path)
    assert answer.status == 404
    client.contract.check("GET", path if path != "//" else "/nothing", 404, answer.headers, answer.body)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/register", {"POST"}),
        ("PUT", "/register", {"POST"}),
        ("POST", "/features", {"GET"}),
        ("PATCH", "/features", {"GET"}),
        ("GET", "/features/online", {"POST"}),
        ("DELETE", "/features/ingest", {"POST"}),
        ("POST", "/features/online/user_1", {"GET", "DELETE"}),
        ("POST", "/health", {"GET"}),
        ("DELETE", "/features/definitions/x", {"GET", "PUT"}),
        ("TRACE", "/health", {"GET"}),
    ],
)
def test_a_method_that_a_route_has_not(client, method, path, allowed):
    response = client.request(method, path)
    assert response.status_code == 405
    methods = {item.strip() for item in response.headers["Allow"].split(",")}
    assert allowed <= methods
    assert methods <= allowed | {"HEAD", "OPTIONS"}


def test_a_method_that_nobody_knows(connect):
    assert connect().call("BREW", "/health").status in (400, 405, 501)


def test_a_target_that_is_too_long(client, contract, connect):
    limit = 8192
    fits = "/features/online/u?feature_names=" + "a" * (limit - 33)
    assert len(fits) == limit
    assert connect().call("GET", fits).status == 200
    target = fits + "a"
    answer = connect().call("GET", target)
    assert answer.status == 414
    contract.check("GET", target, 414, answer.headers, answer.body)
    assert connect().call("GET", "/" + "a" * 12000).status == 414


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Big", "x" * 20000)],
        [(f"X-{number}", "x" * 100) for number in range(99)] + [("X-Big", "x" * 8000)],
        [(f"X-{number}", "x") for number in range(300)],
        [("X" * 20000, "x")],
    ],
)
def test_headers_that_are_too_large(contract, connect, headers):
    answer = connect().call("GET", "/health", headers=headers)
    assert answer.status == 431
    contract.check("GET", "/health", 431, answer.headers, answer.body)


def test_the_limit_of_headers_is_a_flag(start_server, connect):
    server = start_server("--max-header-bytes", "1024")
    assert connect(server.port).call("GET", "/health", headers=[("X-Big", "x" * 800)]).status == 200
    assert connect(server.port).call("GET", "/health", headers=[("X-Big", "x" * 1100)]).status == 431


def test_the_limit_of_a_body_is_a_flag(start_server, client_of, connect, contract):
    server = start_server("--max-body-bytes", "2000")
    client = client_of(server)
    body = b'{"user_ids":["u"]}'
    assert client.post("/features/batch", content=body.ljust(2000)).status_code == 200
    connection = connect(server.port)
    connection.send(b"POST /features/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 2001\r\n\r\n")
    answer = connection.receive()
    assert answer.status == 413
    contract.check("POST", "/features/batch", 413, answer.headers, answer.body)
    connection = connect(server.port)
    connection.send(b"POST /features/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.send(b"7d0\r\n" + body.ljust(2000) + b"\r\n1\r\n \r\n")
    assert connection.receive().status == 413


def test_the_default_limit_of_a_body(client):
    body = b'{"user_ids":["u"]}'
    assert client.post("/features/batch", content=body.ljust(16 << 20)).status_code == 200
    assert client.post("/features/batch", content=body.ljust((16 << 20) + 1)).status_code == 413


def test_a_post_without_a_length(connect, contract):
    answer = connect().call("POST", "/features/batch")
    assert answer.status in (400, 411)
    contract.check("POST", "/features/batch", answer.status, answer.headers, answer.body)


def test_details_are_json_whatever_was_sent(client):
    response = client.get("/features/%22%5C%1F%3C%2Fscript%3E")
    assert response.status_code == 404
    assert response.json()["detail"] == 'User "\\\x1f</script> not found'
