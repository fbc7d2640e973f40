"""The client that waits for each answer."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
)

import httpx

from . import _frames, _operations, _reading, _writing
from ._operations import Change, Definitions, Item, Names
from ._reading import Matrix
from ._rows import Ingested, Layout
from ._values import EntityId, EventTime, FeatureValue, Value
from ._wire import Answer, Attempts, Done, Operation, Request, advance, answer_of, failure_of
from ._writing import Progress
from .definitions import Feature, FeatureService
from .errors import AnswerError, FeaturedError

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from ._rows import Rows

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8000"
PART_ROWS = 50_000


def server_url(url: Optional[str]) -> str:
    """The server's address: the given one, else FEATURED_SERVER, else the default one of `featured serve`."""
    url = url or os.environ.get("FEATURED_SERVER") or DEFAULT_URL
    return (url if "://" in url else f"http://{url}").rstrip("/")


def http_settings(
    url: str, timeout: float, connections: int, http_options: Optional[Mapping[str, Any]]
) -> Dict[str, Any]:
    """Of httpx's clients."""
    return {
        "base_url": url,
        "timeout": timeout,
        "limits": httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        # Certificates are read only where needed: that takes 30 ms, more than all else at the start.
        "verify": not url.startswith("http:"),
        **(http_options or {}),
    }


def http_request(asked: Request) -> Dict[str, Any]:
    """What httpx is told of a request."""
    return {
        "method": asked.method,
        "url": asked.path,
        "params": asked.params,
        "content": asked.content,
        "headers": asked.headers,
    }


def layout_of(id_column: str, timestamp_column: Optional[str], features: Names) -> Layout:
    chosen = None if features is None else tuple(_operations.names(features))
    return Layout(id_column, timestamp_column, chosen)


class FeatureStore:
    """
    A featured server.

    >>> store = FeatureStore("http://127.0.0.1:8000", timeout=2.0)     # doctest: +SKIP

    `url`: absent, the variable FEATURED_SERVER, else http://127.0.0.1:8000. `timeout`: seconds for each
    step of a request (connect, send, each wait for data). `retries`: further attempts, only where sending a
    request twice is harmless: reads, `apply`, rows that carry event times, and what the server refused
    with 429. `connections`: at most so many at a time; further calls wait. `strict`: a name that is not
    registered is an error (NotFound) rather than a value that is missing. `http_options`: what else
    `httpx.Client` takes (`headers`, `verify`, `proxy`, `transport`).

    One store may be used by many threads. Close it, or use it in a `with` statement. Every method raises
    a `FeaturedError`: `ConnectionFailed`, `Timeout`, or an `AnswerError` with the server's words.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        *,
        timeout: float = 30.0,
        retries: int = 2,
        connections: int = 100,
        strict: bool = True,
        http_options: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.url = server_url(url)
        self._retries = retries
        self._strict = strict
        self._http = httpx.Client(**http_settings(self.url, timeout, connections, http_options))

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _exchange(self, asked: Request) -> Answer:
        attempts = Attempts(self._retries)
        while True:
            failure: FeaturedError
            try:
                return answer_of(self._http.request(**http_request(asked)))
            except httpx.TransportError as error:
                failure, was_sent = failure_of(error, self.url)
            except AnswerError as error:
                failure, was_sent = error, True
            wait = attempts.wait_after(asked, failure, was_sent)
            if wait is None:
                raise failure from None
            time.sleep(wait)

    def _run(self, operation: Operation[T]) -> T:
        came: Union[Answer, FeaturedError, None] = None
        while True:
            step = advance(operation, came)
            if isinstance(step, Done):
                return step.result
            try:
                came = self._exchange(step)
            except FeaturedError as error:
                came = error

    def register(self, feature: Feature) -> int:
        """Defines a feature; its id. Raises Conflict if the name is taken."""
        return self._run(_operations.register(feature, self._strict))

    def apply(
        self, definitions: Definitions, *, activate: bool = False, dry_run: bool = False
    ) -> List[Change]:
        """
        Makes the server hold these definitions: one, several, or the path of a YAML file as
        `featured apply` takes it (extra `yaml`). What changed is returned; applying again changes nothing.

        Another data type makes a new version, to be filled as `name@2`; `activate` makes it what the name
        means. Nothing that is not named is touched. `dry_run`: only says what would change.
        """
        return self._run(_operations.apply(definitions, activate, dry_run, self._strict))

    def features(
        self,
        *,
        entity: Optional[str] = None,
        feature_group: Optional[str] = None,
        tag: Optional[str] = None,
        q: Optional[str] = None,
    ) -> List[Item]:
        """All definitions, with live statistics, as the API gives them. `tag`: "key:value"; `q`: part of a
        name or description."""
        filters = {"entity": entity, "feature_group": feature_group, "tag": tag, "q": q}
        return self._run(_operations.features(filters))

    def feature(self, name: str) -> Item:
        """One definition with all its versions. Raises NotFound."""
        return self._run(_operations.feature(name))

    def activate(self, name: str, version: int) -> None:
        """Makes a version what the bare name means."""
        self._run(_operations.activate(name, version))

    def delete_feature(self, name: str, *, force: bool = False) -> None:
        """Deletes a feature, its versions and all its values. Raises NotFound; Conflict while a feature
        service names it, unless `force`."""
        self._run(_operations.delete_feature(name, force))

    def create_service(self, service: FeatureService) -> Item:
        """Defines a feature service; what the server holds of it (`resolved`: the versions). Raises
        Conflict if the name is taken."""
        return self._run(_operations.create_service(service, self._strict))

    def services(self) -> List[Item]:
        """All feature services."""
        return self._run(_operations.services())

    def service(self, name: str) -> Item:
        """One feature service. Raises NotFound."""
        return self._run(_operations.service(name))

    def delete_service(self, name: str) -> None:
        """Deletes a feature service; the features stay."""
        self._run(_operations.delete_service(name))

    def ingest(
        self,
        entity_id: EntityId,
        features: Mapping[str, Union[Value, FeatureValue]],
        *,
        event_timestamp: EventTime = None,
        entity: Optional[str] = None,
    ) -> Ingested:
        """
        Writes values of one entity, all or nothing; they are durable when this returns.

        `event_timestamp`: when they became true: a datetime with a time zone, RFC 3339, or milliseconds
        since 1970; absent: now. A `FeatureValue` brings its own. A value older than the one held changes
        nothing and is counted (`values_late`). Raises NotFound for a feature that is not registered,
        InvalidRequest for a value that does not fit its type.
        """
        return self._run(_writing.ingest(entity_id, features, event_timestamp, entity, self._strict))

    def ingest_many(
        self,
        rows: Rows,
        *,
        id_column: str = "entity_id",
        timestamp_column: Optional[str] = None,
        features: Names = None,
        entity: Optional[str] = None,
        on_error: str = "stop",
        part_rows: int = PART_ROWS,
        progress: Progress = None,
    ) -> Ingested:
        """
        Writes many rows, streamed in parts; each row is all or nothing.

        `rows`: an iterable of dicts (`{"entity_id": …, "age": 25}`, or the rows of `export`), a pandas
        DataFrame, a pyarrow Table, RecordBatch or RecordBatchReader, or the path of a Parquet file, which is
        read row group by row group. Columns are features by name; `features` takes some of them.
        `timestamp_column`: event times; absent: `event_timestamp` where there is such a column, else now.
        None, NaT and what pandas counts as missing are null; times without a time zone are refused.

        `on_error`: "stop" raises IngestStopped at the first bad row (`.row`, counted from 0; what was before
        it is stored), "skip" goes on and lists them in `errors`. After any error `error.ingested` says what
        was acknowledged. A part that is cut off is sent again only if all its rows have event times.

        `progress`: None: a bar of tqdm where that is installed and a terminal is looking on; True: always;
        False: none; or a function of (rows done, all rows or None).
        """
        layout = layout_of(id_column, timestamp_column, features)
        return self._run(
            _writing.ingest_many(rows, layout, entity, on_error, self._strict, part_rows, progress)
        )

    def get(
        self,
        entity_id: EntityId,
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> Dict[str, Any]:
        """
        The values of one entity by name, from one instant; None where there is none. With neither
        `features` nor `feature_service`: all it has.

        int, float, bool, str, list of float (embedding), any JSON; timestamps as RFC 3339 text.
        """
        return self._run(_reading.get(entity_id, features, feature_service, entity, self._strict))

    def get_with_metadata(
        self,
        entity_id: EntityId,
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> Dict[str, FeatureValue]:
        """As `get`, each value with its event time (a datetime in UTC) and status."""
        return self._run(
            _reading.get_with_metadata(entity_id, features, feature_service, entity, self._strict)
        )

    def get_many(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> List[Dict[str, Any]]:
        """
        The values of many entities: a dict for each id, in the order of the ids, duplicates kept.

        More than 10,000 ids or 1,000,000 values are asked for in several requests. Each entity's values
        are from one instant.
        """
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        return self._run(_reading.get_many(entity_ids, chosen))

    def get_many_with_metadata(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> List[Dict[str, FeatureValue]]:
        """As `get_many`, each value with its event time and status."""
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        return self._run(_reading.get_many_with_metadata(entity_ids, chosen))

    def get_numpy(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
        dtype: str = "float64",
    ) -> Matrix:
        """
        A matrix of shape (entities, columns) and the columns' names, as `.npy` with no JSON on the way there
        or back (extra `numpy`). Ids in a NumPy array of bytes (`|S…`) are sent as they are.

        An embedding has a column for each dimension; booleans are 0 and 1, timestamps seconds since 1970,
        missing is NaN. `dtype`: "float64" or "float32". Raises InvalidRequest (406) for strings, json and
        embeddings without a dimension.
        """
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        return self._run(_reading.get_numpy(entity_ids, chosen, dtype))

    def get_pandas(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> pandas.DataFrame:
        """
        A DataFrame with a row for each id, which is the index (`entity_id`), and a column for each feature
        (extra `pandas`); over Arrow, with no JSON in between.

        int: Int64; float: float64, missing = NaN; boolean: boolean; string: string; timestamp:
        datetime64[us, UTC]; embedding: objects, a float32 array each; json: objects.
        """
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        _frames.require_pandas()
        return _frames.to_pandas(self._run(_reading.get_table(entity_ids, chosen, "pandas")))

    def get_arrow(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> pyarrow.Table:
        """
        A pyarrow Table with a row for each id: `entity_id` and a column for each feature (extra
        `pyarrow`); as the server sends it, with no JSON in between.

        int64, double, bool, string, timestamp[us, UTC], list of float (of fixed size where the dimension
        is), json as text; missing is null.
        """
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        return _frames.to_arrow(self._run(_reading.get_table(entity_ids, chosen, "pyarrow")))

    def get_user(self, user_id: EntityId, *, entity: Optional[str] = None) -> Dict[str, Any]:
        """All that a user has, {} if nothing. `entity`: absent, "user"."""
        return next(iter(self.get_users([user_id], entity=entity).values()))

    def get_users(
        self, user_ids: Iterable[EntityId], *, entity: Optional[str] = None
    ) -> Dict[str, Dict[str, Any]]:
        """All that each of these users has, by id; {} for those of whom there is nothing. More than 100 are
        asked for in several requests."""
        return self._run(_reading.get_users(user_ids, entity))

    def erase(self, entity_id: EntityId, features: Names = None, *, entity: Optional[str] = None) -> int:
        """Erases all values of an entity, or those of some features, for good: what is older than now does
        not return. The number of values that were there. Never sent twice."""
        return self._run(_operations.erase(entity_id, features, entity, self._strict))

    def export(self, entity: str, *, page_size: int = 1000) -> Iterator[Item]:
        """
        Everything of an entity that is alive: rows as `ingest_many` takes them, each value with its event
        time.

        Read page by page while it is iterated over. Ids that are there all the time come at least once.
        """
        cursor: Optional[str] = None
        while True:
            page: Tuple[List[Item], Optional[str]]
            page = self._run(_operations.export_page(entity, cursor, page_size))
            yield from page[0]
            cursor = page[1]
            if cursor is None:
                return

    def health(self) -> Item:
        """What the server says of itself while its process lives."""
        return self._run(_operations.health())

    def ready(self) -> bool:
        """Does it serve? False while it recovers, or lacks its stores. Not answering at all is
        ConnectionFailed."""
        return self._run(_operations.ready())
