"""What can go wrong, with the server's own words.

Every exception of this package is a `FeaturedError`. Those that come from an answer carry it whole:
`status`, `detail` (text, or the list of a 422), `request_id` for the server's log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Type

if TYPE_CHECKING:
    from ._rows import Ingested


class FeaturedError(Exception):
    """The common base. `ingested`: of `ingest_many`, what the server had acknowledged before."""

    ingested: Optional[Ingested] = None


class ConnectionFailed(FeaturedError):
    """The server could not be reached, or the connection broke. What a write did is not known."""


class Timeout(ConnectionFailed):
    """The server did not answer in time. What a write did is not known."""


class StartError(FeaturedError):
    """`featured.start()`: no binary, or it ended before it was ready."""


class MissingExtra(FeaturedError, ImportError):
    """An optional package is needed: the message names the `pip install` that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is needed for this: pip install 'featured[{extra}]'")


class AnswerError(FeaturedError):
    """The server answered with an error (RFC 9457 problem)."""

    def __init__(self, status: int, body: Mapping[str, Any], request_id: Optional[str]) -> None:
        self.status = status
        self.title = str(body.get("title", ""))
        self.detail: Any = body.get("detail", "")
        self.body: Dict[str, Any] = dict(body)
        self.request_id = request_id
        super().__init__(f"{status} {self.title}: {_words(self.detail)}")


def _words(detail: Any) -> str:
    """A 422 as lines `body.features.0.value: message`."""
    if not isinstance(detail, list):
        return str(detail)
    lines = []
    for item in detail:
        if not isinstance(item, dict):
            lines.append(str(item))
            continue
        place = ".".join(str(part) for part in item.get("loc", ()))
        lines.append(f"{place}: {item.get('msg', item)}")
    return "; ".join(lines)


class InvalidRequest(AnswerError):
    """400, 413, 415, 422 …: the request itself is wrong; sending it again does not help."""


class IngestStopped(InvalidRequest):
    """`ingest_many` met a bad row (`on_error="stop"`). `row`: its position in what was given, counted from
    0; the rows before it are stored, those after it are not. `ingested` counts them."""

    row: int = 0


class NotFound(AnswerError):
    """404: a feature, a feature service or a user that is not there."""


class Conflict(AnswerError):
    """409: the name is taken, or a feature service still uses it."""


class Unavailable(AnswerError):
    """429, 503 (502 and 504 of a proxy): not now. `retry_after_seconds` says when."""

    retry_after_seconds: float = 1.0


class ServerError(AnswerError):
    """5xx: a fault of the server."""


def error_of(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> AnswerError:
    """The exception for an answer that is not a success."""
    kind: Type[AnswerError]
    if status in (429, 502, 503, 504):
        kind = Unavailable
    elif status >= 500:
        kind = ServerError
    else:
        kind = {404: NotFound, 409: Conflict}.get(status, InvalidRequest)
    error = kind(status, body, headers.get("x-request-id"))
    if isinstance(error, Unavailable):
        try:
            error.retry_after_seconds = float(headers.get("retry-after", "1"))
        except ValueError:
            pass
    return error
