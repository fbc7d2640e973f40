"""The commands as a person runs them: the real binary, a real server on a free port, exit status and
both outputs."""

import os
import pathlib
import pty
import select
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))

from server import Server, binary  # noqa: E402

TIMEOUT_S = 60


def clean_environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FEATURED_")}
    kept.pop("NO_COLOR", None)
    return kept | {"TERM": "xterm"} | more


class Cli:
    """Runs commands in a directory of their own, against one server."""

    def __init__(self, directory, url=None):
        self.directory = pathlib.Path(directory)
        self.url = url

    def environment(self, more):
        server = {"FEATURED_SERVER": self.url} if self.url else {}
        return clean_environment(**(server | more))

    def run(self, *arguments, stdin=None, **environment):
        done = subprocess.run(
            [binary(), *map(str, arguments)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            cwd=self.directory,
            env=self.environment(environment),
            check=False,
        )
        assert done.returncode in (0, 1, 2), done
        return done

    def fine(self, *arguments, **more):
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done
        return done.stdout

    def write(self, name, text):
        (self.directory / name).write_text(text)
        return name

    def terminal(self, *arguments, **environment):
        return Terminal([binary(), *map(str, arguments)], self.directory,
                        self.environment(environment))


class Terminal:
    """A command on a terminal of its own: what it writes there, and what is typed."""

    def __init__(self, command, directory, environment, **streams):
        self.master, slave = pty.openpty()
        streams = {"stdin": slave, "stdout": slave, "stderr": slave} | streams
        self.process = subprocess.Popen(command, cwd=directory, env=environment, **streams)
        os.close(slave)
        self.text = ""

    def read_until(self, wanted):
        """All that was written up to `wanted`, or to the end if that is None."""
        deadline = time.monotonic() + TIMEOUT_S
        while wanted is None or wanted not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, self.text
            if not select.select([self.master], [], [], left)[0]:
                continue
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # EIO: the last writer is gone
                piece = b""
            if not piece:
                break
            self.text += piece.decode()
        assert wanted is None or wanted in self.text, self.text
        return self.text

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        self.read_until(None)
        status = self.process.wait(TIMEOUT_S)
        os.close(self.master)
        return status


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server")).start()
    yield server
    server.stop()


@pytest.fixture
def alone(tmp_path):
    """No server."""
    return Cli(tmp_path)


@pytest.fixture
def cli(tmp_path, server):
    return Cli(tmp_path, server.url)
