"""A service manager is told: ready when it can serve, alive while it does, that it stops."""

import socket

import pytest

from server import START_TIMEOUT_S

WATCHDOG = "WATCHDOG=1"


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(START_TIMEOUT_S)
        yield listener


def told(manager):
    """What comes next, but for the watchdog's food."""
    while True:
        message = manager.recv(4096).decode()
        if message != WATCHDOG:
            return message.split("\n")


def test_from_start_to_stop(start_server, manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    server = start_server()
    while (said := told(manager)) != ["READY=1", "STATUS=serving"]:
        assert said[0].startswith("STATUS="), said
    assert [manager.recv(4096).decode() for _ in range(3)] == [WATCHDOG] * 3
    server.terminate()
    assert told(manager)[0] == "STOPPING=1"
    assert server.wait() == 0


def test_nobody_behind_the_socket_is_no_harm(start_server, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("WATCHDOG_USEC", "10000")
    server = start_server()
    server.await_log(r"event=notify_failed")
    server.restart("stop")
    server.await_log(r"event=notify_failed")
    assert server.own_log().count("event=notify_failed") == 1
