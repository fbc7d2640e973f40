"""A `featured serve` of our own: started on a free port, awaited, ended by its own pid."""

import dataclasses
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import time

from keyspaces import Clusters, Keyspaces, PostgresDatabases, RedisDatabases

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY = re.compile(r"^featured \S+ ready on (http://127\.0\.0\.1:(\d+))\s*$")
LISTENING = re.compile(r" event=listening host=127\.0\.0\.1 port=(\d+)$", re.MULTILINE)
# Space is preallocated by segment, and every server of the suite has its own.
SMALL_LOG = {"FEATURED_LOG_SEGMENT_BYTES": "1MiB"}
# The machine may be busy, and a sanitizer slow; the tests of faults say what they expect.
PATIENT = {"FEATURED_REDIS_TIMEOUT": "10s"}
# Builds with sanitizers start and stop slowly.
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60


def binary():
    return os.environ.get("FEATURED_BINARY", str(ROOT / "build" / "featured"))


def is_sanitized():
    """Built with a sanitizer, whose own memory is no measure of the server's."""
    program = pathlib.Path(binary()).read_bytes()
    return any(mark in program for mark in (b"__asan_init", b"__tsan_init"))


@dataclasses.dataclass(frozen=True)
class Backend:
    """The online store that the suite runs on. Beyond the process it is one that all servers share: each
    server directory has a keyspace of its own there."""

    name: str
    program: str = ""
    keyspaces: Keyspaces = None

    def is_installed(self):
        return not self.program or shutil.which(self.program) is not None


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend("embedded"),
        Backend("redis", "redis-server", RedisDatabases("redis-server")),
        Backend("valkey", "valkey-server", RedisDatabases("valkey-server")),
        Backend("cluster", "redis-server", Clusters()),
    )
}
# The database of each server's registry, where it is PostgreSQL.
REGISTRIES = PostgresDatabases()

# Random requests of each kind: schemathesis for an operation, a sixth of hypothesis for a property.
EXAMPLES = int(os.environ.get("FEATURED_TEST_EXAMPLES", "25"))


def chosen_backends():
    names = os.environ.get("FEATURED_TEST_BACKENDS", "embedded").split(",")
    return [BACKENDS[name] for name in names]


def chosen_registry():
    """Where definitions live: "sqlite", in the data directory, or "postgres", a database for each
    server."""
    return os.environ.get("FEATURED_TEST_REGISTRY", "sqlite")


class Server:
    def __init__(self, directory, backend=BACKENDS["embedded"], flags=(), store_url=None):
        """`store_url`: of an online store other than what the backend has for this directory."""
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / "server.log"
        self.data_path = self.directory / "data"
        self.command = [binary(), "serve", "--listen", "127.0.0.1:0", "--data", str(self.data_path)]
        self.command += flags
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("FEATURED_")
        } | SMALL_LOG
        if backend.keyspaces and "--redis-url" not in flags:
            store_url = store_url or backend.keyspaces.url_for(self.directory)
            self.environment["FEATURED_REDIS_URL"] = store_url
        if backend.keyspaces:
            self.environment |= PATIENT
        if chosen_registry() == "postgres" and "--database-url" not in flags:
            self.environment["FEATURED_DATABASE_URL"] = REGISTRIES.url_for(self.directory)
        self.process = None
        self.url = self.port = None
        self.log_begin = 0

    def start(self):
        """Also again, on what an earlier process left."""
        self.launch()
        match = READY.match(self.first_line())
        if not match:
            self.kill()
            raise AssertionError(f"the server did not get ready: {self.log()}")
        self.url, self.port = match.group(1), int(match.group(2))
        return self

    def launch(self):
        """Without waiting for anything."""
        self.log_begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
                cwd=self.directory,
            )

    def await_listening(self):
        """From then on it answers, though perhaps only that it is recovering."""
        self.port = int(self.await_log(LISTENING).group(1))
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def await_log(self, pattern):
        """The first match in what this process has logged."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            ended = self.process.poll() is not None
            match = re.search(pattern, self.own_log())
            if match:
                return match
            assert not ended, f"the server ended: {self.log()}"
            assert time.monotonic() < deadline, f"no {pattern} in {self.log()}"
            time.sleep(0.005)

    def own_log(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_begin)
            return log.read().decode("utf-8", "replace")

    def refuses_to_start(self):
        """What it says on standard error, having ended with status 1."""
        self.launch()
        line = self.first_line()
        status = self.wait()
        assert (status, line) == (1, ""), f"exit status {status}: {line}{self.log()}"
        return self.own_log()

    def first_line(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        line = b""
        while not line.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([self.process.stdout], [], [], remaining)[0]:
                break
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                break
            line += piece
        return line.decode("utf-8", "replace")

    def log(self, size=4000):
        return self.log_path.read_text("utf-8", "replace")[-size:]

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the server is gone")

    def assert_rss_grew_less_than(self, size_bytes, before):
        grown = self.rss_bytes() - before
        limit = size_bytes + (1 << 30 if is_sanitized() else 0)
        assert grown < limit, f"{grown >> 20} MiB more than before"

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        finally:
            self.kill()

    def stop(self):
        """A clean end; anything else is a failure of the test that used the server."""
        if self.process is None:
            return
        status = self.process.poll()
        assert status is None, f"the server ended by itself with {status}: {self.log()}"
        self.terminate()
        status = self.wait()
        assert status == 0, f"exit status {status} after SIGTERM: {self.log()}"

    def restart(self, how):
        """"stop": cleanly; "kill": SIGKILL. Then started on the same data directory."""
        self.kill() if how == "kill" else self.stop()
        return self.start()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process:
            self.process.stdout.close()
            self.process = None
