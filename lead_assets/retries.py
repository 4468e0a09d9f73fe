"""One retry policy for every server that is asked over HTTP, and the one reader of ``Retry-After``.

What belongs here: how long and how often a failed request is repeated, and the waits between. What does not: which
failures may pass, which each client knows of its own server and says by raising ``TryAgain``.
"""

import itertools
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any, TypeVar

import tenacity

LONGEST_ASKED_SECONDS = 86_400.0
"""A server that asks for more than a day is taken to ask for a day: no run waits as long, and sums stay finite."""
_EPOCH_MILLISECONDS, _EPOCH_SECONDS = 1e11, 1e8
"""Numbers above these are moments; below them they are seconds from now."""

Answer = TypeVar("Answer")


class TryAgain(Exception):
    """A request failed in a way that may pass."""

    def __init__(self, why: str, *, asked_seconds: float | None = None, most_tries: int | None = None) -> None:
        """``asked_seconds``: what the server asks to wait. ``most_tries``: so many tries that end so are enough."""
        super().__init__(why)
        self.asked_seconds, self.most_tries = asked_seconds, most_tries


@dataclass(frozen=True)
class RetryPolicy:
    """How long a request is repeated, and the waits in seconds.

    A wait that would end after ``seconds`` is not begun. Without the server's word a wait doubles from ``first_wait``
    up to ``longest_wait``, half of it by chance, so that clients that failed together do not return together. A wait
    that the server asks for is kept, longer by up to ``spread`` of itself (at most a second), and where
    ``always_grows`` not shorter than the wait without its word.
    """

    seconds: float
    first_wait: float
    longest_wait: float
    spread: float = 0.0
    always_grows: bool = False
    random: Random = field(default_factory=Random)

    def wait_seconds(self, tries: int, asked: float | None) -> float:
        """Seconds to wait after so many failed tries, where the server ``asked`` for so many or for none."""
        # The exponent is bounded: a float overflows at 2**1024.
        own = min(self.longest_wait, self.first_wait * 2.0 ** min(tries - 1, 60)) * self.random.uniform(0.5, 1.0)
        if asked is None:
            return own
        kept = asked + self.random.uniform(0.0, min(1.0, self.spread * asked))
        return max(own, kept) if self.always_grows else kept

    def run(
        self,
        attempt: Callable[[int], Answer],
        *,
        before_wait: Callable[[TryAgain, float], object] = lambda *_: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Answer:
        """The answer of ``attempt``, which gets the number of the try, from 1.

        ``before_wait`` gets the failure and the seconds of the wait that follows. Both it and ``sleep`` may end all by
        raising. The seconds that ``sleep`` was called with count even where it returned sooner.

        Raises:
            TryAgain: the last failure, when trying ends; anything else that is raised ends it at once.
        """
        numbers = itertools.count(1)
        return tenacity.Retrying(sleep=sleep, **self._options(before_wait))(lambda: attempt(next(numbers)))

    async def run_async(
        self,
        attempt: Callable[[int], Awaitable[Answer]],
        *,
        before_wait: Callable[[TryAgain, float], object] = lambda *_: None,
        sleep: Callable[[float], Awaitable[None]],
    ) -> Answer:
        """The same as ``run``, awaited."""
        numbers = itertools.count(1)

        async def numbered() -> Answer:
            return await attempt(next(numbers))

        return await tenacity.AsyncRetrying(sleep=sleep, **self._options(before_wait))(numbered)

    def _options(self, before_wait: Callable[[TryAgain, float], object]) -> dict[str, Any]:
        def wait(state: tenacity.RetryCallState) -> float:
            return self.wait_seconds(state.attempt_number, _failure(state).asked_seconds)

        def stop(state: tenacity.RetryCallState) -> bool:
            most = _failure(state).most_tries
            passed = max(state.seconds_since_start or 0.0, state.idle_for)
            return passed + state.upcoming_sleep > self.seconds or (most is not None and state.attempt_number >= most)

        def announce(state: tenacity.RetryCallState) -> None:
            before_wait(_failure(state), state.upcoming_sleep)

        retried = tenacity.retry_if_exception_type(TryAgain)
        return {"retry": retried, "wait": wait, "stop": stop, "before_sleep": announce, "reraise": True}


def _failure(state: tenacity.RetryCallState) -> TryAgain:
    assert state.outcome is not None
    failure = state.outcome.exception()
    assert isinstance(failure, TryAgain)
    return failure


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """What ``Retry-After-Ms`` or ``Retry-After`` ask for, in seconds; None where nothing sensible is said.

    ``headers`` has its names in lower case, or does not mind. Source: RFC 9110, 10.2.3; the milliseconds are OpenAI's.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None and milliseconds >= 0:
        return min(milliseconds / 1_000, LONGEST_ASKED_SECONDS)
    return seconds_until(headers.get("retry-after"), now)


def seconds_until(value: str | None, now: datetime) -> float | None:
    """Seconds from ``now`` to what a header says: seconds, an epoch in seconds or milliseconds, or a date.

    None where it says nothing sensible; 0 for what has passed; never more than ``LONGEST_ASKED_SECONDS``.
    """
    if value is None:
        return None
    seconds = _number(value)
    if seconds is None:
        try:
            moment = parsedate_to_datetime(value)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(seconds, 0.0), LONGEST_ASKED_SECONDS)
    if seconds < 0:
        return None
    if seconds > _EPOCH_SECONDS:
        seconds = seconds / (1_000 if seconds > _EPOCH_MILLISECONDS else 1) - now.timestamp()
    return min(max(seconds, 0.0), LONGEST_ASKED_SECONDS)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
