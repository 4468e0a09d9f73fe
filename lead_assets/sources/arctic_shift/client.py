"""HTTP to Arctic Shift: every answer is objects or one of four errors; waits, retries and the budget are kept here."""

import itertools
import json
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType

import httpx

from lead_assets.sources.base import SourceCounts

Thing = dict[str, object]

MAX_BACKOFF_SECONDS = 60.0
FAILURES_TO_GIVE_UP = 2
"""So many requests in a row for which all retries failed mean that the server is down."""
_TIMED_OUT = re.compile(r"time[d]?[\s-]*out|slow down", re.IGNORECASE)
"""Documented is "Query timed out"; seen are "Timeout. Maybe slow down a bit" with 422 and "Slow down a little"."""
_EPOCH_MILLISECONDS, _EPOCH_SECONDS = 1e11, 1e8
"""Numbers above these are moments; below them they are seconds from now."""


class ArcticShiftError(Exception):
    """A request that got no objects; the message says why."""


class QueryTimedOut(ArcticShiftError):
    """The server gave up on the query; a smaller or narrower one may work."""


class Refused(ArcticShiftError):
    """The server will not answer this, however often it is asked."""


class Unreachable(ArcticShiftError):
    """All retries failed."""


class BudgetSpent(ArcticShiftError):
    """The run has sent as many requests as it may."""


@dataclass(frozen=True)
class _Failure:
    """What passes if it is tried again, and the seconds that the server asks to wait."""

    why: str
    wait: float | None = None


class ArcticShiftClient:
    """Sends requests one after the other and counts them."""

    def __init__(
        self,
        url: str,
        counts: SourceCounts,
        *,
        max_requests: int,
        retry_seconds: float,
        timeout_seconds: float,
        sleep: Callable[[float], object],
        say: Callable[[str], object],
    ) -> None:
        """Take the base address; nothing is sent yet. ``max_requests`` may be changed while it is used."""
        self.url = url.rstrip("/")
        self.max_requests = max_requests
        self.answered = 0
        self._counts = counts
        self._retry_seconds = retry_seconds
        self._sleep = sleep
        self._say = say
        self._failed_in_a_row = 0
        self._wait_first = 0.0
        self._http = httpx.Client(timeout=timeout_seconds, headers={"User-Agent": "lead_assets"})

    def __enter__(self) -> "ArcticShiftClient":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def gave_up(self) -> bool:
        """Whether the server is down, as far as can be told."""
        return self._failed_in_a_row >= FAILURES_TO_GIVE_UP

    @property
    def requests_left(self) -> int:
        """How many requests the budget still allows."""
        return max(self.max_requests - self._counts.requests, 0)

    def get(self, path: str, params: Mapping[str, str], *, budgeted: bool = True) -> list[Thing]:
        """The objects at ``path``. What is not ``budgeted`` is sent even when the budget is spent, and counted.

        Raises:
            QueryTimedOut, Refused, Unreachable, BudgetSpent: see there.
        """
        began, waited, why = time.monotonic(), 0.0, ""
        for attempt in itertools.count():
            if budgeted and not self.requests_left:
                raise BudgetSpent(f"the run's {self.max_requests} requests are spent")
            self._wait_for_reset()
            self._counts.retries += attempt > 0
            try:
                answer = self._ask(path, params)
            except (QueryTimedOut, Refused):
                self._failed_in_a_row = 0
                raise
            if not isinstance(answer, _Failure):
                return answer
            why = answer.why
            wait = _backoff(attempt) if answer.wait is None else answer.wait
            if max(time.monotonic() - began, waited) + wait > self._retry_seconds:
                break
            self._say(f"Arctic Shift: {why}; trying again in {wait:.0f} s")
            self.wait(wait)
            waited += wait
        self._failed_in_a_row += 1
        raise Unreachable(why)

    def wait(self, seconds: float) -> None:
        """Wait, and count it."""
        self._counts.waited_seconds += seconds
        self._sleep(seconds)

    def _wait_for_reset(self) -> None:
        seconds, self._wait_first = self._wait_first, 0.0
        if seconds > self._retry_seconds:
            self._failed_in_a_row = FAILURES_TO_GIVE_UP
            raise Unreachable(f"its rate limit is used up for another {seconds:.0f} s")
        if seconds:
            self._say(f"Arctic Shift: its rate limit is used up; going on in {seconds:.0f} s")
            self.wait(seconds)

    def _ask(self, path: str, params: Mapping[str, str]) -> list[Thing] | _Failure:
        self._counts.requests += 1
        try:
            response = self._http.get(self.url + path, params=dict(params))
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise Refused(f"{self.url} is no address ({error})") from error
        except httpx.TimeoutException:
            return _Failure("no answer in time")
        except httpx.HTTPError as error:
            return _Failure(f"no connection ({str(error) or type(error).__name__})")
        answer = _read(response)
        if isinstance(answer, _Failure):
            return answer
        self.answered += 1
        self._failed_in_a_row = 0
        if _number(response.headers.get("X-RateLimit-Remaining")) == 0:
            self._wait_first = _seconds_until(response.headers.get("X-RateLimit-Reset")) or 0.0
        return answer


def _read(response: httpx.Response) -> list[Thing] | _Failure:
    """The objects in an answer.

    Raises:
        QueryTimedOut, Refused: the answer says so.
    """
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        headers = response.headers
        wait = _seconds_until(headers.get("Retry-After")) or _seconds_until(headers.get("X-RateLimit-Reset"))
        return _Failure("too many requests (HTTP 429)", wait)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return _Failure(f"HTTP {status}", _seconds_until(response.headers.get("Retry-After")))
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        if status != httpx.codes.OK:
            raise Refused(f"HTTP {status}") from None
        return _Failure("the answer is not JSON")
    error = answer.get("error") if isinstance(answer, dict) else None
    if error or status != httpx.codes.OK:
        told = " ".join(str(error or f"HTTP {status}").split())[:200]
        raise QueryTimedOut(told) if _TIMED_OUT.search(told) else Refused(told)
    things = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(things, list):
        return _Failure("the answer has no data")
    return [thing for thing in things if isinstance(thing, dict)]


def _backoff(attempt: int) -> float:
    """Seconds to wait after so many failures: doubled each time, with jitter so that clients do not return together."""
    return min(2.0**attempt, MAX_BACKOFF_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _seconds_until(text: str | None) -> float | None:
    """Seconds from now to what a header says: seconds, an epoch in seconds or milliseconds, or a date."""
    number = _number(text)
    now = datetime.now(UTC)
    if number is None:
        try:
            return max((parsedate_to_datetime(text or "") - now).total_seconds(), 0.0)
        except (ValueError, TypeError):
            return None
    if number != number or number < 0:
        return None
    if number > _EPOCH_SECONDS:
        number = number / (1_000 if number > _EPOCH_MILLISECONDS else 1) - now.timestamp()
    return max(number, 0.0)
