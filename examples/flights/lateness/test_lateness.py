"""The point-in-time join on a table small enough to check by hand, and that the check of the replays
can fail. Those that replay need a server: FEATURED_BINARY."""

import math
import threading

import numpy as np
import pandas as pd
import pytest

from lateness import replay
from lateness.clock import Clock
from lateness.definitions import Definitions
from lateness.flights import NO_AIRCRAFT, at_the_gate, seconds_of, spread
from lateness.happening import Happening
from lateness.history import history
from lateness.point_in_time import as_of, right_values

HOUR = 3600
NOON = 1_386_000_000 // HOUR * HOUR
WEATHER = pd.DataFrame({
    "origin": ["JFK", "JFK"], "at": [NOON, NOON + HOUR], "origin_temperature": [40.0, 41.0],
    "origin_humidity": 50.0, "origin_wind_speed": 5.0, "origin_precipitation": 0.0,
    "origin_pressure": [1010.0, math.nan], "origin_visibility": 10.0})


def flight(planned, dep_delay=math.nan, arr_delay=math.nan, aircraft="N1", carrier="AA"):
    """Of three hours from JFK to LAX, asked about 45 minutes before; times in minutes from noon."""
    instant = NOON + 60 * planned
    return {"aircraft": aircraft, "origin": "JFK", "carrier": carrier, "route": "JFK-LAX",
            "planned": instant, "asked": instant - 45 * 60, "departed": instant + 60 * dep_delay,
            "arrived": instant + 60 * (180 + arr_delay), "dep_delay": dep_delay,
            "arr_delay": arr_delay, "late": float(arr_delay > 15)}


FLIGHTS = pd.DataFrame([
    flight(0, 10, 20),  # leaves 12:10, arrives 15:20
    flight(30, 0, -10, aircraft="N2"),  # leaves 12:30, arrives 15:20 too, later in the table
    flight(60, aircraft=NO_AIRCRAFT),  # cancelled at 13:00
    flight(90, 30, 40),  # leaves 14:00, arrives 17:10
])


@pytest.fixture(scope="module")
def definitions():
    return Definitions()


@pytest.fixture(scope="module")
def rows(definitions):
    return history(definitions.groups, FLIGHTS, WEATHER)


def vector(definitions, rows, minute, aircraft="N1"):
    """By name, as of a minute after noon; it need not be a whole one."""
    ids = {"aircraft": [aircraft], "origin": ["JFK"], "carrier": ["AA"], "route": ["JFK-LAX"]}
    instants = [NOON + 60 * minute]
    known = as_of(definitions, rows, dict.fromkeys(ids, instants), ids)
    return {name: None if math.isnan(value) else value
            for name, value in zip(definitions.columns, known.at(instants)[0])}


def test_nothing_is_known_before_it_happens(definitions, rows):
    assert set(vector(definitions, rows, -1).values()) == {None}
    assert vector(definitions, rows, 199.9)["aircraft_last_arr_delay"] is None
    assert vector(definitions, rows, 200)["aircraft_last_arr_delay"] == 20


def test_a_departure_is_known_before_the_landing(definitions, rows):
    at = vector(definitions, rows, 45)
    assert at["origin_dep_delay_20"] == 5  # of 10 and 0
    assert at["origin_cancelled_share"] == 0
    assert at["carrier_mean_arr_delay"] is None
    assert vector(definitions, rows, 60)["origin_cancelled_share"] == 1 / 3
    assert vector(definitions, rows, 120)["origin_dep_delay_20"] == (10 + 0 + 30) / 3
    assert vector(definitions, rows, 120)["origin_cancelled_share"] == 1 / 4


def test_of_one_instant_the_later_row_counts(definitions, rows):
    at = vector(definitions, rows, 200)
    assert at["carrier_mean_arr_delay"] == (20 - 10) / 2
    assert at["route_late_share"] == 1 / 2


def test_an_aircraft_knows_only_of_itself(definitions, rows):
    assert vector(definitions, rows, 400, aircraft="N2")["aircraft_mean_arr_delay"] == -10
    assert vector(definitions, rows, 400)["aircraft_mean_arr_delay"] == (20 + 40) / 2
    assert vector(definitions, rows, 400, aircraft=NO_AIRCRAFT)["aircraft_mean_arr_delay"] is None


def test_a_ttl_ends_to_the_second(definitions, rows):
    last = 120  # the last departure
    second = 1 / 60
    assert vector(definitions, rows, last + 240 - second)["origin_dep_delay_60"] is not None
    assert vector(definitions, rows, last + 240)["origin_dep_delay_60"] is None


def test_a_null_replaces_a_value(definitions, rows):
    assert vector(definitions, rows, 59)["origin_pressure"] == 1010
    assert vector(definitions, rows, 60)["origin_pressure"] is None
    assert vector(definitions, rows, 60)["origin_temperature"] == 41


def test_at_the_gate_there():
    departed = seconds_of(pd.Series(pd.to_datetime(["2013-01-01T10:15Z", "2013-12-31T22:00Z"])))
    arrived = at_the_gate(departed, pd.Series([227, 340]), pd.Series([830, 58]),
                          pd.Series(["America/Chicago", "America/Los_Angeles"]))
    assert arrived.tolist() == seconds_of(pd.Series(pd.to_datetime(
        ["2013-01-01T14:30Z", "2014-01-01T08:58Z"]))).tolist()


def test_questions_of_a_minute_are_spread_over_it():
    assert spread(pd.Series([60, 120, 60, 60])).tolist() == [70, 150, 90, 110]


def test_right_values_are_not_any_values(definitions, rows):
    ids = {entity: FLIGHTS[entity] for _, entity in definitions.services}
    instants = np.full(len(FLIGHTS), NOON + 200 * 60)
    known = as_of(definitions, rows, dict.fromkeys(ids, instants), ids)
    at = instants[:, None]
    served = known.at(instants)
    assert right_values(known, served, at, at).all()
    for wrong in (served + 1e-12, np.where(np.isnan(served), 0, served),
                  np.full_like(served, np.nan)):
        differs = ~((wrong == served) | (np.isnan(wrong) & np.isnan(served)))
        assert differs.any()
        assert np.array_equal(right_values(known, wrong, at, at), ~differs)


def test_what_expires_between_question_and_answer_may_be_either(definitions, rows):
    ids = {entity: [FLIGHTS[entity][0]] for _, entity in definitions.services}
    before, after = NOON + 360 * 60 - 1, NOON + 360 * 60 + 1  # the departures expire at 360
    known = as_of(definitions, rows, dict.fromkeys(ids, [before]), ids)
    column = definitions.columns.index("origin_dep_delay_20")

    def right(value, sent, received):
        served = known.values.copy()
        served[0, column] = value
        return right_values(known, served, np.array([[sent]]), np.array([[received]]))[0, column]

    value = known.values[0, column]
    assert right(value, before, after) and right(math.nan, before, after)
    assert right(value, before, before) and not right(math.nan, before, before)
    assert right(math.nan, after, after) and not right(value, after, after)


def test_the_clock_expires_to_the_second():
    clock = Clock(100, NOON, 1_800_000_000)
    assert clock.microseconds(NOON + 60) == 1_800_000_000_600_000
    assert clock.event_time(NOON - 2 * HOUR).timestamp() == 1_800_000_000 - 72
    assert clock.ttl(2 * HOUR) == 72
    with pytest.raises(SystemExit):
        clock.ttl(2 * HOUR + 1)


def later(flights, minutes):
    instants = ["planned", "asked", "departed", "arrived"]
    return flights.assign(**{name: flights[name] + 60 * minutes for name in instants})


@pytest.fixture(scope="module")
def asked():
    """Asked while the others land, depart and expire."""
    turns = [later(FLIGHTS, minutes) for minutes in (100, 200, 245, 320, 500)]
    return pd.concat(turns).sort_values("asked", kind="stable", ignore_index=True)


def test_a_replay_in_order_is_right(definitions, rows, asked):
    done = replay.in_order(definitions, rows, asked)
    assert len(done.right) == 20
    assert done.right.all()
    assert not np.isnan(done.vectors).all(axis=0).any()
    assert np.isnan(done.vectors).any(axis=0).all()


def test_a_time_lapse_is_right(definitions, rows, asked):
    done = replay.time_lapse(definitions, rows, asked, 3600, lambda row, vector: 0.5)
    assert len(done.right) == 20
    assert done.right.all()
    assert done.ingested == 12
    assert len(done.reads) == 80


def test_an_answer_is_of_some_instant_between_question_and_answer(definitions, rows, asked):
    """The vectors of then, those of 20 minutes later and wrong ones; answered at once, and after 20
    minutes in which things happened."""
    ids = replay.ids_of(definitions, asked)
    width = len(definitions.services)
    instants = asked["asked"].to_numpy()

    def vectors_of(moved):
        return as_of(definitions, rows, dict.fromkeys(ids, moved), ids).at(moved)

    def right(served, seconds):
        sent = np.tile(instants[:, None], width)
        return replay.right_at_some_instant(definitions, rows, asked, served, sent, sent + seconds)

    now, later_on = vectors_of(instants), vectors_of(instants + 1200)
    moved_on = ~((now == later_on) | (np.isnan(now) & np.isnan(later_on))).all(axis=1)
    assert 0 < moved_on.sum() < len(instants)
    assert right(now, 0).all()
    assert np.array_equal(right(later_on, 0), ~moved_on)
    assert right(now, 1200).all()
    assert right(later_on, 1200).all()
    assert not right(now + 1, 1200).any()


class SlowStore:
    """Acknowledges when told to."""

    def __init__(self, failure=None):
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self._failure = failure

    def ingest_many(self, rows, progress):
        self.asked.set()
        self.may_answer.wait(10)
        if self._failure:
            raise self._failure


def test_a_question_waits_for_what_happened_before():
    store = SlowStore()
    happening = Happening(store, Clock(1, NOON, NOON), [(NOON, [{"entity_id": "AA"}])])
    happening.start()
    happening.await_all_until(NOON - 1)
    assert store.asked.wait(10)
    acknowledged = []

    def ask():
        happening.await_all_until(NOON)
        acknowledged.append(happening.ingested)

    question = threading.Thread(target=ask)
    question.start()
    store.may_answer.set()
    question.join(10)
    assert acknowledged == [1]


def test_a_question_learns_that_ingestion_failed():
    store = SlowStore(OSError("no space"))
    store.may_answer.set()
    happening = Happening(store, Clock(1, NOON, NOON), [(NOON, [{"entity_id": "AA"}])])
    happening.start()
    with pytest.raises(OSError, match="no space"):
        happening.await_all_until(NOON)


@pytest.mark.parametrize("value", [6.5, None])
def test_a_wrong_value_in_the_store_is_a_mismatch(definitions, rows, asked, value):
    """Newer than all else, so it is served to every question."""
    def tamper(store):
        store.ingest("AA", {"carrier_late_share": value}, event_timestamp="2014-01-01T00:00:00Z")

    done = replay.in_order(definitions, rows, asked, tamper)
    assert not done.right.any()
