"""What happens, ingested at its time on a thread of its own, while others read."""

import math
import threading

from lateness import store as stores


class Happening(threading.Thread):
    """`happenings`: (instant, rows), ascending. `ingested` counts rows."""

    def __init__(self, store, clock, happenings):
        super().__init__(daemon=True)
        self.ingested = 0
        self._store = store
        self._clock = clock
        self._happenings = happenings
        self._changed = threading.Condition()
        self._next = happenings[0][0] if happenings else math.inf
        self._failure = None

    def run(self):
        following = [instant for instant, _ in self._happenings[1:]] + [math.inf]
        try:
            for (instant, rows), after in zip(self._happenings, following):
                self._clock.wait_until(instant)
                stores.ingest(self._store, self._clock, instant, rows)
                self.ingested += len(rows)
                self._acknowledged_before(after)
        except Exception as failure:  # raised where it is waited for
            self._failure = failure
            self._acknowledged_before(math.inf)

    def _acknowledged_before(self, instant):
        with self._changed:
            self._next = instant
            self._changed.notify_all()

    def await_all_until(self, instant):
        """Returns when everything that happened up to then is acknowledged."""
        with self._changed:
            self._changed.wait_for(lambda: self._next > instant)
        if self._failure:
            raise self._failure
