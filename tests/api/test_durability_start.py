"""Starts that find something else than what a clean stop leaves, and what is served meanwhile."""

import fcntl
import json
import shutil
import signal
import subprocess
import time

import pytest

from server import binary, chosen_registry
from store import Store

pytestmark = pytest.mark.embedded_only("the data directory holds the values")

IDENTITY = "identity "


def check(server):
    """(exit status, report) of featured check."""
    done = subprocess.run([binary(), "check", "--json", str(server.data_path)], timeout=60,
                          capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def segments(server):
    return sorted((server.data_path / "log").glob("*.log"))


def snapshots(server):
    return sorted((server.data_path / "snapshot").glob("*.snapshot"))


@pytest.fixture
def filled(start_server, client_of):
    """A server that was killed with ten writes in its log, one group each."""
    server = start_server()
    store = Store(client_of(server))
    store.define("int", name="n")
    for i in range(10):
        store.write(f"u{i}", {"n": i})
    server.kill()
    return server


def values(store, count=10):
    return [row["features"]["n"] for row in store.batch([f"u{i}" for i in range(count)], ["n"]).json()]


def test_a_second_server_is_refused(start_server):
    server = start_server()
    other = type(server)(server.directory)
    other.log_path = server.directory / "other.log"
    said = other.refuses_to_start()
    assert f"is in use by another featured (process {server.process.pid})" in said


def test_the_format_file(filled):
    path = filled.data_path / "format"
    first, second, rest = path.read_text().split("\n")
    assert first == "featured data directory, format 1"
    assert second.startswith(IDENTITY) and len(bytes.fromhex(second[len(IDENTITY):])) == 8
    assert rest == ""
    filled.start()
    filled.stop()
    assert path.read_text() == f"{first}\n{second}\n"


@pytest.mark.parametrize("text, says", [
    ("featured data directory, format 2\nwhatever\n",
     "was written by a newer featured (format 2; this one reads 1): use that version or restore"),
    ("featured data directory, format 1\nidentity 12\n", "is damaged"),
    ("featured data directory, format 0\nidentity 0123456789abcdef\n", "is damaged"),
    ("featured data directory, format 1\nidentity 0123456789abcdef\nmore\n", "is damaged"),
    ("something else\n", "is damaged"),
    ("", "is damaged"),
    (None, "/format is gone"),
])
def test_another_format_is_refused(filled, text, says):
    path = filled.data_path / "format"
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    said = filled.refuses_to_start()
    assert said.count("\n") == 1 and said.startswith("featured serve: "), said
    assert says in said


def test_a_log_of_another_directory_is_refused(filled, start_server):
    other = start_server(directory="other")
    other.kill()
    shutil.copytree(filled.data_path / "log", other.data_path / "log", dirs_exist_ok=True)
    assert "another data directory" in other.refuses_to_start()


def test_a_directory_of_before_the_log(filled, client_of):
    """Only registry.db: definitions stay, and values can be written from now on."""
    for name in ("log", "snapshot"):
        shutil.rmtree(filled.data_path / name)
    (filled.data_path / "format").unlink()
    store = Store(client_of(filled.start()))
    assert values(store) == [None] * 10
    store.write("u1", {"n": 7})
    assert values(Store(client_of(filled.restart("kill"))), 2) == [None, 7]


@pytest.mark.skipif(chosen_registry() != "sqlite", reason="the registry is not in the data directory")
def test_a_registry_that_is_gone(filled, client_of):
    """Without definitions every value would be dropped, and soon forgotten on disk too."""
    for path in filled.data_path.glob("registry.db*"):
        path.rename(filled.directory / path.name)
    said = filled.refuses_to_start()
    assert "holds 10 values, but its registry has never had a definition" in said
    for path in filled.directory.glob("registry.db*"):
        path.replace(filled.data_path / path.name)
    filled.start()
    assert values(Store(client_of(filled))) == list(range(10))


@pytest.mark.parametrize("garbage", [b"\x20\x00\x00\x00" + b"\xa5" * 40, b"\xff" * 9, b"\x01"])
def test_a_torn_tail_is_cut_off_with_a_line(filled, client_of, garbage):
    status, report = check(filled)
    assert (status, report["torn_tail"]) == (0, None)
    segment = segments(filled)[-1]
    end = report["files"][-1]["used_bytes"]
    with open(segment, "r+b") as file:
        file.seek(end)
        file.write(garbage)
    status, report = check(filled)
    assert (status, report["torn_tail"]["offset"]) == (0, end)
    store = Store(client_of(filled.start()))
    line = filled.await_log(r".* warn event=log_cut .*").group(0)
    assert f"path={segment} offset={end} bytes={len(garbage)}" in line
    assert values(store) == list(range(10))
    store.write("u0", {"n": 100})
    store = Store(client_of(filled.restart("kill")))
    assert "log_cut" not in filled.own_log()
    assert values(store) == [100, *range(1, 10)]


def damage(server):
    """A flipped bit in the middle of what was synced. (file, the number of writes before it)"""
    segment = segments(server)[-1]
    data = segment.read_bytes()
    offset = data.index(b"u4")
    with open(segment, "r+b") as file:
        file.seek(offset)
        file.write(b"U")
    return segment, offset


def test_damage_stops_the_start(filled, client_of):
    segment, offset = damage(filled)
    said = filled.refuses_to_start()
    line = said.splitlines()[-1]
    assert line.startswith("featured serve: ") and str(segment) in line, said
    assert "--recover truncate" in line
    named = [int(word) for word in line.replace(",", " ").replace(":", " ").split()
             if word.isdigit()]
    assert any(offset - 64 < number <= offset for number in named), line
    assert filled.refuses_to_start().splitlines()[-1] == line  # nothing was changed
    status, report = check(filled)
    assert status == 1 and not report["whole"]
    assert str(segment) in " ".join(report["problems"])

    filled.command += ["--recover", "truncate"]
    store = Store(client_of(filled.start()))
    assert "event=log_cut" in filled.own_log()
    assert values(store) == [0, 1, 2, 3] + [None] * 6
    store.write("u9", {"n": 9})
    filled.kill()
    del filled.command[-2:]
    assert values(Store(client_of(filled.start()))) == [0, 1, 2, 3] + [None] * 5 + [9]
    assert check(filled)[0] == 0


def test_a_segment_that_is_gone_is_damage(filled, client_of):
    for i in range(3):  # a segment for each start
        Store(client_of(filled.start())).write("u0", {"n": i})
        filled.kill()
    between = segments(filled)[1:-1]
    assert between
    between[0].unlink()
    said = filled.refuses_to_start()
    assert "log" in said
    assert check(filled)[0] == 1


@pytest.fixture
def lease(filled):
    """Of the log's last segment, until lease.close(): whoever opens it waits in open() for as long,
    so recovery stands still there."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with open(segments(filled)[-1], "r+b") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:
            pytest.skip(f"no leases on this file system: {error}")
        yield file
    signal.signal(signal.SIGIO, before)


def test_recovering_is_said_while_it_lasts(filled, client_of, lease):
    filled.launch()
    client = client_of(filled.await_listening())
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert "recover" in ready.json()["detail"] and "%" in ready.json()["detail"]
    assert ready.headers["Retry-After"]
    assert client.get("/health").status_code == 200
    assert "featured_recovering 1\n" in client.get("/metrics").text
    store = Store(client)
    for answer in (store.online("u1", ["n"]), store.batch(["u1"], ["n"]),
                   store.ingest("u1", {"n": 1}), client.delete("/features/online/u1"),
                   client.get("/features/u1"), store.ndjson(['{"entity_id":"u","features":{"n":1}}'])):
        assert answer.status_code == 503, answer.text
        assert "recover" in answer.json()["detail"]
    filled.await_log(r" event=recovering permille=\d+ seconds=\d+")
    assert " event=ready " not in filled.own_log()
    lease.close()
    assert filled.first_line().startswith("featured ")
    assert client.get("/ready").json() == {"status": "ready"}
    assert values(store) == list(range(10))
    line = filled.await_log(r" event=recovered (.*)").group(1)
    assert "rows=10 " in line and "records=10 " in line


def test_ended_while_recovering(filled, client_of, lease):
    filled.launch()
    filled.await_listening()
    filled.await_log(r" event=recovering ")
    filled.terminate()
    filled.await_log(r" event=draining ")
    lease.close()
    assert filled.wait() == 0
    assert values(Store(client_of(filled.start()))) == list(range(10))


def await_true(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_snapshot_on_sigusr1(start_server, client_of):
    server = start_server("--log-segment-bytes", "64KiB")
    store = Store(client_of(server))
    store.define("string", name="s")
    store.define("int", name="n")
    for i in range(10):
        store.write(f"u{i}", {"s": "x" * 30000, "n": i})
    before = segments(server)
    assert len(before) > 2 and snapshots(server) == []
    server.process.send_signal(signal.SIGUSR1)
    await_true(lambda: "featured_snapshots_total 1\n" in store.client.get("/metrics").text)
    assert "featured_snapshot_rows 10\n" in store.client.get("/metrics").text
    assert len(snapshots(server)) == 1 and before[0] not in segments(server)
    assert not list((server.data_path / "snapshot").glob("*.new"))
    assert len(segments(server)) <= 2
    store.write("u0", {"n": 100})
    for how in ("kill", "stop", "kill"):
        store = Store(client_of(server.restart(how)))
        assert values(store) == [100, *range(1, 10)]
        assert [len(store.read_one(f"u{i}", "s")) for i in range(10)] == [30000] * 10
        assert store.definition("s")["count"] == 10


def test_retention_keeps_segments(start_server, client_of):
    server = start_server("--log-retention", "1h")
    store = Store(client_of(server))
    store.define("int", name="n")
    store.write("u0", {"n": 1})
    before = segments(server)
    server.process.send_signal(signal.SIGUSR1)
    await_true(lambda: snapshots(server))
    store = Store(client_of(server.restart("stop")))
    assert before[0] in segments(server)
    assert store.read_one("u0", "n") == 1


def test_a_damaged_snapshot_without_the_log_before_it(start_server, client_of):
    server = start_server()
    store = Store(client_of(server))
    store.define("int", name="n")
    store.write("u0", {"n": 1})
    server.stop()  # writes a snapshot
    path = snapshots(server)[-1]
    data = bytearray(path.read_bytes())
    data[data.index(b"u0")] ^= 1
    path.write_bytes(data)
    for file in segments(server):
        file.unlink()
    assert str(path) in server.refuses_to_start().splitlines()[-1]
    assert check(server)[0] == 1


def test_interval_syncs_by_itself(start_server, client_of):
    server = start_server("--fsync", "interval", "--fsync-interval-ms", "20")
    store = Store(client_of(server))
    store.define("int", name="n")
    store.write("u0", {"n": 1})

    def synced():
        found = dict(line.split(" ") for line in store.client.get("/metrics").text.splitlines()
                     if line.startswith("featured_log_") and "{" not in line)
        return found["featured_log_synced_lsn"] == found["featured_log_written_lsn"] != "0"

    await_true(synced)
