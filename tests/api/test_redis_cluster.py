"""A cluster whose slots move and whose masters die, under writers and readers: never a wrong value, and a
failover costs only what concerns the node that died."""

import itertools
import subprocess
import time

import pytest

import postgres
import redis_servers
from fleet import Fleet
from store import Store
from waiting import await_that

pytestmark = pytest.mark.only_on("cluster")

# Longer than a shared machine stands still.
TIMEOUT_S = 1.5
# Until the others agree that a master is dead, and a replica is elected.
FAILOVER_S = 15


@pytest.fixture(scope="module")
def own_cluster():
    running = redis_servers.Cluster().start()
    yield running
    running.remove()


@pytest.fixture
def cluster(own_cluster):
    """Whole and empty, at the start of each test."""
    for node in own_cluster.nodes:
        if node.process.poll() is not None:
            node.start()
    own_cluster.await_whole()
    own_cluster.flush()
    return own_cluster


@pytest.fixture
def server(cluster, start_server):
    return start_server("--redis-url", cluster.url(), "--redis-timeout", f"{int(TIMEOUT_S * 1000)}ms",
                        "--threads", "1")


@pytest.fixture
def store(server, client_of):
    store = Store(client_of(server))
    store.define("int", "clicks")
    return store


def ids_in(cluster, slots, count, prefix="user"):
    """Ids whose rows lie in these slots."""
    node = cluster.running()[0].client()
    found = (f"{prefix}_{number}" for number in itertools.count())
    wanted = (entity_id for entity_id in found
              if node.execute_command("CLUSTER", "KEYSLOT", f"user:{entity_id}:features") in slots)
    return list(itertools.islice(wanted, count))


def slots_of(cluster, master):
    ranges = [range(first, last + 1) for first, last, *owners in cluster.slots(cluster.running()[0])
              if owners[0] == master.port]
    return set(itertools.chain(*ranges))


def reshard(cluster, source, target, count):
    done = subprocess.run(
        ["redis-cli", "--cluster", "reshard", f"127.0.0.1:{source.port}",
         "--cluster-from", cluster.id_of(source), "--cluster-to", cluster.id_of(target),
         "--cluster-slots", str(count), "--cluster-yes"],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def metric(store, name):
    line = next(line for line in store.client.get("/metrics").text.splitlines()
                if line.startswith(f"{name} "))
    return float(line.split()[1])


@pytest.mark.parametrize("url", ["by one node", "by all", "by one that is dead and others"])
def test_ways_to_find_it(cluster, start_server, client_of, url):
    addresses = [f"127.0.0.1:{node.port}" for node in cluster.nodes]
    if url == "by one that is dead and others":
        addresses = [f"127.0.0.1:{redis_servers.free_port()}", *addresses[1:3]]
    url = cluster.nodes[-1].url() if url == "by one node" else "redis-cluster://" + ",".join(addresses)
    store = Store(client_of(start_server("--redis-url", url)))
    store.define("int", "clicks")
    for number in range(50):
        store.write(f"u{number}", {"clicks": number})
    answer = store.batch([f"u{number}" for number in range(50)], ["clicks"]).json()
    assert [row["features"]["clicks"] for row in answer] == list(range(50))
    assert metric(store, "featured_redis_cluster") == 1
    assert metric(store, "featured_redis_nodes") >= 3
    sizes = [master.client().dbsize() for master in cluster.masters()]
    assert len(sizes) == 3 and all(size > 5 for size in sizes)


@pytest.fixture(scope="module")
def tls_cluster():
    running = redis_servers.Cluster(replicas=0, certificates=redis_servers.Certificates()).start()
    yield running
    running.remove()


@pytest.mark.parametrize("scheme", ["rediss", "rediss-cluster"])
def test_all_nodes_are_reached_by_tls(tls_cluster, start_server, client_of, scheme):
    tls_cluster.flush()
    url = tls_cluster.nodes[0].tls_url().replace("rediss://", f"{scheme}://")
    store = Store(client_of(start_server("--redis-url", url)))
    store.define("int", "clicks")
    ids = [f"u{number}" for number in range(50)]
    for number, entity_id in enumerate(ids):
        store.write(entity_id, {"clicks": number})
    answer = store.batch(ids, ["clicks"]).json()
    assert [row["features"]["clicks"] for row in answer] == list(range(50))
    assert metric(store, "featured_redis_nodes") == 3


def test_slots_move_under_load(cluster, server, store):
    """MIGRATING and IMPORTING slots, ASK, MOVED: nothing is refused, nothing is wrong."""
    source, target, _ = cluster.masters()
    moving = sorted(slots_of(cluster, source))[:120]  # reshard takes the first ones
    ids = ids_in(cluster, set(moving), 8) + ids_in(cluster, slots_of(cluster, target), 2, "stays")
    with Fleet([server.url], "clicks", ids) as fleet:
        fleet.await_answers(50)
        for first, second in ((source, target), (target, source)):
            reshard(cluster, first, second, len(moving))
            fleet.await_answers(50)
    fleet.assert_right()
    assert not fleet.failed, fleet.failed[:3]
    assert metric(store, "featured_redis_moved_total") + metric(store, "featured_redis_asked_total") > 0
    for entity_id in ids:
        assert store.read_one(entity_id, "clicks") == fleet.sent[entity_id]


def test_a_slot_that_is_half_moved(cluster, store):
    """Migration stands still: some keys are here, some there, new ones go there."""
    source, target, _ = cluster.masters()
    slot = min(slots_of(cluster, source))
    here, there, new = ids_in(cluster, {slot}, 3)
    for entity_id in (here, there):
        store.write(entity_id, {"clicks": 1})
    ids = cluster.id_of(source), cluster.id_of(target)
    target.client().execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    source.client().execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    source.client().execute_command("MIGRATE", "127.0.0.1", target.port, f"user:{there}:features", 0, 5000)
    for value in (2, 3):
        for entity_id in (here, there, new):
            store.write(entity_id, {"clicks": value})
        answer = store.batch([here, there, new, here], ["clicks"]).json()
        assert [row["features"]["clicks"] for row in answer] == [value] * 4
    assert source.client().exists(f"user:{here}:features")
    assert target.client().execute_command("CLUSTER", "COUNTKEYSINSLOT", slot) == 2
    assert metric(store, "featured_redis_asked_total") > 0
    source.client().execute_command("MIGRATE", "127.0.0.1", target.port, f"user:{here}:features", 0, 5000)
    for node in (target, source, *cluster.masters()):
        node.client().execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    assert [store.read_one(entity_id, "clicks") for entity_id in (here, there, new)] == [3] * 3


def harm_and_heal(cluster, store, fleet, dead, harm, victim):
    """The ids of others are served all the time, those of the victim again once it was replaced."""
    fleet.await_answers(100)
    began = time.monotonic()
    harm(victim)
    try:
        await_that(lambda: "ingestion" in store.client.get("/ready").json())
        assert store.client.get("/ready").status_code == 200
        others = [node for node in cluster.nodes if node is not victim]
        await_that(lambda: all(
            victim.port not in {owners[0] for _, _, *owners in cluster.slots(node)} for node in others),
            timeout_s=FAILOVER_S)
        fleet.await_healed()
        print(f"healed after {time.monotonic() - began:.1f} s")
        fleet.await_answers(100)
    finally:
        if victim.process.poll() is None:
            victim.resume()
        else:
            victim.start()
    fleet.await_answers(50)
    not_its = [failed for failed in fleet.failed if not set(failed[1]) & set(dead)]
    assert not not_its, not_its[:3]
    assert fleet.slowest_s < 2 * TIMEOUT_S + 1
    await_that(lambda: store.client.get("/ready").json() == {"status": "ready"})


@pytest.mark.parametrize("harm", ["crash", "pause"])
def test_a_master_dies(cluster, server, store, harm):
    victim = cluster.masters()[0]
    dead = ids_in(cluster, slots_of(cluster, victim), 4, "dead")
    alive = [entity_id for master in cluster.masters()[1:]
             for entity_id in ids_in(cluster, slots_of(cluster, master), 3, "alive")]
    with Fleet([server.url], "clicks", dead + alive, together=False) as fleet:
        harm_and_heal(cluster, store, fleet, dead, lambda node: getattr(node, harm)(), victim)
    fleet.assert_right()
    for entity_id in dead + alive:
        assert fleet.floor[entity_id] <= store.read_one(entity_id, "clicks") <= fleet.sent[entity_id]


def hand_over(new, old):
    """Until the old master follows the new one. A replica gives it up after 5 s, if its master was too busy to
    stand still; on a busy machine the old one may also take its slots back."""
    def replication(node):
        return node.client().info("replication")

    def is_done():
        return replication(old).get("master_link_status") == "up" and replication(new)["role"] == "master"

    deadline = time.monotonic() + 60
    while not is_done():
        assert time.monotonic() < deadline, new.log_path.read_text()[-2000:]
        if replication(new)["role"] == "slave":
            new.client().execute_command("CLUSTER", "FAILOVER")
            until = time.monotonic() + 5.5
            while replication(new)["role"] == "slave" and time.monotonic() < until:
                time.sleep(0.01)
        time.sleep(0.01)


def test_a_planned_failover_loses_nothing(cluster, server, store):
    master = cluster.masters()[0]
    ids = ids_in(cluster, slots_of(cluster, master), 6)
    replica = cluster.node_at(next(owners[1] for _, _, *owners in cluster.slots(master)
                                   if owners[0] == master.port))
    with Fleet([server.url], "clicks", ids) as fleet:
        for new, old in ((replica, master), (master, replica)):
            fleet.await_answers(50)
            hand_over(new, old)
            fleet.await_healed()
            fleet.await_answers(50)
    fleet.assert_right()


def test_all_of_it_is_away(cluster, server, store):
    """503 when the time of the request is up, in which another node might have taken over; and back
    without a restart."""
    store.write("u", {"clicks": 1})
    for node in cluster.nodes:
        node.pause()
    try:
        await_that(lambda: store.client.get("/ready").status_code == 503)
        for _ in range(2):
            began = time.monotonic()
            answer = store.online("u", ["clicks"])
            assert answer.status_code == 503 and answer.headers["Retry-After"]
            assert time.monotonic() - began < 2 * TIMEOUT_S + 1
    finally:
        for node in cluster.nodes:
            node.resume()
    await_that(lambda: store.client.get("/ready").status_code == 200)
    await_that(lambda: store.ingest("u", {"clicks": 2}).status_code == 200)
    assert store.read_one("u", "clicks") == 2


def test_reads_from_replicas(cluster, start_server, client_of):
    store = Store(client_of(start_server("--redis-url", cluster.url(), "--redis-read-from", "replica",
                                         "--redis-timeout", "500ms")))
    store.define("int", "clicks")
    replicas = [node for node in cluster.nodes if node not in cluster.masters()]
    for number in range(30):
        store.write(f"u{number}", {"clicks": number})
    await_that(lambda: store.read_one("u29", "clicks") == 29)

    def asked():
        return sum(node.client().info("commandstats").get("cmdstat_hmget", {}).get("calls", 0)
                   for node in replicas)

    before = asked()
    ids = [f"u{number}" for number in range(30)]
    await_that(lambda: [row["features"]["clicks"] for row in store.batch(ids, ["clicks"]).json()]
               == list(range(30)))
    assert asked() >= before + 30
    # Without replicas the masters are asked.
    for node in replicas:
        node.crash()
    await_that(lambda: store.batch(ids, ["clicks"]).status_code == 200)
    assert [row["features"]["clicks"] for row in store.batch(ids, ["clicks"]).json()] == list(range(30))


@pytest.mark.skipif(not postgres.programs(), reason="PostgreSQL is not installed")
def test_three_servers_in_front_of_one_cluster(cluster, start_server, client_of):
    """Slots move, a master hands over, a master dies: what one server acknowledged, all of them serve."""
    database = postgres.shared().url(postgres.shared().create_database())
    servers = [start_server("--redis-url", cluster.nodes[number].url(), "--redis-timeout", "500ms",
                            "--database-url", database, directory=f"server_{number}")
               for number in range(3)]
    store = Store(client_of(servers[0]))
    store.define("int", "clicks")
    source, victim, target = cluster.masters()
    moving = sorted(slots_of(cluster, source))[:60]
    ids = ids_in(cluster, set(moving), 4) + [f"u{number}" for number in range(8)]
    with Fleet([server.url for server in servers], "clicks", ids, writers=4, readers=4) as fleet:
        fleet.await_answers(200)
        reshard(cluster, source, target, len(moving))
        assert not fleet.failed, fleet.failed[:3]
        victim.crash()
        fleet.await_answers(20)
        await_that(lambda: victim not in cluster.masters(), timeout_s=FAILOVER_S)
        fleet.await_healed()
        victim.start()
        fleet.await_answers(200)
        reshard(cluster, target, source, len(moving))
        fleet.await_answers(200)
    fleet.assert_right()
    for server in servers:
        rows = Store(client_of(server)).batch(ids, ["clicks"]).json()
        for row in rows:
            entity_id, value = row["entity_id"], row["features"]["clicks"]
            assert fleet.floor[entity_id] <= value <= fleet.sent[entity_id]
