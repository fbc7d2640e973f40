"""The store as the replays use it: a server of their own, what they load before they begin, and how a
row of the history and a vector look to the client."""

import contextlib

import numpy as np
import pandas as pd

import featured


@contextlib.contextmanager
def server(definitions):
    """A running server that has these definitions; gone with its data afterwards."""
    with featured.start(fsync="always") as running:
        running.store().apply(definitions)
        yield running


def load(store, clock, groups, history, since, before):
    """Ingests what happened in [since, before), group by group; the number of rows."""
    loaded = 0
    for name, group in groups.items():
        rows = history[name]
        rows = rows[(rows["at"] >= since) & (rows["at"] < before)]
        if rows.empty:
            continue
        frame = rows[["entity_id", *group.features]].assign(
            event_timestamp=clock.event_times(rows["at"]))
        loaded += store.ingest_many(frame, entity=group.entity, progress=False).rows_accepted
    return loaded


def happenings(history, since, before):
    """(instant, rows) in order of time: all that becomes known at that instant, as bulk rows without
    their event time."""
    parts = []
    for rows in history.values():
        rows = rows[(rows["at"] >= since) & (rows["at"] < before)]
        features = rows.drop(columns="at").astype(object)
        bulk = features.where(features.notna(), None).to_dict("records")
        parts.append(pd.DataFrame({"at": rows["at"].to_numpy(), "row": bulk}))
    merged = pd.concat(parts).sort_values("at", kind="stable")
    for at, rows in merged.groupby("at")["row"]:
        yield int(at), list(rows)


def ingest(store, clock, instant, rows):
    event_time = clock.event_time(instant)
    store.ingest_many([{**row, "event_timestamp": event_time} for row in rows], progress=False)


def read_with_times(store, services, ids):
    """The vectors, and the event time of each value in seconds. `ids`: entity -> the id per question.
    NaN where there is none."""
    values, events = [], []
    for service, entity in services:
        found = store.get_many_with_metadata(ids[entity], feature_service=service)
        values.append([[cell.value for cell in row.values()] for row in found])
        events.append([[cell.event_timestamp and cell.event_timestamp.timestamp()
                        for cell in row.values()] for row in found])
    return np.hstack([np.array(part, float) for part in values]), \
        np.hstack([np.array(part, float) for part in events])
