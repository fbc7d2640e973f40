"""Redis, Valkey and clusters of the tests' own: on free ports, in directories of their own, ended by
their own pids."""

import atexit
import functools
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from urllib.parse import quote

import redis

from waiting import await_that

START_TIMEOUT_S = 60
SLOTS = 16384
# Below what the system gives to outgoing connections: a port stays free while its server is down.
PORTS = range(12000, 32000)
DATABASES = 2048
# What the nodes of a cluster run: Redis unless FEATURED_TEST_CLUSTER names another.
CLUSTER_PROGRAM = os.environ.get("FEATURED_TEST_CLUSTER", "redis-server")
# After so long without an answer a node of a cluster is taken for dead. It also says how often nodes tell
# each other what they know: so less while a cluster is made.
NODE_TIMEOUT_MS = 1500
GOSSIP_MS = 200


def free_port():
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Certificates:
    """An authority, and a server certificate of it for 127.0.0.1 and localhost."""

    def __init__(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="featured-certificates-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        self.authority = directory / "ca.crt"
        self.certificate, self.key = directory / "server.crt", directory / "server.key"
        key, request, names = directory / "ca.key", directory / "server.csr", directory / "names"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"]
        for arguments in (
            ["req", "-x509", *new_key, "-keyout", key, "-out", self.authority, "-subj", "/CN=authority"],
            ["req", *new_key, "-keyout", self.key, "-out", request, "-subj", "/CN=server"],
            ["x509", "-req", "-in", request, "-CA", self.authority, "-CAkey", key, "-CAcreateserial",
             "-out", self.certificate, "-extfile", names],
        ):
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class RedisServer:
    """One server. `user` and `password` are those of a user who may do all; without `user` the
    password is the default user's. With certificates it also listens on `tls_port`."""

    def __init__(self, program="redis-server", options=(), user=None, password=None, certificates=None):
        self.program = program
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="featured-redis-"))
        self.socket_path = self.directory / "socket"
        self.log_path = self.directory / "log"
        self.user, self.password = user, password
        self.port = free_port()
        self.certificates = certificates
        self.tls_port = free_port() if certificates else None
        self.options = [*self.access_options(), *map(str, options)]
        self.process = None
        self.clients = {}
        atexit.register(self.remove)

    def access_options(self):
        options = []
        if self.user:
            options += ["--user", self.user, "on", f">{self.password}", "~*", "&*", "+@all",
                        "--user", "default", "off"]
        elif self.password:
            options += ["--requirepass", self.password]
        if self.certificates:
            options += ["--tls-port", self.tls_port, "--tls-cert-file", self.certificates.certificate,
                        "--tls-key-file", self.certificates.key,
                        "--tls-ca-cert-file", self.certificates.authority,
                        "--tls-auth-clients", "no"]
        return list(map(str, options))

    def launch(self):
        """Without waiting for anything."""
        command = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
                   str(self.directory), "--unixsocket", str(self.socket_path), "--save", "",
                   "--databases", str(DATABASES), "--enable-debug-command", "yes",
                   "--latency-tracking", "no", *self.options]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.directory)
        return self

    def start(self):
        """Also again, on what an earlier process left."""
        return self.launch().await_ready()

    def await_ready(self):
        await_that(self.answers)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log_path.read_text()
        try:
            return self.client().ping()
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def client(self, database=0, **options):
        """The client of PyPI, one for each database; an own one if it is to have options."""
        def make():
            made = redis.Redis(host="127.0.0.1", port=self.port, db=database, username=self.user,
                               password=self.password, **({"decode_responses": True} | options))
            for command in ("CLUSTER INFO", "CLUSTER SLOTS"):  # as they are answered, whatever the protocol
                made.response_callbacks.pop(command, None)
            return made
        if options:
            return make()
        if database not in self.clients:
            self.clients[database] = make()
        return self.clients[database]

    def access(self):
        return f"{quote(self.user or '')}:{quote(self.password, safe='')}@" if self.password else ""

    def url(self, database=0):
        return f"redis://{self.access()}127.0.0.1:{self.port}/{database}"

    def unix_url(self, database=0):
        return f"unix://{self.access()}{self.socket_path}?db={database}"

    def tls_url(self, database=0, parameters=None):
        parameters = f"?cacert={self.certificates.authority}" if parameters is None else parameters
        return f"rediss://{self.access()}127.0.0.1:{self.tls_port}/{database}{parameters}"

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def crash(self):
        """SIGKILL, and gone when this returns."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.crash()
        return self.start()

    def remove(self):
        if self.process and self.process.poll() is None:
            self.crash()
        for client in self.clients.values():
            client.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cluster:
    """Masters with all slots in equal parts, and so many replicas of each. With certificates the nodes speak
    TLS to each other, and also to clients."""

    def __init__(self, masters=3, replicas=1, options=(), certificates=None):
        self.master_count, self.replica_count = masters, replicas
        if certificates:
            options = [*options, "--tls-cluster", "yes"]
        self.nodes = [
            RedisServer(CLUSTER_PROGRAM, ["--cluster-enabled", "yes", "--cluster-port", free_port(),
                                  "--cluster-node-timeout", GOSSIP_MS, "--cluster-require-full-coverage", "no",
                                  "--repl-diskless-sync-delay", 0,
                                  "--repl-ping-replica-period", 1, "--cluster-replica-validity-factor", 0,
                                  *options], certificates=certificates)
            for _ in range(masters * (1 + replicas))
        ]

    def start(self):
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.await_ready()
        self.join()
        self.give_replicas()
        self.await_whole()
        for node in self.nodes:
            node.client().config_set("cluster-node-timeout", NODE_TIMEOUT_MS)
        return self

    def join(self):
        for i, node in enumerate(self.nodes[:self.master_count]):
            first, end = SLOTS * i // self.master_count, SLOTS * (i + 1) // self.master_count
            node.client().execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            node.client().execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in self.nodes[1:]:
            bus = node.options[node.options.index("--cluster-port") + 1]
            port = node.tls_port or node.port
            self.nodes[0].client().execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        for node in self.nodes:
            await_that(lambda: self.info(node)["cluster_known_nodes"] == str(len(self.nodes)))

    def give_replicas(self):
        for i, node in enumerate(self.nodes[self.master_count:]):
            master = self.id_of(self.nodes[i % self.master_count])
            node.client().execute_command("CLUSTER", "REPLICATE", master)

    def await_whole(self):
        """All slots served, every node knows it, and the replicas have what their masters have."""
        for node in self.nodes:
            await_that(lambda: self.is_whole(node))

    def is_whole(self, node):
        if self.info(node)["cluster_state"] != "ok":
            return False
        ranges = self.slots(node)
        if sum(last - first + 1 for first, last, *_ in ranges) != SLOTS:
            return False
        if any(len(owners) != 1 + self.replica_count for _, _, *owners in ranges):
            return False
        replication = node.client().info("replication")
        return replication["role"] == "master" or replication["master_link_status"] == "up"

    @staticmethod
    def info(node):
        answer = node.client().execute_command("CLUSTER INFO")
        return dict(line.split(":", 1) for line in answer.split())

    @staticmethod
    def slots(node):
        """(first, last, port of the master, ports of its replicas…) of each range."""
        answer = node.client().execute_command("CLUSTER SLOTS")
        return [(first, last, *(owner[1] for owner in owners)) for first, last, *owners in answer]

    @staticmethod
    def id_of(node):
        return node.client().execute_command("CLUSTER", "MYID")

    def node_at(self, port):
        return next(node for node in self.nodes if node.port == port)

    def running(self):
        return [node for node in self.nodes if node.process.poll() is None]

    def masters(self):
        """Those who own slots now, as some node that runs sees it."""
        return [self.node_at(port) for port in
                dict.fromkeys(owners[0] for _, _, *owners in self.slots(self.running()[0]))]

    def master_of(self, key):
        slot = self.running()[0].client().execute_command("CLUSTER", "KEYSLOT", key)
        return next(self.node_at(owners[0]) for first, last, *owners in
                    self.slots(self.running()[0]) if first <= slot <= last)

    def client(self, **options):
        return redis.RedisCluster(host="127.0.0.1", port=self.running()[0].port,
                                  **({"decode_responses": True} | options))

    def url(self):
        """By one node, as of a single server: that it is a cluster is found."""
        return self.nodes[0].url()

    def cluster_url(self):
        return "redis-cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def flush(self):
        """The replicas too: one that takes over must not bring back what another test wrote."""
        for master in self.masters():
            client = master.client()
            client.flushall()
            heard = client.wait(self.replica_count, START_TIMEOUT_S * 1000)
            assert heard >= self.replica_count, f"{heard} of {self.replica_count} replicas follow"

    def remove(self):
        for node in self.nodes:
            node.remove()


@functools.cache
def shared(program="redis-server"):
    """One for all tests that leave it as they found it."""
    return RedisServer(program).start()


@functools.cache
def shared_cluster():
    return Cluster().start()
