"""Asking the server: with the real asyncpraw, and by hand for what asyncpraw does not send."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import asyncpraw
import asyncprawcore
import pytest
from asyncprawcore.sessions import FiniteRetryStrategy

from lead_assets_tests.stand_ins.reddit_server.corpus import Corpus
from lead_assets_tests.stand_ins.reddit_server.server import RedditServer

# Asyncpraw 8.0.3 reads the body of a 400 when its connection is closed already, so that another error comes out.
BAD_REQUEST = (asyncprawcore.BadRequest, aiohttp.ClientConnectionError)
# asyncprawcore still uses what aiohttp is going to remove.
IGNORED_WARNINGS = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

T = TypeVar("T")
Serve = Callable[..., RedditServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts servers, and stops them after the test. The client retries without the seconds that it waits else."""
    monkeypatch.setattr(FiniteRetryStrategy, "_sleep_seconds", lambda self: None)
    servers: list[RedditServer] = []

    def start(corpus: Corpus | None = None, **options: Any) -> RedditServer:
        servers.append(RedditServer(corpus or Corpus(), **options).start())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def post(number: int, **other: Any) -> dict[str, Any]:
    """A post in subreddit a or b, the newer the higher its number."""
    made = {
        "id": f"p{number:04}",
        "title": f"Which CRM {number}?",
        "subreddit": "ab"[number % 2],
        "created_utc": number,
    }
    return made | other


def comment(name: str, parent: str = "t3_p0001", **other: Any) -> dict[str, Any]:
    """A comment below post 1."""
    return {"id": name, "link_id": "t3_p0001", "parent_id": parent, "body": f"I am {name}"} | other


@asynccontextmanager
async def client(server: RedditServer, secret: str = "secret") -> AsyncIterator[asyncpraw.Reddit]:
    reddit = asyncpraw.Reddit(
        client_id="id",
        client_secret=secret,
        user_agent="test:lead_assets:1",
        oauth_url=server.url,
        reddit_url=server.url,
        check_for_updates=False,
    )
    async with reddit:
        yield reddit


def ask(server: RedditServer, work: Callable[[asyncpraw.Reddit], Awaitable[T]], **options: Any) -> T:
    """What ``work`` finds out with a new client."""

    async def run() -> T:
        async with client(server, **options) as reddit:
            return await work(reddit)

    return asyncio.run(run())


def get(server: RedditServer, path: str, **params: Any) -> Any:
    """The raw JSON that the real client gets."""
    return ask(server, lambda reddit: reddit.request(method="GET", path=path.lstrip("/"), params=params))


def searched(server: RedditServer, text: str, subreddits: str = "a+b", **options: Any) -> list[str]:
    """The fullnames that a search finds, in order."""

    async def search(reddit: asyncpraw.Reddit) -> list[str]:
        subreddit = await reddit.subreddit(subreddits)
        return [post.fullname async for post in subreddit.search(text, **{"limit": None, "sort": "new"} | options)]

    return ask(server, search)


def listed(server: RedditServer, listing: str, subreddits: str = "a+b", limit: int | None = None) -> list[str]:
    """The fullnames of a listing, in order."""

    async def names(reddit: asyncpraw.Reddit) -> list[str]:
        subreddit = await reddit.subreddit(subreddits)
        return [thing.fullname async for thing in getattr(subreddit, listing)(limit=limit)]

    return ask(server, names)


def informed(server: RedditServer, *names: str) -> list[Any]:
    """The things that info answers."""

    async def info(reddit: asyncpraw.Reddit) -> list[Any]:
        return [thing async for thing in reddit.info(fullnames=names)]

    return ask(server, info)


def raw_token(server: RedditServer) -> str:
    """A token for ``raw``."""
    return token_at(server.url)


def raw(server: RedditServer, path: str, token: str | None = None) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of a request that asyncpraw does not send in this way, with a new token if need be."""
    return raw_at(server.url, path, token)


def token_at(url: str) -> str:
    """A token; an error where none is given."""
    request = urllib.request.Request(f"{url}/api/v1/access_token", data=b"grant_type=client_credentials")
    request.add_header("Authorization", "Basic aWQ6c2VjcmV0")  # id:secret
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)["access_token"]


def raw_at(url: str, path: str, token: str | None = None) -> tuple[int, dict[str, str], Any]:
    """As ``raw``, of any server; an HTML answer's content is None."""
    try:
        headers = {"Authorization": f"bearer {token_at(url) if token is None else token}"}
        with urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=5) as response:
            return response.status, dict(response.headers), json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            content = json.loads(text) if "json" in error.headers["Content-Type"] else None
            return error.code, dict(error.headers), content
