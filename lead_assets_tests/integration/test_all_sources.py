"""What a campaign's lists mean is the same for every source: keywords, negative keywords, subreddits and authors."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from click.testing import CliRunner

from lead_assets import local
from lead_assets.cli import main
from lead_assets_tests.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.conftest import World, post
from lead_assets_tests.reddit_server import Corpus, RedditServer

CRAWL = ("crawled_documents",)
Things = Sequence[dict[str, Any]]


@pytest.fixture(params=["archive", "reddit", "arctic_shift"])
def crawl(
    request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., dict[str, list[str]]]]:
    """Crawls things for a campaign from each source; gives the stored fullnames with their matched keywords."""
    monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
    corpus = Corpus()
    with RedditServer(corpus) as reddit, ArcticShiftServer() as arctic:
        monkeypatch.setenv("REDDIT_URL", reddit.url)
        monkeypatch.setenv("REDDIT_CLIENT_ID", reddit.client_id)
        monkeypatch.setenv("REDDIT_CLIENT_SECRET", reddit.client_secret)
        monkeypatch.setenv("REDDIT_USER_AGENT", "linux:lead.assets.tests:v1 (by /u/nobody)")
        monkeypatch.setenv("ARCTIC_SHIFT_URL", arctic.url)

        def run(things: Things, **keys: Any) -> dict[str, list[str]]:
            if request.param == "archive":
                world.archive(*things)
            elif request.param == "reddit":
                keys = {"source": "reddit", "archive": None} | keys
                for thing in things:
                    corpus.add_post(thing)
            else:
                keys = {"source": "arctic_shift", "archive": None} | keys
                arctic.add(*things)
            # Arctic Shift searches subreddits only; naming those that are there changes nothing for the others.
            lists = {"include": sorted({thing["subreddit"] for thing in things})}
            keys["subreddits"] = lists | keys.get("subreddits", {})
            world.campaign(content=["posts"], **keys)
            world.run(only=CRAWL)
            rows = world.rows("SELECT reddit_id, matched_keywords FROM lead_assets.documents")
            return {row["reddit_id"]: sorted(row["matched_keywords"]) for row in rows}

        yield run


def thing(name: str, title: str, body: str = "", **other: Any) -> dict[str, Any]:
    created = int(time.time()) - 3 * 86_400
    return post(title, body, id=name, name=f"t3_{name}", created_utc=created, **other)


def test_matched_keywords_are_stored_plurals_and_all(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [
        thing("1both", "Which CRMs track a client?"),
        thing("1body", "Help", "We cannot TRACK our many clients."),
        thing("1one", "A crm?"),
        thing("1no", "Tracking clientele with a scrm"),
    ]
    assert crawl(things, keywords=["crm", "track clients"]) == {
        "t3_1both": ["crm", "track clients"],
        "t3_1body": ["track clients"],
        "t3_1one": ["crm"],
    }


def test_words_in_quotes_are_adjacent_and_in_order(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [
        thing("1adj", "How do you follow up with customers?"),
        thing("1apart", "Customers follow me up the hill with joy"),
        thing("1order", "up follow"),
    ]
    assert crawl(things, keywords=['"follow up"']) == {"t3_1adj": ['"follow up"']}


def test_a_negative_keyword_excludes_wherever_it_stands(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [
        thing("1ask", "Which CRM?"),
        thing("1hire", "Hiring a CRM expert"),
        thing("1late", "Which CRM?", "By the way: we are HIRING."),
        thing("1part", "Which CRM?", "No rehiring here."),
    ]
    assert set(crawl(things, keywords=["crm"], negative_keywords=["hiring"])) == {"t3_1ask", "t3_1part"}


def test_a_negative_phrase_excludes_only_the_phrase(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [thing("1for", "CRM expert for hire"), thing("1hire", "I hire for a CRM")]
    assert set(crawl(things, keywords=["crm"], negative_keywords=['"for hire"'])) == {"t3_1hire"}


def test_only_included_subreddits_are_looked_at_in_any_case(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [thing("1in", "Which CRM?", subreddit="smallbusiness"), thing("1out", "Which CRM?", subreddit="sales")]
    assert set(crawl(things, keywords=["crm"], subreddits={"include": ["SmallBusiness"]})) == {"t3_1in"}


def test_excluded_subreddits_are_left_out_even_if_included(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [thing("1in", "Which CRM?", subreddit="smallbusiness"), thing("1out", "Which CRM?", subreddit="forhire")]
    assert set(crawl(things, keywords=["crm"], subreddits={"exclude": ["ForHire"]})) == {"t3_1in"}


def test_excluded_authors_are_left_out_in_any_case(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [thing("1ask", "Which CRM?", author="ann"), thing("1bot", "Which CRM?", author="AutoModerator")]
    assert set(crawl(things, keywords=["crm"], exclude_authors=["automoderator"])) == {"t3_1ask"}


def test_matched_keywords_are_shown(
    crawl: Callable[..., dict[str, list[str]]],
    database_url: str,
    servers: local.Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crawl([thing("1ask", "Which CRM do you use to track clients?")], keywords=["crm", "track clients"])
    monkeypatch.setenv("DATABASE_URL", database_url)
    result = CliRunner().invoke(main, ["explain", "crm", "t3_1ask"], catch_exceptions=False)
    assert "keywords: crm, track clients" in result.output
