"""How many requests a crawl of 1,000 matching posts takes, beside a crawl that asks for everything one by one.

    .venv/bin/python -m benchmarks.crawl_requests

Crawls the stand-in for Reddit into an embedded PostgreSQL in a temporary folder. Prints the requests by endpoint (the
project's bounds: at most 30 cold, at most 12 with facts in the cache), then crawls two campaigns at once, each in a
process of its own, under one limit, in a window shortened from ten minutes. Exits with 1 where a bound is broken.
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import asyncpraw
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from lead_assets import servers as embedded
from lead_assets.config.environment import Environment, RedditCredentials
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.settings import resolve
from lead_assets.pipeline.crawling import Crawl
from lead_assets.pipeline.run_context import RunContext
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.source import CrawlOptions, RedditSource
from lead_assets.storage import migrate
from lead_assets.storage.crawl_state import CrawlState
from lead_assets.storage.database import Database
from lead_assets.storage.request_budget import REDDIT_WINDOW_SECONDS, RequestBudget
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer

POSTS, AUTHORS, SUBREDDITS, COMMENTED, COMMENTS = 1_000, 500, 100, 50, 10
NEW_POSTS = 20
COLD_BOUND, WARM_BOUND = 30, 12
PER_MINUTE, WINDOW_SECONDS = 100, 12
USER_AGENT = "linux:lead.assets.benchmark:v1 (by /u/nobody)"
ENDPOINTS = (
    "token",
    "search",
    "comments",
    "morechildren",
    "info",
    "info_subreddits",
    "user_data",
    "about",
    "user_about",
)


def post(number: int) -> dict[str, Any]:
    """A post that matches, older by its number, all within the age that campaigns look back."""
    return {
        "id": f"p{POSTS + number:05}",
        "title": "Which CRM do you recommend, and does it send invoices?",
        "selftext": f"I run shop number {number}.",
        "subreddit": f"subreddit{number % SUBREDDITS}",
        "author": f"author{number % AUTHORS}",
        "created_utc": time.time() - 3_600 - 600 * number,
        "score": 5,
    }


def make_corpus() -> Corpus:
    """Posts of many authors and subreddits; the newest have comments of which half match."""
    corpus = Corpus(posts=map(post, range(POSTS)))
    for number in range(COMMENTED * COMMENTS):
        parent = f"t3_{post(number % COMMENTED)['id']}"
        body = "We use a CRM." if number % 2 else "No idea."
        author = f"author{number % AUTHORS}"
        created = time.time() - 1_800
        corpus.add_comment(
            {"id": f"c{number:05}", "link_id": parent, "body": body, "author": author, "created_utc": created}
        )
    return corpus


def crawl(url: str, database_url: str, campaign: Campaign, window_seconds: int = REDDIT_WINDOW_SECONDS) -> Counter[str]:
    """Crawl as the asset does, with the default settings; returns its counts."""
    context = RunContext(campaign, resolve([]), "reddit", None, None, Environment.read())
    settings, digest = context.settings, context.gate_digest
    with closing(Database(database_url)) as database:
        client = RedditClient(
            RedditCredentials("id", "secret", USER_AGENT, url),
            RequestBudget(database.engine, "id", PER_MINUTE, window_seconds),
            max_requests=settings.reddit_max_requests_per_run,
            say=lambda _: None,
            retry_seconds=settings.reddit_retry_seconds,
        )
        memory = CrawlState(database.engine, campaign.id, digest, settings.reddit_dedup_ttl_seconds)
        reading = CrawlOptions(digest, settings.reddit_max_comment_requests_per_run, hot_posts=False)
        with closing(RedditSource(client, memory, reading)) as source, database.campaign(campaign.id) as session:
            run = Crawl(session, context, source, f"run at {time.time()}")
            for batch in source.search(campaign, run.since):
                run.take(batch)
            return Counter(run.counts())


def make_campaign(campaign_id: str, keywords: list[str], content: list[str]) -> Campaign:
    """A campaign on all of Reddit."""
    return Campaign.model_validate(
        {"id": campaign_id, "name": campaign_id, "product": "A CRM.", "keywords": keywords, "content": content}
    )


async def crawl_one_by_one(url: str) -> int:
    """Search, then ask for each author and each subreddit alone; returns the number of posts."""
    reddit = asyncpraw.Reddit(
        client_id="id",
        client_secret="secret",
        user_agent=USER_AGENT,
        oauth_url=url,
        reddit_url=url,
        check_for_updates=False,
    )
    async with reddit:
        everywhere = await reddit.subreddit("all")
        posts = [found async for found in everywhere.search("crm", sort="new", time_filter="all", limit=None)]
        authors = {found.author.name: found.author for found in posts if found.author}
        subreddits = {found.subreddit.display_name: found.subreddit for found in posts}
        for thing in (*authors.values(), *subreddits.values()):
            await thing.load()
    return len(posts)


def compare(server: RedditServer, database_url: str, content: list[str]) -> dict[str, tuple[int, Counter[str]]]:
    """Documents kept and requests by endpoint of a cold crawl, a warm one, and the next of the first campaign."""
    found: dict[str, tuple[int, Counter[str]]] = {}
    forget_facts(database_url)
    name = "_".join(content)
    first, fresh = (make_campaign(f"{kind}_{name}", ["crm"], content) for kind in ("first", "fresh"))
    for label, campaign in (("cold", first), ("warm", fresh), ("next", first)):
        if label == "next":
            add_new_posts(server.corpus)
        server.reset()
        counts = crawl(server.url, database_url, campaign)
        if counts["requests"] != server.total:
            raise AssertionError(f"{counts['requests']} requests were counted, {server.total} were made")
        found[label] = counts["kept"], server.requests.copy()
    return found


def add_new_posts(corpus: Corpus) -> None:
    """What was posted since the last run, by authors who are known and others who are not."""
    known = len(corpus.posts)
    for number in range(NEW_POSTS):
        author = f"author{number}" if number % 2 else f"newcomer{known + number}"
        corpus.add_post(
            post(0) | {"id": f"n{known + number:05}", "author": author, "created_utc": time.time() - number}
        )


def forget_facts(database_url: str) -> None:
    """Empty the caches that campaigns share."""
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE lead_assets.subreddits, lead_assets.authors, lead_assets.request_grants"))
        connection.execute(sa.text("TRUNCATE lead_assets.request_budget"))
    engine.dispose()


def crawl_at_once(database_url: str, out: Console) -> bool:
    """Two campaigns in processes of their own; whether the server saw no more than the limit in any window."""
    limit = PER_MINUTE * WINDOW_SECONDS // 60
    forget_facts(database_url)
    campaigns = [
        make_campaign(f"at_once_{keyword}", [keyword], ["posts", "comments"]) for keyword in ("crm", "invoices")
    ]
    with RedditServer(make_corpus(), limit=limit, window_seconds=WINDOW_SECONDS) as server:
        start = time.monotonic()
        with multiprocessing.get_context("spawn").Pool(len(campaigns)) as pool:
            arguments = [(server.url, database_url, campaign, WINDOW_SECONDS) for campaign in campaigns]
            counts = pool.starmap(crawl, arguments)
        seconds, most = time.monotonic() - start, server.most_in_window(WINDOW_SECONDS)
        table = Table("two campaigns at once", "")
        table.add_row(f"limit in {WINDOW_SECONDS} seconds ({PER_MINUTE} a minute)", str(limit))
        table.add_row("most in any such window, as the server saw", str(most))
        table.add_row("requests", " + ".join(str(count["requests"]) for count in counts))
        table.add_row("refused with 429, or otherwise repeated", str(sum(count["retries"] for count in counts)))
        table.add_row("documents kept", " + ".join(f"{count['kept']:,}" for count in counts))
        table.add_row("seconds", f"{seconds:.1f}")
        out.print(table)
        return most <= limit and server.total > limit and not any(count["retries"] for count in counts)


@contextmanager
def temporary_database() -> Iterator[str]:
    """The URL of an empty migrated database."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            url = embedded.up(Path(folder), typesense=False).database_url
            if url is None:
                raise AssertionError("PostgreSQL was started")
            engine = sa.create_engine(url)
            migrate.upgrade(engine)
            engine.dispose()
            yield url
        finally:
            embedded.down(Path(folder))


def print_comparison(out: Console, columns: dict[str, tuple[int, Counter[str]]]) -> None:
    """A table of requests by endpoint."""
    table = Table("requests", *columns)
    for endpoint in ENDPOINTS:
        if any(requests[endpoint] for _, requests in columns.values()):
            table.add_row(endpoint, *(str(requests[endpoint]) for _, requests in columns.values()))
    table.add_section()
    table.add_row("all", *(str(requests.total()) for _, requests in columns.values()))
    table.add_row("documents", *(f"{documents:,}" for documents, _ in columns.values()))
    out.print(table)


def main() -> int:
    """Print the tables; returns 1 where a bound is broken."""
    warnings.simplefilter("ignore", DeprecationWarning)  # asyncprawcore's way into aiohttp
    out = Console(width=120)
    with temporary_database() as database_url:
        with RedditServer(make_corpus(), limit=10**6) as server:
            posts = compare(server, database_url, ["posts"])
            server.reset()
            one_by_one = {"one by one": (asyncio.run(crawl_one_by_one(server.url)), server.requests.copy())}
        with RedditServer(make_corpus(), limit=10**6) as server:
            both = compare(server, database_url, ["posts", "comments"])
        print_comparison(out, {f"posts, {name}": found for name, found in posts.items()} | one_by_one)
        print_comparison(out, {f"posts and comments, {name}": found for name, found in both.items()})
        within = crawl_at_once(database_url, out)
    cold, warm = posts["cold"][1].total(), posts["warm"][1].total()
    out.print(f"cold {cold} (at most {COLD_BOUND}), warm {warm} (at most {WARM_BOUND}), within the limit: {within}")
    return int(cold > COLD_BOUND or warm > WARM_BOUND or not within)


if __name__ == "__main__":
    sys.exit(main())
