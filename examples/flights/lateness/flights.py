"""The flights and the weather as tables of instants: when each thing was known, and when the model is
asked."""

import numpy as np
import pandas as pd

import source

LATE_MINUTES = 15
NO_AIRCRAFT = "unknown"  # of flights that were cancelled before they had one; nothing is known of it
# The model is asked this long before a flight is due to leave. None of the year left earlier than 43
# minutes before its time, so no vector can know of its own flight.
ASK_MINUTES = 45
# Puerto Rico and the Virgin Islands, which the table of airports leaves out, keep one time.
OTHER_ZONE = "America/Puerto_Rico"
WEATHER = {"origin_temperature": "temp", "origin_humidity": "humid",
           "origin_wind_speed": "wind_speed", "origin_precipitation": "precip",
           "origin_pressure": "pressure", "origin_visibility": "visib"}


def seconds_of(times):
    """Of a series of times in UTC."""
    return times.dt.as_unit("s").astype("int64")


def at_the_gate(departed, air_minutes, clock, zones):
    """When each flight reached its gate, from what the clock there said (805 is 8:05): the first such
    time after so long in the air. Wheels are down earlier, but the delay is not known."""
    earliest = pd.to_datetime(departed + 60 * air_minutes, unit="s", utc=True)
    arrived = pd.Series(np.nan, index=clock.index)
    for zone, rows in clock.groupby(zones).groups.items():
        there = earliest[rows].dt.tz_convert(zone)
        minutes = clock[rows] // 100 * 60 + clock[rows] % 100
        taxi = (minutes - there.dt.hour * 60 - there.dt.minute) % (24 * 60)
        arrived[rows] = seconds_of(earliest[rows]) + 60 * taxi
    return arrived


def spread(asked):
    """Those of one minute, spread evenly over it: events have whole minutes, questions do not."""
    places = asked.groupby(asked)
    return asked + (60 * (2 * places.cumcount() + 1)) // (2 * places.transform("size"))


def read_flights():
    """One row per flight, in the order in which the model is asked. `departed`, `arrived`, `dep_delay`
    and `arr_delay` are NaN where that never happened; `late` too."""
    table = pd.read_csv(source.path("flights"), dtype={"tailnum": "str"})
    zones = pd.read_csv(source.path("airports")).set_index("faa")["tzone"]
    planned = seconds_of(pd.to_datetime(table["time_hour"], utc=True)) + 60 * table["minute"]
    departed = planned + 60 * table["dep_delay"]
    landed = table["arr_delay"].notna()
    arrived = at_the_gate(departed[landed], table["air_time"][landed], table["arr_time"][landed],
                          table["dest"][landed].map(zones).fillna(OTHER_ZONE))
    flights = pd.DataFrame({
        "month": table["month"],
        "day": table["day"],
        "hour": table["hour"] + table["minute"] / 60,
        "weekday": pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week,
        "distance": table["distance"],
        "aircraft": table["tailnum"].fillna(NO_AIRCRAFT),
        "origin": table["origin"],
        "carrier": table["carrier"],
        "route": table["origin"] + "-" + table["dest"],
        "planned": planned,
        "departed": departed,
        "arrived": arrived,
        "dep_delay": table["dep_delay"],
        "arr_delay": table["arr_delay"],
        "late": (table["arr_delay"] > LATE_MINUTES).astype(float).where(landed),
    })
    flights["asked"] = spread(planned - 60 * ASK_MINUTES)
    return flights.sort_values("asked", kind="stable", ignore_index=True)


def read_weather():
    """One row per hour and origin, `at` the end of that hour."""
    table = pd.read_csv(source.path("weather"))
    weather = table[["origin", *WEATHER.values()]].rename(
        columns={column: name for name, column in WEATHER.items()})
    weather["at"] = seconds_of(pd.to_datetime(table["time_hour"], utc=True)) + 3600
    return weather
