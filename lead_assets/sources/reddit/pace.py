"""When a request goes out: within the budget that all runs share, and again where it failed.

asyncprawcore's own limiter knows one process only, and its retries neither a 429 nor a deadline; both are left out.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

import aiohttp
import asyncprawcore

from lead_assets.retries import RetryPolicy, TryAgain, retry_after_seconds
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
        self.policy = RetryPolicy(retry_seconds, _FIRST_BACKOFF, _LONGEST_BACKOFF, always_grows=True)

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
                f"This run has made its {self._max_requests} requests (REDDIT_MAX_REQUESTS_PER_RUN). "
                "The next one continues from there."
            )
        while (seconds := self._budget.acquire()) > 0:
            if seconds > LONGEST_WAIT_SECONDS:
                raise RunBudgetSpent(
                    f"Reddit asks all runs of this app to wait {seconds:.0f} seconds more. Run again after that."
                )
            self._report(seconds, "the request budget (REDDIT_REQUESTS_PER_MINUTE)")
            await self.wait(seconds)
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

    def before_retry(self, failure: TryAgain, seconds: float) -> None:
        """Count and report a request that is repeated in so many seconds."""
        self.count_retry()
        self._report(seconds, f"Reddit, which answered {failure}")

    async def wait(self, seconds: float) -> None:
        """Wait, and count it."""
        self._counts.waited_seconds += seconds
        await asyncio.sleep(seconds)

    def _report(self, seconds: float, what: str) -> None:
        if seconds >= 1:
            self._say(f"Waiting {seconds:.0f} s for {what}.")


@dataclass
class _Answer:
    """What asyncprawcore reads of a response, its body read to the end, the names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def content(self) -> Any:
        """The body, parsed once: pages of Reddit have a megabyte. ValueError or RecursionError where it is not JSON."""
        return json.loads(self.body)

    @property
    def is_json(self) -> bool:
        """Whether the body can be parsed."""
        try:
            _ = self.content
        except (ValueError, RecursionError):
            return False
        return True

    async def json(self, **_: Any) -> Any:
        # asyncpraw makes other errors of a 400 that explains itself; to us all of them are one.
        return {"message": "Bad Request", "error": 400} if self.status == 400 else self.content

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
        async def attempt(_: int) -> _Answer:
            await self._pace.admit()
            return await self._send(args, kwargs)

        policy = self._pace.policy
        try:
            return await policy.run_async(attempt, before_wait=self._pace.before_retry, sleep=self._pace.wait)
        except TryAgain as failure:
            raise RedditUnavailable(
                f"Reddit answered {failure} for {policy.seconds:.0f} seconds (REDDIT_RETRY_SECONDS). "
                "What was crawled before stays. Run again later."
            ) from None

    async def _send(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Answer:
        """The answer.

        Raises:
            TryAgain: what came may pass.
        """
        try:
            # asyncprawcore asks for 16 seconds, whatever it was told.
            async with super().request(*args, **{**kwargs, "timeout": self.timeout}) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                body = await response.read()
        except asyncprawcore.RequestException as error:
            if isinstance(error.original_exception, aiohttp.ClientError | OSError):
                raise TryAgain(_network_failure(error.original_exception)) from None
            raise error.original_exception from None
        self._pace.take_in(headers)
        # asyncprawcore would spread requests by these for one process alone; the budget decides for all.
        answer = _Answer(response.status, {k: v for k, v in headers.items() if not k.startswith("x-ratelimit")}, body)
        if answer.status in RETRY_STATUSES:
            raise self._refused(answer, f"with status {answer.status}")
        if answer.status == 200 and not answer.is_json:
            raise self._refused(answer, "with something that is not JSON")
        return answer

    def _refused(self, answer: _Answer, why: str) -> TryAgain:
        asked = retry_after_seconds(answer.headers, datetime.now(UTC))
        self._pace.obey(asked)
        return TryAgain(why, asked_seconds=asked)


def _network_failure(error: BaseException) -> str:
    return "not in time" if isinstance(error, TimeoutError) else f"with a broken connection ({type(error).__name__})"
