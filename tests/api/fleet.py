"""Writers and readers on several servers of one store, and the one promise that they check together: what
is read is never older than what was acknowledged, or read, before the request was sent (newest event
wins), and never what nobody sent."""

import random
import threading
import time

import httpx

BASE_MS = 1767323045000
PAUSE_S = 0.002
READ_TOGETHER = 5


class Fleet:
    """Each id belongs to one writer, which counts up; everybody reads everything.

        with Fleet(urls, "clicks", ids) as fleet:
            …
        fleet.assert_right()
    """

    def __init__(self, urls, feature, ids, writers=3, readers=3, seed=None, together=True):
        self.urls, self.feature, self.ids = urls, feature, list(ids)
        self.together = together
        self.seed = random.randrange(2**32) if seed is None else seed
        self.sent = dict.fromkeys(self.ids, 0)
        self.floor = dict.fromkeys(self.ids, 0)
        self.lock = threading.Lock()
        self.wrong, self.failed = [], []  # failed: (seconds since the start, ids) answered 503
        self.answers = 0
        self.slowest_s = 0
        self.ended = threading.Event()
        self.began = time.monotonic()
        self.threads = [
            threading.Thread(target=self.run, args=(self.write_one, i, self.ids[i::writers]))
            for i in range(writers)
        ] + [
            threading.Thread(target=self.run, args=(self.read_some, writers + i, self.ids))
            for i in range(readers)
        ]

    def __enter__(self):
        print("fleet seed", self.seed)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def run(self, work, number, ids):
        choose = random.Random(f"{self.seed} {number}")
        clients = [httpx.Client(base_url=url, timeout=30, trust_env=False, verify=False) for url in self.urls]
        try:
            while not self.ended.is_set():
                work(choose, choose.choice(clients), ids)
                self.ended.wait(PAUSE_S)
        except Exception as error:  # a thread that ends in silence would check nothing
            self.wrong.append(repr(error))
        finally:
            for client in clients:
                client.close()

    def ask(self, what, ids, send):
        answer = send()
        with self.lock:
            self.slowest_s = max(self.slowest_s, answer.elapsed.total_seconds())
            if answer.status_code == 200:
                self.answers += 1
            elif answer.status_code == 503 and "Retry-After" in answer.headers:
                self.failed.append((time.monotonic() - self.began, tuple(ids), answer.text))
            else:
                self.wrong.append(f"{what} {ids}: {answer.status_code} {answer.text}")
        return answer if answer.status_code == 200 else None

    def write_one(self, choose, client, ids):
        entity_id = choose.choice(ids)
        self.sent[entity_id] += 1
        value = self.sent[entity_id]
        body = {"entity_id": entity_id, "event_timestamp": BASE_MS + value,
                "features": [{"feature_name": self.feature, "value": value}]}
        if self.ask("write", [entity_id], lambda: client.post("/features/ingest", json=body)):
            self.raise_floor(entity_id, value)

    def read_some(self, choose, client, ids):
        chosen = choose.sample(ids, min(READ_TOGETHER, len(ids))) if choose.random() < 0.3 and self.together \
            else [choose.choice(ids)]
        with self.lock:
            floors = [self.floor[entity_id] for entity_id in chosen]
        if len(chosen) == 1:
            answer = self.ask("read", chosen, lambda: client.get(
                f"/features/online/{chosen[0]}", params={"feature_names": self.feature}))
            rows = [answer.json()] if answer else []
        else:
            body = {"entity_ids": chosen, "feature_names": [self.feature]}
            answer = self.ask("batch", chosen, lambda: client.post("/features/online", json=body))
            rows = answer.json() if answer else []
        for row, floor in zip(rows, floors):
            self.check(row["entity_id"], row["features"][self.feature] or 0, floor)

    def check(self, entity_id, value, floor):
        if not floor <= value <= self.sent[entity_id]:
            self.wrong.append(f"{entity_id}: read {value} after {floor}, sent {self.sent[entity_id]}, "
                              f"{time.monotonic() - self.began:.3f} s after the start")
        self.raise_floor(entity_id, value)

    def raise_floor(self, entity_id, value):
        with self.lock:
            self.floor[entity_id] = max(self.floor[entity_id], value)

    def await_answers(self, count=100, timeout_s=30):
        """So many more that are right."""
        with self.lock:
            until = self.answers + count
        deadline = time.monotonic() + timeout_s
        while self.answers < until:
            assert not self.wrong, self.wrong[:5]
            assert time.monotonic() < deadline, f"no answers; {self.failed[-1:]}"
            time.sleep(0.01)

    def await_healed(self, quiet_s=0.5, timeout_s=30):
        """For so long nothing was refused."""
        deadline = time.monotonic() + timeout_s
        while self.failed and time.monotonic() - self.began - self.failed[-1][0] < quiet_s:
            assert time.monotonic() < deadline, f"still refused: {self.failed[-1]}"
            time.sleep(0.01)

    def assert_right(self):
        print(f"{self.answers} answers, {len(self.failed)} refused, slowest {self.slowest_s:.3f} s")
        assert not self.wrong, self.wrong[:5]
        assert self.answers > 0
