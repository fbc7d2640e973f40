"""Ingestion as operations (see _wire.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Union

from ._rows import Ingested, Layout, Part, RowError, parts_of
from ._values import EntityId, EventTime, FeatureValue, Value, event_time, id_of
from ._wire import Operation, Request, request
from .errors import AnswerError, FeaturedError, IngestStopped

if TYPE_CHECKING:
    from ._rows import Rows

ProgressCall = Callable[[int, Optional[int]], None]
Progress = Union[None, bool, ProgressCall]
COUNTS = ("rows_accepted", "rows_rejected", "values_written", "values_late")


def ingest(
    entity_id: EntityId,
    features: Mapping[str, Union[Value, FeatureValue]],
    event_timestamp: EventTime,
    entity: Optional[str],
    strict: bool,
) -> Operation[Ingested]:
    """Sent again only if every value has its event time: one without gets that of its arrival, and would
    win over what came in between."""
    body: Dict[str, Any] = {"entity_id": id_of(entity_id)}
    common = event_time(event_timestamp)
    if common is not None:
        body["event_timestamp"] = common
    body["features"] = []
    timed = True
    for name, value in features.items():
        item: Dict[str, Any] = {"feature_name": name, "value": value}
        own = None
        if isinstance(value, FeatureValue):
            item["value"] = value.value
            own = event_time(value.event_timestamp)
            if own is not None:
                item["event_timestamp"] = own
        timed = timed and (common is not None or own is not None)
        body["features"].append(item)
    params = [("entity", entity), ("strict", strict)]
    answer = yield request("POST", "/features/ingest", params, body, repeatable=timed)
    late = int(answer.json()["values_late"])
    return Ingested(1, 0, len(features) - late, late)


def ingest_many(
    rows: Rows,
    layout: Layout,
    entity: Optional[str],
    on_error: str,
    strict: bool,
    part_rows: int,
    progress: Progress,
) -> Operation[Ingested]:
    if part_rows < 1:
        raise ValueError("part_rows must be 1 or more")
    total = Ingested()
    parts, expected = parts_of(rows, layout, part_rows)
    shown = _Shown(progress, expected)
    sent = 0
    try:
        for part in parts:
            try:
                answer = yield _bulk_request(part, entity, on_error, strict)
            except AnswerError as error:
                _add(total, error.body, sent)
                raise _stopped(error, sent) or error from None
            _add(total, answer.json(), sent)
            sent += part.rows
            shown.advance(part.rows, sent)
    except FeaturedError as error:
        error.ingested = total
        raise
    finally:
        shown.close()
    return total


def _bulk_request(part: Part, entity: Optional[str], on_error: str, strict: bool) -> Request:
    params = [("entity", entity), ("on_error", on_error), ("strict", strict)]
    made = request("POST", "/features/ingest/bulk", params, repeatable=part.timed)
    made.content = part.content
    made.headers["Content-Type"] = part.content_type
    return made


def _add(total: Ingested, body: Mapping[str, Any], first_row: int) -> None:
    for name in COUNTS:
        setattr(total, name, getattr(total, name) + body.get(name, 0))
    for error in body.get("errors", ()):
        total.errors.append(RowError(first_row + error["line"] - 1, error["detail"]))


def _stopped(error: AnswerError, first_row: int) -> Optional[IngestStopped]:
    """The error of a bad row, with the row's number in place of the line's. None: it is about something
    else."""
    if error.status != 422 or not isinstance(error.detail, list) or not error.detail:
        return None
    place = error.detail[0].get("loc", ())
    if len(place) < 2 or place[0] != "line":
        return None
    row = first_row + int(place[1]) - 1
    body: Dict[str, Any] = dict(error.body)
    detail: List[Any] = [{**item, "loc": ["row", row, *item.get("loc", ())[2:]]} for item in error.detail]
    body["detail"] = detail
    stopped = IngestStopped(error.status, body, error.request_id)
    stopped.row = row
    return stopped


class _Shown:
    """A bar of tqdm, the caller's function, or nothing."""

    def __init__(self, progress: Progress, expected: Optional[int]) -> None:
        self.expected = expected
        self.call = progress if callable(progress) else None
        self.bar: Any = None
        if self.call is not None or progress is False:
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        # None: only where a terminal is looking on.
        self.bar = tqdm(total=expected, unit=" rows", disable=None if progress is None else False)

    def advance(self, rows: int, done: int) -> None:
        if self.call is not None:
            self.call(done, self.expected)
        if self.bar is not None:
            self.bar.update(rows)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
