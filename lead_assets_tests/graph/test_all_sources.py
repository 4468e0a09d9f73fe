"""What a campaign's lists mean is the same for every source, for posts and comments: keywords, negative keywords,
subreddits and authors."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets_tests.conftest import World, comment, post
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer

CRAWL = ("crawled_documents",)


@pytest.fixture(params=["posts", "comments"])
def content(request: pytest.FixtureRequest) -> str:
    """What the texts are written as."""
    return request.param


@pytest.fixture(params=["archive", "reddit", "arctic_shift"])
def crawl(
    request: pytest.FixtureRequest, content: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., dict[str, list[str]]]]:
    """Crawls texts for a campaign from each source; gives the ids of the stored ones with their matched keywords."""
    monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
    corpus = Corpus()
    with RedditServer(corpus) as reddit, ArcticShiftServer() as arctic:
        for name, value in reddit.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ARCTIC_SHIFT_URL", arctic.url)

        def run(texts: Sequence[Text], **keys: Any) -> dict[str, list[str]]:
            things = [thing for text in texts for thing in text.written_as(content)]
            if request.param == "archive":
                world.archive(*things)
            elif request.param == "reddit":
                keys = {"source": "reddit", "archive": None} | keys
                for thing in things:
                    (corpus.add_comment if thing["name"].startswith("t1_") else corpus.add_post)(thing)
            else:
                keys = {"source": "arctic_shift", "archive": None} | keys
                arctic.add(*things)
            # Arctic Shift searches subreddits only, and Reddit lists comments of subreddits; naming those that are
            # there changes nothing for the others.
            lists = {"include": sorted({text.subreddit for text in texts})}
            keys["subreddits"] = lists | keys.get("subreddits", {})
            world.campaign(content=[content], **keys)
            world.run(only=CRAWL)
            rows = world.rows("SELECT reddit_id, matched_keywords FROM lead_assets.documents")
            return {row["reddit_id"].partition("_")[2]: sorted(row["matched_keywords"]) for row in rows}

        yield run


@dataclass(frozen=True)
class Text:
    """What somebody wrote three days ago."""

    id: str
    title: str
    body: str = ""
    subreddit: str = "smallbusiness"
    author: str = "somebody"

    def written_as(self, content: str) -> list[dict[str, Any]]:
        """The things that Reddit has of it: a post, or a comment below a post about nothing."""
        common = {"author": self.author, "subreddit": self.subreddit, "created_utc": int(time.time()) - 3 * 86_400}
        if content == "posts":
            return [post(self.title, self.body, id=self.id, name=f"t3_{self.id}", **common)]
        above = post("Weekly thread", id=f"9{self.id}", name=f"t3_9{self.id}", num_comments=1, **common)
        said = f"{self.title}\n\n{self.body}"
        return [above, comment(said, id=self.id, name=f"t1_{self.id}", link_id=above["name"], **common)]


def test_matched_keywords_are_stored_plurals_and_all(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [
        Text("1both", "Which CRMs track a client?"),
        Text("1body", "Help", "We cannot TRACK our many clients."),
        Text("1one", "A crm?"),
        Text("1no", "Tracking clientele with a scrm"),
    ]
    assert crawl(things, keywords=["crm", "track clients"]) == {
        "1both": ["crm", "track clients"],
        "1body": ["track clients"],
        "1one": ["crm"],
    }


def test_words_in_quotes_are_adjacent_and_in_order(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [
        Text("1adj", "How do you follow up with customers?"),
        Text("1apart", "Customers follow me up the hill with joy"),
        Text("1order", "up follow"),
    ]
    assert crawl(things, keywords=['"follow up"']) == {"1adj": ['"follow up"']}


def test_a_negative_keyword_excludes_wherever_it_stands(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [
        Text("1ask", "Which CRM?"),
        Text("1hire", "Hiring a CRM expert"),
        Text("1late", "Which CRM?", "By the way: we are HIRING."),
        Text("1part", "Which CRM?", "No rehiring here."),
    ]
    assert set(crawl(things, keywords=["crm"], negative_keywords=["hiring"])) == {"1ask", "1part"}


def test_a_negative_phrase_excludes_only_the_phrase(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [Text("1for", "CRM expert for hire"), Text("1hire", "I hire for a CRM")]
    assert set(crawl(things, keywords=["crm"], negative_keywords=['"for hire"'])) == {"1hire"}


def test_only_included_subreddits_are_looked_at_in_any_case(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [Text("1in", "Which CRM?", subreddit="smallbusiness"), Text("1out", "Which CRM?", subreddit="sales")]
    assert set(crawl(things, keywords=["crm"], subreddits={"include": ["SmallBusiness"]})) == {"1in"}


def test_excluded_subreddits_are_left_out_even_if_included(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [Text("1in", "Which CRM?", subreddit="smallbusiness"), Text("1out", "Which CRM?", subreddit="forhire")]
    assert set(crawl(things, keywords=["crm"], subreddits={"exclude": ["ForHire"]})) == {"1in"}


def test_excluded_authors_are_left_out_in_any_case(crawl: Callable[..., dict[str, list[str]]]) -> None:
    things = [Text("1ask", "Which CRM?", author="ann"), Text("1bot", "Which CRM?", author="AutoModerator")]
    assert set(crawl(things, keywords=["crm"], exclude_authors=["automoderator"])) == {"1ask"}


def test_matched_keywords_are_shown(
    crawl: Callable[..., dict[str, list[str]]],
    content: str,
    database_url: str,
    servers: embedded.Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crawl([Text("1ask", "Which CRM do you use to track clients?")], keywords=["crm", "track clients"])
    monkeypatch.setenv("DATABASE_URL", database_url)
    fullname = f"{'t3' if content == 'posts' else 't1'}_1ask"
    result = CliRunner().invoke(main, ["explain", "crm", fullname], catch_exceptions=False)
    assert "keywords: crm, track clients" in result.output
