"""The peer of row 15: Feast's Python feature server, from PyPI, on a Redis that Feast has filled with users
of workload W (feast_store.py), in a virtual environment of its own (scripts/setup bench)."""

import json
import os
import subprocess

import peers
import workload

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = os.path.join(os.path.dirname(HERE), ".deps/feast")
USERS_MOST = 100000  # Feast writes some 10,000 a second


def users(bench):
    return min(bench.users, max(1000, int(USERS_MOST * bench.options.scale)))


def read(numbers):
    body = json.dumps({"features": [f"w:{name}" for name in workload.FEATURES],
                       "entities": {"user_id": [workload.user_id(n) for n in numbers]}},
                      separators=(",", ":"))
    return workload.http_post("/get-online-features", "application/json", body.encode())


def started(bench):
    """A Redis, filled by Feast, and the server on it."""
    directory = bench.path("feast")
    os.mkdir(directory)
    redis_directory = bench.path("redis-feast")
    os.mkdir(redis_directory)
    redis = bench.started(peers.Redis(redis_directory))
    python = os.path.join(ENVIRONMENT, "bin/python")
    if not os.path.exists(python):
        raise RuntimeError("Feast is not installed: scripts/setup bench")
    bench.progress(f"Feast: writing {users(bench):,} users to its Redis")
    done = subprocess.run(
        [python, os.path.join(HERE, "feast_store.py"), directory, str(redis.port),
         str(users(bench))], capture_output=True, text=True, check=False, env=environment(directory))
    if done.returncode != 0:
        raise RuntimeError(f"Feast: {done.stderr[-1000:]}")
    return bench.started(Feast(directory))


def environment(directory):
    # gunicorn keeps a socket in the home directory.
    return {**os.environ, "HOME": directory, "FEAST_USAGE": "False", "PYTHONDONTWRITEBYTECODE": "1"}


class Feast(peers.Server):
    """`feast serve` with one worker, without access log, and without the restarts of its worker after each
    thousand requests and of its registry after each minute that are the default."""

    def __init__(self, directory):
        port = peers.free_port()
        super().__init__([os.path.join(ENVIRONMENT, "bin/feast"), "--chdir", directory, "serve",
                          "--port", port, "--no-access-log", "--max-requests", 0,
                          "--registry_ttl_sec", 3600], directory + ".log",
                         stdout=subprocess.DEVNULL, env=environment(directory))
        self.wait_for_port(port, seconds=180)

    def check(self, numbers):
        body = peers.raw_answer(self.port, read(numbers)).split(b"\r\n\r\n", 1)[1]
        answer = json.loads(body)
        columns = {name: column["values"] for name, column in
                   zip(answer["metadata"]["feature_names"], answer["results"])}
        got = list(zip(*(columns[name] for name in workload.FEATURES)))
        if columns["user_id"] != list(map(workload.user_id, numbers)) or got != [
                workload.values(n) for n in numbers]:
            raise RuntimeError(f"Feast answers {body[:500]!r}")
