"""Random requests (differential_steps.py), the same to several servers at once, and what their answers are
compared as."""

import base64
import csv
import http.client
import io
import json
import math
import time
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from differential_steps import EPOCH, MINUTE_US, NAMES, PREFIX, SERVICES, At, Chooser


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.definition = None


class Peer:
    """One of the servers, for one run."""

    def __init__(self, server, prefix, base_us):
        self.server, self.prefix, self.base_us = server, prefix, base_us
        self.connect()

    def connect(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)

    def close(self):
        self.connection.close()

    def render(self, value):
        """A value of a step as JSON."""
        text = json.dumps(value, default=lambda at: at.render(self.base_us))
        return text.replace(PREFIX, self.prefix)

    def call(self, method, target, body=None, headers=None, query=None):
        if query:
            target += "?" + urlencode(query, quote_via=quote)
        target = target.replace(PREFIX, self.prefix)
        self.connection.request(method, target, body, headers or {})
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def post(self, target, value, method="POST", headers=None, query=None):
        headers = {"Content-Type": "application/json", **(headers or {})}
        return self.call(method, target, self.render(value), headers, query)

    def define(self, name):
        """The definition as it is now."""
        answer = self.call("GET", f"/features/definitions/{quote(name, safe='')}")
        return json.loads(answer.body.decode().replace(self.prefix, PREFIX)) if answer.status == 200 else None

    def do(self, step):
        """The answer, as what it is compared as."""
        answer = getattr(self, "do_" + step["do"])(step)
        if answer.status >= 500:
            raise Unexpected(f"{self.server.directory.name}: {answer.status} {answer.body[:1000]!r}")
        return answer

    def do_restart(self, step):
        self.close()
        self.server.restart("stop")
        self.connect()
        return self.call("GET", "/ready")

    def do_register(self, step):
        answer = self.post("/register", step["body"])
        answer.definition = answer.status == 200 and self.define(step["name"])
        return answer

    def do_put(self, step):
        answer = self.post(f"/features/definitions/{quote(step['name'])}", step["body"], "PUT")
        answer.definition = answer.status == 200 and self.define(step["name"])
        return answer

    def do_activate(self, step):
        answer = self.post(f"/features/definitions/{quote(step['name'])}/activate", {"version": step["version"]})
        answer.definition = answer.status == 200 and self.define(step["name"])
        return answer

    def do_delete(self, step):
        definition = self.define(step["name"])
        number = definition["id"] if definition else 10**12
        return self.call("DELETE", f"/features/{number}", query={"force": "true"} if step["force"] else {})

    def do_service(self, step):
        path = "/feature-services" + ("" if step["verb"] == "POST" else f"/{step['name']}")
        if step["verb"] in ("GET", "DELETE"):
            return self.call(step["verb"], path)
        body = step["body"] | ({"name": step["name"]} if step["verb"] == "POST" else {})
        return self.post(path, body, step["verb"])

    def do_list(self, step):
        return self.call("GET", "/features", query=step["parameters"])

    def do_definition(self, step):
        return self.call("GET", f"/features/definitions/{quote(step['name'])}")

    def do_ingest(self, step):
        return self.post("/features/ingest", step["body"], query=step.get("parameters"))

    def do_ndjson(self, step):
        body = "".join(self.render(row) + "\n" for row in step["rows"])
        return self.call("POST", "/features/ingest/bulk", body, {"Content-Type": "application/x-ndjson"},
                         step["parameters"])

    def do_csv(self, step):
        out = io.StringIO()
        writer = csv.writer(out)
        cells = [["entity_id", "event_timestamp", *step["names"]]]
        for row in step["rows"]:
            cells.append([at.render(self.base_us) if isinstance(at, At) else at for at in row])
        writer.writerows(cells)
        return self.call("POST", "/features/ingest/bulk", out.getvalue().replace(PREFIX, self.prefix).encode(),
                         {"Content-Type": "text/csv"}, step["parameters"])

    def do_erase(self, step):
        return self.call("DELETE", f"/features/online/{quote(step['id'], safe='')}", query=step["parameters"])

    def do_get(self, step):
        return self.call("GET", step["path"] + quote(step["id"], safe=""), None, step["headers"], step["parameters"])

    def do_post(self, step):
        return self.post(step["path"], step["body"], headers=step["headers"])

    def do_export(self, step):
        """All pages: ids in no order, and one may come twice."""
        lines, query = set(), {"entity": step["entity"], "limit": step["limit"]}
        while True:
            answer = self.call("GET", "/features/export", query=query)
            if answer.status == 404:  # an entity that nobody registered may hold what others wrote
                return Answer(200, {"Content-Type": "application/x-ndjson"}, b"[]")
            if answer.status != 200:
                return answer
            *rows, end = answer.body.decode().strip().split("\n")
            lines.update(line for line in rows if self.prefix in line)
            cursor = json.loads(end)["next_cursor"]
            if cursor is None:
                answer.body = json.dumps([json.loads(line) for line in sorted(lines)]).encode()
                return answer
            query["cursor"] = cursor

    # What an answer is compared as

    def comparable(self, answer):
        headers = {name: answer.headers.get(name) for name in
                   ("Content-Type", "X-Feature-Names", "X-Featured-Unregistered", "Allow")}
        headers = {name: value and value.replace(self.prefix, PREFIX) for name, value in headers.items()}
        if "json" not in (headers["Content-Type"] or ""):
            body = answer.body if not answer.body.startswith(b"{") else answer.body.decode()
            if isinstance(body, bytes) and not body.startswith(b"\x93NUMPY"):
                body = json.loads(body)
            return [answer.status, headers, self.settle(body) if not isinstance(body, bytes)
                    else base64.b64encode(body).decode()]
        body = json.loads(answer.body.decode().replace(self.prefix, PREFIX), object_pairs_hook=Pairs)
        return [answer.status, headers, self.settle(body)]

    def settle(self, value, key=None):
        """Without what each server says by its own clock, or forgets when it likes."""
        if isinstance(value, Pairs):
            if value.has("status", "OUTSIDE_MAX_AGE"):
                return Pairs([("event_timestamp", None), ("status", "NOT_FOUND")])
            return Pairs((name, self.settle(item, name)) for name, item in value)
        if isinstance(value, list):
            return [self.settle(item) for item in value]
        if key in ("created_at", "updated_at"):
            return "now"
        if key in ("event_timestamp", "last_event_timestamp") and value:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
            offset_us = (moment - EPOCH) // timedelta(microseconds=1) - self.base_us
            if -10_000_000 < offset_us < 3 * MINUTE_US:
                return "now"
        return value


class Pairs(list):
    """A JSON object in its order."""

    def has(self, name, value):
        return (name, value) in self


class Unexpected(Exception):
    """An answer that no input may cause."""


class Difference(Exception):
    """Two answers that are not the same."""


def magnitude(statistics):
    """What the last bits of a mean and a deviation are bits of."""
    bounds = [statistics.get(name) for name in ("min_value", "max_value")]
    return max((abs(bound) for bound in bounds if isinstance(bound, (int, float))), default=0)


def find_difference(one, other, step, path="", scale=0):
    """Where two answers differ, None: nowhere. `scale`: of a mean and a deviation."""
    key = path.rpartition(".")[2]
    if key in ("mean_value", "std_dev") and None not in (one, other):
        is_close = math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9 + 1e-12 * scale)
        return None if is_close else f"{path}: {one!r}, {other!r}"
    if key in ("values_late", "values_written") and abs(one - other) <= step.get("dead", 0):
        return None
    if type(one) is not type(other):
        return f"{path}: {one!r}, {other!r}"
    if isinstance(one, dict):
        one, other = Pairs(one.items()), Pairs(other.items())
    if isinstance(one, Pairs):
        if [name for name, _ in one] != [name for name, _ in other]:
            return f"{path}: {[name for name, _ in one]}, {[name for name, _ in other]}"
        scale = magnitude(dict(one))
        return next(filter(None, (find_difference(a, b, step, f"{path}.{name}", scale)
                                  for (name, a), (_, b) in zip(one, other))), None)
    if isinstance(one, list):
        if len(one) != len(other):
            return f"{path}: {len(one)} items, {len(other)}: {one!r}, {other!r}"
        return next(filter(None, (find_difference(a, b, step, f"{path}[{i}]")
                                  for i, (a, b) in enumerate(zip(one, other)))), None)
    return None if repr(one) == repr(other) else f"{path}: {one!r}, {other!r}"


class Run:
    """One sequence on some servers, with names of its own."""

    count = 0

    def __init__(self, servers):
        Run.count += 1
        base_us = time.time_ns() // 1000
        self.peers = [Peer(server, f"r{Run.count}x_", base_us) for server in servers]
        self.steps = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Leaves no definitions: they would slow down the next run."""
        for peer in self.peers:
            for service in SERVICES:
                peer.call("DELETE", f"/feature-services/{service}")
            for name in NAMES:
                peer.do_delete({"name": name, "force": True})
            peer.close()

    def do(self, step):
        """The first server's answer, once it is known to be that of all."""
        self.steps.append(step)
        answers = [peer.do(step) for peer in self.peers]
        first, *others = [peer.comparable(answer) for peer, answer in zip(self.peers, answers)]
        for peer, other in zip(self.peers[1:], others):
            found = find_difference(first, other, step)
            if found:
                raise Difference(f"{self.peers[0].server.directory.name}, {peer.server.directory.name}: {found}")
        return answers[0]


def run(servers, random, count, restarts=0, most_s=60):
    """So many steps; raises Difference with the steps that led there, as few as were found."""
    with Run(servers) as running:
        chooser = Chooser(random, restarts)
        began = time.monotonic()
        try:
            for _ in range(count):
                if time.monotonic() - began > most_s:
                    break
                step = chooser.step()
                chooser.learn(step, running.do(step))
        except (Difference, Unexpected) as found:
            difference, steps = found, running.steps
        else:
            return len(running.steps)
    few, difference = shrink(servers, steps, difference)
    told = "\n".join(map(repr, few)).replace("x" * 400, "{x * 400}")
    raise Difference(f"after {len(few)} of {len(steps)} steps:\n{told}\n{difference}")


def replay(servers, steps):
    """The difference that these steps lead to, or None."""
    with Run(servers) as running:
        try:
            for step in steps:
                running.do(step)
        except (Difference, Unexpected) as difference:
            return difference
    return None


def shrink(servers, steps, difference, most_s=60):
    """Fewer of the steps that still lead to a difference, not always to the same."""
    deadline = time.monotonic() + most_s
    size = max(len(steps) // 2, 1)
    while size and time.monotonic() < deadline:
        at = 0
        while at < len(steps) and time.monotonic() < deadline:
            fewer = steps[:at] + steps[at + size:]
            found = replay(servers, fewer)
            if found:
                steps, difference = fewer, found
            else:
                at += size
        size //= 2
    return steps, difference
