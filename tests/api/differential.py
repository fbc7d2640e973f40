"""Random requests, the same to several servers at once, and what their answers are compared as.

Steps are data: names have PREFIX for the part that makes them unlike those of another run, times are
offsets from the run's beginning (At). So a run can be done again, whole or in part, until little is left
of it. Times keep clear of the moments where a clock would decide: TTLs are odd half hours, events whole
hours ago and some minutes, so that every value has been expired, or will live, for minutes."""

import base64
import csv
import http.client
import io
import json
import math
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlencode

PREFIX = "PREFIX_"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000
TTLS = [None, None, 0, 1800, 5400, 12600, 9000000]
HOURS = [0, 1, 1, 2, 2, 3, 4, 30]
TYPES = ["int", "float", "boolean", "string", "timestamp", "embedding", "json"]
ALIASES = {"int": "int64", "float": "double", "boolean": "bool", "string": "text", "timestamp": "datetime",
           "embedding": "vector"}
NAMES = [PREFIX + name for name in ("a", "b", "c", "d", "e.f-g", "h", "i", "__event_times")]
NAMES += ["__event_times"]
ENTITIES = ["user", PREFIX + "driver", PREFIX + "shop"]
SERVICES = [PREFIX + "s1", PREFIX + "s2"]
IDS = [PREFIX + rest for rest in ("1", "2", "3", "a:b", "a:b:features", "{tag}x", "ü/%2F \x00\"\\", "x" * 400,
                                  ":features", "*")]
TEXTS = ["", "x", "nan", "007", "42", "-1.5e3", "true", "null", "[1]", "\x00", "a\x00b", 'q"u\\o\n\r\t', "ü€😀",
         "a,b", '"', "'", " lead", "\ufeffbom", "\x7f\x1f", "\u2028", "long " * 40, "y" * 3000, "__event_times",
         "2026-01-02T03:04:05Z"]
FLOATS = [0.0, -0.0, 1.0, 0.1, 1e-7, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1e300, 1e16,
          123456789.125, 9007199254740993.0, 1e22, -2.5]
INTS = [0, 1, -1, 25, 2**31, -2**31, 2**53 + 1, 2**63 - 1, -2**63, 10**18]
JSONS = [{}, [], None, 1, "x", {"a": [1, None, {"b": "\x00ü"}]}, [[[]]], {"z": 1, "a": 2}, True, 1.5, -0.0,
         {"": ""}, "y" * 500, [12345678901234567890], 1e400 and 2**64]
EVENT_TIMES_FAR = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
                   "1583-03-04T05:06:07.000001+14:00", 0, -1, -62135596800000, "1999-12-31T23:59:60Z"]
TIMESTAMPS = [*EVENT_TIMES_FAR, "9999-12-31T23:59:59.999999Z", "2026-01-02T03:04:05.1-08:00", 253402300799999]
WRONG = ["25", 25.5, [], {}, True, "x", 2**63, None, "2026-13-01T00:00:00Z", [1, "x"], 1e308]


class At:
    """So long after the run began, as a request says it: "ms", "us" or "offset"."""

    def __init__(self, offset_us, form="us"):
        self.offset_us, self.form = offset_us, form

    def __repr__(self):
        return f"At({self.offset_us}, {self.form!r})"

    def render(self, base_us):
        at_us = base_us + self.offset_us
        if self.form == "ms":
            return at_us // 1000
        moment = EPOCH + timedelta(microseconds=at_us)
        if self.form == "offset":
            moment = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
            return moment.isoformat(timespec="microseconds")
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Chooser:
    """Makes steps. What it knows of the definitions, from the answers, makes most of them sensible."""

    def __init__(self, random, restarts=0):
        """`restarts`: which share of the steps."""
        self.random, self.restarts = random, restarts
        # Each run has favourites: what is rare in one of them is frequent in another.
        self.names_used = random.sample(NAMES, random.randint(3, len(NAMES)))
        self.entities = random.sample(ENTITIES, random.randint(1, len(ENTITIES)))
        self.ids = random.sample(IDS, random.randint(1, 5))
        self.ttls = random.sample(TTLS, random.randint(1, len(TTLS)))
        self.hours = random.sample(HOURS, random.randint(1, len(HOURS)))
        self.weights = {kind: weight * random.choice([0.2, 1, 1, 4]) for kind, weight in self.WEIGHTS.items()}
        self.features = {}  # name -> what its definition says, and `shortest`, its shortest TTL ever
        self.services = {}

    def one(self, items):
        return self.random.choice(items)

    def chance(self, share):
        return self.random.random() < share

    # Definitions

    def definition(self, name, known=None):
        data_type = self.one(TYPES)
        if known and self.chance(0.6):
            data_type = known["data_type"]
        body = {"data_type": data_type, "entity": self.one(self.entities), "ttl_seconds": self.one(self.ttls)}
        if known and self.chance(0.95):
            body["entity"] = known["entity"]
        if data_type == "embedding" and self.chance(0.7):
            body["dimension"] = self.one([1, 3, 16])
        if self.chance(0.1):
            body["data_type"] = ALIASES.get(data_type, data_type)
        if self.chance(0.15):
            body["is_nullable"] = False
        if self.chance(0.2):
            body |= {"min_value": 1, "max_value": 5.5, "mean_value": 2, "std_dev": 0.5}
        if self.chance(0.2):
            body |= {"tags": {"team": self.one(["x", 7])}, "feature_group": "g",
                     "description": self.one(TEXTS[8:14])}
        if self.chance(0.02):
            body["ttl_seconds"] = self.one([-1, 2**62, "x"])
        return body

    def register(self):
        name = self.one(self.names_used)
        if name in self.features and self.chance(0.9):
            name = self.one([n for n in self.names_used if n not in self.features] or [name])
        return {"do": "register", "name": name, "body": {"name": name, **self.definition(name)}}

    def put(self):
        name = self.one(self.names_used)
        return {"do": "put", "name": name, "body": self.definition(name, self.features.get(name))}

    def activate(self):
        name = self.one(list(self.features) or self.names_used)
        versions = self.features.get(name, {}).get("versions", [1])
        number = self.random.randint(1, len(versions) + self.chance(0.1))
        return {"do": "activate", "name": name, "version": number}

    def delete(self):
        return {"do": "delete", "name": self.one(list(self.features) or self.names_used), "force": self.chance(0.7)}

    def service(self):
        verb = self.one(["POST", "PUT", "PUT", "GET", "DELETE"])
        name = self.one(SERVICES)
        body = {"features": self.names(self.random.randint(1, 4), self.chance(0.5) and self.one(self.entities))}
        return {"do": "service", "verb": verb, "name": name, "body": body}

    def list(self):
        parameters = {"q": PREFIX}
        if self.chance(0.3):
            parameters |= self.one([{"entity": self.one(self.entities)}, {"limit": 2}, {"tag": "team:x"}, {"feature_group": "g"}])
        return self.one([{"do": "list", "parameters": parameters}] * 2 + [{"do": "definition", "name": self.one(self.names_used)}])

    # Names, values and times

    def name(self, entity=None):
        known = [n for n in self.features if not entity or self.features[n]["entity"] == entity]
        if not known or self.chance(0.01):
            return self.one(self.names_used)
        name = self.one(known)
        versions = len(self.features[name]["versions"])
        if self.chance(0.25):
            return f"{name}@{self.random.randint(1, versions + self.chance(0.05))}"
        return name

    def names(self, count, entity=None):
        return [self.name(entity) for _ in range(count)]

    def version_of(self, name):
        bare, _, number = name.partition("@")
        feature = self.features.get(bare)
        if not feature:
            return None
        number = int(number or feature["version"])
        return next((v for v in feature["versions"] if v["version"] == number), None)

    def value(self, name):
        version = self.version_of(name)
        if version is None or self.chance(0.005):
            return self.one(WRONG)
        if self.chance(0.12) and (self.features[name.partition("@")[0]]["is_nullable"] or self.chance(0.05)):
            return None
        return self.value_of(version)

    def value_of(self, version):
        random, data_type = self.random, version["data_type"]
        if data_type == "int":
            return self.one([*INTS, 1e3, random.randint(-2**63, 2**63 - 1), random.randint(0, 99)])
        if data_type == "float":
            return self.one([*FLOATS, 7, random.random(), random.uniform(-1e9, 1e9)])
        if data_type == "boolean":
            return self.chance(0.5)
        if data_type == "string":
            return self.one(TEXTS)
        if data_type == "timestamp":
            return self.one([*TIMESTAMPS, At(-2 * DAY_US, "offset")])
        if data_type == "embedding":
            dimension = version.get("dimension") or random.randint(1, 5)
            return [self.one([0, 1, -0.0, 0.1, 1e-7, 3e38, 1e-45, random.random()]) for _ in range(dimension)]
        return self.one(JSONS)

    def event_time(self):
        """None: left out."""
        random = self.random
        kind = random.random()
        if kind < 0.15:
            return None
        form = self.one(["us", "us", "ms", "offset"])
        if kind < 0.75:
            hours = self.one(self.hours)
            jitter = self.one([-9, -5, -5, -5, 5, 5, 9]) * MINUTE_US - self.one([0, 0, 1, 1000, 999])
            return At(-hours * HOUR_US - 10 * MINUTE_US + jitter, form)
        if kind < 0.85:
            return At(4 * MINUTE_US + self.one([0, 1, 30_000_000]), form)
        if kind < 0.87:
            return At(self.one([10 * MINUTE_US, 400 * DAY_US]), form)
        return self.one(EVENT_TIMES_FAR)

    def is_dead_at_arrival(self, name, event_time):
        """Perhaps: then whether it is late depends on how long the store remembers what has expired."""
        shortest = self.features.get(name.partition("@")[0], {}).get("shortest")
        if not shortest or event_time is None:
            return False
        return not isinstance(event_time, At) or event_time.offset_us < -shortest * 1_000_000

    # Writing

    def row(self, form="list"):
        entity = self.chance(0.85) and self.one(self.entities)
        names = self.names(self.random.randint(1, 5), entity)
        row = {"entity_id": self.one(self.ids)}
        time = self.event_time()
        dead = 0
        if time is not None:
            row["event_timestamp"] = time
        if form == "map":
            row["features"] = {name: self.value(name) for name in names}
            return row, sum(self.is_dead_at_arrival(name, time) for name in row["features"])
        row["features"] = []
        for name in names:
            cell = {"feature_name": name, "value": self.value(name)}
            own = self.event_time() if self.chance(0.4) else None
            if own is not None:
                cell["event_timestamp"] = own
            dead += self.is_dead_at_arrival(name, time if own is None else own)
            row["features"].append(cell)
        return row, dead

    def ingest(self):
        body, dead = self.row()
        step = {"do": "ingest", "body": body, "dead": dead}
        if self.chance(0.1):
            step["body"]["entity"] = self.one(self.entities)
        if self.chance(0.1):
            step["parameters"] = {"strict": "true"}
        return step

    def ndjson(self):
        count = self.random.randint(1, 12) if self.chance(0.95) else 300
        rows = [self.row(self.one(["list", "map", "map"])) for _ in range(count)]
        return {"do": "ndjson", "rows": [row for row, _ in rows], "dead": sum(dead for _, dead in rows),
                "parameters": self.one([{}, {"on_error": "skip"}, {"on_error": "skip"}])}

    def csv(self):
        entity = self.chance(0.9) and self.one(self.entities)
        names = list(dict.fromkeys(self.names(self.random.randint(1, 4), entity)))
        rows, dead = [], 0
        for _ in range(self.random.randint(1, 12)):
            time = self.event_time()
            dead += sum(self.is_dead_at_arrival(name, time) for name in names)
            rows.append([self.one(self.ids), time, *(self.csv_value(name) for name in names)])
        return {"do": "csv", "names": names, "rows": rows, "dead": dead,
                "parameters": self.one([{}, {"on_error": "skip"}, {"on_error": "skip"}])}

    def csv_value(self, name):
        value = self.value(name)
        version = self.version_of(name)
        if value is None or isinstance(value, (At, str)) and version and version["data_type"] != "json":
            return "" if value is None else value
        return json.dumps(value, default=repr)

    def erase(self):
        parameters = {}
        if self.chance(0.4):
            entity = self.one(self.entities)
            parameters = {"feature_names": ",".join(self.names(self.random.randint(1, 3), entity))}
        elif self.chance(0.5):
            parameters = {"entity": self.one(self.entities)}
        return {"do": "erase", "id": self.one(self.ids), "parameters": parameters}

    # Reading

    def what(self, body):
        """Names, or a service, or all."""
        if self.chance(0.15):
            return {"feature_service": self.one(SERVICES)}
        names = self.names(self.random.randint(1, 6), self.chance(0.95) and self.one(self.entities))
        return {"feature_names": names if body else ",".join(names)}

    def options(self):
        options = {}
        if self.chance(0.3):
            options["metadata"] = "true"
        if self.chance(0.05):
            options["strict"] = "true"
        return options

    def read(self):
        parameters = self.what(False) if self.chance(0.6) else {}
        if not parameters and self.chance(0.7):
            parameters["entity"] = self.one(self.entities)
        headers = {"Accept": "application/x-npy"} if self.chance(0.15) else {}
        return {"do": "get", "path": "/features/online/", "id": self.one(self.ids), "headers": headers,
                "parameters": parameters | self.options()}

    def user(self):
        parameters = {"entity": self.one(self.entities)} if self.chance(0.5) else {}
        return {"do": "get", "path": "/features/", "id": self.one(self.ids), "headers": {},
                "parameters": parameters | self.options()}

    def batch(self):
        body = {"entity_ids": self.random.choices(self.ids, k=self.random.randint(0, 12))} | self.what(True)
        if self.chance(0.3):
            body["metadata"] = True
        headers = {"Accept": "application/x-npy"} if self.chance(0.3) else {}
        return {"do": "post", "path": "/features/online", "body": body, "headers": headers}

    def users(self):
        body = {"user_ids": self.random.choices(self.ids, k=self.random.randint(1, 12))}
        if self.chance(0.5):
            body["entity"] = self.one(self.entities)
        return {"do": "post", "path": "/features/batch", "body": body, "headers": {}}

    def export(self):
        return {"do": "export", "entity": self.one(self.entities), "limit": self.one([1, 3, 1000])}

    WEIGHTS = {"register": 5, "put": 4, "activate": 2, "delete": 2, "service": 3, "list": 5, "ingest": 24,
               "ndjson": 6, "csv": 5, "erase": 5, "read": 14, "user": 4, "batch": 10, "users": 4, "export": 4}

    def step(self):
        if len(self.features) < 2:
            return self.register()
        if self.chance(self.restarts):
            return {"do": "restart"}
        kind = self.random.choices(list(self.weights), self.weights.values())[0]
        return getattr(self, kind)()

    def learn(self, step, answer):
        """From an answer of a server to what changes definitions."""
        if answer.status != 200:
            return
        name = step.get("name")
        if step["do"] == "delete":
            self.features.pop(name, None)
        elif step["do"] in ("register", "put", "activate"):
            definition = answer.definition
            lived = self.features.get(name, {}).get("shortest")
            shortest = [ttl for ttl in (lived, definition["ttl_seconds"]) if ttl]
            self.features[name] = definition | {"shortest": min(shortest, default=None)}


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
