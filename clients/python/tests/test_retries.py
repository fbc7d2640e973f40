"""Sent again only where that is harmless. The server is a function."""

import asyncio
from datetime import datetime, timezone

import httpx
import pytest

import featured
from featured import AsyncFeatureStore, FeatureStore, _wire

WHEN = datetime(2026, 1, 2, tzinfo=timezone.utc)
INGESTED = {"message": "", "entity_id": "u", "features": [], "values_late": 0}
BULK = {"rows_accepted": 1, "rows_rejected": 0, "values_written": 1, "values_late": 0, "errors": []}


def problem(status, detail="not now", retry_after="0", **more):
    body = {"title": "Problem", "status": status, "detail": detail, **more}
    return httpx.Response(status, json=body, headers={"Retry-After": retry_after, "X-Request-Id": "r1"})


class Script:
    """Answers in turn; an exception is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.seen = []

    def __call__(self, request):
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Waits take no time here; how long they would have been."""
    slept = []
    monkeypatch.setattr("featured._store.time.sleep", slept.append)
    return slept


def store_of(script, **options):
    return FeatureStore("http://test", http_options={"transport": httpx.MockTransport(script)}, **options)


OK = httpx.Response(200, json=INGESTED)
READ = httpx.Response(200, json=[{"entity_id": "u", "features": {"a": 1}}])
CUT = httpx.ReadError("cut")
REFUSED = httpx.ConnectError("refused")


def untimed(store):
    return store.ingest("u", {"a": 1}).rows_accepted


def timed(store):
    return store.ingest("u", {"a": 1}, event_timestamp=WHEN).rows_accepted


def each_timed(store):
    return store.ingest("u", {"a": featured.FeatureValue(1, WHEN)}).rows_accepted


def read(store):
    return store.get("u", "a")["a"]


@pytest.mark.parametrize(
    ("call", "failure", "good", "again"),
    [
        (read, CUT, READ, True),
        (read, httpx.ReadTimeout("slow"), READ, True),
        (read, problem(503), READ, True),
        (read, problem(502), READ, True),
        (read, problem(500), READ, False),
        (read, problem(422, [{"loc": ["body"], "msg": "no"}]), READ, False),
        (timed, CUT, OK, True),
        (timed, problem(503), OK, True),
        (each_timed, CUT, OK, True),
        (untimed, CUT, OK, False),
        (untimed, problem(503), OK, False),
        (untimed, httpx.ReadTimeout("slow"), OK, False),
        (untimed, REFUSED, OK, True),
        (untimed, httpx.ConnectTimeout("slow"), OK, True),
        (untimed, problem(429), OK, True),
    ],
)
def test_once_or_again(call, failure, good, again):
    script = Script(failure, good)
    with store_of(script) as store:
        if again:
            assert call(store) == 1
            assert len(script.seen) == 2
            assert script.seen[0].content == script.seen[1].content
        else:
            with pytest.raises(featured.FeaturedError):
                call(store)
            assert len(script.seen) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.register(featured.Feature("a", "int", "user")),
        lambda store: store.create_service(featured.FeatureService("s", ["a"])),
        lambda store: store.delete_service("s"),
        lambda store: store.erase("u"),
        lambda store: store.ingest_many([{"entity_id": "u", "a": 1}]),
    ],
)
def test_never_again(call):
    script = Script(CUT)
    with store_of(script) as store, pytest.raises(featured.ConnectionFailed, match="cut"):
        call(store)


def test_a_part_that_was_begun_is_not_refused():
    begun = problem(429, "busy", **{**BULK, "rows_accepted": 1})
    script = Script(begun)
    with store_of(script) as store, pytest.raises(featured.Unavailable) as caught:
        store.ingest_many([{"entity_id": "u", "a": 1}, {"entity_id": "u", "a": 2}])
    assert caught.value.ingested.rows_accepted == 1
    script = Script(begun, httpx.Response(200, json=BULK))
    with store_of(script) as store:
        store.ingest_many([{"entity_id": "u", "a": 1, "event_timestamp": WHEN}])


def test_what_was_acknowledged_before_a_failure():
    script = Script(httpx.Response(200, json=BULK), httpx.Response(200, json=BULK), CUT)
    rows = ({"entity_id": "u", "a": i} for i in range(10))
    with store_of(script) as store, pytest.raises(featured.ConnectionFailed) as caught:
        store.ingest_many(rows, part_rows=1)
    assert caught.value.ingested.rows_accepted == 2


def test_gives_up(waits):
    script = Script(*[problem(503, retry_after="1")] * 4)
    with (
        store_of(script, retries=3) as store,
        pytest.raises(featured.Unavailable, match="503 Problem: not now") as caught,
    ):
        store.get("u", "a")
    assert caught.value.request_id == "r1"
    assert caught.value.retry_after_seconds == 1
    assert len(script.seen) == 4
    assert len(waits) == 3
    assert all(1 <= wait <= _wire.Attempts.LONGEST_WAIT_SECONDS for wait in waits)


def test_a_wait_is_bounded(waits):
    script = Script(problem(503, retry_after="3600"), READ)
    with store_of(script) as store:
        store.get("u", "a")
    assert waits == [_wire.Attempts.LONGEST_WAIT_SECONDS]


def test_no_retries():
    script = Script(REFUSED)
    with (
        store_of(script, retries=0) as store,
        pytest.raises(featured.ConnectionFailed, match="http://test: refused"),
    ):
        store.get("u", "a")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(200, text="<html>"), featured.FeaturedError, "is this a featured server"),
        (httpx.Response(404, text="<html>"), featured.NotFound, "404 Not Found: <html>"),
        (httpx.Response(418, json=["x"]), featured.InvalidRequest, "x"),
        (problem(409, "taken"), featured.Conflict, "409 Problem: taken"),
        (problem(500, "broken"), featured.ServerError, "broken"),
        (
            problem(422, [{"loc": ["body", 0], "msg": "bad"}, "odd"]),
            featured.InvalidRequest,
            r"body\.0: bad; odd",
        ),
        (problem(302, "moved"), featured.AnswerError, "moved"),
    ],
)
def test_answers_of_strangers(answer, kind, words):
    with store_of(Script(answer)) as store, pytest.raises(kind, match=words):
        store.get("u", "a")


def test_async_tries_again_too():
    async def ask():
        script = Script(CUT, problem(503), READ, CUT)
        options = {"transport": httpx.MockTransport(script)}
        async with AsyncFeatureStore("http://test", http_options=options) as store:
            assert await store.get("u", "a") == {"a": 1}
            with pytest.raises(featured.ConnectionFailed):
                await store.ingest("u", {"a": 1})
        assert script.answers == []

    asyncio.run(ask())


def test_a_cut_page_of_an_export_is_asked_for_again():
    row = '{"entity_id":"u","features":[]}\n'
    script = Script(
        httpx.Response(200, text=row),
        httpx.Response(200, text=row + '{"next_cursor":"c1"}\n'),
        httpx.Response(200, text=row + '{"next_cursor":nu'),
        httpx.Response(200, text='{"next_cursor":null}\n'),
    )
    with store_of(script) as store:
        assert [item["entity_id"] for item in store.export("user")] == ["u"]
    assert [request.url.params.get("cursor") for request in script.seen] == [None, None, "c1", "c1"]


def test_not_ready_is_no_error():
    with store_of(Script(problem(503)), retries=0) as store:
        assert store.ready() is False


def test_the_address(monkeypatch):
    monkeypatch.delenv("FEATURED_SERVER", raising=False)
    assert FeatureStore().url == "http://127.0.0.1:8000"
    monkeypatch.setenv("FEATURED_SERVER", "models:9000/")
    assert FeatureStore().url == "http://models:9000"
    assert FeatureStore("https://other").url == "https://other"
