"""Simulated time: an instant of the year, and when it is on the store's clock."""

import datetime
import time

import pandas as pd


class Clock:
    """Runs `speed` times as fast as the real one, and is at the instant `start` when that shows
    `real_start` (both in seconds). With a speed of 1 and one start for both, it changes nothing."""

    def __init__(self, speed, start, real_start):
        self.speed = speed
        self.start = start
        self.real_start = real_start

    def microseconds(self, instant):
        """On the store's clock; for a number or a whole column of them."""
        return self.real_start * 1_000_000 + (instant - self.start) * 1_000_000 // self.speed

    def event_time(self, instant):
        return (datetime.datetime.fromtimestamp(0, datetime.timezone.utc) +
                datetime.timedelta(microseconds=int(self.microseconds(instant))))

    def event_times(self, instants):
        return pd.to_datetime(self.microseconds(instants), unit="us", utc=True)

    def ttl(self, seconds):
        """A time to live as it has to be for the store. Its TTLs are whole seconds."""
        if seconds % self.speed:
            raise SystemExit(f"lateness: at speed {self.speed} a TTL of {seconds} s is not whole seconds; "
                             "take 100, 400, 1200 or 3600")
        return seconds // self.speed

    def now(self):
        """The instant that it is."""
        return self.start + (time.time() - self.real_start) * self.speed

    def wait_until(self, instant):
        """Returns at once if that is over."""
        while (left := self.microseconds(instant) / 1e6 - time.time()) > 0:
            time.sleep(left)
