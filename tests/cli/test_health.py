"""`featured health` against a real server, one that is not ready, and what is no server."""

import contextlib
import http.server
import socket
import threading
import time

import pytest


@contextlib.contextmanager
def answering(status, body):
    """A server that gives everything the same answer; yields its address and what was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_is_ready(cli):
    assert cli.fine("health") == "ready\n"
    assert cli.fine("health", "--live") == "healthy\n"


def test_what_is_amiss_is_shown_and_no_failure(alone):
    body = b'{"status":"ready","registry":"away\\u001b[31m","ingestion":"the disk is full"}'
    with answering(200, body) as (url, asked):
        assert alone.fine("health", "--server", url) == \
            "ready\nregistry: away\\u001b[31m\ningestion: the disk is full\n"
    assert asked == ["/ready"]


def test_a_server_that_is_not_ready(alone):
    body = b'{"detail":"The store is being recovered: 43 % done"}'
    with answering(503, body) as (url, asked):
        done = alone.run("health", FEATURED_SERVER=url)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "featured health: The store is being recovered: 43 % done (HTTP 503)\n"
        alone.run("health", "--live", FEATURED_SERVER=url)
    assert asked == ["/ready", "/health"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"status":1}', b'{"ok":true}'])
def test_something_else_that_answers(alone, body):
    with answering(200, body) as (url, _):
        done = alone.run("health", "--server", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"featured health: what answers at {url} is no featured\n"


def test_silence_is_a_failure_in_time(alone):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        done = alone.run("health", "--timeout", "300ms",
                         "--server", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert 0.3 <= time.monotonic() - started < 30
    assert done.returncode == 1
    assert "does not answer" in done.stderr
