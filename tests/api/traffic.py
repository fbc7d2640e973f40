"""Clients that go on while something else breaks."""

import threading
import time

import httpx

# Leaves the processor to what is being tested.
PAUSE_S = 0.002


class Traffic:
    """Writes an int feature of one id and reads it back, until stopped: newest event wins, so what is read
    is never older than what was acknowledged before, nor newer than what was sent.

        with Traffic(url, "clicks", "user_1") as traffic:
            …
        traffic.assert_right(slowest_s=1)
    """

    def __init__(self, url, feature, entity_id, allowed=(200,), timeout_s=30, number=0):
        self.url, self.feature, self.entity_id = url, feature, entity_id
        self.allowed = set(allowed)
        self.timeout_s = timeout_s
        self.sent = self.acknowledged = number
        self.statuses = {}
        self.wrong = []
        self.slowest_s = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        try:
            self.await_answers(1)
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self):
        with httpx.Client(base_url=self.url, timeout=self.timeout_s, verify=False) as client:
            while not self.ended.is_set():
                try:
                    self.write(client)
                    self.read(client)
                    self.ended.wait(PAUSE_S)
                except httpx.HTTPError as error:
                    self.wrong.append(repr(error))
                    return

    def note(self, what, answer):
        self.slowest_s = max(self.slowest_s, answer.elapsed.total_seconds())
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if answer.status_code not in self.allowed:
            self.wrong.append(f"{what}: {answer.status_code} {answer.text}")
        if answer.status_code == 503 and "Retry-After" not in answer.headers:
            self.wrong.append(f"{what}: no Retry-After")
        if answer.status_code == 503:
            self.ended.wait(0.005)

    def write(self, client):
        self.sent += 1
        body = {"entity_id": self.entity_id, "event_timestamp": time.time_ns() // 1_000_000 - 1,
                "features": [{"feature_name": self.feature, "value": self.sent}]}
        answer = client.post("/features/ingest", json=body)
        self.note("write", answer)
        if answer.status_code == 200:
            self.acknowledged = self.sent

    def read(self, client):
        answer = client.get(f"/features/online/{self.entity_id}", params={"feature_names": self.feature})
        self.note("read", answer)
        if answer.status_code != 200:
            return
        value = answer.json()["features"][self.feature] or 0
        if not self.acknowledged <= value <= self.sent:
            self.wrong.append(f"read {value}: acknowledged {self.acknowledged}, sent {self.sent}")
        self.acknowledged = max(self.acknowledged, value)

    def await_answers(self, count=20, timeout_s=20, status=200):
        """So many more with this status."""
        until = self.statuses.get(status, 0) + count
        deadline = time.monotonic() + timeout_s
        while self.statuses.get(status, 0) < until:
            assert not self.wrong, self.wrong
            assert time.monotonic() < deadline, f"no answers: {self.statuses}"
            time.sleep(0.005)

    def assert_right(self, slowest_s):
        assert not self.wrong, self.wrong[:5]
        assert self.slowest_s < slowest_s, f"one took {self.slowest_s} s"
