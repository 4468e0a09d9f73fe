"""Reddit's API through asyncpraw: every request within the shared budget, retried, counted, and its errors told.

Answers are taken as the raw JSON that asyncpraw gives, not as its objects: a crawl needs the cursor of each page to go
on from there, and an attribute that is absent must stay absent instead of being fetched with one more request.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import asyncpraw
import asyncprawcore

from lead_assets.config.environment import RedditCredentials
from lead_assets.domain.errors import SourceFailed
from lead_assets.sources.base import SourceCounts
from lead_assets.sources.reddit.failures import NotReachable, QueryRejected, RedditRefused, RedditUnavailable
from lead_assets.sources.reddit.pace import Budget, Pace, PacedRequestor

TIMEOUT_SECONDS = 30


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
        self._pace = Pace(budget, self.counts, max_requests, say, retry_seconds)
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
                requestor_class=PacedRequestor,
                requestor_kwargs={"pace": self._pace, "timeout": self._timeout},
                check_for_updates=False,
                config_interpolation=None,
                **urls,
            )
        return self._reddit


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
            raise RedditUnavailable(f"{self._where} answered with something unexpected. Run again later.") from error

    def _told(self, error: asyncprawcore.AsyncPrawcoreException) -> SourceFailed:
        response = getattr(error, "response", None)
        status = getattr(response, "status", None)
        match error:
            case asyncprawcore.OAuthException():
                return RedditRefused(f"{self._where} refuses the app ({error}). Check REDDIT_CLIENT_ID and its type.")
            case _ if status == 403 and _is_html(response):
                return RedditRefused(
                    f"{self._where} refuses us with a web page (403), as it does with user agents that it does not "
                    "like. Set REDDIT_USER_AGENT to something like "
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
                    f"{self._where} did not answer properly ({type(error).__name__}: {str(error)[:100]}). Run again "
                    "later."
                )

    def _refused_credentials(self) -> RedditRefused:
        return RedditRefused(
            f"{self._where} refuses the credentials (401). Check REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET at "
            "https://www.reddit.com/prefs/apps: the app may have been revoked."
        )


def _is_html(response: Any) -> bool:
    return "html" in response.headers.get("content-type", "")
