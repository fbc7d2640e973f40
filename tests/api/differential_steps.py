"""Random steps, each a request or a few, for differential.py.

Steps are data: names have PREFIX for the part that makes them unlike those of another run, times are
offsets from the run's beginning (At). So a run can be done again, whole or in part, until little is left
of it. Times keep clear of the moments where a clock would decide: TTLs are odd half hours, events whole
hours ago and some minutes, so that every value has been expired, or will live, for minutes."""

import json
from datetime import datetime, timedelta, timezone

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
