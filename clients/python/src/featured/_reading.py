"""Reading as operations (see _wire.py): one entity or many, in as many requests as the limits of the
server make it, and what comes back as values, tensors or typed columns."""

from __future__ import annotations

import dataclasses
import io
import time
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote

from . import _operations
from ._operations import Names, names
from ._values import EntityId, FeatureValue, id_of, ids_of, time_or_none
from ._wire import NPY, Answer, Operation, request
from .errors import InvalidRequest, MissingExtra, NotFound

if TYPE_CHECKING:
    import numpy

MAX_IDS = 10_000  # of one request
MAX_VALUES = 1_000_000  # ids × features of one request
MAX_USERS = 100  # of one request for all they have
TYPES_FOR_SECONDS = 10.0


class Matrix(NamedTuple):
    """`values`: shape (entities, columns), missing = NaN. `columns`: their names; an embedding of
    dimension d has d of them, `emb[0]` to `emb[d-1]`."""

    values: numpy.ndarray[Any, Any]
    columns: List[str]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of an answer. `data_type` None: not registered."""

    name: str
    data_type: Optional[str] = None
    dimension: Optional[int] = None


Types = Dict[str, Tuple[float, Column]]


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which columns of which entity are read: by names or by a feature service."""

    names: Tuple[str, ...]
    service: Optional[str]
    entity: Optional[str]
    strict: bool

    def body(self, ids: List[str]) -> Dict[str, Any]:
        body: Dict[str, Any] = {"entity_ids": ids}
        if self.service is not None:
            body["feature_service"] = self.service
        else:
            body["feature_names"] = list(self.names)
        if self.entity is not None:
            body["entity"] = self.entity
        return body


def selection(features: Names, service: Optional[str], entity: Optional[str], strict: bool) -> Selection:
    if (features is None) == (service is None):
        raise ValueError("name the features or a feature_service, one of the two")
    return Selection(tuple(names(features)), service, entity, strict)


def _answers(
    ids: List[str], chosen: Selection, accept: Optional[str] = None, **more: Any
) -> Operation[List[Answer]]:
    """The answers of all parts, in order; at least one. Each part is an instant of its own. What the
    server finds too large (a feature service may be wide) is halved."""
    answers: List[Answer] = []
    dtype = more.pop("dtype", None)
    size = max(1, min(MAX_IDS, MAX_VALUES // max(1, len(chosen.names))))
    at = 0
    while at < len(ids) or not answers:
        part = ids[at : at + size]
        body = {**chosen.body(part), **more}
        params = [("strict", chosen.strict), ("dtype", dtype)]
        try:
            answers.append((yield request("POST", "/features/online", params, body, accept)))
        except InvalidRequest as error:
            if error.status != 413 or len(part) <= 1:
                raise
            size = len(part) // 2
            continue
        at += len(part)
    return answers


def _rows(ids: List[str], chosen: Selection, **more: Any) -> Operation[List[Dict[str, Any]]]:
    answers = yield from _answers(ids, chosen, **more)
    return [row for answer in answers for row in answer.json()]


def _with_metadata(row: Dict[str, Any]) -> Dict[str, FeatureValue]:
    return {
        name: FeatureValue(row["features"].get(name), time_or_none(cell["event_timestamp"]), cell["status"])
        for name, cell in row["metadata"].items()
    }


def _single(
    entity_id: EntityId,
    features: Names,
    service: Optional[str],
    entity: Optional[str],
    strict: bool,
    metadata: bool = False,
) -> Operation[Dict[str, Any]]:
    more = {"metadata": True} if metadata else {}
    if features is not None or service is not None:
        chosen = selection(features, service, entity, strict)
        rows = yield from _rows([id_of(entity_id)], chosen, **more)
        return rows[0]
    path = f"/features/online/{_operations.segment(id_of(entity_id))}"
    answer = yield request("GET", path, [("entity", entity), ("strict", strict), ("metadata", metadata)])
    row: Dict[str, Any] = answer.json()
    return row


def get(
    entity_id: EntityId, features: Names, service: Optional[str], entity: Optional[str], strict: bool
) -> Operation[Dict[str, Any]]:
    row = yield from _single(entity_id, features, service, entity, strict)
    values: Dict[str, Any] = row["features"]
    return values


def get_with_metadata(
    entity_id: EntityId, features: Names, service: Optional[str], entity: Optional[str], strict: bool
) -> Operation[Dict[str, FeatureValue]]:
    row = yield from _single(entity_id, features, service, entity, strict, metadata=True)
    return _with_metadata(row)


def get_many(entity_ids: Iterable[EntityId], chosen: Selection) -> Operation[List[Dict[str, Any]]]:
    rows = yield from _rows(ids_of(entity_ids), chosen)
    return [row["features"] for row in rows]


def get_many_with_metadata(
    entity_ids: Iterable[EntityId], chosen: Selection
) -> Operation[List[Dict[str, FeatureValue]]]:
    rows = yield from _rows(ids_of(entity_ids), chosen, metadata=True)
    return [_with_metadata(row) for row in rows]


def get_numpy(entity_ids: Iterable[EntityId], chosen: Selection, dtype: str) -> Operation[Matrix]:
    try:
        import numpy
    except ImportError:
        raise MissingExtra("NumPy", "numpy") from None
    answers = yield from _answers(ids_of(entity_ids), chosen, NPY, dtype=str(numpy.dtype(dtype)))
    parts = [numpy.load(io.BytesIO(answer.content), allow_pickle=False) for answer in answers]
    columns = answers[0].headers["x-feature-names"]
    values = parts[0] if len(parts) == 1 else numpy.concatenate(parts)
    return Matrix(values, [unquote(name) for name in columns.split(",")] if columns else [])


def get_users(user_ids: Iterable[EntityId], entity: Optional[str]) -> Operation[Dict[str, Dict[str, Any]]]:
    ids = list(dict.fromkeys(ids_of(user_ids)))
    found: Dict[str, Dict[str, Any]] = {}
    for at in range(0, len(ids), MAX_USERS):
        body = {"user_ids": ids[at : at + MAX_USERS]}
        answer = yield request("POST", "/features/batch", [("entity", entity)], body)
        found.update((row["user_id"], row["features"]) for row in answer.json())
    return found


def _type_of(name: str, types: Types) -> Operation[Column]:
    """Kept for a moment: a model asks for the same columns again and again."""
    held = types.get(name)
    if held is not None and time.monotonic() - held[0] < TYPES_FOR_SECONDS:
        return held[1]
    bare, _, version = name.partition("@")
    column = Column(name)
    try:
        found = yield from _operations.feature(bare)
    except NotFound:
        return column
    for item in found["versions"]:
        if item["active"] if not version else str(item["version"]) == version:
            column = Column(name, item["data_type"], item["dimension"])
    types[name] = (time.monotonic(), column)
    return column


def get_columns(
    entity_ids: Iterable[EntityId], chosen: Selection, types: Types
) -> Operation[Tuple[List[str], List[Column], List[List[Any]]]]:
    """Ids, columns with their types, and per column the values as JSON has them."""
    ids = ids_of(entity_ids)
    asked = resolved = list(dict.fromkeys(chosen.names))
    if chosen.service is not None:
        found = yield from _operations.service(chosen.service)
        asked, resolved = found["features"], found["resolved"]
    columns = []
    for name, version in zip(asked, resolved):
        column = yield from _type_of(version, types)
        columns.append(dataclasses.replace(column, name=name))
    rows = yield from _rows(ids, chosen)
    return ids, columns, [[row["features"].get(column.name) for row in rows] for column in columns]
