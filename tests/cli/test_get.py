"""`featured get` against a real server."""

import json

import pytest

DEFINITIONS = """
features:
  - {name: g_int, data_type: int, entity: thing}
  - {name: g_float, data_type: float, entity: thing}
  - {name: g_text, data_type: string, entity: thing}
  - {name: g_emb, data_type: embedding, entity: thing, dimension: 2}
feature_services: [{name: g_v1, features: [g_text, g_int]}]
"""
ROW = {"entity_id": "a/b é", "event_timestamp": "2026-01-02T03:04:05Z",
       "features": {"g_int": 9007199254740993, "g_float": 1e22, "g_text": "Os\x1b[31mlo\n",
                    "g_emb": [0.5, 1]}}


@pytest.fixture
def thing(cli):
    cli.fine("apply", "--yes", cli.write("g.yaml", DEFINITIONS))
    cli.fine("ingest", cli.write("g.ndjson", json.dumps(ROW) + "\n"))
    return cli


def table(out):
    return [line.split() for line in out.splitlines()]


def test_everything_that_is_held(thing):
    rows = table(thing.fine("get", "a/b é"))
    time = "2026-01-02T03:04:05Z"
    assert rows[0] == ["FEATURE", "VALUE", "EVENT", "TIME", "STATUS"]
    assert {row[0]: row[1:] for row in rows[1:]} == {
        "g_int": ["9007199254740993", time, "PRESENT"],
        "g_float": ["1e22", time, "PRESENT"],
        "g_text": ["Os\\u001b[31mlo\\u000a", time, "PRESENT"],
        "g_emb": ["[0.5,1.0]", time, "PRESENT"],
    }


def test_named_features(thing):
    done = thing.run("get", "a/b é", "g_int@1", "g_none")
    assert done.returncode == 1
    assert table(done.stdout)[1:] == [
        ["g_int@1", "9007199254740993", "2026-01-02T03:04:05Z", "PRESENT"],
        ["g_none", "NOT_REGISTERED"]]
    assert table(thing.fine("get", "--entity", "thing", "someone", "g_int"))[1:] == [
        ["g_int", "NOT_FOUND"]]


def test_a_service_in_its_order(thing):
    rows = table(thing.fine("get", "--service", "g_v1", "a/b é"))
    assert [row[0] for row in rows[1:]] == ["g_text", "g_int"]
    done = thing.run("get", "--service", "gone", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "gone" in done.stderr and "(HTTP 404)" in done.stderr


def test_json_is_the_answer_of_the_server(thing):
    answer = json.loads(thing.fine("get", "--json", "a/b é", "g_int", "g_text"))
    assert answer["entity_id"] == "a/b é"
    assert answer["features"] == {"g_int": 9007199254740993, "g_text": "Os\x1b[31mlo\n"}
    assert answer["metadata"]["g_int"]["status"] == "PRESENT"


def test_nothing_is_held(thing):
    done = thing.run("get", "--", "--nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "featured get: nothing is held under '--nobody'\n"


def test_on_a_terminal_the_heading_is_bold(thing):
    terminal = thing.terminal("get", "a/b é", "g_int")
    assert terminal.end() == 0
    assert terminal.text.startswith("\x1b[1mFEATURE")
