"""The disk is full, syncing fails, descriptors run out: what can go on goes on, and nothing
acknowledged is lost."""

import contextlib
import json
import os
import resource
import shutil
import subprocess

import pytest

import server as server_module
from raw import Connection
from store import Store
from test_durability_start import check

TMPFS_BYTES = 8 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few megabytes; needs the right to mount one (CI runs as root)."""
    path = tmp_path / "disk"
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "featured-test", str(path)],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"may not mount a tmpfs: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def on_small_disk(small_disk, backend, client_of):
    server = server_module.Server(
        small_disk, backend, ("--log-segment-bytes", "256KiB", "--snapshot-interval", "0"))
    server.log_path = small_disk.parent / "server.log"  # its own log must not fill the disk
    server.start()
    yield server, Store(client_of(server))
    server.kill()


def fill(path):
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while True:
            file.write(b"x")


def ingest_until(store, status, acknowledged, first):
    """Writes until one is answered so; the number of the next. That one's answer is the second."""
    for i in range(first, first + 2000):
        answer = store.ingest(f"u{i}", {"s": f"{i:05d}" * 400})
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 200:
            acknowledged.append(i)
        if answer.status_code == status:
            return i + 1, answer
    raise AssertionError(f"never {status}")


def assert_all_there(store, acknowledged):
    for begin in range(0, len(acknowledged), 500):
        ids = acknowledged[begin : begin + 500]
        rows = store.batch([f"u{i}" for i in ids], ["s"]).json()
        assert [row["features"]["s"] for row in rows] == [f"{i:05d}" * 400 for i in ids]


@pytest.mark.embedded_only("the log is ours")
def test_a_full_disk(on_small_disk, small_disk, client_of):
    server, store = on_small_disk
    acknowledged = []
    store.define("string", name="s")
    ingest_until(store, 200, acknowledged, 0)
    fill(small_disk / "filler")
    following, refused = ingest_until(store, 503, acknowledged, 1)
    assert "space" in refused.json()["detail"], refused.text
    assert refused.headers["Retry-After"]
    # reads go on, also of the refused one, which was not applied
    assert_all_there(store, acknowledged)
    assert store.read_one(f"u{following - 1}", "s") is None
    assert store.client.get("/ready").status_code == 200
    count = store.definition("s")["count"]
    assert count == len(acknowledged)
    metrics = store.client.get("/metrics").text
    assert "featured_log_closed 0\n" in metrics and "featured_log_failures_total 0\n" not in metrics
    # there is space again: it goes on by itself
    (small_disk / "filler").unlink()
    answer = store.ingest(f"u{following}", {"s": f"{following:05d}" * 400})
    assert answer.status_code == 200, answer.text
    acknowledged.append(following)
    server.kill()
    assert check(server)[0] == 0
    server.start()
    store = Store(client_of(server))
    assert_all_there(store, acknowledged)
    assert store.definition("s")["count"] == len(acknowledged)


@pytest.mark.embedded_only("the log is ours")
def test_a_limit_on_the_size_of_files(start_server, client_of):
    """The kernel's signal for it must not end the process."""
    server = start_server()
    store = Store(client_of(server))
    store.define("int", name="n")
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
    refused = store.ingest("u", {"n": 1})
    assert refused.status_code == 503, refused.text
    assert store.read_one("u", "n") is None
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    store.write("u", {"n": 2})
    server.kill()
    server.start()
    assert Store(client_of(server)).read_one("u", "n") == 2


@pytest.mark.embedded_only("the log is ours")
def test_killed_while_the_disk_is_full(on_small_disk, small_disk, client_of):
    """A start needs no space; reading works, and writing does once there is some."""
    server, store = on_small_disk
    acknowledged = []
    store.define("string", name="s")
    ingest_until(store, 200, acknowledged, 0)
    fill(small_disk / "filler")
    following, _ = ingest_until(store, 503, acknowledged, 1)
    server.kill()
    server.start()
    store = Store(client_of(server))
    assert_all_there(store, acknowledged)
    (small_disk / "filler").unlink()
    following, _ = ingest_until(store, 200, acknowledged, following)
    server.stop()
    server.start()
    assert_all_there(Store(client_of(server)), acknowledged)


FAILING_SYNC = """
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
static int fails(void)
{
    return access(getenv("SYNC_FAILS_WHILE_THERE"), F_OK) == 0;
}
int fsync(int fd)
{
    errno = EIO;
    return fails() ? -1 : (int)syscall(SYS_fsync, fd);
}
int fdatasync(int fd)
{
    errno = EIO;
    return fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}
"""


@pytest.fixture
def sync_fails(tmp_path):
    """(environment, file): under it syncing fails while the file is there."""
    if server_module.is_sanitized() or not shutil.which("cc"):
        pytest.skip("needs cc, and a binary that other libraries may be put before")
    source, library = tmp_path / "sync.c", tmp_path / "sync.so"
    source.write_text(FAILING_SYNC)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    switch = tmp_path / "fails"
    return {"LD_PRELOAD": str(library), "SYNC_FAILS_WHILE_THERE": str(switch)}, switch


@pytest.mark.embedded_only("the log is ours")
def test_a_failed_sync_closes_the_log(backend, tmp_path, client_of, sync_fails):
    environment, switch = sync_fails
    server = server_module.Server(tmp_path / "own", backend)
    server.environment |= environment
    try:
        store = Store(client_of(server.start()))
        store.define("int", name="n")
        store.write("u", {"n": 1})
        assert store.client.get("/ready").json() == {"status": "ready"}
        switch.touch()
        refused = store.ingest("u", {"n": 2})
        assert refused.status_code == 503
        assert "unknown" in refused.json()["detail"], refused.text
        switch.unlink()
        # asking again would say that all is well: it is not asked
        refused = store.ingest("u", {"n": 3})
        assert refused.status_code == 503 and "restart" in refused.json()["detail"], refused.text
        assert store.client.delete("/features/online/u").status_code == 503
        assert store.read_one("u", "n") == 1
        assert store.definition("n")["count"] == 1
        ready = store.client.get("/ready")
        assert ready.status_code == 200 and ready.json()["status"] == "ready"
        assert "Input/output error" in ready.json()["ingestion"], ready.text
        assert "featured_log_closed 1\n" in store.client.get("/metrics").text
        server.stop()
        store = Store(client_of(server.start()))
        assert store.read_one("u", "n") in (1, 2)
        assert store.client.get("/ready").json() == {"status": "ready"}
        store.write("u", {"n": 4})
        assert store.read_one("u", "n") == 4
    finally:
        server.kill()


def test_descriptors_run_out(start_server, client_of, monkeypatch):
    """Connections wait for each other; those that are open are served."""
    limit = 64
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = start_server()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    store = Store(client_of(server))
    store.define("int", name="n")
    store.write("u", {"n": 1})
    waiting = [Connection(server.port) for _ in range(2 * limit)]
    try:
        server.await_log("")  # it is alive
        for i in range(50):  # new log segments cannot be opened, but the present one can be written
            store.write("u", {"n": i})
        assert store.read_one("u", "n") == 49
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) == limit
    finally:
        for connection in waiting:
            connection.socket.close()
    with Connection(server.port) as late:
        answer = late.call("GET", "/features/online/u?feature_names=n")
        assert json.loads(answer.body)["features"] == {"n": 49}
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_the_limit_of_descriptors_is_raised(start_server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        server = start_server()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
