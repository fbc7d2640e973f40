"""A PostgreSQL of the tests' own: on a socket in a directory of its own, never on a port. It refuses to
run as root: then it runs as the user `postgres`."""

import atexit
import functools
import glob
import itertools
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

START_TIMEOUT_S = 60


def programs():
    """The folder of the newest version's programs, None if it is not installed."""
    found = glob.glob("/usr/lib/postgresql/*/bin")
    return max(found, key=lambda path: float(path.split("/")[4])) if found else None


class Postgres:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="featured-postgres-"))
        self.databases = itertools.count(1)
        self.process = None
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if self.user:
            os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
            self.directory.chmod(0o755)
        self.run("initdb", "--pgdata=data", "--auth=trust", "--username=featured", "--no-sync",
                 "--encoding=UTF8", "--locale=C")
        self.start()
        atexit.register(self.remove)

    def as_user(self):
        if not self.user:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def run(self, program, *arguments):
        done = subprocess.run([f"{programs()}/{program}", *arguments], cwd=self.directory,
                              capture_output=True, text=True, **self.as_user())
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout

    def sql(self, text, database="postgres"):
        """The rows it prints, columns parted by |."""
        return self.run("psql", "-h", str(self.directory), "-U", "featured", "-qAtX",
                        "-v", "ON_ERROR_STOP=1", "-c", text, database).strip()

    def create_database(self):
        name = f"test_{next(self.databases)}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def url(self, database, user="featured", parameters=""):
        return f"postgresql://{user}@/{database}?host={self.directory}{parameters}"

    def start(self):
        (self.directory / "data/postmaster.pid").unlink(missing_ok=True)
        with open(self.directory.with_suffix(".log"), "ab") as log:
            self.process = subprocess.Popen(
                [f"{programs()}/postgres", "-D", "data", "-k", str(self.directory),
                 "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                **self.as_user())
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return self.sql("SELECT 1")
            except AssertionError:
                assert self.process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)

    def processes(self):
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def signal(self, number):
        for pid in self.processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def crash(self):
        """SIGKILL to all of it."""
        children = self.processes()
        self.signal(signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + START_TIMEOUT_S
        while any(pathlib.Path(f"/proc/{pid}").exists() for pid in children):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def remove(self):
        if self.process.poll() is None:
            self.resume()
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.with_suffix(".log").unlink(missing_ok=True)


@functools.cache
def shared():
    """One for all tests that leave it as they found it."""
    return Postgres()
