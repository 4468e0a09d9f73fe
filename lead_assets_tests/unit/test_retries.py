"""Repeating failed requests: how long, how often, with which waits, and what a server's word on waiting means."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random

import pytest

from lead_assets.retries import LONGEST_ASKED_SECONDS, RetryPolicy, TryAgain, retry_after_seconds, seconds_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def policy(seconds: float = 100.0, **other: float | bool) -> RetryPolicy:
    return RetryPolicy(seconds, first_wait=1.0, longest_wait=8.0, random=Random(1), **other)  # type: ignore[arg-type]


def failing(times: int | None, **failure: float | int) -> Callable[[int], int]:
    """An attempt that fails so often (None: always), and then gives the number of its try."""

    def attempt(number: int) -> int:
        if times is None or number <= times:
            raise TryAgain(f"failure {number}", **failure)  # type: ignore[arg-type]
        return number

    return attempt


def test_an_attempt_that_succeeds_is_made_once_and_waits_for_nothing() -> None:
    waits: list[float] = []
    assert policy().run(failing(0), sleep=waits.append) == 1
    assert waits == []


def test_waits_double_up_to_the_longest_and_half_of_each_is_chance() -> None:
    waits: list[float] = []
    assert policy().run(failing(6), sleep=waits.append) == 7
    assert [longest / 2 <= wait <= longest for longest, wait in zip((1, 2, 4, 8, 8, 8), waits, strict=True)] == [
        True
    ] * 6
    assert len(set(waits)) == 6


def test_no_wait_is_begun_that_would_end_after_the_deadline() -> None:
    waits: list[float] = []
    with pytest.raises(TryAgain, match="failure 6"):
        policy(seconds=10).run(failing(None, asked_seconds=2), sleep=waits.append)
    assert waits == [2.0] * 5


def test_without_time_a_request_is_made_once() -> None:
    with pytest.raises(TryAgain, match="failure 1"):
        policy(seconds=0).run(failing(None), sleep=lambda _: pytest.fail("nothing is waited for"))


def test_a_failure_may_limit_the_number_of_tries() -> None:
    with pytest.raises(TryAgain, match="failure 3"):
        policy().run(failing(None, most_tries=3), sleep=lambda _: None)


def test_an_asked_wait_is_kept_and_only_ever_made_longer() -> None:
    assert policy().wait_seconds(1, 7.0) == 7.0
    spreading = policy(spread=0.25)
    waits = {spreading.wait_seconds(1, 2.0) for _ in range(50)}
    assert 2.0 <= min(waits) < max(waits) <= 2.5
    assert max(spreading.wait_seconds(1, 100.0) for _ in range(50)) <= 101.0


def test_a_server_that_asks_for_no_wait_again_and_again_is_asked_ever_less_often_where_waits_always_grow() -> None:
    assert policy().wait_seconds(5, 0.0) == 0.0
    assert policy(always_grows=True).wait_seconds(5, 0.0) >= 4.0


def test_the_thousandth_wait_is_still_a_number() -> None:
    assert policy().wait_seconds(5_000, None) <= 8.0


def test_whoever_repeats_is_told_the_failure_and_the_wait_and_may_forbid_it() -> None:
    told: list[tuple[str, float]] = []
    policy().run(
        failing(2, asked_seconds=3),
        before_wait=lambda failure, seconds: told.append((str(failure), seconds)),
        sleep=lambda _: None,
    )
    assert told == [("failure 1", 3.0), ("failure 2", 3.0)]

    def forbid(_: TryAgain, __: float) -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        policy().run(failing(None), before_wait=forbid, sleep=lambda _: pytest.fail("it was forbidden"))


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_wait_ends_all(interruption: type[BaseException]) -> None:
    def sleep(_: float) -> None:
        raise interruption

    with pytest.raises(interruption):
        policy().run(failing(None), sleep=sleep)


def test_what_is_no_passing_failure_is_raised_at_once() -> None:
    def attempt(number: int) -> int:
        assert number == 1
        raise ValueError("for good")

    with pytest.raises(ValueError, match="for good"):
        policy().run(attempt, sleep=lambda _: None)


def test_awaited_requests_are_repeated_in_the_same_way() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    def awaited(attempt: Callable[[int], int]) -> Callable[[int], Awaitable[int]]:
        async def given(number: int) -> int:
            return attempt(number)

        return given

    assert asyncio.run(policy().run_async(awaited(failing(2, asked_seconds=3)), sleep=sleep)) == 3
    assert waits == [3.0, 3.0]
    with pytest.raises(TryAgain, match="failure 4"):
        asyncio.run(policy(seconds=10).run_async(awaited(failing(None, asked_seconds=3)), sleep=sleep))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 -0000"}, 30.0),
        ({"retry-after": "Wed, 31 Dec 2025 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_ASKED_SECONDS),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"retry-after": "100000"}, LONGEST_ASKED_SECONDS),
        ({"retry-after-ms": "1e300"}, LONGEST_ASKED_SECONDS),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 5_000}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms_and_clipped(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (f"{NOW.timestamp() + 50:.0f}", 50.0),
        (f"{(NOW.timestamp() + 50) * 1_000:.0f}", 50.0),
        (f"{NOW.timestamp() - 50:.0f}", 0.0),
        ("50", 50.0),
        ("1e200", LONGEST_ASKED_SECONDS),
        (None, None),
    ],
)
def test_a_reset_may_be_a_moment_in_seconds_or_milliseconds(value: str | None, seconds: float | None) -> None:
    assert seconds_until(value, NOW) == seconds
