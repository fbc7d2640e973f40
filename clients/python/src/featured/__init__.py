"""The client of featured, the feature store: define, ingest and read machine-learning features.

>>> import featured
>>> with featured.start() as server, server.store() as store:
...     _ = store.register(featured.Feature("user_age", "int", entity="user"))
...     _ = store.ingest("user_1", {"user_age": 25})
...     store.get("user_1", ["user_age"])
{'user_age': 25}
"""

from ._async_store import AsyncFeatureStore
from ._operations import Change
from ._reading import Matrix
from ._rows import Ingested, RowError
from ._store import FeatureStore
from ._values import FeatureValue
from .definitions import Feature, FeatureService, load_yaml
from .errors import (
    AnswerError,
    Conflict,
    ConnectionFailed,
    FeaturedError,
    IngestStopped,
    InvalidRequest,
    MissingExtra,
    NotFound,
    ServerError,
    StartError,
    Timeout,
    Unavailable,
)
from .local import LocalServer, start

__version__ = "0.1.0"

__all__ = [
    "AnswerError",
    "AsyncFeatureStore",
    "Change",
    "Conflict",
    "ConnectionFailed",
    "Feature",
    "FeatureService",
    "FeatureStore",
    "FeatureValue",
    "FeaturedError",
    "IngestStopped",
    "Ingested",
    "InvalidRequest",
    "LocalServer",
    "Matrix",
    "MissingExtra",
    "NotFound",
    "RowError",
    "ServerError",
    "StartError",
    "Timeout",
    "Unavailable",
    "load_yaml",
    "start",
]
