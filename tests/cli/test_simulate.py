"""`featured simulate` against a real server."""

import json
import signal
import subprocess
import urllib.request

from conftest import TIMEOUT_S, Cli, Server, binary

LINE = "Ingested/Updated {} features. Total unique users: {}"


def read(cli, user):
    with urllib.request.urlopen(f"{cli.url}/features/{user}") as answer:
        return json.load(answer)["features"]


def test_users_then_batches(cli):
    out = cli.fine("simulate", "--users", 1200, "--batches", 3, "--rate", 0, "--seed", 1)
    assert out.splitlines() == [
        LINE.format(500, 500), LINE.format(500, 1000), LINE.format(200, 1200),
        LINE.format(500, 1200), LINE.format(500, 1200), LINE.format(500, 1200)]
    for user in ["user00001", "user01200"]:
        features = read(cli, user)
        assert sorted(features) == ["age", "preferred_category", "purchase_count_30d"]
        assert isinstance(features["age"], int)
        assert isinstance(features["purchase_count_30d"], float)
        assert isinstance(features["preferred_category"], str)
    # what is registered already is used
    assert cli.fine("simulate", "--users", 10, "--batches", 0).splitlines() == [LINE.format(10, 10)]


def test_signals_end_it_with_success(cli):
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([binary(), "simulate", "--users", "500", "--rate", "1000"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=cli.environment({}), cwd=cli.directory)
        assert process.stdout.readline() == process.stdout.readline() == LINE.format(500, 500) + "\n"
        process.send_signal(number)
        out, errors = process.communicate(timeout=TIMEOUT_S)
        assert (process.returncode, errors) == (0, "")
        assert set(out.splitlines()) <= {LINE.format(500, 500)}


def test_features_of_another_type_are_explained(tmp_path):
    server = Server(tmp_path / "server").start()
    cli = Cli(tmp_path, server.url)
    cli.fine("apply", "--yes", cli.write("f.yaml",
                                         "features: [{name: age, data_type: str, entity: user}]"))
    done = cli.run("simulate", "--users", 10, "--batches", 0)
    assert done.returncode == 1
    assert "registered as int, float and string of user?" in done.stderr
    server.stop()
