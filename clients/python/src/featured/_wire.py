"""What the synchronous and the asynchronous client share: requests and answers as plain data, and the
rules of when a request may be sent again.

An operation is a generator that yields requests and is sent their answers, or has the error thrown into
it; each client drives it with its own kind of I/O (`FeatureStore`, `AsyncFeatureStore`)."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any, Dict, Generator, Generic, Iterable, List, Mapping, Optional, Tuple, TypeVar, Union

import httpx

from ._values import to_json
from .errors import AnswerError, ConnectionFailed, FeaturedError, Timeout, Unavailable, error_of

T = TypeVar("T")

JSON = "application/json"
NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"
LINES = "text/plain"
NDJSON = "application/x-ndjson"


@dataclasses.dataclass
class Request:
    """One request. `repeatable`: sending it twice does the same as once."""

    method: str
    path: str
    params: List[Tuple[str, str]] = dataclasses.field(default_factory=list)
    content: Optional[bytes] = None
    headers: Dict[str, str] = dataclasses.field(default_factory=dict)
    repeatable: bool = True


@dataclasses.dataclass
class Answer:
    """A successful one."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.content)
        except ValueError:
            raise FeaturedError(
                f"the answer is no JSON: {self.content[:200]!r}; is this a featured server?"
            ) from None


Operation = Generator[Request, Answer, T]


def request(
    method: str,
    path: str,
    params: Iterable[Tuple[str, Union[str, bool, None]]] = (),
    body: Any = None,
    accept: Optional[str] = None,
    repeatable: bool = True,
) -> Request:
    """A request with a JSON body; parameters that are None or False are left out."""
    made = Request(method, path, repeatable=repeatable)
    for name, value in params:
        if value is not None and value is not False:
            made.params.append((name, "true" if value is True else value))
    if body is not None:
        made.content = to_json(body)
        made.headers["Content-Type"] = JSON
    if accept is not None:
        made.headers["Accept"] = accept
    return made


def answer_of(response: httpx.Response) -> Answer:
    """The answer, or the exception that it means."""
    if response.status_code == 200:
        return Answer(response.status_code, response.headers, response.content)
    try:
        body = json.loads(response.content)
    except ValueError:
        body = {"detail": response.content[:500].decode("utf-8", "replace")}
    if not isinstance(body, dict):
        body = {"detail": body}
    body.setdefault("title", response.reason_phrase)
    raise error_of(response.status_code, body, response.headers)


def failure_of(error: httpx.TransportError, url: str) -> Tuple[ConnectionFailed, bool]:
    """The exception for a request without an answer, and whether the server may have seen the request."""
    was_sent = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    words = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return Timeout(f"{url} did not answer in time: {words}"), was_sent
    return ConnectionFailed(f"{url}: {words}"), was_sent


class Attempts:
    """How often a request is sent, and how long to wait in between: exponential with full jitter, and not
    sooner than the server asks for."""

    FIRST_WAIT_SECONDS = 0.05
    LONGEST_WAIT_SECONDS = 2.0

    def __init__(self, retries: int) -> None:
        self.left = retries
        self.tried = 0

    def wait_after(self, asked: Request, failure: FeaturedError, was_sent: bool) -> Optional[float]:
        """Seconds to wait before the next attempt; None: give up. A request that may have had an effect
        is sent again only if that is harmless."""
        if self.left <= 0:
            return None
        if isinstance(failure, AnswerError) and not isinstance(failure, Unavailable):
            return None
        if was_sent and not asked.repeatable and not _was_refused(failure):
            return None
        self.left -= 1
        most = min(self.LONGEST_WAIT_SECONDS, self.FIRST_WAIT_SECONDS * 2**self.tried)
        self.tried += 1
        wait = random.uniform(0, most)
        if isinstance(failure, Unavailable):
            wait = max(wait, min(failure.retry_after_seconds, self.LONGEST_WAIT_SECONDS))
        return wait


def _was_refused(failure: FeaturedError) -> bool:
    """429: the server did nothing of it, except where it says that it did (bulk)."""
    return (
        isinstance(failure, Unavailable) and failure.status == 429 and not failure.body.get("rows_accepted")
    )


@dataclasses.dataclass
class Done(Generic[T]):
    result: T


def advance(operation: Operation[T], came: Union[Answer, FeaturedError, None]) -> Union[Request, Done[T]]:
    """Lets the operation go on with what came; its next request, or its end."""
    try:
        if came is None:
            return next(operation)
        if isinstance(came, Answer):
            return operation.send(came)
        return operation.throw(came)
    except StopIteration as end:
        return Done(end.value)
