"""HTTP to Arctic Shift: every answer is objects or one of four errors; waits, retries and the budget are kept here."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType

import httpx

from lead_assets.domain.plain_text import printable
from lead_assets.retries import RetryPolicy, TryAgain, retry_after_seconds, seconds_until
from lead_assets.sources.base import SourceCounts
from lead_assets.tls import trust_of_httpx

Thing = dict[str, object]

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 1.0, 60.0
FAILURES_TO_GIVE_UP = 2
"""So many requests in a row for which all retries failed mean that the server is down."""
_TIMED_OUT = re.compile(r"time[d]?[\s-]*out|slow down", re.IGNORECASE)
"""Documented is "Query timed out"; seen are "Timeout. Maybe slow down a bit" with 422 and "Slow down a little"."""


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
        self._policy = RetryPolicy(retry_seconds, FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS)
        self._sleep = sleep
        self._say = say
        self._failed_in_a_row = 0
        self._wait_first = 0.0
        self._http = httpx.Client(
            timeout=timeout_seconds, headers={"User-Agent": "lead_assets"}, verify=trust_of_httpx()
        )

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

        def attempt(number: int) -> list[Thing]:
            if budgeted and not self.requests_left:
                raise BudgetSpent(f"the run's {self.max_requests} requests are spent")
            self._wait_for_reset()
            self._counts.retries += number > 1
            return self._ask(path, params)

        try:
            return self._policy.run(attempt, before_wait=self._report_retry, sleep=self.wait)
        except (QueryTimedOut, Refused):
            self._failed_in_a_row = 0
            raise
        except TryAgain as failure:
            self._failed_in_a_row += 1
            raise Unreachable(str(failure)) from None

    def wait(self, seconds: float) -> None:
        """Wait, and count it."""
        self._counts.waited_seconds += seconds
        self._sleep(seconds)

    def _report_retry(self, failure: TryAgain, seconds: float) -> None:
        self._say(f"Arctic Shift: {failure}; trying again in {seconds:.0f} s")

    def _wait_for_reset(self) -> None:
        seconds, self._wait_first = self._wait_first, 0.0
        if seconds > self._policy.seconds:
            self._failed_in_a_row = FAILURES_TO_GIVE_UP
            raise Unreachable(f"its rate limit is used up for another {seconds:.0f} s")
        if seconds:
            self._say(f"Arctic Shift: its rate limit is used up; going on in {seconds:.0f} s")
            self.wait(seconds)

    def _ask(self, path: str, params: Mapping[str, str]) -> list[Thing]:
        self._counts.requests += 1
        try:
            response = self._http.get(self.url + path, params=dict(params))
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise Refused(f"{self.url} is not a valid address ({error})") from error
        except httpx.TimeoutException:
            raise TryAgain("no answer in time") from None
        except httpx.HTTPError as error:
            raise TryAgain(f"no connection ({str(error) or type(error).__name__})") from None
        things = _read(response)
        self.answered += 1
        self._failed_in_a_row = 0
        if _is_zero(response.headers.get("X-RateLimit-Remaining")):
            self._wait_first = seconds_until(response.headers.get("X-RateLimit-Reset"), datetime.now(UTC)) or 0.0
        return things


def _read(response: httpx.Response) -> list[Thing]:
    """The objects in an answer.

    Raises:
        QueryTimedOut, Refused: the answer says so.
        TryAgain: what came may pass.
    """
    status, headers, now = response.status_code, response.headers, datetime.now(UTC)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        asked = retry_after_seconds(headers, now) or seconds_until(headers.get("X-RateLimit-Reset"), now)
        raise TryAgain("too many requests (HTTP 429)", asked_seconds=asked)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise TryAgain(f"HTTP {status}", asked_seconds=retry_after_seconds(headers, now))
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        if status != httpx.codes.OK:
            raise Refused(f"HTTP {status}") from None
        raise TryAgain("the answer is not JSON") from None
    error = answer.get("error") if isinstance(answer, dict) else None
    if error or status != httpx.codes.OK:
        told = " ".join(printable(str(error or f"HTTP {status}")[:1_000]).split())[:200]
        raise QueryTimedOut(told) if _TIMED_OUT.search(told) else Refused(told)
    things = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(things, list):
        raise TryAgain("the answer has no data")
    return [thing for thing in things if isinstance(thing, dict)]


def _is_zero(text: str | None) -> bool:
    try:
        return float(text or "nan") == 0
    except ValueError:
        return False
