"""Load over many connections: one request in flight on each, every answer noted."""

import json
import random
import selectors
import socket

from known import FEATURES, HOUR_MS, USER, Effect, Known, now_ms, number_of, values_of

BULK_ROWS_MAX = 60


class Wrong(Exception):
    """The server did what it promised not to do."""


class Connection:
    def __init__(self, load, port, knowns, seed):
        self.load = load
        self.random = random.Random(seed)
        self.knowns = knowns
        self.effects = []
        self.expected_read = None
        self.received = b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # Requests

    def send_next(self):
        self.effects = []
        self.expected_read = None
        chance = self.random.random()
        if chance < 0.70:
            self.send_row()
        elif chance < 0.80:
            self.send_bulk()
        elif chance < 0.88:
            self.send_erasure()
        else:
            self.send_read()

    def send(self, method, path, body=b"", content_type="application/json"):
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def plan_row(self, known):
        """(values, event time or None to leave it out) of a new row, its effect noted."""
        number = self.load.next_number()
        late = known.takes_late and known.says_times and self.random.random() < 0.1
        if late:
            event_ms = now_ms() - HOUR_MS + self.random.randrange(1000)
        else:
            event_ms = known.last_ms = max(now_ms(), known.last_ms + 1)
        effect = Effect(known, known.write(number, event_ms))
        self.effects.append(effect)
        known.pending.append(effect)
        return values_of(number), event_ms if known.says_times else None

    def send_row(self):
        known = self.random.choice(self.knowns)
        values, event_ms = self.plan_row(known)
        body = {
            "entity_id": known.name,
            "features": [{"feature_name": n, "value": v} for n, v in values.items()],
        }
        if event_ms is not None:
            body["event_timestamp"] = event_ms
        self.send("POST", "/features/ingest", json.dumps(body).encode())

    def send_bulk(self):
        count = min(len(self.knowns), 1 + self.random.randrange(BULK_ROWS_MAX))
        lines = []
        for known in self.random.sample(self.knowns, count):
            values, event_ms = self.plan_row(known)
            row = {"entity_id": known.name, "features": values}
            if event_ms is not None:
                row["event_timestamp"] = event_ms
            lines.append(json.dumps(row))
        body = "\n".join(lines).encode()
        self.send("POST", "/features/ingest/bulk", body, "application/x-ndjson")

    def send_erasure(self):
        known = self.random.choice(self.knowns)
        if known.last_ms >= now_ms():  # a value may be newer than the erasure would be
            return self.send_read()
        names = FEATURES if self.random.random() < 0.6 else tuple(
            self.random.sample(USER, 2))
        effect = Effect(known, known.erase(names), names, is_row=False)
        self.effects.append(effect)
        known.pending.append(effect)
        query = "" if names is FEATURES else "?feature_names=" + ",".join(names)
        self.send("DELETE", f"/features/online/{known.name}{query}")

    def send_read(self):
        known = self.random.choice(self.knowns)
        self.expected_read = known
        self.send("GET", f"/features/online/{known.name}?feature_names=" + ",".join(USER))

    # Answers

    def receive(self):
        """False when the server is gone."""
        try:
            piece = self.socket.recv(65536)
        except ConnectionError:
            return False
        if not piece:
            return False
        self.received += piece
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        if not separator:
            return True
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(rest) < length:
            return True
        self.received = rest[length:]
        self.take_answer(int(head.split()[1]), rest[:length])
        self.send_next()
        return True

    def take_answer(self, status, body):
        if status != 200:
            raise Wrong(f"answered {status}: {body[:500]}")
        answer = json.loads(body)
        if self.expected_read:
            self.check_read(answer["features"])
        if answer.get("rows_accepted", len(self.effects)) != len(self.effects):
            raise Wrong(f"of {len(self.effects)} rows: {answer}")
        for effect in self.effects:
            effect.acknowledge()
            self.load.rows_acknowledged += effect.is_row
        self.load.answers += 1

    def check_read(self, features):
        known = self.expected_read
        got = tuple(number_of(name, features[name]) for name in USER)
        if got != known.numbers()[: len(USER)]:
            raise Wrong(f"{known.name}: read {got}, acknowledged {known.numbers()}")


class Load:
    """All there is to know of one data directory, across servers."""

    def __init__(self, ids, seed):
        self.random = random.Random(seed)
        self.knowns = [Known(f"user_{i}", says_times=i % 2 == 0) for i in range(ids)]
        self.number = 0
        self.answers = 0
        self.rows_acknowledged = 0  # since the last time the statistics were compared
        self.rows_counted = 0  # by the server, then
        self.rows_before = dict.fromkeys(FEATURES, 0)  # the feature was registered
        self.in_flight = []

    def next_number(self):
        self.number += 1
        return self.number

    def run(self, port, connections):
        """Until the server is gone. What was in flight then stays in `in_flight`."""
        selector = selectors.DefaultSelector()
        open_ones = []
        try:
            for i in range(connections):
                part = self.knowns[i::connections]
                connection = Connection(self, port, part, self.random.getrandbits(64))
                open_ones.append(connection)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                connection.send_next()
            alive = len(open_ones)
            while alive > 0:
                for key, _ in selector.select():
                    if not self.turn(key.data):
                        selector.unregister(key.fileobj)
                        alive -= 1
        except ConnectionError:
            pass  # it was ended while we connected or sent
        finally:
            selector.close()
            for connection in open_ones:
                connection.socket.close()
            self.in_flight = [e for c in open_ones for e in c.effects if e in e.known.pending]

    @staticmethod
    def turn(connection):
        try:
            return connection.receive()
        except ConnectionError:
            return False
