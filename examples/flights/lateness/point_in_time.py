"""The point-in-time join: what the store should have answered at an instant, from the rows of the
history alone. Training sets are made with it, and served vectors are held against it."""

import dataclasses

import numpy as np
import pandas as pd

NEVER = -np.inf  # the event time of what never happened


@dataclasses.dataclass
class Known:
    """Of n questions and k features: the newest value by then, its event time, and when it expires.
    All are of shape (n, k). A value that is NaN is null or never was; either way the answer is null."""

    values: np.ndarray
    events: np.ndarray
    expires: np.ndarray

    def at(self, instants):
        """The vectors as of these instants, one per question: what has expired is NaN."""
        return np.where(np.asarray(instants)[:, None] < self.expires, self.values, np.nan)


def newest_rows(instants, entity_ids, rows):
    """Per question the newest row of that id with an event time up to then; of several, the last."""
    questions = pd.DataFrame({"at": np.floor(instants).astype("int64"), "entity_id": list(entity_ids)})
    return pd.merge_asof(questions, rows.assign(event=rows["at"].astype(float)), on="at",
                         by="entity_id", direction="backward", allow_exact_matches=True)


def as_of(definitions, history, instants, ids):
    """What is known of each entity at the instants of its questions, which ascend. `instants` and
    `ids`: entity -> one per question."""
    columns = {}
    for group in definitions.groups.values():
        found = newest_rows(instants[group.entity], ids[group.entity], history[group.name])
        event = found["event"].fillna(NEVER).to_numpy()
        for name in group.features:
            columns[name] = found[name].to_numpy(), event, event + group.ttl
    values, events, expires = zip(*(columns[name] for name in definitions.columns))
    return Known(np.column_stack(values), np.column_stack(events), np.column_stack(expires))


def right_values(known, served, sent, received):
    """Which of the served values are what the history says. `sent` and `received`: the instants of
    question and answer, broadcast to the shape of `served`.

    A value must be the one that is known and still alive when the question was sent. None must be there
    if none was known, or if it had expired by the time the answer came."""
    present = (served == known.values) & (sent < known.expires)
    absent = np.isnan(served) & (np.isnan(known.values) | (received >= known.expires))
    return present | absent
