"""The servers that are compared: each is started for real, on a free port, pinned to one core."""

import glob
import http.client
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import time

import workload

SERVER_CORE = "0"
GENERATOR_CORE = "1"
NGINX_WORD_BYTES = 3000


def pinned(core, command):
    return ["taskset", "-c", core, *map(str, command)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:15]))


class Server:
    """A child process; stopped by its own pid."""

    def __init__(self, command, log_path, core=SERVER_CORE, **options):
        self.log = open(log_path, "ab")
        self.process = subprocess.Popen(pinned(core, command), stderr=self.log,
                                        stdin=subprocess.DEVNULL, **options)
        self.pid = self.process.pid

    def wait_for_port(self, port, seconds=10):
        self.port = port
        until = time.monotonic() + seconds
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.01)

    def cpu_seconds(self):
        """Of the process and of its children, those that have ended too."""
        while True:
            family = children(self.pid)
            try:
                ticks = sum(cpu_ticks(pid) for pid in (self.pid, *family))
            except (FileNotFoundError, ProcessLookupError): # one that is just ending
                continue
            if family == children(self.pid):
                return ticks / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Nginx(Server):
    """One worker that answers every request with one constant answer."""

    def __init__(self, directory, body, answer_bytes):
        self.directory = directory
        self.body = body
        self.set = ""
        if len(body) > NGINX_WORD_BYTES: # more than one word of its configuration may be
            parts = [body[i:i + NGINX_WORD_BYTES] for i in range(0, len(body), NGINX_WORD_BYTES)]
            self.set = " ".join(f"set $part{i} '{part}';" for i, part in enumerate(parts))
            self.body = "".join(f"$part{i}" for i in range(len(parts)))
        self.start("")
        missing = answer_bytes - len(raw_answer(self.port, workload.single_read(0)))
        padding = missing - len("X: \r\n")
        if padding > 0: # nginx cannot send less than its own headers, but it can send more
            self.stop()
            self.start("add_header X %s;" % ("x" * padding))
        self.answer_bytes = len(raw_answer(self.port, workload.single_read(0)))

    def start(self, header):
        port = free_port()
        config = os.path.join(self.directory, "nginx.conf")
        with open(config, "w") as file:
            file.write(f"""
daemon off; master_process off; worker_processes 1; pid {self.directory}/nginx.pid;
error_log {self.directory}/nginx-error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 3600; tcp_nodelay on;
    server_tokens off; default_type application/json;
    client_body_temp_path {self.directory}/a; proxy_temp_path {self.directory}/b;
    fastcgi_temp_path {self.directory}/c; uwsgi_temp_path {self.directory}/d;
    scgi_temp_path {self.directory}/e;
    server {{
        listen 127.0.0.1:{port};
        location / {{ {self.set} {header} return 200 '{self.body}'; }}
    }}
}}
""")
        super().__init__(["nginx", "-p", self.directory, "-c", config],
                         os.path.join(self.directory, "nginx.log"))
        self.wait_for_port(port)


class Redis(Server):
    """redis-server as it comes, without persistence unless the options say so."""

    def __init__(self, directory, *options, core=SERVER_CORE):
        port = free_port()
        started = time.monotonic()
        super().__init__(["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                          "--dir", directory, *options], os.path.join(directory, "redis.log"),
                         core=core, stdout=subprocess.DEVNULL)
        self.wait_for_port(port)
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")
        while self.is_loading():
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - started

    def is_loading(self):
        try:
            return self.command("PING") != b"PONG"
        except RuntimeError as error:
            if str(error).startswith("-LOADING"):
                return True
            raise

    def reply(self):
        line = self.file.readline()
        if line[:1] == b"*":
            return [self.reply() for _ in range(int(line[1:]))]
        if line[:1] == b"$":
            size = int(line[1:])
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if line[:1] == b"-":
            raise RuntimeError(line.decode().strip())
        return line[1:].strip()

    def command(self, *words):
        self.socket.sendall(workload.resp(*words))
        return self.reply()

    def load(self, users):
        for count, pipeline in workload.hset_chunks(users):
            self.socket.sendall(pipeline)
            for _ in range(count):
                self.reply()

    def load_inside(self, users, first=0, users_per_call=100000):
        """The same users, made by a script in the server: quicker for many."""
        for start in range(first, users, users_per_call):
            self.command("EVAL", workload.HSET_SCRIPT, "0", str(start),
                         str(min(start + users_per_call, users)))

    def used_memory_bytes(self):
        return int(re.search(rb"used_memory:(\d+)", self.command("INFO", "memory"))[1])

    def check(self, numbers):
        for n in numbers:
            self.socket.sendall(workload.hmget(n))
            got = tuple(float(value) for value in self.reply())
            if got != workload.values(n):
                raise RuntimeError(f"Redis answers {got} for user {n}")

    def benchmark_hmget(self, connections):
        """Requests per second of redis-benchmark, which asks for one user all the time."""
        done = subprocess.run(pinned(GENERATOR_CORE, [
            "redis-benchmark", "-p", self.port, "-c", connections, "-n", 200000, "-q", "--csv",
            "HMGET", f"user:{workload.user_id(0)}:features", *workload.DATED_FEATURES]),
            capture_output=True, text=True, check=True)
        return float(done.stdout.strip().splitlines()[-1].split('","')[1].strip('"'))

    def stop(self):
        self.socket.close()
        super().stop()


class FastAPI(Server):
    """fastapi_service.py under uvicorn, one worker, on a Redis that holds the users."""

    def __init__(self, directory, redis_port):
        port = free_port()
        here = os.path.dirname(os.path.abspath(__file__))
        python = os.path.join(os.path.dirname(here), ".venv/bin/python")
        super().__init__([python, "-m", "uvicorn", "fastapi_service:app", "--app-dir", here, "--port",
                          port, "--log-level", "warning", "--no-access-log", "--timeout-keep-alive",
                          60], directory + ".log", stdout=subprocess.DEVNULL,
                         env={**os.environ, "REDIS_URL": f"redis://127.0.0.1:{redis_port}"})
        self.wait_for_port(port, seconds=30)

    def check(self, numbers):
        for n in numbers:
            got = json.loads(raw_answer(self.port, workload.single_read(n)).split(b"\r\n\r\n")[1])
            if tuple(got["features"].values()) != workload.values(n):
                raise RuntimeError(f"FastAPI answers {got} for user {n}")
        batch = raw_answer(self.port, workload.batch_read(numbers)).split(b"\r\n\r\n", 1)[1]
        if [tuple(row["features"].values()) for row in json.loads(batch)] != [
                workload.values(n) for n in numbers]:
            raise RuntimeError("FastAPI answers a batch wrongly")


class Postgres(Server):
    """A PostgreSQL as initdb makes it, with one table of workload W, on a socket in its directory.
    It refuses to run as root: then it runs as the user `postgres`."""

    def __init__(self, directory):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(
            path.split("/")[4]))
        if not found:
            raise RuntimeError("PostgreSQL is not installed: scripts/setup bench")
        self.programs = found[-1]
        self.directory = directory
        self.switch = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        os.mkdir(directory)
        if self.switch:
            for path in (os.path.dirname(directory), directory):
                os.chmod(path, 0o755)
            shutil.chown(directory, "postgres")
        data = os.path.join(directory, "data")
        self.run("initdb", "--pgdata", data, "--auth", "trust", "--username", "bench")
        # By its own pid: runuser would stand between.
        if self.switch:
            user = pwd.getpwnam("postgres")
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        else:
            options = {}
        super().__init__([os.path.join(self.programs, "postgres"), "-D", data, "-k", directory,
                          "-c", "listen_addresses=", "-c", "synchronous_commit=on"],
                         directory + ".log", stdout=subprocess.DEVNULL, cwd=directory, **options)
        until = time.monotonic() + 30
        while subprocess.run([*self.switch, os.path.join(self.programs, "pg_isready"), "-q", "-h",
                              directory], check=False, cwd=directory).returncode != 0:
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: see {directory}.log")
            time.sleep(0.05)

    def run(self, program, *arguments, core=None):
        command = [*self.switch, os.path.join(self.programs, program), *map(str, arguments)]
        done = subprocess.run(pinned(core, command) if core else command, capture_output=True,
                              text=True, check=False, cwd=self.directory)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.stdout

    def sql(self, text):
        return self.run("psql", "-h", self.directory, "-U", "bench", "-qAt", "-c", text, "postgres")

    def upserts(self, script, users, seconds, connections=64):
        """One run of pgbench: rows per second, CPU seconds of the server per row."""
        before = self.cpu_seconds()
        out = self.run("pgbench", "-h", self.directory, "-U", "bench", "-n", "-M", "prepared", "-f",
                       script, "-D", f"users={users}", "-c", connections, "-j", 1,
                       "-T", max(1, round(seconds)), "postgres", core=GENERATOR_CORE)
        rows = int(re.search(r"actually processed: (\d+)", out)[1])
        rate = float(re.search(r"tps = (\S+)", out)[1])
        return rate, (self.cpu_seconds() - before) / rows


class Featured(Server):
    def __init__(self, binary, directory, *options, core=SERVER_CORE, threads=1):
        started = time.monotonic()
        super().__init__([binary, "serve", "--listen", "127.0.0.1:0", "--data", directory,
                          "--threads", threads, *options], directory + ".log", core=core,
                         stdout=subprocess.PIPE)
        for line in self.process.stdout:
            ready = re.search(rb"ready on http://127\.0\.0\.1:(\d+)", line)
            if ready:
                break
        else:
            raise RuntimeError(f"featured did not start: see {directory}.log")
        self.start_seconds = time.monotonic() - started
        self.port = int(ready[1])

    def request(self, method, path, body=None, headers=None, chunked=False):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request(method, path, body, headers or {}, encode_chunked=chunked)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:500]!r}")
        return data

    def define(self):
        for definition in workload.definitions():
            self.request("POST", "/register", json.dumps(definition),
                         {"Content-Type": "application/json"})

    def load(self, users, rows_per_request=1000000):
        for first in range(0, users, rows_per_request):
            last = min(first + rows_per_request, users)
            answer = json.loads(self.request(
                "POST", "/features/ingest/bulk", workload.csv_chunks(first, last),
                {"Content-Type": "text/csv", "Transfer-Encoding": "chunked"}, chunked=True))
            if answer["rows_accepted"] != last - first or answer["rows_rejected"] != 0:
                raise RuntimeError(f"bulk ingestion: {answer}")

    def metric(self, name):
        text = self.request("GET", "/metrics").decode()
        return float(re.search(rf"^{name} (\S+)", text, re.MULTILINE)[1])

    def check(self, numbers):
        """Every way of reading gives the values that were written."""
        names = workload.FEATURES
        expected = [{"entity_id": workload.user_id(n),
                     "features": dict(zip(names, workload.values(n)))} for n in numbers]
        for n, row in zip(numbers, expected):
            got = json.loads(raw_answer(self.port, workload.single_read(n)).split(b"\r\n\r\n")[1])
            if got != row:
                raise RuntimeError(f"featured answers {got}, not {row}")
        batch = raw_answer(self.port, workload.batch_read(numbers)).split(b"\r\n\r\n", 1)[1]
        if json.loads(batch) != expected:
            raise RuntimeError("featured answers a batch wrongly")
        request = workload.batch_read(numbers, "application/x-npy")
        tensor = raw_answer(self.port, request).split(b"\r\n\r\n", 1)[1]
        flat = [float(value) for n in numbers for value in workload.values(n)]
        if memoryview(tensor[-8 * len(flat):]).cast("d").tolist() != flat:
            raise RuntimeError("featured answers a tensor wrongly")


def raw_answer(port, request):
    """One answer, head and body, as it went over the wire."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while True:
            data = connection.recv(1 << 20)
            if not data:
                raise RuntimeError(f"cut short: {answer[:200]!r}")
            answer += data
            head, end, body = answer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            if end and length and len(body) >= int(length[1]):
                return answer
