"""The client for event loops (asyncio, trio): the methods of `FeatureStore`, awaited."""

from __future__ import annotations

import inspect
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
)

import anyio.to_thread
import httpx

from . import _frames, _operations, _reading, _writing
from ._operations import Change, Definitions, Item, Names
from ._reading import Matrix
from ._rows import Ingested
from ._store import PART_ROWS, FeatureStore, http_request, http_settings, layout_of, server_url
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


class AsyncFeatureStore:
    """
    A featured server, asked from an event loop (asyncio or trio): `FeatureStore` with the same methods and
    arguments, to be awaited; `export` is an asynchronous iterator. One store belongs to one event loop, and
    serves any number of tasks there.

    Rows to ingest are read and encoded in a worker thread, and so is a `progress` function called; the loop
    goes on meanwhile.
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
        self._http = httpx.AsyncClient(**http_settings(self.url, timeout, connections, http_options))

    async def __aenter__(self) -> AsyncFeatureStore:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def _exchange(self, asked: Request) -> Answer:
        attempts = Attempts(self._retries)
        while True:
            failure: FeaturedError
            try:
                return answer_of(await self._http.request(**http_request(asked)))
            except httpx.TransportError as error:
                failure, was_sent = failure_of(error, self.url)
            except AnswerError as error:
                failure, was_sent = error, True
            wait = attempts.wait_after(asked, failure, was_sent)
            if wait is None:
                raise failure from None
            await anyio.sleep(wait)

    async def _run(self, operation: Operation[T], in_thread: bool = False) -> T:
        """`in_thread`: what the operation does between requests takes long."""
        came: Union[Answer, FeaturedError, None] = None
        while True:
            if in_thread:
                step = await anyio.to_thread.run_sync(advance, operation, came)
            else:
                step = advance(operation, came)
            if isinstance(step, Done):
                return step.result
            try:
                came = await self._exchange(step)
            except FeaturedError as error:
                came = error

    async def register(self, feature: Feature) -> int:
        return await self._run(_operations.register(feature, self._strict))

    async def apply(
        self, definitions: Definitions, *, activate: bool = False, dry_run: bool = False
    ) -> List[Change]:
        return await self._run(_operations.apply(definitions, activate, dry_run, self._strict))

    async def features(
        self,
        *,
        entity: Optional[str] = None,
        feature_group: Optional[str] = None,
        tag: Optional[str] = None,
        q: Optional[str] = None,
    ) -> List[Item]:
        filters = {"entity": entity, "feature_group": feature_group, "tag": tag, "q": q}
        return await self._run(_operations.features(filters))

    async def feature(self, name: str) -> Item:
        return await self._run(_operations.feature(name))

    async def activate(self, name: str, version: int) -> None:
        await self._run(_operations.activate(name, version))

    async def delete_feature(self, name: str, *, force: bool = False) -> None:
        await self._run(_operations.delete_feature(name, force))

    async def create_service(self, service: FeatureService) -> Item:
        return await self._run(_operations.create_service(service, self._strict))

    async def services(self) -> List[Item]:
        return await self._run(_operations.services())

    async def service(self, name: str) -> Item:
        return await self._run(_operations.service(name))

    async def delete_service(self, name: str) -> None:
        await self._run(_operations.delete_service(name))

    async def ingest(
        self,
        entity_id: EntityId,
        features: Mapping[str, Union[Value, FeatureValue]],
        *,
        event_timestamp: EventTime = None,
        entity: Optional[str] = None,
    ) -> Ingested:
        return await self._run(_writing.ingest(entity_id, features, event_timestamp, entity, self._strict))

    async def ingest_many(
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
        layout = layout_of(id_column, timestamp_column, features)
        return await self._run(
            _writing.ingest_many(rows, layout, entity, on_error, self._strict, part_rows, progress),
            in_thread=True,
        )

    async def get(
        self,
        entity_id: EntityId,
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> Dict[str, Any]:
        return await self._run(_reading.get(entity_id, features, feature_service, entity, self._strict))

    async def get_with_metadata(
        self,
        entity_id: EntityId,
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> Dict[str, FeatureValue]:
        return await self._run(
            _reading.get_with_metadata(entity_id, features, feature_service, entity, self._strict)
        )

    async def get_many(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> List[Dict[str, Any]]:
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        return await self._run(_reading.get_many(entity_ids, chosen))

    async def get_many_with_metadata(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> List[Dict[str, FeatureValue]]:
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        return await self._run(_reading.get_many_with_metadata(entity_ids, chosen))

    async def get_numpy(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
        dtype: str = "float64",
    ) -> Matrix:
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        return await self._run(_reading.get_numpy(entity_ids, chosen, dtype))

    async def get_pandas(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> pandas.DataFrame:
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        await anyio.to_thread.run_sync(_frames.require_pandas)
        table = await self._run(_reading.get_table(entity_ids, chosen, "pandas"), in_thread=True)
        return await anyio.to_thread.run_sync(_frames.to_pandas, table)

    async def get_arrow(
        self,
        entity_ids: Iterable[EntityId],
        features: Names = None,
        *,
        feature_service: Optional[str] = None,
        entity: Optional[str] = None,
    ) -> pyarrow.Table:
        chosen = _reading.selection(features, feature_service, entity, self._strict)
        table = await self._run(_reading.get_table(entity_ids, chosen, "pyarrow"), in_thread=True)
        return _frames.to_arrow(table)

    async def get_user(self, user_id: EntityId, *, entity: Optional[str] = None) -> Dict[str, Any]:
        return next(iter((await self.get_users([user_id], entity=entity)).values()))

    async def get_users(
        self, user_ids: Iterable[EntityId], *, entity: Optional[str] = None
    ) -> Dict[str, Dict[str, Any]]:
        return await self._run(_reading.get_users(user_ids, entity))

    async def erase(
        self, entity_id: EntityId, features: Names = None, *, entity: Optional[str] = None
    ) -> int:
        return await self._run(_operations.erase(entity_id, features, entity, self._strict))

    async def export(self, entity: str, *, page_size: int = 1000) -> AsyncIterator[Item]:
        cursor: Optional[str] = None
        while True:
            page: Tuple[List[Item], Optional[str]]
            page = await self._run(_operations.export_page(entity, cursor, page_size))
            for row in page[0]:
                yield row
            cursor = page[1]
            if cursor is None:
                return

    async def health(self) -> Item:
        return await self._run(_operations.health())

    async def ready(self) -> bool:
        return await self._run(_operations.ready())


def _take_over_docstrings() -> None:
    """What a method does is said once, in `FeatureStore`."""
    for name, method in inspect.getmembers(AsyncFeatureStore, inspect.isfunction):
        if not name.startswith("_"):
            method.__doc__ = getattr(FeatureStore, name).__doc__


_take_over_docstrings()
