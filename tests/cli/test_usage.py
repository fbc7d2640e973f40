"""Help, mistakes on the command line, settings, completion."""

import re
import shutil
import subprocess

import pytest

from conftest import ROOT, binary

COMMANDS = ["serve", "apply", "ingest", "copy", "get", "simulate", "health", "check", "backup", "completion",
            "help", "version"]
# One that nobody listens on: port 1 of this machine.
NOBODY = "http://127.0.0.1:1"


def test_version(alone):
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]
    assert alone.fine("version") == alone.fine("--version") == f"featured {version}\n"


def test_the_overview_names_every_command(alone):
    text = alone.fine("help")
    assert text == alone.fine("--help") == alone.fine("-h")
    for command in COMMANDS:
        assert f"\n  {command} " in text
    nothing = alone.run()
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (2, "", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(alone, command):
    text = alone.fine(command, "--help")
    assert text == alone.fine("help", command) == alone.fine(command, "-h")
    assert text.startswith(f"Usage: featured {command}")
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("  featured"))


@pytest.mark.parametrize("arguments, says", [
    (["serv"], "unknown command 'serv'; did you mean 'serve'?"),
    (["frobnicate"], "unknown command 'frobnicate'; `featured help`"),
    (["--halp"], "unknown option '--halp'"),
    (["help", "aply"], "did you mean 'apply'?"),
    (["serve", "--lisen", "x"], "unknown option '--lisen'; did you mean '--listen'?"),
    (["serve", "--listen"], "--listen needs a value: --listen HOST:PORT"),
    (["serve", "--listen", "8000"], "--listen '8000': expected HOST:PORT"),
    (["serve", "--max-memory=lots"], "--max-memory 'lots': expected a size"),
    (["serve", "--log-level=loud"], "expected one of debug|info|warn|error"),
    (["serve", "now"], "unexpected 'now'"),
    (["apply"], "FILE... is missing"),
    (["get"], "is missing"),
    (["get", ""], "ID is empty"),
    (["get", "a", "b", "--service", "c"], "not both"),
    (["ingest", "rows.txt"], "give --format ndjson, --format csv or --format arrow"),
    (["ingest", "-"], "standard input does not say its format"),
    (["ingest", "a.csv", "--on-error", "retry"], "expected one of stop|skip"),
    (["health", "--timeout", "0"], "--timeout '0': expected a time such as 3s"),
    (["health", "now"], "unexpected 'now'"),
    (["simulate", "--users", "0"], "--users '0': expected a whole number"),
    (["get", "x", "--server", "ftp://h"], "expected an address such as http://127.0.0.1:8000"),
    (["completion", "zsh"], "there is one for bash"),
])
def test_mistakes_are_status_2_and_say_what_to_do(alone, arguments, says):
    done = alone.run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert done.stderr.startswith("featured")


@pytest.mark.parametrize("arguments", [
    ["get", "x"], ["simulate"], ["health"], ["ingest", "r.ndjson"], ["apply", "--dry-run", "f.yaml"]])
def test_without_a_server_they_ask_whether_it_runs(alone, arguments):
    alone.write("r.ndjson", "")
    alone.write("f.yaml", "features: []")
    done = alone.run(*arguments, "--server", NOBODY)
    assert done.returncode == 1
    assert f"is `featured serve` running at {NOBODY}?" in done.stderr


def test_precedence_is_flag_environment_file(alone):
    alone.write(".env", "FEATURED_SERVER=http://127.0.0.1:3\nPASSWORD=x\n")
    alone.write("other.env", "export FEATURED_SERVER='http://127.0.0.1:4' # comment\n")

    def server(*arguments, **environment):
        return re.search(r"running at (\S+)\?", alone.run("get", "x", *arguments,
                                                          **environment).stderr)[1]

    one = {"FEATURED_SERVER": "http://127.0.0.1:2"}
    assert server("--server", NOBODY, **one) == NOBODY
    assert server(**one) == "http://127.0.0.1:2"
    assert server() == server(FEATURED_SERVER="") == "http://127.0.0.1:3"
    assert server("--env-file", "other.env") == "http://127.0.0.1:4"


def test_mistakes_in_the_env_file_are_named(alone):
    alone.write("a.env", "\nFEATURED_LISTN=:1\n")
    done = alone.run("get", "x", "--env-file", "a.env")
    assert done.returncode == 2
    assert "a.env:2: unknown setting FEATURED_LISTN; did you mean FEATURED_LISTEN?" in done.stderr
    alone.write("b.env", "FEATURED_THREADS=many\n")
    done = alone.run("serve", "--env-file", "b.env")
    assert done.returncode == 2
    assert "b.env:1: FEATURED_THREADS 'many': expected a whole number" in done.stderr
    done = alone.run("get", "x", "--env-file", "gone.env")
    assert done.returncode == 2
    assert "cannot open gone.env: No such file" in done.stderr


def options_of(text):
    """name → (value's name, default, variables) of each option in a help text."""
    found = {}
    for name, value, help_text in re.findall(r"^  --(\S+)(?: (\S+))?\n((?: {8}.*\n)+)", text, re.MULTILINE):
        help_text = " ".join(help_text.split())
        default = re.search(r" Default: (.+?)\.(?: Environment:|$)", help_text)
        variables = re.search(r" Environment: (.+?)\.$", help_text)
        found[name] = (value, default[1] if default else "–",
                       variables[1].split(" or ") if variables else ["–"])
    return found


def test_the_reference_of_settings_is_whole(alone):
    listed = {}
    for line in (ROOT / "spec/configuration.md").read_text().splitlines():
        if line.startswith("| `--"):
            flag, default, variables = (re.findall(r"`([^`]*)`|(–)", cell) for cell in line.split("|")[1:4])
            name, _, value = flag[0][0].removeprefix("--").partition(" ")
            names = [a or b for a, b in variables if a != "REDIS_HOST"]
            listed[name] = (value, "".join(default[0]), names)
    assert listed == options_of(alone.fine("serve", "--help"))


@pytest.mark.parametrize("environment, says", [
    ({"REDIS_URL": "http://u:hidden@h"}, "REDIS_URL '*****************': not an address of Redis"),
    ({"REDIS_HOST": "h", "REDIS_PORT": "many", "REDIS_PASSWORD": "hidden"}, "REDIS_HOST, REDIS_PORT, REDIS_DB:"),
    ({"DATABASE_URL": "mysql://u:hidden@h"}, "DATABASE_URL '******************': expected postgresql://"),
])
def test_names_of_other_programs_are_read_and_hidden(alone, environment, says):
    done = alone.run("serve", "--listen", "127.0.0.1:0", **environment)
    assert done.returncode == 2
    assert says in done.stderr and "hidden" not in done.stderr


def test_a_full_disk_is_no_success(alone):
    with open("/dev/full", "w") as full:
        done = subprocess.run([binary(), "version"], stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False)
    assert done.returncode == 1
    assert "cannot write to standard output" in done.stderr


def complete(alone, line):
    script = (f'source <("{binary()}" completion bash); COMP_WORDS=({line} "$1"); '
              'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _featured; printf "%s\\n" "${COMPREPLY[@]}"')
    *words, last = line.split(" ")
    script = script.replace(f"({line} ", f"({' '.join(words)} ")
    done = subprocess.run(["bash", "-uc", script, "bash", last], capture_output=True, text=True,
                          cwd=alone.directory, check=True)
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_completion(alone):
    alone.write("a.yaml", "")
    assert complete(alone, "featured s") == ["serve", "simulate"]
    assert complete(alone, "featured serve --max-m") == ["--max-memory"]
    assert complete(alone, "featured serve --log-level d") == ["debug"]
    assert complete(alone, "featured ingest --on-error ") == ["stop", "skip"]
    assert complete(alone, "featured apply a") == ["a.yaml"]
    assert complete(alone, "featured co") == ["copy", "completion"]
    assert complete(alone, "featured copy --no") == ["--no-definitions", "--no-verify"]
    assert complete(alone, "featured copy --state a") == ["a.yaml"]
    assert complete(alone, "featured ingest --fr") == ["--from-redis"]
    assert complete(alone, "featured apply --d") == ["--dry-run"]
    assert complete(alone, "featured help ing") == ["ingest"]
    assert complete(alone, "featured completion ") == ["bash"]


def test_the_man_page(alone):
    page = alone.fine("help", "--man")
    assert page.startswith(".TH FEATURED 1")
    for command in COMMANDS:
        assert f'.SS "featured {command}' in page
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, text=True,
                              capture_output=True, check=True)
        assert done.stderr == ""
