"""Many at once on the same few entities, through three servers of one store and one registry (the embedded
store has one): what was written together is seen together, newest event wins and never goes back, nothing
returns that was erased, every value counts once."""

import http.client
import json
import os
import random
import threading
import time
from urllib.parse import quote

import pytest

import postgres
from waiting import await_that
from store import Store

SECONDS = float(os.environ.get("FEATURED_TEST_SECONDS", "2"))
WRITERS, READERS = 4, 4
BASE_US = 1767323045000000
IDS = ["u1", "a:b", "{x}y"]
FEATURES = {"number": "int", "text": "string", "list": "json", "vector": "embedding", "half": "float"}


def values_of(number):
    """All that is written together says the same number."""
    return {"number": number, "text": str(number) * (1 + number % 40), "list": [number] * (number % 7 + 1),
            "vector": [number // 1000, number % 1000], "half": number / 2}


def number_of(features):
    """The one they all say, None if there is none; fails if they are of several moments."""
    number = features["number"]
    wanted = dict.fromkeys(FEATURES) if number is None else values_of(number)
    assert features == wanted, features
    return number


def rfc3339(offset_us):
    seconds, rest = divmod(BASE_US + offset_us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:06}Z"


class Client:
    """One thread's connections, one to each server; it asks any of them."""

    def __init__(self, servers, seed):
        self.random = random.Random(seed)
        self.connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) for server in servers]

    def close(self):
        for connection in self.connections:
            connection.close()

    def call(self, method, target, body=None, content_type="application/json"):
        connection = self.random.choice(self.connections)
        connection.request(method, target, body, {"Content-Type": content_type})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, f"{method} {target}: {response.status} {body[:500]!r}"
        return json.loads(body)

    def write(self, entity_id, number, **fields):
        """As a request, or as rows of a bulk body, some of them older."""
        values = values_of(number)
        if self.random.random() < 0.7:
            cells = [{"feature_name": name, "value": value} for name, value in values.items()]
            body = {"entity_id": entity_id, "features": cells, **fields}
            return self.call("POST", "/features/ingest", json.dumps(body))
        line = json.dumps({"entity_id": entity_id, "features": values, **fields}) + "\n"
        return self.call("POST", "/features/ingest/bulk", line, "application/x-ndjson")

    def read(self):
        """(entity id, features) of some, by any of the ways."""
        ids = self.random.choices(IDS, k=self.random.randint(1, 6))
        way = self.random.randrange(4)
        if way == 0:
            answer = self.call("GET", f"/features/online/{quote(ids[0], safe='')}?feature_names={','.join(FEATURES)}")
            return [(answer["entity_id"], answer["features"])]
        if way == 1:
            answer = self.call("GET", f"/features/online/{quote(ids[0], safe='')}?entity=user")
            return [(answer["entity_id"], dict.fromkeys(FEATURES) | answer["features"])]
        if way == 2:
            rows = self.call("POST", "/features/batch", json.dumps({"user_ids": ids}))
            return [(row["user_id"], dict.fromkeys(FEATURES) | row["features"]) for row in rows]
        body = {"entity_ids": ids, "feature_names": list(FEATURES)}
        return [(row["entity_id"], row["features"]) for row in self.call("POST", "/features/online", json.dumps(body))]


class Together:
    """Threads that do something each, until the time is over or one of them fails."""

    def __init__(self, servers):
        self.servers = servers
        self.seed = random.SystemRandom().randrange(2**32)
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.wrong, self.done = [], 0

    def run(self, **works):
        """`works`: name → (function of a client, how many threads)."""
        print("seed", self.seed)
        threads = [threading.Thread(target=self.work, args=(function, f"{self.seed} {name} {i}"))
                   for name, (function, count) in works.items() for i in range(count)]
        for thread in threads:
            thread.start()
        self.ended.wait(SECONDS)
        self.ended.set()
        for thread in threads:
            thread.join()
        assert not self.wrong, self.wrong[:3]
        assert self.done > 20
        print(self.done, "requests")

    def work(self, function, seed):
        client = Client(self.servers, seed)
        try:
            while not self.ended.is_set():
                function(client)
                with self.lock:
                    self.done += 1
        except Exception as error:  # a thread that ends in silence would check nothing
            self.wrong.append(f"{type(error).__name__}: {error}")
            self.ended.set()
        finally:
            client.close()


@pytest.fixture
def servers(backend, start_server, client_of, tmp_path):
    if not backend.keyspaces:
        running = [start_server()]
    else:
        if not postgres.programs():
            pytest.skip("PostgreSQL is not installed")
        registry = postgres.shared().url(postgres.shared().create_database())
        url = backend.keyspaces.url_for(tmp_path)
        running = [start_server("--database-url", registry, "--redis-url", url, "--threads", "2",
                                directory=f"server_{i}") for i in range(3)]
    store = Store(client_of(running[0]))
    for name, data_type in FEATURES.items():
        store.define(data_type, name, **({"dimension": 2} if data_type == "embedding" else {}))
    for server in running:  # all of them know
        other = Store(client_of(server))
        await_that(lambda: set(FEATURES) <= {f["name"] for f in other.client.get("/features").json()["features"]})
    return running


def test_who_says_ready_serves(start_server):
    """Every loop of it does: the first request on any connection is answered."""
    server = start_server("--threads", "4")
    for _ in range(3):
        for _ in range(8):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            connection.request("GET", "/features/online/nobody?entity=user")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            connection.close()
        server.restart("stop")


def test_newest_event_wins_and_never_goes_back(servers, client_of):
    """Everybody writes all ids. Event times go up with the numbers, in pairs of the same time."""
    together = Together(servers)
    sent, floor = dict.fromkeys(IDS, 0), dict.fromkeys(IDS, -1)

    def raise_floor(entity_id, number):
        with together.lock:
            floor[entity_id] = max(floor[entity_id], number // 2)

    def write(client):
        entity_id = client.random.choice(IDS)
        with together.lock:
            sent[entity_id] += 1
            number = sent[entity_id]
        client.write(entity_id, number, event_timestamp=rfc3339(number // 2))
        raise_floor(entity_id, number)

    def read(client):
        with together.lock:
            floors = dict(floor)
        for entity_id, features in client.read():
            number = number_of(features)
            event = -1 if number is None else number // 2
            assert event >= floors[entity_id], f"{entity_id}: {number} after the event {floors[entity_id]}"
            if number is not None:
                raise_floor(entity_id, number)

    together.run(write=(write, WRITERS), read=(read, READERS))
    for server in servers:
        store = Store(client_of(server))
        for entity_id in IDS:
            assert number_of(store.read(entity_id, list(FEATURES))) // 2 == sent[entity_id] // 2
        for name in FEATURES:  # of other servers within a second
            await_that(lambda: store.definition(name)["count"] == sum(sent.values()))
            assert store.definition(name)["null_count"] == 0
        assert store.definition("number")["max_value"] == max(sent.values())
        assert store.definition("number")["last_event_timestamp"] == rfc3339(max(sent.values()) // 2)


def test_what_was_erased_does_not_return(servers):
    """Values have the time of their arrival. Those acknowledged before an erasure was sent are never seen
    after it was acknowledged, and none of them is half erased."""
    together = Together(servers)
    numbers = iter(range(1, 10**9))
    acknowledged = {entity_id: set() for entity_id in IDS}
    gone = {entity_id: set() for entity_id in IDS}

    def write(client):
        entity_id = client.random.choice(IDS)
        with together.lock:
            number = next(numbers)
        client.write(entity_id, number)
        with together.lock:
            acknowledged[entity_id].add(number)

    def erase(client):
        entity_id = client.random.choice(IDS)
        with together.lock:
            before = set(acknowledged[entity_id])
        names = client.random.choice(["", f"?feature_names={','.join(FEATURES)}", "?entity=user"])
        client.call("DELETE", f"/features/online/{quote(entity_id, safe='')}{names}")
        with together.lock:
            gone[entity_id] |= before
            acknowledged[entity_id] -= before
        together.ended.wait(0.02)

    def read(client):
        with together.lock:
            before = {entity_id: set(gone[entity_id]) for entity_id in IDS}
        for entity_id, features in client.read():
            assert number_of(features) not in before[entity_id], f"{entity_id}: {features['number']} is back"

    together.run(write=(write, 3), erase=(erase, 1), read=(read, READERS))


def test_times_of_arrival_never_go_back(servers):
    """One event time for all that came together, and later reads see no earlier one."""
    together = Together(servers)
    seen = dict.fromkeys(IDS, "")

    def write(client):
        client.write(client.random.choice(IDS), client.random.randrange(1, 10**6))

    def read(client):
        entity_id = client.random.choice(IDS)
        with together.lock:
            before = seen[entity_id]
        answer = client.call("GET", f"/features/online/{quote(entity_id, safe='')}?metadata=true"
                                    f"&feature_names={','.join(FEATURES)}")
        number_of(answer["features"])
        times = {cell["event_timestamp"] for cell in answer["metadata"].values()}
        assert len(times) == 1, answer
        moment = times.pop() or ""
        assert moment >= before, f"{entity_id}: {moment} after {before}"
        with together.lock:
            seen[entity_id] = max(seen[entity_id], moment)

    together.run(write=(write, 3), read=(read, 3))
