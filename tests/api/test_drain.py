"""SIGTERM: what is in flight is finished, the rest is closed, exit status 0."""

import json
import signal
import socket
import time

import pytest

from raw import Closed, request
from server import chosen_registry


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # the listener closed between the handshake's packets: ask again
    return False


def wait_until_refused(port):
    deadline = time.monotonic() + 20
    while not refused(port):
        assert time.monotonic() < deadline, "still accepting"
        time.sleep(0.01)


def test_nothing_in_flight(start_server):
    server = start_server()
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_both_signals_end_it(start_server, name):
    server = start_server()
    server.process.send_signal(getattr(signal, name))
    assert server.wait() == 0


def test_an_idle_connection_does_not_hold_it(start_server, connect):
    server = start_server()
    connection = connect(server.port)
    assert connection.call("GET", "/health").status == 200
    server.terminate()
    connection.assert_closed()
    assert server.wait() == 0


def test_a_request_in_flight_is_finished(start_server, connect, client_of):
    server = start_server()
    client = client_of(server)
    client.post("/register", json={"name": "age", "data_type": "int", "entity": "user"})
    row = json.dumps({"entity_id": "u", "features": {"age": 1}}).encode() + b"\n"
    connection = connect(server.port)
    connection.send(
        b"POST /features/ingest/bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
        b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % (2 * len(row))
    )
    assert connection.receive().status == 100
    connection.send(row)
    server.terminate()
    wait_until_refused(server.port)
    connection.send(row)
    answer = connection.receive()
    assert answer.status == 200
    assert json.loads(answer.body)["rows_accepted"] == 2
    assert answer.headers["connection"].lower() == "close"
    connection.assert_closed()
    assert server.wait() == 0


def test_a_request_half_arrived_is_finished(start_server, connect):
    server = start_server()
    data = request("POST", "/features/batch", b'{"user_ids":["u"]}')
    connection = connect(server.port)
    # An answer shows that the connection was accepted; the rest of the stream is the next request.
    connection.send(request("GET", "/health") + data[:-5])
    assert connection.receive().status == 200
    server.terminate()
    wait_until_refused(server.port)
    connection.send(data[-5:])
    answer = connection.receive()
    assert answer.status == 200
    assert answer.headers["connection"].lower() == "close"
    assert server.wait() == 0


UNFINISHED = {
    "headers": b"POST /features/batch HTTP/1.1\r\nHost: x\r\nCont",
    "body": b"POST /features/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    "streamed body": b"POST /features/ingest/bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    b"Content-Type: application/x-ndjson\r\n\r\n{",
}


@pytest.mark.parametrize("unfinished", UNFINISHED)
def test_who_does_not_finish_is_cut_off_in_the_end(start_server, connect, unfinished):
    server = start_server("--drain-timeout-ms", "300")
    connection = connect(server.port)
    connection.send(request("GET", "/health") + UNFINISHED[unfinished])
    assert connection.receive().status == 200
    began = time.monotonic()
    server.terminate()
    assert server.wait() == 0
    assert time.monotonic() - began < 10
    with pytest.raises(Closed):
        while True:
            connection.fill()


def test_who_does_not_read_is_cut_off_in_the_end(start_server, connect, client_of):
    server = start_server("--drain-timeout-ms", "300")
    client = client_of(server)
    client.post("/register", json={"name": "text", "data_type": "string", "entity": "user"})
    value = {"entity_id": "u", "features": [{"feature_name": "text", "value": "x" * 10000}]}
    client.post("/features/ingest", json=value)
    body = json.dumps({"entity_ids": ["u"] * 5000, "feature_names": ["text"]}).encode()
    connection = connect(server.port, receive_buffer=4096)
    connection.send(request("POST", "/features/online", body))
    connection.fill()
    server.terminate()
    assert server.wait() == 0


def test_a_large_answer_is_sent_to_its_end(start_server, connect, client_of):
    server = start_server()
    client = client_of(server)
    client.post("/register", json={"name": "text", "data_type": "string", "entity": "user"})
    value = {"entity_id": "u", "features": [{"feature_name": "text", "value": "x" * 10000}]}
    client.post("/features/ingest", json=value)
    body = json.dumps({"entity_ids": ["u"] * 500, "feature_names": ["text"]}).encode()
    connection = connect(server.port, receive_buffer=4096)
    connection.send(request("POST", "/features/online", body))
    connection.fill()
    server.terminate()
    wait_until_refused(server.port)
    assert len(json.loads(connection.receive().body)) == 500
    assert server.wait() == 0


def test_the_data_directory_is_locked(start_server, backend):
    if backend.keyspaces and chosen_registry() != "sqlite":
        pytest.skip("nothing is kept there")
    server = start_server()
    other = type(server)(server.directory)
    with pytest.raises(AssertionError):
        other.start()
    assert other.process is None


def test_a_second_signal_ends_it_at_once(start_server, connect):
    server = start_server()
    connection = connect(server.port)
    connection.send(request("GET", "/health") + UNFINISHED["body"])
    assert connection.receive().status == 200
    server.terminate()
    wait_until_refused(server.port)
    server.terminate()
    assert server.wait() == 1


def test_a_stream_under_way_ends_its_connection(start_server, connect, client_of):
    server = start_server()
    client_of(server).post("/register", json={"name": "age", "data_type": "int", "entity": "user"})
    connection = connect(server.port, receive_buffer=4096)
    body = json.dumps({"entity_ids": ["u"] * 10000, "feature_names": ["age"]}).encode()
    connection.send(request("POST", "/features/online", body))
    connection.fill()
    server.terminate()
    wait_until_refused(server.port)
    began = time.monotonic()
    assert len(json.loads(connection.receive().body)) == 10000
    connection.assert_closed()
    assert server.wait() == 0
    assert time.monotonic() - began < 8  # not the drain timeout of ten seconds
