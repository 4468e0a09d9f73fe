"""When a request goes out: within the budget that all runs share, and again where it failed.

asyncprawcore's own limiter knows one process only, and its retries neither a 429 nor a deadline; both are left out.
"""

import asyncio
import itertools
import json
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import asyncprawcore

from lead_assets.sources.base import SourceCounts
from lead_assets.sources.reddit.failures import RedditUnavailable, RunBudgetSpent

RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 520, 522})
LONGEST_BLOCK_SECONDS = 3_600.0
"""Reddit's window is ten minutes: who asks for more than an hour must not stop all runs for ever."""
LONGEST_WAIT_SECONDS = 900.0
"""A run that would wait longer ends with what it has."""
_FIRST_BACKOFF, _LONGEST_BACKOFF = 1.0, 30.0


class Budget(Protocol):
    """A request budget that processes share."""

    def acquire(self) -> float:
        """0 where a request was granted, else the seconds to wait before asking again."""
        ...

    def report(self, remaining: float, reset_seconds: float) -> None:
        """Take in what the server says: so many requests are left for so many seconds."""
        ...

    def block(self, seconds: float) -> None:
        """Let nobody send anything for so many seconds."""
        ...


class Pace:
    """When a request may go out, and whether a failed one is tried again."""

    def __init__(
        self,
        budget: Budget,
        counts: SourceCounts,
        max_requests: int,
        say: Callable[[str], object],
        retry_seconds: float,
    ) -> None:
        self._budget = budget
        self._counts = counts
        self._max_requests = max_requests
        self._say = say
        self.retry_seconds = retry_seconds

    @property
    def left(self) -> int:
        return max(0, self._max_requests - self._counts.requests)

    async def admit(self) -> None:
        """Wait until a request may go out, and count it.

        Raises:
            RunBudgetSpent: the run has made its requests, or would have to wait too long.
        """
        if not self.left:
            raise RunBudgetSpent(
                f"This run has made its {self._max_requests} requests (REDDIT_MAX_REQUESTS_PER_RUN); "
                "the next one goes on from there."
            )
        while (seconds := self._budget.acquire()) > 0:
            if seconds > LONGEST_WAIT_SECONDS:
                raise RunBudgetSpent(
                    f"Reddit asks all runs of this app to wait {seconds:.0f} seconds more; run again after that."
                )
            await self._wait(seconds, "the request budget (REDDIT_REQUESTS_PER_MINUTE)")
        self._counts.requests += 1

    def take_in(self, headers: Mapping[str, str]) -> None:
        """Tell the budget what the server says of its own count."""
        try:
            remaining, reset = float(headers["x-ratelimit-remaining"]), float(headers["x-ratelimit-reset"])
        except (KeyError, ValueError):
            return
        if math.isfinite(remaining) and math.isfinite(reset):
            self._budget.report(remaining, min(reset, LONGEST_BLOCK_SECONDS))

    def obey(self, retry_after: float | None) -> None:
        """Let no process send anything for as long as the server asked, whether we try again or not."""
        if retry_after is not None:
            self._budget.block(min(retry_after, LONGEST_BLOCK_SECONDS))

    def count_retry(self) -> None:
        """Count a request that repeats a failed one."""
        self._counts.retries += 1

    async def before_retry(self, attempt: int, why: str, retry_after: float | None) -> None:
        """Wait before a request is repeated for the ``attempt``-th time."""
        # Full jitter: processes that failed together must not come back together.
        backoff = random.uniform(0.5, 1.0) * min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** (attempt - 1))  # noqa: S311
        self.count_retry()
        await self._wait(max(backoff, retry_after or 0.0), f"Reddit, which answered {why}")

    async def _wait(self, seconds: float, what: str) -> None:
        if seconds >= 1:
            self._say(f"Waiting {seconds:.0f} s for {what}.")
        self._counts.waited_seconds += seconds
        await asyncio.sleep(seconds)


@dataclass
class _Answer:
    """What asyncprawcore reads of a response, its body read to the end, the names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    async def json(self, **_: Any) -> Any:
        # asyncpraw makes other errors of a 400 that explains itself; to us all of them are one.
        return {"message": "Bad Request", "error": 400} if self.status == 400 else json.loads(self.body)

    async def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class PacedRequestor(asyncprawcore.Requestor):
    """Sends asyncpraw's requests, its token requests too, at our pace."""

    def __init__(self, *, pace: Pace, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._pace = pace
        self._was_unauthorized = False

    @asynccontextmanager
    async def request(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        # asyncprawcore itself repeats a request whose token has expired, after it has asked for a new one.
        is_for_token = "auth" in kwargs
        if is_for_token:
            # It asks for a connection to be closed, which aiohttp would still use for the next request.
            kwargs.pop("headers", None)
        if self._was_unauthorized and not is_for_token:
            self._pace.count_retry()
        answer = await self._answer(args, kwargs)
        if not is_for_token:
            self._was_unauthorized = answer.status == 401
        yield answer

    async def _ensure_session(self) -> None:
        await super()._ensure_session()
        # aiohttp would repeat a request whose connection was reset, behind the budget's back.
        self._http._retry_connection = False  # pyright: ignore

    async def _answer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Answer:
        deadline = time.monotonic() + self._pace.retry_seconds
        for attempt in itertools.count(1):
            await self._pace.admit()
            answer, failure = await self._send(args, kwargs)
            if answer is not None and failure is None:
                return answer
            retry_after = _retry_after(answer.headers) if answer else None
            self._pace.obey(retry_after)
            if time.monotonic() + (retry_after or 0.0) >= deadline:
                raise RedditUnavailable(
                    f"Reddit answered {failure} for {self._pace.retry_seconds:.0f} seconds (REDDIT_RETRY_SECONDS); "
                    "what was crawled before stays. Run again later."
                )
            await self._pace.before_retry(attempt, failure or "", retry_after)
        raise AssertionError("the loop has no end but these")

    async def _send(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Answer | None, str | None]:
        """The answer, and why it is worth another try; None where it is final."""
        try:
            # asyncprawcore asks for 16 seconds, whatever it was told.
            async with super().request(*args, **{**kwargs, "timeout": self.timeout}) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                body = await response.read()
        except asyncprawcore.RequestException as error:
            if isinstance(error.original_exception, aiohttp.ClientError | OSError):
                return None, _network_failure(error.original_exception)
            raise error.original_exception from None
        self._pace.take_in(headers)
        # asyncprawcore would spread requests by these for one process alone; the budget decides for all.
        answer = _Answer(response.status, {k: v for k, v in headers.items() if not k.startswith("x-ratelimit")}, body)
        if answer.status in RETRY_STATUSES:
            return answer, f"with status {answer.status}"
        if answer.status == 200 and not _is_json(answer.body):
            return answer, "with something that is not JSON"
        return answer, None


def _network_failure(error: BaseException) -> str:
    return "not in time" if isinstance(error, TimeoutError) else f"with a broken connection ({type(error).__name__})"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
