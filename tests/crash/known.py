"""What the clients know: per entity id what was acknowledged and what is in flight.

An id has at most one request in flight. Each write gives all its features the same number (as an
integer, a float, a text, an embedding, and as a feature of a second entity), so a torn row shows. The
state of an id is one (event time, number) or None for each feature; event times are those that were
sent or, where none was sent, those of the client when it sent.
"""

import dataclasses
import time

AGAIN = "c_again"  # deleted and registered again now and then
FEATURES = ("c_int", "c_float", "c_text", "c_embedding", AGAIN, "c_driver")
USER = FEATURES[:5]
TYPES = {
    "c_int": {"data_type": "int", "entity": "user"},
    "c_float": {"data_type": "float", "entity": "user"},
    "c_text": {"data_type": "string", "entity": "user"},
    "c_embedding": {"data_type": "embedding", "dimension": 4, "entity": "user"},
    AGAIN: {"data_type": "int", "entity": "user"},
    "c_driver": {"data_type": "int", "entity": "driver"},
}
HOUR_MS = 3_600_000
NEVER = -1


def now_ms():
    return int(time.time() * 1000)


def text_of(number):
    return f"number {number} " + "x" * (number * 37 % 300)


def values_of(number):
    return {
        "c_int": number,
        "c_float": number + 0.5,
        "c_text": text_of(number),
        "c_embedding": [number % 65536, 1.0, 2.0, 3.0],
        AGAIN: number,
        "c_driver": number,
    }


def number_of(feature, value):
    """The number a served value stands for; None: no value; raises if it is no value of ours."""
    if value is None:
        return None
    if feature == "c_text":
        number = int(value.split()[1])
        if value != text_of(number):
            raise ValueError(f"a text of {len(value)} characters that was never written")
        return number
    if feature == "c_embedding":
        if value[1:] != [1.0, 2.0, 3.0]:
            raise ValueError(f"the embedding {value}")
        return int(value[0])
    if feature == "c_float":
        if value != int(value) + 0.5:
            raise ValueError(f"the float {value}")
        return int(value)
    return value


@dataclasses.dataclass(eq=False)
class Known:
    """One entity id."""

    name: str
    says_times: bool  # its requests carry event times
    cells: tuple = (None,) * len(FEATURES)
    erased_ms: tuple = (NEVER,) * len(FEATURES)
    last_ms: int = 0  # newest event time sent
    takes_late: bool = True
    pending: list = dataclasses.field(default_factory=list)  # states that may have come about

    def write(self, number, event_ms):
        """The cells after a write that the server applies."""
        return tuple(
            held
            if event_ms <= erased or (held is not None and event_ms < held[0])
            else (event_ms, number)
            for held, erased in zip(self.cells, self.erased_ms)
        )

    def erase(self, names):
        return tuple(None if name in names else held for name, held in zip(FEATURES, self.cells))

    def forget(self, name):
        """The feature is gone, with all its values and erasures; another one has its name."""
        self.cells = self.erase((name,))
        self.erased_ms = tuple(
            NEVER if each == name else erased for each, erased in zip(FEATURES, self.erased_ms)
        )

    def numbers(self, cells=None):
        cells = self.cells if cells is None else cells
        return tuple(
            None if held is None else held[1] % 65536 if name == "c_embedding" else held[1]
            for name, held in zip(FEATURES, cells)
        )


@dataclasses.dataclass(eq=False)
class Effect:
    """What a request does to one id, if it is applied."""

    known: Known
    cells: tuple
    erased_names: tuple = ()  # an erasure's
    is_row: bool = True  # counts in the statistics

    def acknowledge(self):
        self.known.cells = self.cells
        self.known.pending = []
        if not self.erased_names:
            return
        # Not before what it removed; what is sent from now on is later, by more than the rounding.
        until = self.known.last_ms = max(now_ms(), self.known.last_ms) + 1
        self.known.erased_ms = tuple(
            until if name in self.erased_names else erased
            for name, erased in zip(FEATURES, self.known.erased_ms)
        )

    def resolve(self, was_applied):
        """After a restart has shown what became of it, as far as it shows."""
        if was_applied:
            self.known.cells = self.cells
        if self.erased_names:
            self.known.last_ms = max(now_ms(), self.known.last_ms) + 1
            self.known.takes_late = False  # it may keep old events out, or not
        self.known.pending = []
