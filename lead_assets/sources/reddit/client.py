"""Reddit's API through asyncpraw: every request within the shared budget, retried, counted, and its errors told.

Answers are taken as the raw JSON that asyncpraw gives, not as its objects: a crawl needs the cursor of each page to go
on from there, and an attribute that is absent must stay absent instead of being fetched with one more request.
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
import asyncpraw
import asyncprawcore

from lead_assets.domain.errors import LookUpFailed, SourceFailed
from lead_assets.sources.source import SourceCounts

RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 520, 522})
TIMEOUT_SECONDS = 30
_FIRST_BACKOFF, _LONGEST_BACKOFF = 1.0, 30.0


@dataclass(frozen=True)
class RedditCredentials:
    """What Reddit knows us by. ``url`` is another server that answers like Reddit; None is Reddit itself."""

    client_id: str
    client_secret: str
    user_agent: str
    url: str | None = None

    def __repr__(self) -> str:
        """Without the secret, whatever prints it."""
        return f"RedditCredentials(user_agent={self.user_agent!r}, url={self.url!r})"


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


class RedditUnavailable(SourceFailed):
    """Reddit did not answer properly within the time for retries."""


class RedditRefused(SourceFailed):
    """Reddit refuses us whatever we ask: credentials, the app, or the user agent."""


class NotReachable(SourceFailed):
    """A subreddit that is private, banned, or not there."""


class QueryRejected(SourceFailed):
    """A query that Reddit does not take."""


class RunBudgetSpent(LookUpFailed):
    """The run has made the requests that it may make."""


class RedditClient:
    """A read-only client. Its methods run to their end before they return; one thread uses it at a time."""

    def __init__(
        self,
        credentials: RedditCredentials,
        budget: Budget,
        *,
        max_requests: int,
        say: Callable[[str], object],
        retry_seconds: float,
        timeout_seconds: int = TIMEOUT_SECONDS,
    ) -> None:
        """Take the credentials; nothing is sent yet. ``say`` takes one line about what is waited for.

        A request that failed for ``retry_seconds`` is given up.
        """
        self.counts = SourceCounts()
        self._credentials = credentials
        self._pace = _Pace(budget, self.counts, max_requests, say, retry_seconds)
        self._timeout = timeout_seconds
        self._runner = asyncio.Runner()
        self._reddit: asyncpraw.Reddit | None = None

    @property
    def requests_left(self) -> int:
        """Requests that this run may still make."""
        return self._pace.left

    def get(self, path: str, params: Mapping[str, Any]) -> Any:
        """The parsed JSON at ``path``.

        Raises:
            RunBudgetSpent, RedditUnavailable, RedditRefused, NotReachable, QueryRejected: see each.
        """
        return self._runner.run(self._get(path, dict(params)))

    def subreddits(self, names: list[str]) -> list[dict[str, Any]]:
        """What Reddit says of the subreddits that there are, 100 names a request; errors as ``get``."""
        return self._runner.run(self._collect(lambda reddit: reddit.info(subreddits=names)))

    def redditors(self, author_ids: list[str]) -> list[dict[str, Any]]:
        """What Reddit says of the authors that it tells of, 100 fullnames a request; errors as ``get``."""
        return self._runner.run(self._collect(lambda reddit: reddit.redditors.partial_redditors(author_ids)))

    def close(self) -> None:
        """Close connections."""
        if self._reddit is not None:
            self._runner.run(self._reddit.close())
        self._runner.close()

    async def _get(self, path: str, params: dict[str, Any]) -> Any:
        with _translated(self._credentials):
            return await self._opened().request(method="GET", path=path, params=params)

    async def _collect(self, ask: Callable[[asyncpraw.Reddit], AsyncIterator[Any]]) -> list[dict[str, Any]]:
        with _translated(self._credentials):
            return [vars(thing) async for thing in ask(self._opened())]

    def _opened(self) -> asyncpraw.Reddit:
        if self._reddit is None:
            own = self._credentials
            urls = {"oauth_url": own.url, "reddit_url": own.url} if own.url else {}
            self._reddit = asyncpraw.Reddit(
                client_id=own.client_id,
                client_secret=own.client_secret,
                user_agent=own.user_agent,
                requestor_class=_Requestor,
                requestor_kwargs={"pace": self._pace, "timeout": self._timeout},
                check_for_updates=False,
                config_interpolation=None,
                **urls,
            )
        return self._reddit


class _Pace:
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
        """Wait until a request may go out, and count it."""
        if not self.left:
            raise RunBudgetSpent(
                f"This run has made its {self._max_requests} requests (REDDIT_MAX_REQUESTS_PER_RUN); "
                "the next one goes on from there."
            )
        while (seconds := self._budget.acquire()) > 0:
            await self._wait(seconds, "the request budget (REDDIT_REQUESTS_PER_MINUTE)")
        self._counts.requests += 1

    def take_in(self, headers: Mapping[str, str]) -> None:
        """Tell the budget what the server says of its own count."""
        try:
            remaining, reset = float(headers["x-ratelimit-remaining"]), float(headers["x-ratelimit-reset"])
        except (KeyError, ValueError):
            return
        if math.isfinite(remaining) and math.isfinite(reset):
            self._budget.report(remaining, reset)

    def obey(self, retry_after: float | None) -> None:
        """Let no process send anything for as long as the server asked, whether we try again or not."""
        if retry_after is not None:
            self._budget.block(retry_after)

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


class _Requestor(asyncprawcore.Requestor):
    """Sends asyncpraw's requests, its token requests too, at our pace."""

    def __init__(self, *, pace: _Pace, **kwargs: Any) -> None:
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


class _translated:  # noqa: N801  reads as a phrase: with _translated(...)
    """asyncpraw's errors as ours, which name the setting to look at."""

    def __init__(self, credentials: RedditCredentials) -> None:
        self._where = credentials.url or "Reddit"

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, KeyError) and error.args == (401,):
            raise self._refused_credentials() from None  # asyncprawcore stumbles over a 401 that does not say why
        if isinstance(error, asyncprawcore.AsyncPrawcoreException):
            raise self._told(error) from None
        if isinstance(error, TypeError | AttributeError | LookupError | ValueError):
            raise RedditUnavailable(f"{self._where} answered with something unexpected; run again later.") from error

    def _told(self, error: asyncprawcore.AsyncPrawcoreException) -> SourceFailed:
        response = getattr(error, "response", None)
        status = getattr(response, "status", None)
        match error:
            case asyncprawcore.OAuthException():
                return RedditRefused(f"{self._where} refuses the app ({error}); check REDDIT_CLIENT_ID and its type.")
            case _ if status == 403 and _is_html(response):
                return RedditRefused(
                    f"{self._where} refuses us with a web page (403), as it does with user agents that it does not "
                    "like; set REDDIT_USER_AGENT to something like "
                    "'linux:your.app.name:v1.0 (by /u/your_reddit_name)'."
                )
            case asyncprawcore.Forbidden() | asyncprawcore.NotFound() | asyncprawcore.Redirect():
                return NotReachable(f"{self._where} answered {status or 302}: private, banned, or not there.")
            case asyncprawcore.UnavailableForLegalReasons():
                return NotReachable(f"{self._where} answered 451: not available here for legal reasons.")
            case asyncprawcore.BadRequest() | asyncprawcore.URITooLong() | asyncprawcore.TooLarge():
                return QueryRejected(f"{self._where} does not take the query (status {status}).")
            case _ if status == 401:
                return self._refused_credentials()
            case _:
                return RedditUnavailable(
                    f"{self._where} did not answer properly ({type(error).__name__}: {str(error)[:100]}); run again "
                    "later."
                )

    def _refused_credentials(self) -> RedditRefused:
        return RedditRefused(
            f"{self._where} refuses the credentials (401); check REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET at "
            "https://www.reddit.com/prefs/apps: the app may have been revoked."
        )


def _is_html(response: Any) -> bool:
    return "html" in response.headers.get("content-type", "")
