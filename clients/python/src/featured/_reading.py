"""Reading as operations (see _wire.py): one entity or many, in as many requests as the limits of the
server make it, and what comes back as values, tensors or typed columns."""

from __future__ import annotations

import dataclasses
import io
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)
from urllib.parse import quote, unquote

from . import _operations
from ._operations import Names, names
from ._values import EntityId, FeatureValue, id_of, ids_of, is_array_of_bytes, lines_of, time_or_none
from ._wire import ARROW, LINES, NPY, Answer, Operation, Request, request
from .errors import FeaturedError, InvalidRequest, MissingExtra

if TYPE_CHECKING:
    import numpy
    import pyarrow

MAX_IDS = 10_000  # of one request
MAX_VALUES = 1_000_000  # ids × features of one request
MAX_USERS = 100  # of one request for all they have
MAX_QUERY = 7_000  # bytes; a target may have 8 KiB
PATH = "/features/online"

Ids = Union[List[str], "numpy.ndarray[Any, Any]"]  # an array: of bytes


class Matrix(NamedTuple):
    """`values`: shape (entities, columns), missing = NaN. `columns`: their names; an embedding of
    dimension d has d of them, `emb[0]` to `emb[d-1]`. Empty where they are too many for the server to name
    (64 KiB): they come in the order asked for."""

    values: numpy.ndarray[Any, Any]
    columns: List[str]


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

    def query(self) -> Optional[List[Tuple[str, Optional[str]]]]:
        """The same as parameters; None where a query cannot say it: too long for the target of a request,
        or with names that a list with commas does not have."""
        if any(not name or "," in name or name != name.strip() for name in self.names):
            return None
        features = ("feature_names", ",".join(self.names))
        if self.service is not None:
            features = ("feature_service", self.service)
        if len(quote(features[1])) + len(quote(self.entity or "")) > MAX_QUERY:
            return None
        return [features, ("entity", self.entity)]


def selection(features: Names, service: Optional[str], entity: Optional[str], strict: bool) -> Selection:
    if (features is None) == (service is None):
        raise ValueError("name the features or a feature_service, one of the two")
    return Selection(tuple(names(features)), service, entity, strict)


def _in_parts(ids: Ids, chosen: Selection, ask: Callable[[Ids], Request]) -> Operation[List[Answer]]:
    """The answers of all parts, in order; at least one. Each part is an instant of its own. What the
    server finds too large (a feature service may be wide) is halved."""
    answers: List[Answer] = []
    size = max(1, min(MAX_IDS, MAX_VALUES // max(1, len(chosen.names))))
    at = 0
    while at < len(ids) or not answers:
        part = ids[at : at + size]
        try:
            answers.append((yield ask(part)))
        except InvalidRequest as error:
            if error.status != 413 or len(part) <= 1:
                raise
            size = len(part) // 2
            continue
        at += len(part)
    return answers


def _npy_of(ids: numpy.ndarray[Any, Any]) -> bytes:
    import numpy

    file = io.BytesIO()
    numpy.save(file, ids, allow_pickle=False)
    return file.getvalue()


def _columns(
    ids: Ids, chosen: Selection, accept: str, dtype: Optional[str] = None
) -> Operation[List[Answer]]:
    """The answers as tensors or Arrow streams. The ids go as they are, with no JSON, where they can."""

    def ask(part: Ids) -> Request:
        params = [("strict", chosen.strict), ("dtype", dtype)]
        query = chosen.query()
        is_list = isinstance(part, list)
        content = lines_of(part) if isinstance(part, list) else _npy_of(part)
        if query is None or content is None:
            return request("POST", PATH, params, chosen.body(ids_of(part)), accept)
        made = request("POST", PATH, [*query, *params], accept=accept)
        made.content = content
        made.headers["Content-Type"] = LINES if is_list else NPY
        return made

    answers = yield from _in_parts(ids, chosen, ask)
    for answer in answers:
        if answer.headers.get("content-type") != accept:
            raise FeaturedError(f"the answer is not {accept}; is this a featured server?")
    return answers


def _rows(ids: List[str], chosen: Selection, **more: Any) -> Operation[List[Dict[str, Any]]]:
    def ask(part: Ids) -> Request:
        return request("POST", PATH, [("strict", chosen.strict)], {**chosen.body(ids_of(part)), **more})

    answers = yield from _in_parts(ids, chosen, ask)
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


def _as_they_go(entity_ids: Iterable[EntityId]) -> Ids:
    return entity_ids if is_array_of_bytes(entity_ids) else ids_of(entity_ids)  # type: ignore[return-value]


def get_numpy(entity_ids: Iterable[EntityId], chosen: Selection, dtype: str) -> Operation[Matrix]:
    try:
        import numpy
    except ImportError:
        raise MissingExtra("NumPy", "numpy") from None
    ids = _as_they_go(entity_ids)
    answers = yield from _columns(ids, chosen, NPY, str(numpy.dtype(dtype)))
    parts = [numpy.load(io.BytesIO(answer.content), allow_pickle=False) for answer in answers]
    columns = answers[0].headers.get("x-feature-names", "")
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


def get_table(entity_ids: Iterable[EntityId], chosen: Selection, extra: str) -> Operation[pyarrow.Table]:
    """As the server sends it. `extra`: which one brings what is missing."""
    try:
        import pyarrow
    except ImportError:
        raise MissingExtra("pyarrow", extra) from None
    answers = yield from _columns(_as_they_go(entity_ids), chosen, ARROW)
    parts = [pyarrow.ipc.open_stream(answer.content).read_all() for answer in answers]
    if any(part.schema != parts[0].schema for part in parts):
        raise FeaturedError("the types of the features changed while they were read: ask again")
    return parts[0] if len(parts) == 1 else pyarrow.concat_tables(parts)
