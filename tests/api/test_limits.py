"""Timeouts, connections, memory: a client that misbehaves costs itself, not the others."""

import json
import select
import socket
import subprocess
import time

import pytest

from raw import request
from server import binary


@pytest.mark.parametrize(
    "start",
    [
        b"G",
        b"GET /health HTTP/1.1\r\nHost: x\r\n",
        b"POST /features/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n{",
        b"POST /features/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"POST /features/ingest/bulk HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_a_request_that_does_not_arrive_is_408(start_server, connect, start):
    server = start_server("--read-timeout-ms", "300")
    connection = connect(server.port)
    began = time.monotonic()
    connection.send(start)
    answer = connection.receive()
    assert answer.status == 408
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.headers["x-request-id"]
    assert 0.25 < time.monotonic() - began < 5
    connection.assert_closed()


def test_a_slow_trickle_does_not_help(start_server, connect):
    """The time is from the first byte to the last, not from byte to byte."""
    server = start_server("--read-timeout-ms", "300")
    connection = connect(server.port)
    began = time.monotonic()
    connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    while not select.select([connection.socket], [], [], 0.05)[0]:
        assert time.monotonic() - began < 5
        connection.send(b"x")
    assert connection.receive().status == 408


def test_a_bulk_body_that_makes_progress_is_not_cut(start_server, connect):
    server = start_server("--read-timeout-ms", "2000")
    connection = connect(server.port)
    connection.send(
        b"POST /features/ingest/bulk HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/x-ndjson\r\nContent-Length: 10\r\n\r\n"
    )
    for _ in range(10):
        time.sleep(0.25)  # the pace of a slow client is what is tested
        connection.send(b"\n")
    assert connection.receive().status == 200


def test_an_idle_connection_is_closed(start_server, connect):
    server = start_server("--idle-timeout-ms", "1000")
    fresh, used = connect(server.port), connect(server.port)
    began = time.monotonic()
    assert used.call("GET", "/health").status == 200
    fresh.assert_closed()
    used.assert_closed()
    assert 0.9 < time.monotonic() - began < 10


def test_at_most_so_many_connections(start_server, connect):
    """Further ones wait until one of the others ends."""
    server = start_server("--max-connections", "2")
    first, second = connect(server.port), connect(server.port)
    assert first.call("GET", "/health").status == second.call("GET", "/health").status == 200
    third = connect(server.port)
    third.send(request("GET", "/health"))
    if select.select([third.socket], [], [], 0.3)[0]:
        # To refuse at once is as good.
        assert third.receive().status == 503
        return
    first.socket.close()
    assert third.receive().status == 200
    assert second.call("GET", "/health").status == 200


BATCH_OF_ONE = json.dumps({"entity_ids": ["u"], "feature_names": ["text"]}).encode()
ONE_MEBIBYTE_ANSWERS = {
    "at once": request("GET", "/features/online/u?feature_names=text"),
    "streamed": request("POST", "/features/online", BATCH_OF_ONE),
}


@pytest.mark.parametrize("answered", ONE_MEBIBYTE_ANSWERS)
def test_a_client_that_does_not_read_is_stopped_not_buffered(start_server, client_of, connect, answered):
    server = start_server()
    client = client_of(server)
    client.post("/register", json={"name": "text", "data_type": "string", "entity": "user"})
    value = {"entity_id": "u", "features": [{"feature_name": "text", "value": "x" * (1 << 20)}]}
    assert client.post("/features/ingest", json=value).status_code == 200
    before = server.rss_bytes()
    connection = connect(server.port, receive_buffer=4096)
    stream = ONE_MEBIBYTE_ANSWERS[answered] * 2000
    connection.socket.setblocking(False)
    sent, stuck_since = 0, time.monotonic()
    while sent < len(stream) and time.monotonic() - stuck_since < 1:
        try:
            sent += connection.socket.send(stream[sent:])
            stuck_since = time.monotonic()
        except BlockingIOError:
            select.select([], [connection.socket], [], 0.1)
    # 2,000 answers would be 2 GiB.
    server.assert_rss_grew_less_than(64 << 20, before)
    assert client.get("/health").status_code == 200
    connection.socket.setblocking(True)
    connection.socket.settimeout(20)
    for _ in range(5):
        assert len(connection.receive().body) > 1 << 20
    connection.socket.close()
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(("ids", "value_bytes"), [(10000, 60000), (1000, 100000), (200, 1000000)])
def test_a_batch_answer_that_nobody_reads(start_server, client_of, connect, ids, value_bytes):
    """One answer of hundreds of megabytes, made as it is read: few ids with long values too."""
    server = start_server()
    client = client_of(server)
    client.post("/register", json={"name": "text", "data_type": "string", "entity": "user"})
    value = {"entity_id": "u", "features": [{"feature_name": "text", "value": "x" * value_bytes}]}
    assert client.post("/features/ingest", json=value).status_code == 200
    before = server.rss_bytes()
    connection = connect(server.port, receive_buffer=4096)
    body = json.dumps({"entity_ids": ["u"] * ids, "feature_names": ["text"]}).encode()
    connection.send(request("POST", "/features/online", body))
    while len(connection.buffer) < 1 << 20:
        connection.fill()
    server.assert_rss_grew_less_than(64 << 20, before)
    assert client.get("/health").status_code == 200


def test_a_thousand_connections_that_come_and_go(server, client):
    for _ in range(1000):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.send(b"GET /health HTTP/1.1\r\nHo")
    assert client.get("/health").status_code == 200


def test_clients_that_leave_before_their_answer(server, client, store):
    name = store.define("string")
    store.write("leaver", {name: "x" * 100000})
    body = json.dumps({"entity_ids": ["leaver"] * 1000, "feature_names": [name]}).encode()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(request("POST", "/features/online", body))
    assert client.get("/health").status_code == 200


@pytest.mark.embedded_only("memory is bounded by that Redis' own maxmemory")
def test_a_full_store_refuses_writes_and_goes_on_reading(start_server, client_of):
    server = start_server("--max-memory", "64MiB")
    client = client_of(server)
    client.post("/register", json={"name": "text", "data_type": "string", "entity": "user"})

    def write(number):
        feature = {"feature_name": "text", "value": "x" * (1 << 20)}
        body = {"entity_id": f"u{number}", "features": [feature]}
        return client.post("/features/ingest", json=body)

    number = 0
    while (response := write(number)).status_code == 200:
        number += 1
        assert number < 70, "64 MiB hold 70 values of 1 MiB"
    assert number > 10
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    found = client.get("/features/online/u0?feature_names=text").json()["features"]["text"]
    assert len(found) == 1 << 20
    assert client.delete("/features/online/u0").json()["values_deleted"] == 1
    for number in range(1, 10):
        client.delete(f"/features/online/u{number}")
    deadline = time.monotonic() + 20
    while write(0).status_code != 200:
        assert time.monotonic() < deadline, "erased values did not give memory back"
        time.sleep(0.05)


def test_many_pipelined_requests_of_one_do_not_starve_another(connect, store):
    name = store.define("int")
    store.write("busy", {name: 1})
    body = json.dumps({"entity_ids": ["busy"] * 10000, "feature_names": [name]}).encode()
    busy, other = connect(), connect()
    busy.send(request("POST", "/features/online", body) * 30)
    began = time.monotonic()
    assert other.call("GET", "/health").status == 200
    assert time.monotonic() - began < 5
    for _ in range(30):
        assert busy.receive().status == 200


def test_a_flag_that_is_wrong_is_a_usage_error(tmp_path):
    for flags in (["--max-connections", "many"], ["--no-such-flag"], ["--listen", "nowhere"]):
        done = subprocess.run(
            [binary(), "serve", "--data", str(tmp_path / "data"), *flags],
            capture_output=True,
            timeout=30,
            text=True,
        )
        assert done.returncode == 2
        assert flags[0] in done.stderr


@pytest.mark.embedded_only("memory is bounded by that Redis' own maxmemory")
def test_a_full_store_takes_new_values_of_the_same_size(start_server, client_of):
    server = start_server("--max-memory", "16MiB")
    client = client_of(server)
    client.post("/register", json={"name": "n", "data_type": "int", "entity": "user"})

    def load(first, last, value):
        rows = "".join(f"u{k},{value}\n" for k in range(first, last))
        return client.post(
            "/features/ingest/bulk",
            content=f"entity_id,n\n{rows}".encode(),
            headers={"Content-Type": "text/csv"},
        )

    full = load(0, 400000, 1)
    assert full.status_code == 503
    held = full.json()["rows_accepted"]
    assert held > 10000
    assert load(0, held, 2).status_code == 200
    assert client.get(f"/features/online/u{held - 1}?feature_names=n").json()["features"] == {"n": 2}
