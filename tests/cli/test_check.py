"""`featured check`: what it says of whole, torn and damaged directories, and that it changes nothing."""

import json
import shutil

import pytest

from conftest import Cli, Server

DEFINITIONS = """
features:
  - {name: c_count, data_type: int, entity: item}
  - {name: c_text, data_type: string, entity: item}
  - {name: c_taste, data_type: embedding, dimension: 3, entity: person}
"""


def ndjson(first, count):
    rows = [{"entity_id": f"i{i}", "features": {"c_count": i, "c_text": "x" * (i % 70)},
             "event_timestamp": "2026-01-02T03:04:05Z"} for i in range(first, first + count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A directory with a snapshot of 100 rows, and 20 rows of two entities and an erasure after it."""
    directory = tmp_path_factory.mktemp("made")
    server = Server(directory)
    cli = Cli(directory, server.start().url)
    cli.fine("apply", "--yes", cli.write("c.yaml", DEFINITIONS))
    cli.fine("ingest", cli.write("a.ndjson", ndjson(0, 100)))
    server.stop()
    cli.url = server.start().url
    cli.fine("ingest", cli.write("b.ndjson", ndjson(100, 15)))
    cli.fine("ingest", cli.write("c.csv", "entity_id,c_taste\n" + "".join(
        f'p{i},"[1,2,{i}]"\n' for i in range(5))))
    erase(server.url, "i3")
    server.kill()
    return server.data_path


def erase(url, entity_id):
    import urllib.request
    request = urllib.request.Request(f"{url}/features/online/{entity_id}?entity=item",
                                     method="DELETE")
    urllib.request.urlopen(request).close()


@pytest.fixture
def data(made, tmp_path):
    """A copy to change."""
    return shutil.copytree(made, tmp_path / "data")


def contents(directory):
    return {path.relative_to(directory): path.read_bytes()
            for path in sorted(directory.rglob("*")) if path.is_file()}


def report(cli, data, status=0):
    done = cli.run("check", "--json", data)
    assert done.returncode == status, done
    return json.loads(done.stdout)


def test_a_whole_directory(alone, data):
    before = contents(data)
    found = report(alone, data)
    assert found["whole"] and found["problems"] == [] and found["torn_tail"] is None
    assert not found["in_use"]
    assert found["identity"] == (data / "format").read_text().split()[-1]
    assert found["registry"]["features"] == found["registry"]["versions"] == 3
    entities = {entity.pop("entity"): entity for entity in found["entities"]}
    assert entities["item"] == {"snapshot_rows": 100, "log_rows": 15, "log_erasures": 1,
                                "newest_event_timestamp": "2026-01-02T03:04:05Z"}
    assert (entities["person"]["snapshot_rows"], entities["person"]["log_rows"]) == (0, 5)
    snapshot, *segments = found["files"]
    assert snapshot["file"].startswith("snapshot/") and snapshot["rows"] == 100
    assert snapshot["values"] == 200 and snapshot["first_lsn"] == found["snapshot_lsn"]
    assert all(file["state"] == "whole" for file in found["files"])
    last = segments[-1]
    assert last["last_lsn"] == found["last_lsn"] and last["rows"] == 20
    assert last["used_bytes"] < last["size_bytes"] == (data / last["file"]).stat().st_size
    assert contents(data).keys() == before.keys() and contents(data) == before


def test_what_a_person_reads(alone, data):
    text = alone.fine("check", data)
    assert text.endswith("\nwhole\n")
    assert "registry: 3 features, 3 versions" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["item", "100", "15", "1", "2026-01-02T03:04:05Z"] in rows
    assert any(row[:2] == ["FILE", "STATE"] for row in rows)


def test_a_read_only_directory(alone, data):
    """As a backup is kept; root may write anyway, but nothing is made either."""
    for name in ("registry.db-wal", "registry.db-shm"):
        (data / name).unlink(missing_ok=True)
    before = sorted(data.rglob("*"))
    report(alone, data)
    assert sorted(data.rglob("*")) == before


def test_a_torn_tail_is_harmless(alone, data):
    last = report(alone, data)["files"][-1]
    with open(data / last["file"], "r+b") as file:
        file.seek(last["used_bytes"])
        file.write(b"half a group")
    done = alone.run("check", data)
    assert done.returncode == 0
    assert "torn tail of 12 bytes above the last mark" in done.stdout and "harmless" in done.stdout
    torn = report(alone, data)
    assert torn["torn_tail"]["bytes"] == 12
    assert torn["torn_tail"]["offset"] == last["used_bytes"]
    assert torn["files"][-1]["state"] == "torn"


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", ["snapshot", "log"])
def test_damage_is_named_with_file_and_offset(alone, data, suffix):
    path = max(data.glob(f"{suffix}/*.{suffix}"))
    used = next(file["used_bytes"] for file in report(alone, data)["files"]
                if path.name in file["file"])
    place = path.read_bytes().index(b"i105" if suffix == "log" else b"i50")
    assert place < used
    flip(path, place)
    found = report(alone, data, status=1)
    assert not found["whole"]
    file = next(file for file in found["files"] if path.name in file["file"])
    assert file["state"] == "damaged"
    done = alone.run("check", data)
    assert done.returncode == 1 and "\nwhole\n" not in done.stdout
    assert str(path) in done.stderr and "offset" in done.stderr
    assert done.stderr.startswith("featured check: ") and "--recover truncate" in done.stderr


def test_every_flipped_bit_is_found(alone, data):
    """In the snapshot, wherever it is."""
    path = max(data.glob("snapshot/*.snapshot"))
    size = path.stat().st_size
    for offset in range(0, size, max(1, size // 40)):
        flip(path, offset)
        done = alone.run("check", data)
        flip(path, offset)
        # 48 to 64 of the header is room to grow: its checksum covers it too
        assert done.returncode == 1, offset
    assert alone.run("check", data).returncode == 0


def test_a_missing_segment(alone, data):
    for path in data.glob("snapshot/*"):
        path.unlink()
    assert len(list(data.glob("log/*.log"))) > 1
    min(data.glob("log/*.log")).unlink()
    found = report(alone, data, status=1)
    assert found["problems"]


def test_a_damaged_registry(alone, data):
    for name in ("registry.db-wal", "registry.db-shm"):
        (data / name).unlink(missing_ok=True)
    with open(data / "registry.db", "r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    found = report(alone, data, status=1)
    assert any("registry.db" in problem for problem in found["problems"])


@pytest.mark.parametrize("text, says", [
    ("featured data directory, format 9\n", "newer featured (format 9; this one reads 1)"),
    ("x", "is damaged"), (None, "is no data directory of featured")])
def test_the_format_file(alone, data, text, says):
    (data / "format").unlink()
    if text is not None:
        (data / "format").write_text(text)
    done = alone.run("check", data)
    assert done.returncode == 1
    assert says in done.stderr


def test_no_directory(alone):
    done = alone.run("check", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot look at nowhere: No such file or directory" in done.stderr


def test_unfinished_snapshots_are_no_damage(alone, data):
    (data / "snapshot" / f"{7:020}.snapshot.new").write_bytes(b"FEATSNP\n")
    found = report(alone, data)
    assert "unfinished" in [file["state"] for file in found["files"]]


def test_while_a_server_runs(alone, tmp_path):
    server = Server(tmp_path / "own").start()
    try:
        text = alone.fine("check", server.data_path)
        assert f"in use by a server (process {server.process.pid})" in text
        assert report(alone, server.data_path)["in_use"]
    finally:
        server.stop()
