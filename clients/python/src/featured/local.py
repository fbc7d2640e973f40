"""A server of one's own, for notebooks and tests."""

from __future__ import annotations

import atexit
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Dict, List, Optional, Type, Union

from ._async_store import AsyncFeatureStore
from ._binary import NO_BINARY, find_binary
from ._store import FeatureStore
from .errors import StartError

READY = re.compile(r"^featured \S+ ready on (http://\S+)$", re.MULTILINE)
LOG_LINES = 30
# Settings of the person's shell are meant for other servers.
FOREIGN = re.compile(r"FEATURED_|REDIS_|DATABASE_URL$|NOTIFY_SOCKET$|WATCHDOG_")
Setting = Union[str, int, float, bool, None]


class LocalServer:
    """
    A running server. `url`: its address.

    It ends with `stop`, at the end of the `with` statement, or with this process, however that ends.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: BinaryIO) -> None:
        self.url = url
        self._log = log
        self._process = process
        self._stores: List[FeatureStore] = []
        atexit.register(self.stop)

    def __repr__(self) -> str:
        return f"<featured.LocalServer {self.url}>"

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.stop()

    def store(self, **options: Any) -> FeatureStore:
        """A client of it; `options` as of `FeatureStore`. Closed when the server is stopped."""
        store = FeatureStore(self.url, **_direct(options))
        self._stores.append(store)
        return store

    def async_store(self, **options: Any) -> AsyncFeatureStore:
        """An asynchronous client of it; `options` as of `AsyncFeatureStore`."""
        return AsyncFeatureStore(self.url, **_direct(options))

    def log(self) -> str:
        """What the server has logged so far; also when it has ended."""
        return _text_of(self._log)

    def stop(self) -> None:
        """Ends it after the requests under way, and removes its temporary directory. May be called again.
        In a forked child the server goes on: it waits for the end of a pipe that the parent holds too."""
        atexit.unregister(self.stop)
        for store in self._stores:
            store.close()
        _end(self._process)


def _direct(options: Dict[str, Any]) -> Dict[str, Any]:
    """A proxy of the environment is not meant for a server on this machine."""
    http_options = {"trust_env": False, **(options.get("http_options") or {})}
    return {**options, "http_options": http_options}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.stdout is not None:
        process.stdout.close()
    process.wait()


def start(
    *,
    data: Union[str, os.PathLike[str], None] = None,
    listen: str = "127.0.0.1:0",
    binary: Union[str, os.PathLike[str], None] = None,
    timeout: float = 30.0,
    **settings: Setting,
) -> LocalServer:
    """
    Starts a server on a free port and waits until it is ready.

    `data`: its data directory, which stays; absent: a temporary one that goes with it. `binary`: the program;
    absent: the one that FEATURED_BINARY names, the one in this package, or that on the PATH. `settings`: what
    `featured serve --help` lists, as `fsync="never"`, `max_memory="1GiB"`; the environment's FEATURED_… are
    not read. `timeout`: seconds until it is ready.

    Raises StartError with the server's log. Linux and other systems with POSIX processes.

    >>> with start() as server:
    ...     server.store().ready()
    True
    """
    program = os.fspath(binary) if binary is not None else find_binary()
    if program is None:
        raise StartError(NO_BINARY)
    directory = Path(tempfile.mkdtemp(prefix="featured-"))
    place = str(directory / "data") if data is None else os.path.abspath(data)
    flags: Dict[str, Setting] = {"listen": listen, "data": place}
    if data is None:
        flags.update(fsync="never", log_segment_bytes="4MiB")
    flags.update({name: value for name, value in settings.items() if value is not None})
    command = [os.path.abspath(program), "serve"]
    for name, value in flags.items():
        flag = f"--{name.replace('_', '-')}"
        if value is not False:
            command += [flag] if value is True else [flag, str(value)]
    log_path = directory / "server.log"
    with log_path.open("ab") as log:
        # Open from before the start: at its end the server takes the directory along.
        read_log = log_path.open("rb")
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("_keeper.py")), str(directory), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=directory,
            env={name: value for name, value in os.environ.items() if not FOREIGN.match(name)},
            start_new_session=True,
        )
    return LocalServer(process, _await_ready(process, read_log, timeout), read_log)


def _text_of(log: BinaryIO) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")


def _await_ready(process: subprocess.Popen[bytes], log: BinaryIO, timeout: float) -> str:
    """The address; else the process is ended, and its log is in the error."""
    assert process.stdout is not None
    deadline = time.monotonic() + timeout
    said = b""
    while True:
        left = deadline - time.monotonic()
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, left))
        came = os.read(process.stdout.fileno(), 4096) if readable else b""
        said += came
        match = READY.search(said.decode(errors="replace")) if said.endswith(b"\n") else None
        if match:
            return match.group(1)
        if not came:
            break
    why = "ended before it was ready" if left > 0 else f"was not ready after {timeout:g} s"
    _end(process)
    lines = _text_of(log).splitlines()[-LOG_LINES:]
    log.close()
    raise StartError("\n".join([f"the server {why}. Its log:", *lines]))
