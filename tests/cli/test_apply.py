"""`featured apply` against a real server."""

import json
import urllib.request

import pytest

FIRST = """
features:
  - name: {p}_age
    data_type: int
    entity: {p}_user
    ttl: 1h
    tags: {{team: growth}}
entities:
  - name: {p}_plane
    feature_group: facts
    features:
      - {{name: {p}_seats, data_type: int, is_nullable: false}}
      - {{name: {p}_emb, data_type: embedding, dimension: 3, description: "two\\nlines"}}
feature_services:
  - name: {p}_v1
    features: [{p}_age, {p}_seats@1]
"""


def get(cli, path):
    with urllib.request.urlopen(cli.url + path) as answer:
        return json.load(answer)


def feature(cli, name):
    return get(cli, "/features/definitions/" + name)


def test_plan_then_change_then_nothing(cli):
    path = cli.write("f.yaml", FIRST.format(p="one"))
    plan = cli.fine("apply", "--dry-run", path)
    assert "+ create feature one_age (int, entity one_user, ttl 1h)\n" in plan
    assert "+ create feature one_emb (embedding[3], entity one_plane)\n" in plan
    assert "+ create feature service one_v1 [one_age, one_seats@1]\n" in plan
    assert "\x1b" not in plan
    assert not [f for f in get(cli, "/features")["features"] if f["name"].startswith("one_")]

    assert cli.fine("apply", "--yes", path).endswith("4 changes made.\n")
    age = feature(cli, "one_age")
    assert (age["ttl_seconds"], age["tags"]) == (3600, {"team": "growth"})
    assert feature(cli, "one_seats")["is_nullable"] is False
    assert feature(cli, "one_emb")["description"] == "two\nlines"
    assert get(cli, "/feature-services/one_v1")["resolved"] == ["one_age@1", "one_seats@1"]

    again = cli.fine("apply", path)  # nothing to ask
    assert again == "= unchanged 3 features, 1 feature service\nNothing to change.\n"
    assert feature(cli, "one_age") == age


def test_changes_in_place(cli):
    path = cli.write("f.yaml", FIRST.format(p="two"))
    cli.fine("apply", "--yes", path)
    cli.write("f.yaml", FIRST.format(p="two").replace("ttl: 1h", "ttl: 90m\n    source: s")
              .replace("two_seats@1]", "two_seats@1, two_emb]"))
    out = cli.fine("apply", "--yes", path)
    assert "~ change feature two_age ttl: 1h → 1h30m\n" in out
    assert '~ change feature two_age source: none → "s"\n' in out
    assert ("~ change feature service two_v1 features: [two_age, two_seats@1] → "
            "[two_age, two_seats@1, two_emb]\n") in out
    assert out.endswith("2 changes made.\n")
    assert feature(cli, "two_age")["ttl_seconds"] == 5400
    assert cli.fine("apply", path).endswith("Nothing to change.\n")


def test_another_type_is_a_version_to_activate(cli):
    path = cli.write("f.yaml", "features: [{name: three, data_type: int, entity: u}]")
    cli.fine("apply", "--yes", path)
    cli.write("f.yaml", "features: [{name: three, data_type: float, entity: u}]")
    out = cli.fine("apply", "--yes", path)
    assert "~ new version feature three@2 data_type: int → float\n" in out
    assert "version 2 is not active until `featured apply --activate`" in out
    assert feature(cli, "three")["version"] == 1
    out = cli.fine("apply", path)
    assert "version 2 is not active" in out
    assert out.endswith("Nothing to change.\n")
    assert len(feature(cli, "three")["versions"]) == 2
    assert "~ activate feature three@2 active version: 1 → 2\n" in cli.fine(
        "apply", "--yes", "--activate", path)
    assert feature(cli, "three")["version"] == 2
    assert cli.fine("apply", "--activate", path).endswith("Nothing to change.\n")
    # forth and back in one step
    cli.write("f.yaml", "features: [{name: three, data_type: string, entity: u}]")
    assert "active version: 2 → 3" in cli.fine("apply", "--yes", "--activate", path)
    assert feature(cli, "three")["data_type"] == "string"


def test_what_is_not_in_the_files_stays(cli):
    cli.fine("apply", "--yes", cli.write("f.yaml", FIRST.format(p="four")))
    cli.fine("apply", "--yes", cli.write("g.yaml", "features:\n"))
    assert feature(cli, "four_age")["version"] == 1


def test_standard_input_and_many_files(cli):
    one = cli.write("1.yaml", "features: [{name: five_a, data_type: int, entity: u}]")
    two = "features: [{name: five_b, data_type: str, entity: u}]\n---\nfeatures: []\n"
    assert cli.fine("apply", "--yes", one, "-", stdin=two).endswith("2 changes made.\n")
    assert feature(cli, "five_b")["data_type"] == "string"


def test_without_a_terminal_it_needs_yes(cli):
    done = cli.run("apply", cli.write("f.yaml", FIRST.format(p="six")))
    assert done.returncode == 2
    assert "+ create feature six_age" in done.stdout
    assert "give --yes to make the 4 changes" in done.stderr
    assert not [f for f in get(cli, "/features")["features"] if f["name"].startswith("six_")]


@pytest.mark.parametrize("typed, status, says", [
    ("n\n", 1, "Nothing was changed."), ("\n", 1, "Nothing was changed."),
    ("y\n", 0, "4 changes made.")])
def test_on_a_terminal_it_asks(cli, typed, status, says):
    path = cli.write("f.yaml", FIRST.format(p="seven" + str(len(typed)) + str(status)))
    terminal = cli.terminal("apply", path)
    shown = terminal.read_until("[y/N] ")
    assert f"Make 4 changes at {cli.url}? " in shown
    assert "\x1b[32m+ create" in shown
    terminal.type(typed)
    assert terminal.end() == status
    assert says in terminal.text


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_switched_off(cli, environment):
    path = cli.write("f.yaml", FIRST.format(p="eight"))
    terminal = cli.terminal("apply", "--dry-run", path, **environment)
    assert terminal.end() == 0
    assert "+ create" in terminal.text
    assert "\x1b" not in terminal.text


def test_mistakes_are_named_with_file_and_line_and_nothing_is_done(cli):
    good = cli.write("good.yaml", "features: [{name: nine, data_type: int, entity: u}]")
    bad = cli.write("bad.yaml", "features:\n  - name: a\n    data_typ: int\n    entity: u\n"
                                "  - {name: b, data_type: colour, entity: u}\n")
    done = cli.run("apply", "--yes", good, bad)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "bad.yaml:3: unknown field 'data_typ'; did you mean 'data_type'?")
    assert done.stderr.splitlines()[1].startswith("bad.yaml:5: unknown data type 'colour'; one of")
    assert "2 mistakes in the definitions; nothing was changed" in done.stderr
    assert not [f for f in get(cli, "/features")["features"] if f["name"] == "nine"]
    done = cli.run("apply", "--yes", "gone.yaml")
    assert done.returncode == 1
    assert "cannot open gone.yaml" in done.stderr


def test_what_cannot_be_done_is_refused_before_anything_is_done(cli):
    path = cli.write("f.yaml", "features: [{name: ten, data_type: int, entity: u}]")
    cli.fine("apply", "--yes", path)
    cli.write("f.yaml", "features:\n- {name: ten, data_type: int, entity: v}\n"
                        "- {name: eleven, data_type: int, entity: v}\n"
                        "feature_services: [{name: s, features: [twelve]}]\n")
    done = cli.run("apply", "--yes", path)
    assert done.returncode == 1
    assert "! refused feature ten: its entity is u and cannot become v" in done.stdout
    assert "! refused feature service s: its feature twelve is neither registered" in done.stdout
    assert not [f for f in get(cli, "/features")["features"] if f["name"] == "eleven"]


def test_what_the_server_refuses_is_named_with_its_place(cli):
    cli.fine("apply", "--yes", cli.write(
        "f.yaml", "features: [{name: thirteen, data_type: int, entity: u}]"))
    path = cli.write("g.yaml", "feature_services:\n- name: fourteen\n  features: [thirteen@7]\n")
    done = cli.run("apply", "--yes", path)
    assert done.returncode == 1
    assert "g.yaml:2: " in done.stderr
    assert "thirteen@7" in done.stderr
    assert "0 of 1 changes were made" in done.stderr
