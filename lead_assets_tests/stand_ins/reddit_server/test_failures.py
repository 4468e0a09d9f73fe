"""Failures on demand, as the real asyncpraw sees them."""

import threading
import time
from typing import Any

import aiohttp
import asyncprawcore
import pytest

from lead_assets_tests.stand_ins.reddit_server import Corpus, Fault, RedditServer, asking
from lead_assets_tests.stand_ins.reddit_server.asking import (
    BAD_REQUEST,
    IGNORED_WARNINGS,
    Serve,
    ask,
    get,
    listed,
    post,
    raw,
    searched,
)

pytestmark = IGNORED_WARNINGS
serve = asking.serve


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (Fault.TOO_MANY, asyncprawcore.TooManyRequests, 1),
        (Fault.TOO_MANY_WITH_RETRY_AFTER, asyncprawcore.TooManyRequests, 1),
        (Fault.SERVER_ERROR, asyncprawcore.ServerError, 3),
        (Fault.UNAVAILABLE, asyncprawcore.ServerError, 3),
        (Fault.BAD_REQUEST, BAD_REQUEST, 1),
        (Fault.FORBIDDEN_AGENT, asyncprawcore.Forbidden, 1),
        (Fault.EXPIRED_TOKEN, asyncprawcore.InvalidToken, 3),
    ],
)
def test_statuses_reach_the_client(serve: Serve, fault: Fault, error: Any, requests: int) -> None:
    server = serve(Corpus(posts=[post(1)]))
    server.fail(fault, times=None, retry_after=7)
    with pytest.raises(error) as caught:
        searched(server, "crm")
    assert server.requests["search"] == requests
    if isinstance(caught.value, asyncprawcore.TooManyRequests):
        assert caught.value.retry_after == ("7" if fault is Fault.TOO_MANY_WITH_RETRY_AFTER else None)


@pytest.mark.parametrize(
    ("fault", "cause", "requests"),
    [
        (Fault.TIMEOUT, TimeoutError, 1),
        (Fault.TRUNCATED, aiohttp.ClientPayloadError, 1),
        (Fault.HTML, aiohttp.ContentTypeError, 1),
        (Fault.RESET, OSError, 1),
    ],
)
def test_broken_answers_reach_the_client(serve: Serve, fault: Fault, cause: type[Exception], requests: int) -> None:
    server = serve(Corpus(posts=[post(1)]))
    server.fail(fault, times=None)
    with pytest.raises(asyncprawcore.RequestException) as caught:
        # asyncpraw does not pass its own timeout on
        ask(server, lambda reddit: reddit._core.request(method="GET", path="r/a+b/new", timeout=0.2))
    assert isinstance(caught.value.original_exception, cause), repr(caught.value.original_exception)
    assert server.requests["new"] == requests


def test_the_client_gets_over_two_failures(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(1)]))
    server.fail(Fault.SERVER_ERROR, times=2, endpoint="search", after=1)
    assert searched(server, "crm") == ["t3_p0001"]
    assert server.requests["search"] == 1
    assert listed(server, "new") == ["t3_p0001"]
    assert searched(server, "crm") == ["t3_p0001"]
    assert server.requests["search"] == 4


def test_failures_come_in_the_order_told(serve: Serve) -> None:
    server = serve()
    server.fail(Fault.BAD_REQUEST)
    server.fail(Fault.FORBIDDEN_AGENT, endpoint="info")
    server.fail(Fault.SERVER_ERROR, endpoint="token")
    path = "/api/info?id=t3_a"
    assert [raw(server, path)[0] for _ in range(3)] == [500, 400, 403]
    assert raw(server, path)[0] == 200


def test_an_expired_token_is_renewed_in_the_middle_of_a_crawl(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(number) for number in range(250)]))
    server.fail(Fault.EXPIRED_TOKEN, after=1)
    assert len(set(searched(server, "crm"))) == 250
    assert server.requests == {"token": 2, "search": 4}


def test_tokens_last_as_long_as_they_say(serve: Serve) -> None:
    server = serve(token_seconds=0)
    with pytest.raises(asyncprawcore.InvalidToken):
        get(server, "/r/all/new")


def test_wrong_credentials(serve: Serve) -> None:
    server = serve()
    with pytest.raises(asyncprawcore.ResponseException) as caught:
        ask(server, lambda reddit: reddit.request(method="GET", path="r/all/new"), secret="wrong")
    assert caught.value.response.status == 401
    assert server.requests == {"token": 1}
    assert raw(server, "/r/all/new", token="made up")[::2] == (401, {"message": "Unauthorized", "error": 401})


def test_stopping_does_not_wait_for_a_silent_request() -> None:
    with RedditServer(Corpus()) as server:
        server.fail(Fault.TIMEOUT, times=None)
        failed: list[BaseException] = []

        def wait() -> None:
            try:
                get(server, "/r/all/new")
            except asyncprawcore.RequestException as error:
                failed.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        while not server.requests["new"]:
            time.sleep(0.005)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    thread.join(timeout=5)
    assert len(failed) == 1


def test_an_error_of_the_server_itself_is_raised_when_it_stops() -> None:
    server = RedditServer(Corpus(posts=[post(1), post(2)])).start()
    server.corpus.posts["t3_p0001"]["created_utc"] = "yesterday"
    with pytest.raises(asyncprawcore.RequestException):
        get(server, "/r/a+b/new")
    with pytest.raises(RuntimeError, match="could not answer") as caught:
        server.stop()
    assert isinstance(caught.value.__cause__, TypeError)
