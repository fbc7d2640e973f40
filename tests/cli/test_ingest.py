"""`featured ingest` against a real server."""

import json
import os
import re
import subprocess
import urllib.request

import numpy
import pyarrow as pa
import pytest

from conftest import Cli, Server, Terminal, binary

DEFINITIONS = """
features:
  - {name: i_count, data_type: int, entity: item}
  - {name: i_text, data_type: string, entity: item}
"""


@pytest.fixture
def rows(cli):
    cli.fine("apply", "--yes", cli.write("i.yaml", DEFINITIONS))
    return cli


def read(cli, entity_id):
    with urllib.request.urlopen(f"{cli.url}/features/online/{entity_id}"
                                "?feature_names=i_count,i_text") as answer:
        return json.load(answer)["features"]


def ndjson(first, count):
    return "".join(f'{{"entity_id":"n{i}","features":{{"i_count":{i}}}}}\n'
                   for i in range(first, first + count))


def summary(out):
    return re.fullmatch(r"(.+): ([\d,]+) rows ingested \(([\d,]+) values"
                        r"(?:, ([\d,]+) of them late)?\)(?:, ([\d,]+) rejected)? in [\d.]+ s, "
                        r"[\d,]+ rows/s\n", out).groups()


def test_ndjson(rows):
    out = rows.fine("ingest", rows.write("r.ndjson", ndjson(0, 2500)))
    assert summary(out) == ("r.ndjson", "2,500", "2,500", None, None)
    assert read(rows, "n2499")["i_count"] == 2499


def test_csv_with_other_columns(rows):
    text = "code,skip,i_count,when,i_text\r\n" + "".join(
        f'c{i},?,{i},2020-01-01T00:00:0{i}Z,"a ""{i}""\nb"\r\n' for i in range(5))
    options = ["--id-column", "code", "--timestamp-column", "when", "--columns", "i_count,i_text"]
    path = rows.write("r.CSV", text)
    assert summary(rows.fine("ingest", *options, path))[:3] == ("r.CSV", "5", "10")
    assert read(rows, "c3") == {"i_count": 3, "i_text": 'a "3"\nb'}
    # the same again is harmless, an older one late
    rows.fine("ingest", *options, path)
    rows.write("old.csv", text.replace("2020", "2019").replace(",3,", ",33,"))
    assert summary(rows.fine("ingest", *options, "old.csv"))[3] == "10"
    assert read(rows, "c3")["i_count"] == 3


@pytest.mark.parametrize("part_size", ["1k", "10k", "64MiB"])
def test_parts_make_no_difference(rows, part_size):
    text = "entity_id,i_count,i_text\n" + "".join(f'p{i},{i},"x\n{i}"\n' for i in range(3000))
    text = text.replace("p2000,2000,", "p2000,oops,")
    path = rows.write("p.csv", text)
    done = rows.run("ingest", "--on-error", "skip", "--part-size", part_size, path)
    assert done.returncode == 1
    assert summary(done.stdout) == ("p.csv", "2,999", "5,998", summary(done.stdout)[3], "1")
    # line 1 is the header, a row takes two lines
    assert done.stderr.startswith("p.csv:4002: ")
    assert read(rows, "p2999") == {"i_count": 2999, "i_text": "x\n2999"}


def test_a_bad_row_stops(rows):
    text = ndjson(5000, 3) + '{"entity_id":"n5003","features":{"i_count":"x"}}\n' + ndjson(5004, 3)
    done = rows.run("ingest", rows.write("b.ndjson", text), rows.write("c.ndjson", ndjson(5010, 1)))
    assert done.returncode == 1
    assert done.stderr.startswith("b.ndjson:4: ")
    assert "i_count" in done.stderr.splitlines()[0]
    assert "the 3 rows before it are ingested. --on-error skip goes on" in done.stderr
    assert read(rows, "n5002")["i_count"] == 5002
    assert read(rows, "n5004")["i_count"] is None
    assert read(rows, "n5010")["i_count"] is None


def test_bad_rows_are_skipped_and_counted(rows):
    text = "".join('{"entity_id":"e","features":{"i_count":"x"}}\n' + ndjson(6000 + i, 1)
                   for i in range(150))
    done = rows.run("ingest", "--on-error=skip", rows.write("b.ndjson", text),
                    rows.write("c.jsonl", ndjson(6200, 1)))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(":")[1] for line in lines[:100]] == [str(1 + 2 * i) for i in range(100)]
    assert lines[100] == "b.ndjson: … and 50 more rows rejected"
    first, second = done.stdout.splitlines(keepends=True)
    assert summary(first) == ("b.ndjson", "150", "150", None, "150")
    assert summary(second)[:2] == ("c.jsonl", "1")


def test_standard_input(rows):
    out = rows.fine("ingest", "--format", "ndjson", "-", stdin=ndjson(7000, 10))
    assert summary(out)[:2] == ("standard input", "10")
    assert read(rows, "n7009")["i_count"] == 7009


def arrow(rows, name, table, batch_rows, new=pa.ipc.new_stream):
    path = rows.directory / name
    with new(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    return str(path)


@pytest.mark.parametrize("part_size", ["1k", "20k", "64MiB"])
@pytest.mark.parametrize("kind", ["arrow", "arrows"])
def test_arrow_in_parts(rows, kind, part_size):
    """A file or a stream, with dictionaries, in any parts; row 2001 is bad."""
    counts = [float(i) for i in range(3000)]
    counts[2000] = 0.5
    texts = pa.array([f"t{i % 7}" for i in range(3000)]).dictionary_encode()
    table = pa.table({"entity_id": [f"a{kind}{i}" for i in range(3000)], "i_count": counts, "i_text": texts})
    new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
    path = arrow(rows, f"r.{kind}", table, 100, new)
    done = rows.run("ingest", "--on-error", "skip", "--part-size", part_size, path)
    assert done.returncode == 1
    assert summary(done.stdout)[1:3] == ("2,999", "5,998")
    assert f"r.{kind}:2001: " in done.stderr
    assert read(rows, f"a{kind}2999") == {"i_count": 2999, "i_text": "t3"}
    done = rows.run("ingest", "--part-size", part_size, path)
    assert f"r.{kind}:2001: i_count: " in done.stderr
    assert "the 2000 rows before it are ingested" in done.stderr


def test_arrow_columns_and_standard_input(rows):
    table = pa.table({"who": ["aw"], "i_count": [5], "junk": [{"a": 1}]})
    path = arrow(rows, "w.arrows", table, 1)
    options = ["--id-column", "who", "--columns", "i_count"]
    assert summary(rows.fine("ingest", *options, path))[1:3] == ("1", "1")
    assert read(rows, "aw")["i_count"] == 5
    done = rows.run("ingest", "--format", "arrow", *options, "-", stdin="entity_id,i_count\nu,1\n")
    assert done.returncode == 1
    assert "not an Arrow IPC stream" in done.stderr
    done = rows.run("ingest", "--id-column", "who", path)
    assert "junk" in done.stderr and done.returncode == 1


def test_an_arrow_batch_too_large_says_what_to_do(rows):
    numbers = numpy.zeros(3_000_000, dtype="int64")
    table = pa.table({"entity_id": numbers, "i_count": numbers,
                      "i_text": pa.nulls(len(numbers), pa.large_string())})
    done = rows.run("ingest", arrow(rows, "big.arrow", table, None, pa.ipc.new_file))
    assert done.returncode == 1
    assert "max_chunksize" in done.stderr and "--part-size" not in done.stderr


def test_what_the_server_refuses(rows):
    done = rows.run("ingest", "--columns", "nope", rows.write("r.csv", "entity_id,i_count\na,1\n"))
    assert done.returncode == 1
    assert "nope" in done.stderr
    done = rows.run("ingest", "gone.csv")
    assert done.returncode == 1
    assert "cannot open gone.csv: No such file" in done.stderr
    done = rows.run("ingest", rows.write("u.ndjson", '{"entity_id":"u","features":{"nix":1}}\n'))
    assert done.returncode == 1
    assert "u.ndjson:1: " in done.stderr and "nix" in done.stderr


def test_a_part_larger_than_the_server_takes(tmp_path):
    server = Server(tmp_path / "server", flags=["--max-bulk-bytes", "64k"]).start()
    rows = Cli(tmp_path, server.url)
    rows.fine("apply", "--yes", rows.write("i.yaml", DEFINITIONS))
    path = rows.write("r.ndjson", ndjson(0, 5000))
    done = rows.run("ingest", path)
    assert done.returncode == 1
    assert "(HTTP 413); give a smaller --part-size, or" in done.stderr
    assert summary(rows.fine("ingest", "--part-size", "32k", path))[1] == "5,000"
    server.stop()


def test_progress_on_a_terminal(rows):
    """The writer pauses; by then what came is acknowledged, and shown."""
    reading, writing = os.pipe()
    terminal = Terminal([binary(), "ingest", "--format", "ndjson", "-"], rows.directory,
                        rows.environment({}), stdin=reading, stdout=subprocess.PIPE)
    os.close(reading)
    os.write(writing, ndjson(8000, 100).encode())
    shown = terminal.read_until("100 rows")
    assert shown.startswith("\r\x1b[Kstandard input ")
    while read(rows, "n8099")["i_count"] is None:
        pass
    os.write(writing, ndjson(8100, 100).encode())
    os.close(writing)
    out = terminal.process.stdout.read().decode()
    assert terminal.end() == 0
    assert terminal.text.endswith("\r\x1b[K")
    assert summary(out)[:2] == ("standard input", "200")


def test_no_progress_bar_in_a_file(rows):
    done = rows.run("ingest", rows.write("r.ndjson", ndjson(9000, 20000)))
    assert done.returncode == 0
    assert "\r" not in done.stderr and "\x1b" not in done.stderr
