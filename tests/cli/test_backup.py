"""`featured backup`: a running server is copied, and the copy serves what was acknowledged."""

import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from conftest import Cli, Server, binary
from test_check import contents

DEFINITIONS = """
features:
  - {name: b_number, data_type: int, entity: item}
  - {name: b_text, data_type: string, entity: item}
feature_services:
  - {name: b_service, features: [b_number]}
"""


@pytest.fixture
def server(tmp_path):
    """Snapshots and new segments all the time."""
    server = Server(tmp_path / "own", flags=(
        "--snapshot-log-bytes", "64KiB", "--log-segment-bytes", "64KiB"))
    yield server.start()
    server.kill()


@pytest.fixture
def copies(tmp_path):
    """copies(directory) → a server on it."""
    started = []

    def start(directory):
        copy = Server(tmp_path / f"copy{len(started)}")
        copy.command[copy.command.index("--data") + 1] = str(directory)
        started.append(copy)
        return copy.start()

    yield start
    for copy in started:
        copy.kill()


def call(url, path, body=None):
    request = urllib.request.Request(url + path, None if body is None else json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def numbers(url, ids):
    rows = call(url, "/features/online", {"entity_ids": ids, "feature_names": ["b_number"]})
    return {row["entity_id"]: row["features"]["b_number"] for row in rows}


class Writer(threading.Thread):
    """Ingests until stopped; knows what was acknowledged, and registers features meanwhile."""

    def __init__(self, url, first):
        super().__init__()
        self.url, self.first = url, first
        self.acknowledged = {}
        self.stopped = False

    def run(self):
        number = self.first
        while not self.stopped:
            number += 4
            entity_id = f"w{number % 997}"
            call(self.url, "/features/ingest", {"entity_id": entity_id, "features": [
                {"feature_name": "b_number", "value": number},
                {"feature_name": "b_text", "value": "x" * 300}]})
            self.acknowledged[entity_id] = number


def test_backups_while_rows_are_written(server, copies, tmp_path):
    cli = Cli(tmp_path, server.url)
    cli.fine("apply", "--yes", cli.write("b.yaml", DEFINITIONS))
    writers = [Writer(server.url, first) for first in range(4)]
    for writer in writers:
        writer.start()
    taken = []
    try:
        for i in range(4):
            call(server.url, "/register",
                 {"name": f"b_later_{i}", "data_type": "int", "entity": "item"})
            call(server.url, "/features/ingest", {"entity_id": "later", "features": [
                {"feature_name": f"b_later_{i}", "value": i}]})
            before = {}
            for writer in writers:
                before.update(dict(writer.acknowledged))
            out = cli.fine("backup", "--data", server.data_path, f"backup{i}")
            assert "verified\nTo restore: featured serve --data backup" in out
            taken.append((tmp_path / f"backup{i}", before))
    finally:
        for writer in writers:
            writer.stopped = True
            writer.join()
    assert any(before for _, before in taken)
    for i, (directory, before) in enumerate(taken):
        assert not directory.with_name(f"backup{i}.new").exists()
        cli.fine("check", directory)
        assert (directory / "format").read_text() == (server.data_path / "format").read_text()
        copy = copies(directory)
        found = numbers(copy.url, list(before))
        # an id may have been written again before its turn came to be copied
        assert all(found[entity_id] >= number for entity_id, number in before.items())
        assert call(copy.url, f"/features/online/later?feature_names=b_later_{i}")["features"] == {
            f"b_later_{i}": i}
        assert call(copy.url, "/feature-services/b_service")["features"] == ["b_number"]
        copy.stop()


def test_of_a_stopped_server(server, copies, tmp_path):
    cli = Cli(tmp_path, server.url)
    cli.fine("apply", "--yes", cli.write("b.yaml", DEFINITIONS))
    call(server.url, "/features/ingest",
         {"entity_id": "u", "features": [{"feature_name": "b_number", "value": 5}]})
    server.stop()
    before = contents(server.data_path)
    cli.fine("backup", "--data", server.data_path, "b")
    assert contents(server.data_path) == before
    # what the next start of the original writes is not in the copy
    url = server.start().url
    call(url, "/features/ingest",
         {"entity_id": "u", "features": [{"feature_name": "b_number", "value": 6}]})
    assert numbers(copies(tmp_path / "b").url, ["u"]) == {"u": 5}
    assert numbers(url, ["u"]) == {"u": 6}


def test_of_a_killed_server(server, copies, tmp_path):
    cli = Cli(tmp_path, server.url)
    cli.fine("apply", "--yes", cli.write("b.yaml", DEFINITIONS))
    call(server.url, "/features/ingest",
         {"entity_id": "u", "features": [{"feature_name": "b_number", "value": 5}]})
    server.kill()
    cli.fine("backup", "b", FEATURED_DATA=str(server.data_path))
    assert numbers(copies(tmp_path / "b").url, ["u"]) == {"u": 5}


def test_never_over_something(server, tmp_path):
    cli = Cli(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    done = cli.run("backup", "--data", server.data_path, "full")
    assert done.returncode == 2 and "full is not empty" in done.stderr
    (tmp_path / "half.new").mkdir()
    done = cli.run("backup", "--data", server.data_path, "half")
    assert done.returncode == 2 and "half.new is there" in done.stderr
    assert not (tmp_path / "half").exists()
    (tmp_path / "empty").mkdir()
    cli.fine("backup", "--data", server.data_path, "empty/")
    assert (tmp_path / "empty" / "format").exists()


def test_of_no_data_directory(alone):
    done = alone.run("backup", "--data", ".", "b")
    assert done.returncode == 1
    assert "is no data directory of featured" in done.stderr
    assert not (alone.directory / "b.new").exists()


def test_damage_makes_no_backup(server, tmp_path):
    cli = Cli(tmp_path, server.url)
    cli.fine("apply", "--yes", cli.write("b.yaml", DEFINITIONS))
    for i in range(20):
        call(server.url, "/features/ingest", {"entity_id": f"u{i}", "features": [
            {"feature_name": "b_number", "value": i}]})
    server.kill()
    path = max(server.data_path.glob("log/*.log"))
    data = bytearray(path.read_bytes())
    data[data.index(b"u7")] ^= 1
    path.write_bytes(data)
    done = cli.run("backup", "--data", server.data_path, "b")
    assert done.returncode == 1
    assert "there is no backup" in done.stderr
    assert not (tmp_path / "b").exists() and not (tmp_path / "b.new").exists()


def test_a_copy_that_does_not_fit(server, tmp_path):
    """Nothing of it stays."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "featured-test", str(disk)],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"may not mount a tmpfs: {mounted.stderr.strip()}")
    try:
        done = Cli(tmp_path).run("backup", "--data", server.data_path, disk / "b")
        assert done.returncode == 1
        assert "featured backup: " in done.stderr
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
