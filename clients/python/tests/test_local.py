"""A server of one's own: starts, says why not, and ends with its process, however that ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

import featured

PACKAGE = str(Path(featured.__file__).parents[1])


def processes_of(url):
    """Of the server at this address: those that listen there."""
    port = f":{int(url.rpartition(':')[2]):04X} "
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if port in line.split()[1] + " " and line.split()[3] == "0A"
    }
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link)[len("socket:[") : -1] in inodes:
                found.add(int(link.parts[2]))
        except OSError:
            pass
    return found


def await_gone(pid, seconds=20):
    """Until no such process is left, or only its zombie."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} lives on")


def test_two_at_a_time_and_gone_at_the_end(tmp_path):
    with featured.start() as one, featured.start() as two:
        assert one.url != two.url
        one.store().register(featured.Feature("mine", "int", "user"))
        assert two.store().features() == []
        (pid,) = processes_of(one.url)
        directory = Path(os.readlink(f"/proc/{pid}/cwd"))
        assert directory.is_dir()
        assert "event=ready" in one.log()
    await_gone(pid)
    assert not directory.exists()
    one.stop()
    assert "event=ready" in one.log()


def test_a_directory_that_stays(tmp_path):
    data = tmp_path / "data"
    for expected in (None, 5):
        with featured.start(data=data, fsync="always", threads=1) as server:
            store = server.store()
            store.apply(featured.Feature("n", "int", "user"))
            assert store.get("u", "n") == {"n": expected}
            store.ingest("u", {"n": 5})
    assert data.is_dir()


def test_settings_of_the_shell_are_for_other_servers(monkeypatch, tmp_path):
    monkeypatch.setenv("FEATURED_LISTEN", "no address")
    monkeypatch.setenv("FEATURED_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("FEATURED_LISTEN=no address\n")
    with featured.start() as server:
        assert server.store().ready()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fsync": "sometimes"}, "sometimes"),
        ({"no_such_flag": True}, "no-such-flag"),
        ({"data": "/proc/nowhere"}, "/proc/nowhere"),
        ({"binary": "/nowhere/featured"}, "No such file"),
        ({"binary": "/bin/true"}, "ended before it was ready"),
        ({"timeout": 0}, "not ready after 0 s"),
    ],
)
def test_why_it_does_not_start(options, words, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(featured.StartError, match=words):
        featured.start(**options)
    assert list(tmp_path.iterdir()) == []


def test_no_program(monkeypatch, tmp_path):
    """A script of that name, as this package's entry point, is not the program."""
    monkeypatch.delenv("FEATURED_BINARY")
    monkeypatch.setenv("PATH", str(tmp_path))
    script = tmp_path / "featured"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(featured.StartError, match="FEATURED_BINARY may name it"):
        featured.start()


ENDINGS = {
    "end of the program": "",
    "exception": "raise RuntimeError",
    "os._exit": "os._exit(0)",
    "kill -9": "os.kill(os.getpid(), signal.SIGKILL)",
    "kill -9 with a forked child": "os.fork() or time.sleep(600); os.kill(os.getpid(), signal.SIGKILL)",
    "Ctrl-C": "os.kill(0, signal.SIGINT); time.sleep(60)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_ends_with_the_process(ending):
    program = f"""
        import os, signal, sys, time, featured
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell made this a job
        server = featured.start()
        print(server.url, os.getpid(), flush=True)
        sys.stdin.readline()
        {ENDINGS[ending]}
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGE},
        start_new_session=True,
    ) as process:
        try:
            url = process.stdout.readline().split()[0]
            (server,) = processes_of(url)
            directory = Path(os.readlink(f"/proc/{server}/cwd"))
            keeper = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
            process.stdin.write("\n")
            process.stdin.flush()
            for pid in (process.pid, server, keeper):
                await_gone(pid)
            assert not directory.exists()
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # the child that sleeps
            except ProcessLookupError:
                pass


def test_ends_when_its_keeper_is_killed():
    server = featured.start()
    (pid,) = processes_of(server.url)
    directory = Path(os.readlink(f"/proc/{pid}/cwd"))
    os.kill(server._process.pid, signal.SIGKILL)
    await_gone(pid)
    server.stop()
    shutil.rmtree(directory)  # nobody is left to do it


def test_lives_on_when_the_thread_that_started_it_ends():
    import threading

    started = []
    thread = threading.Thread(target=lambda: started.append(featured.start()))
    thread.start()
    thread.join()
    with started[0] as server:
        assert server.store().ready()


def test_a_forked_child_leaves_it_alone():
    with featured.start() as server:
        child = os.fork()
        if child == 0:
            server.stop()
            os._exit(0)
        os.waitpid(child, 0)
        assert server.store().ready()
