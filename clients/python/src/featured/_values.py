"""Python's values as JSON has them, and back."""

from __future__ import annotations

import dataclasses
import json
import operator
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any, Iterable, List, Optional, Sequence, SupportsIndex, Union

Value = Union[None, bool, int, float, str, datetime, Sequence[float], Mapping[str, Any], Sequence[Any]]
EventTime = Union[None, int, str, datetime]
EntityId = Union[str, SupportsIndex]


@dataclasses.dataclass(frozen=True)
class FeatureValue:
    """
    A value with its event time, as `ingest` takes it and `get_with_metadata` gives it.

    `event_timestamp`: None if there is no value. `status` of what was read: PRESENT, NULL_VALUE,
    NOT_FOUND, OUTSIDE_MAX_AGE (its TTL is over) or NOT_REGISTERED.
    """

    value: Any
    event_timestamp: EventTime = None
    status: str = "PRESENT"


def event_time(time: EventTime) -> Union[int, str, None]:
    """As the API takes it: RFC 3339, or integer milliseconds since 1970. A datetime without a time zone is
    refused, for nobody knows which one was meant."""
    if is_missing(time):
        return None
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ValueError(f"{time} has no time zone; if it is UTC: .replace(tzinfo=timezone.utc)")
        return time.astimezone(timezone.utc).isoformat(timespec="microseconds")
    if isinstance(time, str):
        return time
    return operator.index(time)  # type: ignore[arg-type]


def parse_time(text: str) -> datetime:
    """
    A time as the server writes it, as a datetime in UTC.

    >>> parse_time("2026-01-02T03:04:05.1Z")
    datetime.datetime(2026, 1, 2, 3, 4, 5, 100000, tzinfo=datetime.timezone.utc)
    """
    seconds, _, fraction = text.rstrip("Z").partition(".")
    time = datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return time + timedelta(microseconds=int(fraction.ljust(6, "0")[:6] or 0))


def is_missing(value: Any) -> bool:
    """None, and pandas' NaT and NA. NaN is a number that the server refuses."""
    return value is None or type(value).__name__ in ("NaTType", "NAType")


def _as_json(value: Any) -> Any:
    """What json itself does not know: times, numpy's scalars and arrays."""
    if is_missing(value):
        return None
    if isinstance(value, datetime):
        return event_time(value)
    if isinstance(value, date):
        raise TypeError(f"{value!r} is a date; a timestamp needs a time and a zone")
    if hasattr(value, "tolist"):  # numpy, pandas
        return value.tolist()
    if hasattr(value, "isoformat") or isinstance(value, (set, bytes)):
        raise TypeError(f"{value!r} ({type(value).__name__}) is no value of a feature")
    if isinstance(value, Mapping):
        return dict(value)
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{value!r} ({type(value).__name__}) is no value of a feature") from None


_encoder = json.JSONEncoder(separators=(",", ":"), default=_as_json)


def to_json(value: Any) -> bytes:
    """NaN and infinities are written as Python does: the server says what it thinks of them."""
    return _encoder.encode(value).encode()


def id_of(entity_id: EntityId) -> str:
    """An id as text; integers (numpy's too) as decimal numbers."""
    if isinstance(entity_id, str):
        return entity_id
    if isinstance(entity_id, bool):
        raise TypeError("an entity id is a str or an int, not a bool")
    try:
        return str(operator.index(entity_id))
    except TypeError:
        raise TypeError(
            f"an entity id is a str or an int, not {entity_id!r} ({type(entity_id).__name__})"
        ) from None


def is_array_of_bytes(entity_ids: Any) -> bool:
    """NumPy's, of a fixed width and one dimension."""
    return getattr(getattr(entity_ids, "dtype", None), "kind", None) == "S" and entity_ids.ndim == 1


def ids_of(entity_ids: Iterable[EntityId]) -> List[str]:
    """Also of NumPy arrays and pandas columns."""
    if isinstance(entity_ids, (str, bytes)):
        raise TypeError(f"a list of entity ids is expected, not the single {entity_ids!r}")
    items: Iterable[Any] = entity_ids.tolist() if hasattr(entity_ids, "tolist") else entity_ids
    if is_array_of_bytes(entity_ids):
        return [item.decode() for item in items]
    return [item if type(item) is str else id_of(item) for item in items]


def lines_of(ids: List[str]) -> Optional[bytes]:
    """A line each; None if they cannot be told apart that way."""
    text = "\n".join([*ids, ""])
    if text.count("\n") != len(ids) or "\r" in text or text.startswith("\ufeff"):
        return None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def time_or_none(text: Optional[str]) -> Optional[datetime]:
    return None if text is None else parse_time(text)
