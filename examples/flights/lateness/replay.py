"""December once more: each row is ingested when it becomes known, each vector read when it is asked for,
and held against the history.

`time_lapse` does so on a clock that runs 100 times as fast as the real one; the store's own TTLs,
divided by 100, expire on it. `in_order` waits for no clock, so nothing may expire in the store: there
each value is read with its event time, and the reader leaves out what is too old."""

import dataclasses
import time

import numpy as np

from lateness import store as stores
from lateness.clock import Clock
from lateness.happening import Happening
from lateness.metrics import read_p99
from lateness.point_in_time import NEVER, as_of, right_values

HEAD_START_SECONDS = 5  # of real time, to load what is still alive before a time lapse begins


@dataclasses.dataclass
class Replay:
    """What came of it. `vectors` and `right` have a row per question; times are real seconds."""

    vectors: np.ndarray
    right: np.ndarray
    loaded: int
    load_seconds: float
    ingested: int
    seconds: float


@dataclasses.dataclass
class Lapse(Replay):
    """And what a user of it would have felt. Per question, and for `reads` per read."""

    chances: np.ndarray
    due_seconds: np.ndarray  # from when it was due to when its vector was there
    reads: np.ndarray
    server_p99: float  # an upper bound: from the last byte of a read to its answer


def stretch(asked):
    """From the whole minute of the first question to just after the last one."""
    first, last = int(asked["asked"].iloc[0]), int(asked["asked"].iloc[-1])
    return first - first % 60, last + 1


def ids_of(definitions, asked):
    return {entity: asked[entity].tolist() for _, entity in definitions.services}


def right_at_some_instant(definitions, history, asked, served, sent, received):
    """Which questions were answered as the history says, for an instant between sending and receiving:
    rows that were acknowledged before must be there, rows of that very moment may be. `sent` and
    `received` have a column per read. Nothing happens after the stretch, though an answer may come then."""
    end = stretch(asked)[1]
    entities = [entity for _, entity in definitions.services]
    widths = [definitions.width[service] for service, _ in definitions.services]
    spans = [np.repeat(instants, widths, axis=1) for instants in (sent, received)]
    right = np.zeros(served.shape, bool)
    for instants in (sent, received):
        known = as_of(definitions, history, dict(zip(entities, np.minimum(instants, end - 1).T)),
                      ids_of(definitions, asked))
        right |= right_values(known, served, *spans)
    return right.all(axis=1)


def read_vector(store, definitions, clock, happening, ids):
    """One vector, and of each of its reads when it was sent and when it was answered."""
    parts, sent, received = [], [], []
    for service, entity in definitions.services:
        sent.append(clock.now())
        happening.await_all_until(sent[-1])
        parts.append(store.get_numpy([ids[entity]], feature_service=service).values[0])
        received.append(clock.now())
    return np.concatenate(parts), sent, received


def time_lapse(definitions, history, asked, speed, answer):
    """`asked`: the flights asked about, in order. `answer`: from a row number and its vector to a
    chance, at once."""
    start, end = stretch(asked)
    happenings = list(stores.happenings(history, start, end))
    ids = ids_of(definitions, asked)
    vectors, chances, sent, received = [], [], [], []
    clock = Clock(speed, start, int(time.time()) + HEAD_START_SECONDS)
    with stores.server(definitions.with_ttl(clock.ttl)) as server:
        store = server.store()
        began = time.monotonic()
        loaded = stores.load(store, clock, definitions.groups, history,
                             start - max(definitions.ttls), start)
        load_seconds = time.monotonic() - began
        happening = Happening(server.store(), clock, happenings)
        happening.start()
        for row, due in enumerate(asked["asked"].tolist()):
            clock.wait_until(due)
            vector, *times = read_vector(store, definitions, clock, happening,
                                         {entity: each[row] for entity, each in ids.items()})
            chances.append(answer(row, vector))
            for all_of_them, one in zip((vectors, sent, received), (vector, *times)):
                all_of_them.append(one)
        happening.join()
        seconds = time.time() - clock.real_start
        server_p99 = read_p99(server.url)
    vectors, sent, received = np.array(vectors), np.array(sent), np.array(received)
    right = right_at_some_instant(definitions, history, asked, vectors, sent, received)
    return Lapse(vectors, right, loaded, load_seconds, happening.ingested, seconds,
                 np.array(chances), (received[:, -1] - asked["asked"].to_numpy()) / speed,
                 (received - sent).ravel() / speed, server_p99)


def in_order(definitions, history, asked, tamper=None, progress=lambda instant: None):
    """As fast as the machine allows; questions between two happenings go together. `progress` is told
    each instant. `tamper`, given the store before the first question, is for those who want to see the
    check fail."""
    start, end = stretch(asked)
    clock = Clock(1, start, start)
    happenings = [*stores.happenings(history, start, end), (end, [])]
    ids = ids_of(definitions, asked)
    instants = asked["asked"].to_numpy()
    values, events = [], []
    ingested = first = 0
    with stores.server(definitions.with_ttl(lambda ttl: None)) as server:
        store = server.store()
        began = time.monotonic()
        loaded = stores.load(store, clock, definitions.groups, history, 0, start)
        load_seconds = time.monotonic() - began
        if tamper:
            tamper(store)
        began = time.monotonic()
        for instant, rows in happenings:
            progress(instant)
            last = int(np.searchsorted(instants, instant))
            if last > first:
                found = stores.read_with_times(store, definitions.services, {
                    entity: each[first:last] for entity, each in ids.items()})
                values.append(found[0])
                events.append(found[1])
                first = last
            if rows:
                stores.ingest(store, clock, instant, rows)
                ingested += len(rows)
        seconds = time.monotonic() - began
    values, events = np.vstack(values), np.vstack(events)
    known = as_of(definitions, history, dict.fromkeys(ids, instants), ids)
    at = instants[:, None]
    vectors = np.where(at < events + np.array(definitions.ttls), values, np.nan)
    same_times = np.nan_to_num(events, nan=NEVER) == known.events
    right = (right_values(known, vectors, at, at) & same_times).all(axis=1)
    return Replay(vectors, right, loaded, load_seconds, ingested, seconds)
