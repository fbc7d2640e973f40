"""What became known in the year, and when: the rows of each feature group, computed flight by flight
as a stream job would. Training joins these rows, the replays ingest them: there is no second
computation of a feature anywhere."""

import collections

import pandas as pd

from lateness import flights as source_tables


class LastMean:
    """The mean of the newest values of each id."""

    def __init__(self, count):
        self._newest = collections.defaultdict(lambda: collections.deque(maxlen=count))

    def add(self, entity_id, value):
        self._newest[entity_id].append(value)
        return self.of(entity_id)

    def of(self, entity_id):
        newest = self._newest[entity_id]
        return sum(newest) / len(newest) if newest else None


def landings(flights):
    """(group, instant, id, values), as the flights reach their gates."""
    aircraft, carrier, route = LastMean(5), LastMean(20), LastMean(10)
    carrier_late, route_late = LastMean(100), LastMean(30)
    landed = flights[flights["arrived"].notna()].sort_values("arrived", kind="stable")
    for flight in landed.itertuples():
        at, delay = int(flight.arrived), flight.arr_delay
        if flight.aircraft != source_tables.NO_AIRCRAFT:
            yield ("aircraft_landings", at, flight.aircraft,
                   (delay, aircraft.add(flight.aircraft, delay)))
        yield ("carrier_landings", at, flight.carrier,
               (carrier.add(flight.carrier, delay), carrier_late.add(flight.carrier, flight.late)))
        yield ("route_landings", at, flight.route,
               (route.add(flight.route, delay), route_late.add(flight.route, flight.late)))


def departures(flights):
    """The same, as they leave; a cancelled one counts when it was to leave."""
    delay_20, delay_60, cancelled = LastMean(20), LastMean(60), LastMean(50)
    left = flights.assign(at=flights["departed"].fillna(flights["planned"]).astype("int64"))
    for flight in left.sort_values("at", kind="stable").itertuples():
        stays = flight.departed != flight.departed
        if not stays:
            delay_20.add(flight.origin, flight.dep_delay)
            delay_60.add(flight.origin, flight.dep_delay)
        share = cancelled.add(flight.origin, float(stays))
        yield ("origin_departures", flight.at, flight.origin,
               (delay_20.of(flight.origin), delay_60.of(flight.origin), share))


def observations(weather):
    names = list(source_tables.WEATHER)
    ordered = weather.sort_values("at", kind="stable")
    values = ordered[names].itertuples(index=False, name=None)
    for at, origin, observed in zip(ordered["at"], ordered["origin"], values):
        yield "origin_weather", at, origin, observed


def history(groups, flights, weather):
    """Group name -> its rows in the order in which they happened: `at`, `entity_id` and a column for
    each feature. Rows of one instant are in the order of the source, the later one counts."""
    rows = {name: [] for name in groups}
    for stream in (landings(flights), departures(flights), observations(weather)):
        for group, at, entity_id, values in stream:
            rows[group].append((at, entity_id, *values))
    return {name: pd.DataFrame(rows[name], columns=["at", "entity_id", *group.features])
            .astype({"at": "int64", **dict.fromkeys(group.features, "float64")})
            for name, group in groups.items()}
