"""The Reddit source through the real client, over TCP to a stand-in that fails when it is told to."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncprawcore.sessions import FiniteRetryStrategy

from lead_assets.config.environment import RedditCredentials
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document
from lead_assets.domain.errors import LookUpFailed, SourceFailed
from lead_assets.domain.frames import to_frame
from lead_assets.domain.progress import QueryProgress, StoredDocument, SubredditFacts, TreeProgress, UnreadTree
from lead_assets.sources.archive import ArchiveSource
from lead_assets.sources.base import Batch, SourceCounts
from lead_assets.sources.reddit import pace as pace_module
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.source import CrawlOptions, RedditSource
from lead_assets_tests.stand_ins.reddit_server import Corpus, Fault, RedditServer
from lead_assets_tests.stand_ins.reddit_server.answers import Answer, answer, refusal

NOW = 1_780_000_000
MINUTE = 60


def post(number: int, **other: Any) -> dict[str, Any]:
    """A post that matches, older by its number."""
    thing = {"id": f"p{number:05}", "title": "Which CRM?", "subreddit": "sales", "author": "ada"}
    return thing | {"created_utc": NOW - MINUTE * number, "num_comments": 0} | other


def comment(number: int, **other: Any) -> dict[str, Any]:
    """A comment that matches."""
    thing = {"id": f"c{number:05}", "body": "I use a CRM.", "author": "bob", "created_utc": NOW - MINUTE * number}
    return thing | other


def campaign(**changed: Any) -> Campaign:
    given = {"id": "crm", "name": "CRM", "product": "A CRM.", "keywords": ["crm"], "content": ["posts"]}
    return Campaign.model_validate(given | changed)


@dataclass
class FakeMemory:
    """What a database would remember; only what is stored by ``take`` is known of progress and documents."""

    queries: dict[str, QueryProgress] = field(default_factory=dict)
    trees: dict[str, int] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    stale: list[StoredDocument] = field(default_factory=list)
    facts: dict[str, SubredditFacts] = field(default_factory=dict)
    hot: dict[str, int] = field(default_factory=dict)
    karma: dict[str, int | None] = field(default_factory=dict)

    def take(self, batch: Batch) -> None:
        """Store a batch, as the crawl does."""
        self.documents |= {document.reddit_id: document for document in batch.documents}
        self.queries |= {entry.query: entry for entry in batch.progress if isinstance(entry, QueryProgress)}
        self.trees |= {entry.post_id: entry.num_comments for entry in batch.progress if isinstance(entry, TreeProgress)}

    def young(self, reddit_ids: Sequence[str]) -> set[str]:
        return set(reddit_ids) & set(self.documents)

    def progress(self, query: str) -> QueryProgress | None:
        return self.queries.get(query)

    def stale_documents(self, since: datetime | None, limit: int) -> list[StoredDocument]:
        return self.stale[:limit]

    def unsettled_documents(self, hours: float) -> list[StoredDocument]:
        return []

    def unread_trees(self, since: datetime | None, limit: int) -> list[UnreadTree]:
        unread = [
            UnreadTree(document.reddit_id, document.title, document.num_comments)
            for document in self.documents.values()
            if document.kind == "post" and (document.num_comments or 0) > self.trees.get(document.reddit_id, 0)
        ]
        return sorted(unread, key=lambda tree: -tree.num_comments)[:limit]

    def subreddits(self, names: Sequence[str]) -> Mapping[str, SubredditFacts]:
        return {name: self.facts[name] for name in names if name in self.facts}

    def remember_subreddits(self, facts: Sequence[SubredditFacts]) -> None:
        self.facts |= {fact.name: fact for fact in facts}

    def hot_posts(self, names: Sequence[str]) -> Mapping[str, int]:
        return {name: self.hot[name] for name in names if name in self.hot}

    def remember_hot_posts(self, counts: Mapping[str, int]) -> None:
        self.hot |= counts

    def authors(self, author_ids: Sequence[str]) -> Mapping[str, int | None]:
        return {name: self.karma[name] for name in author_ids if name in self.karma}

    def remember_authors(self, karma: Mapping[str, int | None]) -> None:
        self.karma |= karma


@dataclass
class FreeBudget:
    """Grants everything; remembers what it was told."""

    acquired: int = 0
    blocked: list[float] = field(default_factory=list)
    reported: list[tuple[float, float]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """What the next calls of ``acquire`` answer."""

    def acquire(self) -> float:
        if self.waits:
            return self.waits.pop(0)
        self.acquired += 1
        return 0.0

    def report(self, remaining: float, reset_seconds: float) -> None:
        self.reported.append((remaining, reset_seconds))

    def block(self, seconds: float) -> None:
        self.blocked.append(seconds)
        self.waits.append(seconds)


@dataclass
class World:
    """The stand-in, and what lies around a source."""

    server: RedditServer
    memory: FakeMemory = field(default_factory=FakeMemory)
    budget: FreeBudget = field(default_factory=FreeBudget)
    said: list[str] = field(default_factory=list)
    opened: list[RedditSource] = field(default_factory=list)

    @property
    def corpus(self) -> Corpus:
        return self.server.corpus

    def source(
        self, *, retry_seconds: float = 3, max_requests: int = 300, comment_requests: int = 20, **changed: Any
    ) -> RedditSource:
        """A new source, as each run opens one."""
        credentials = RedditCredentials("id", changed.pop("secret", "secret"), "test:lead_assets:1", self.server.url)
        client = RedditClient(
            credentials,
            self.budget,
            max_requests=max_requests,
            say=self.said.append,
            retry_seconds=retry_seconds,
            timeout_seconds=changed.pop("timeout_seconds", 5),
        )
        reading = CrawlOptions("gates", comment_requests, changed.pop("hot_posts", False))
        assert not changed, f"no such option: {changed}"
        self.opened.append(RedditSource(client, self.memory, reading))
        return self.opened[-1]

    def crawl(
        self, wanted: Campaign | None = None, since: datetime | None = None, look_up: bool = False, **options: Any
    ) -> "Crawled":
        """One whole crawl, of which every batch is stored."""
        source = self.source(**options)
        crawled = Crawled(source.counts)
        try:
            for batch in source.search(wanted or campaign(), since):
                if look_up and batch.documents:
                    source.look_up_authors(source.look_up_subreddits(to_frame(batch.documents)))
                self.memory.take(batch)
                crawled.batches.append(batch)
        except SourceFailed as error:
            crawled.failure = error
        assert crawled.counts.requests == self.server.total
        return crawled

    def answers(self, endpoint: str, make: Callable[[Mapping[str, str]], Answer | None]) -> None:
        """Let ``make`` answer an endpoint's requests, by their parameters; None leaves it to the server."""
        usual = self.server.api.answer

        def answered(asked: str, parts: Mapping[str, str], params: Mapping[str, str]) -> Answer:
            made = make(params) if asked == endpoint else None
            return made or usual(asked, parts, params)

        self.server.api.answer = answered  # type: ignore[method-assign]

    def after(self) -> list[str]:
        """The cursors of all searches so far."""
        return [params.get("after", "") for _, endpoint, _, params in self.server.log if endpoint == "search"]


@dataclass
class Crawled:
    """What a crawl handed out, and how it ended."""

    counts: SourceCounts
    batches: list[Batch] = field(default_factory=list)
    failure: SourceFailed | None = None

    @property
    def ids(self) -> list[str]:
        return [document.reddit_id for batch in self.batches for document in batch.documents]

    @property
    def warnings(self) -> str:
        return "\n".join(self.counts.warnings)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(pace_module, "_FIRST_BACKOFF", 0.01)
    monkeypatch.setattr(FiniteRetryStrategy, "_sleep_seconds", lambda self: None)
    with RedditServer(Corpus()) as server:
        world = World(server)
        yield world
        for source in world.opened:
            source.close()


def names(*numbers: int) -> list[str]:
    return [f"t3_p{number:05}" for number in numbers]


def listing(*things: Any, after: Any = None) -> Answer:
    return answer({"kind": "Listing", "data": {"children": list(things), "after": after}})


PASSING = [
    Fault.TOO_MANY_WITH_RETRY_AFTER,
    Fault.TOO_MANY,
    Fault.SERVER_ERROR,
    Fault.UNAVAILABLE,
    Fault.TIMEOUT,
    Fault.TRUNCATED,
    Fault.HTML,
    Fault.RESET,
    Fault.EXPIRED_TOKEN,
]


@pytest.mark.parametrize("fault", PASSING)
def test_what_strikes_once_is_survived_and_counted(world: World, fault: Fault) -> None:
    for number in range(150):
        world.corpus.add_post(post(number))
    world.server.fail(fault, endpoint="search", after=1, retry_after=0.05)

    crawled = world.crawl(timeout_seconds=1)

    assert crawled.failure is None
    assert crawled.ids == names(*range(150))
    assert crawled.counts.retries == 1
    # The token, two pages, the repeated one; and a new token where the old one had expired.
    assert crawled.counts.requests == (5 if fault is Fault.EXPIRED_TOKEN else 4)
    assert world.budget.acquired == crawled.counts.requests
    assert crawled.warnings == ""


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.HTML, Fault.TRUNCATED, Fault.RESET, Fault.TOO_MANY])
def test_a_token_request_that_fails_once_is_repeated(world: World, fault: Fault) -> None:
    world.corpus.add_post(post(1))
    world.server.fail(fault, endpoint="token")

    crawled = world.crawl()

    assert (crawled.ids, crawled.counts.retries, crawled.counts.requests) == (names(1), 1, 3)


@pytest.mark.parametrize("fault", PASSING)
def test_what_strikes_for_ever_ends_in_a_sentence_where_nothing_was_read(world: World, fault: Fault) -> None:
    world.corpus.add_post(post(1))
    world.server.fail(fault, times=None, retry_after=0.05)

    crawled = world.crawl(retry_seconds=0, timeout_seconds=1)

    assert crawled.batches == []
    assert crawled.failure is not None
    assert "\n" not in str(crawled.failure)
    assert "REDDIT_" in str(crawled.failure), "a setting to look at"


@pytest.mark.parametrize("fault", PASSING)
def test_what_strikes_for_ever_keeps_what_was_read_and_the_next_run_goes_on(world: World, fault: Fault) -> None:
    for number in range(250):
        world.corpus.add_post(post(number))
    world.server.fail(fault, endpoint="search", times=None, after=1, retry_after=0.05)

    first = world.crawl(retry_seconds=0, timeout_seconds=1)

    assert first.ids == names(*range(100))
    assert first.failure or "Not crawled: (crm) in all of Reddit" in first.warnings
    world.server.reset()
    second = world.crawl()
    assert second.ids[:150] == names(*range(100, 250))


def test_every_try_is_counted_as_one(world: World) -> None:
    world.corpus.add_post(post(1))
    world.server.fail(Fault.UNAVAILABLE, endpoint="search", times=4)

    crawled = world.crawl()

    assert (crawled.counts.retries, crawled.counts.requests) == (4, 6)


def test_retry_after_is_told_to_all_processes_and_waited_for(world: World) -> None:
    world.corpus.add_post(post(1))
    world.server.fail(Fault.TOO_MANY_WITH_RETRY_AFTER, retry_after=0.3)

    crawled = world.crawl()

    assert world.budget.blocked == [0.3]
    assert crawled.counts.waited_seconds >= 0.3
    moments = [moment for moment, endpoint, *_ in world.server.log if endpoint == "search"]
    assert moments[1] - moments[0] >= 0.3


def test_retry_after_is_told_to_all_processes_also_by_one_that_gives_up(world: World) -> None:
    world.corpus.add_post(post(1))
    world.server.fail(Fault.TOO_MANY_WITH_RETRY_AFTER, retry_after=0.2)

    crawled = world.crawl(retry_seconds=0)

    assert crawled.failure is not None
    assert world.budget.blocked == [0.2]


@pytest.mark.parametrize("value", ["soon", "inf", "nan", "-5"])
def test_a_strange_retry_after_blocks_nobody_for_long(world: World, value: str) -> None:
    world.corpus.add_post(post(1))
    strange = [refusal(429, headers={"retry-after": value})]
    world.answers("search", lambda _: strange.pop() if strange else None)

    crawled = world.crawl()

    assert crawled.ids == names(1)
    assert not any(world.budget.blocked)


@pytest.mark.parametrize(("remaining", "reset"), [("x", "1"), ("inf", "10"), ("5", "nan"), ("5", "inf")])
def test_a_strange_count_of_the_server_is_passed_over(world: World, remaining: str, reset: str) -> None:
    world.corpus.add_post(post(1))
    strange = {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset}
    world.server._window.headers = lambda: strange  # type: ignore[method-assign]

    assert world.crawl().ids == names(1)
    assert world.budget.reported == []


def test_the_servers_count_reaches_the_budget(world: World) -> None:
    world.corpus.add_post(post(1))

    world.crawl()

    assert [remaining for remaining, _ in world.budget.reported] == [1000.0, 999.0]


def test_waiting_for_the_budget_is_said_and_counted(world: World) -> None:
    world.corpus.add_post(post(1))
    world.budget.waits = [1.0]

    crawled = world.crawl()

    assert crawled.counts.waited_seconds == 1.0
    assert world.said == ["Waiting 1 s for the request budget (REDDIT_REQUESTS_PER_MINUTE)."]


def test_once_reddit_is_down_what_is_left_is_not_asked_for(world: World) -> None:
    subreddits = {"include": [f"subreddit_with_long_{number:03}" for number in range(400)]}
    for number, name in enumerate(subreddits["include"]):
        world.corpus.add_post(post(number, subreddit=name))
    world.server.fail(Fault.SERVER_ERROR, endpoint="search", times=None, after=1)

    crawled = world.crawl(campaign(subreddits=subreddits), retry_seconds=0)

    assert crawled.ids, "the first query was read"
    assert world.server.requests["search"] == 3
    assert crawled.warnings.count("Not crawled") >= 4


REFUSALS = [
    refusal(400),
    refusal(400, reason="BAD_QUERY", explanation="We do not like it."),
    refusal(400, reason="BAD_QUERY", fields=["q"]),  # type: ignore[arg-type]
    refusal(400, explanation="no reason"),
    Answer(400, b"<html>no JSON</html>", content_type="text/html"),
    Answer(400, b""),
]


@pytest.mark.parametrize("refused", REFUSALS, ids=["plain", "reason", "fields", "no reason", "html", "empty"])
def test_a_rejected_keyword_is_named_and_the_others_are_crawled(world: World, refused: Answer) -> None:
    keywords = ["crm", "cursed", "invoices", "bookkeeping", "payroll"]
    for number, keyword in enumerate(keywords):
        world.corpus.add_post(post(number, title=keyword))
    world.answers("search", lambda params: refused if "cursed" in params["q"] else None)

    crawled = world.crawl(campaign(keywords=keywords))

    assert set(crawled.ids) == set(names(0, 2, 3, 4))
    assert len(crawled.counts.warnings) == 1
    assert "(cursed)" in crawled.warnings
    assert "payroll" not in crawled.warnings


def test_a_query_that_is_rejected_once_is_read_in_parts(world: World) -> None:
    for number, keyword in enumerate(["crm", "invoices"]):
        world.corpus.add_post(post(number, title=keyword))
    world.server.fail(Fault.BAD_REQUEST, endpoint="search")

    crawled = world.crawl(campaign(keywords=["crm", "invoices"]))

    assert set(crawled.ids) == set(names(0, 1))
    assert (crawled.warnings, world.server.requests["search"]) == ("", 3)


def test_keywords_that_are_all_rejected_end_in_a_sentence(world: World) -> None:
    world.server.fail(Fault.BAD_REQUEST, endpoint="search", times=None)

    crawled = world.crawl(campaign(keywords=["crm", "invoices"]))

    assert str(crawled.failure).startswith("Nothing could be crawled.")


def test_bad_subreddits_among_good_ones_are_named(world: World) -> None:
    for number, name in enumerate(["good", "private", "banned", "alsogood"]):
        world.corpus.add_post(post(number, subreddit=name))
    world.corpus.make_private("private")
    world.corpus.ban("banned")
    wanted = campaign(subreddits={"include": ["Good", "private", "banned", "nowhere", "alsogood"]})

    crawled = world.crawl(wanted)

    assert set(crawled.ids) == set(names(0, 3))
    (warning,) = crawled.counts.warnings
    assert all(f"r/{name}" in warning for name in ("private", "banned", "nowhere"))
    assert "good" not in warning.lower().partition("check")[0]


def test_a_subreddit_that_closes_after_its_facts_were_learnt_does_not_cost_the_others(world: World) -> None:
    for number, name in enumerate(["good", "closing", "better", "best"]):
        world.corpus.add_post(post(number, subreddit=name))
        world.memory.facts[name] = SubredditFacts(name)
    world.corpus.make_private("closing")
    wanted = campaign(subreddits={"include": ["good", "closing", "better", "best"]})

    crawled = world.crawl(wanted)

    assert set(crawled.ids) == set(names(0, 2, 3))
    assert "r/closing" in crawled.warnings
    assert not world.memory.facts["closing"].reachable


def test_bad_subreddits_alone_end_in_a_sentence(world: World) -> None:
    world.corpus.add_post(post(1, subreddit="private"))
    world.corpus.make_private("private")

    crawled = world.crawl(campaign(subreddits={"include": ["private", "nowhere"]}))

    assert "Nothing can be crawled. r/private, r/nowhere" in str(crawled.failure)
    assert world.server.requests["search"] == 0


STRANGE_THINGS: list[Any] = [
    None,
    17,
    [],
    {"kind": "t3"},
    {"kind": "t3", "data": None},
    {"kind": "t3", "data": {"title": "Which CRM has no id?"}},
    {"kind": "t3", "data": {"name": ["t3_x"], "id": {}, "title": "Which CRM?"}},
    {"kind": "t3", "data": {"name": "t3_'; DROP TABLE", "title": "Which CRM?"}},
]


@pytest.mark.parametrize("strange", STRANGE_THINGS)
@pytest.mark.parametrize("read_before", [False, True])
def test_a_malformed_thing_is_counted_and_the_rest_is_read(world: World, strange: Any, read_before: bool) -> None:
    good = {"kind": "t3", "data": world.corpus.add_post(post(1))}
    if read_before:
        world.crawl()
        world.server.reset()
        world.memory.documents.clear()
    world.answers("search", lambda _: listing(strange, good, strange))

    crawled = world.crawl()

    assert crawled.ids == names(1)
    assert (crawled.counts.read, crawled.counts.malformed) == (3, 2)


def test_fields_of_wrong_types_are_unknown(world: World) -> None:
    wrong = {
        "selftext": ["not", "text"],
        "author": {"name": "x"},
        "created_utc": "yesterday",
        "score": "many",
        "num_comments": [],
        "removed_by_category": None,
        "subreddit_subscribers": True,
        "over_18": "no",
    }
    world.answers("search", lambda _: listing({"kind": "t3", "data": post(1) | wrong}))

    crawled = world.crawl(since=datetime.fromtimestamp(NOW, UTC))

    (document,) = crawled.batches[0].documents
    unknown = (document.author, document.created_at, document.score, document.num_comments, document.over_18)
    assert unknown == (None,) * 5


@pytest.mark.parametrize("content", [None, [], {}, "text", 5, {"data": None}, {"data": {"children": None}}, [1, 2]])
def test_an_answer_that_is_no_listing_is_told(world: World, content: Any) -> None:
    world.answers("search", lambda _: answer(content))

    crawled = world.crawl()

    assert "Nothing could be crawled" in str(crawled.failure)


def test_json_that_is_too_deep_is_told(world: World) -> None:
    world.answers("search", lambda _: Answer(200, b"[" * 200_000))

    assert "not JSON" in str(world.crawl(retry_seconds=0).failure)


@pytest.mark.parametrize("cursor", [5, "", [], None, {}])
def test_a_strange_cursor_ends_a_listing(world: World, cursor: Any) -> None:
    thing = {"kind": "t3", "data": world.corpus.add_post(post(1))}
    world.answers("search", lambda _: listing(thing, after=cursor))

    world.crawl()

    assert world.server.requests["search"] == 1


def test_an_empty_page_after_a_full_listing_ends_it(world: World) -> None:
    things = [{"kind": "t3", "data": world.corpus.add_post(post(number))} for number in range(1_000)]

    def page(params: Mapping[str, str]) -> Answer:
        start = int(params.get("count", "0"))
        chosen = things[start : start + 100]
        return listing(*chosen, after=chosen[-1]["data"]["name"] if chosen else None)

    world.answers("search", page)

    crawled = world.crawl(since=datetime.fromtimestamp(0, UTC))

    assert len(crawled.ids) == 1_000
    assert "at most 1000 results" in crawled.warnings


def test_what_is_gone_is_counted_and_an_authors_leaving_is_not(world: World) -> None:
    texts = {1: "[removed]", 2: "[deleted]", 3: "I like this CRM.", 4: ""}
    things = [post(number, selftext=text) for number, text in texts.items()]
    things[2]["author"] = "[deleted]"
    things[3]["removed_by_category"] = "moderator"
    world.answers("search", lambda _: listing(*({"kind": "t3", "data": thing} for thing in things)))

    crawled = world.crawl()

    assert (crawled.ids, crawled.counts.deleted, crawled.counts.malformed) == (names(3), 3, 0)
    assert crawled.batches[0].documents[0].author is None


def test_texts_arrive_as_their_authors_wrote_them(world: World) -> None:
    world.corpus.add_post(post(1, title="CRM &amp; invoices <b>", selftext="**Which** CRM?\n\n> quoted & [link](x)"))

    (document,) = world.crawl().batches[0].documents

    assert document.title == "CRM & invoices <b>"
    assert document.body == "**Which** CRM?\n\n> quoted & [link](x)"


MATCHING_TEXTS = [
    "Which CRM do you use?",
    "crms",
    "scrm",
    "track clients",
    "We track our clients",
    "track our client",
    "project management",
    "management of a project",
    "CRM for real estate",
    "CRM &amp; more",
    "node.js or nodejs",
    "c++ and CRM",
    "the c++ way",
    "not a CRM",
    "Größe",
    "GRÖSSE",
    "it's",
]


@pytest.mark.parametrize("content", ["posts", "comments"])
def test_matching_is_as_the_archives(world: World, tmp_path: Path, content: str) -> None:
    wanted = campaign(
        keywords=["crm", '"track clients"', "project management", "c++", "node.js", "größe", "it's"],
        negative_keywords=["real estate"],
        subreddits={"include": ["sales", "law"], "exclude": ["law"]},
        exclude_authors=["Spammer"],
        content=[content],
    )
    things = []
    for number, text in enumerate(MATCHING_TEXTS):
        for author, subreddit in (("ada", "sales"), ("spammer", "sales"), ("ada", "law"), ("[deleted]", "Sales")):
            key = 10 * number + len(things) % 4
            place = {"author": author, "subreddit": subreddit}
            if content == "posts":
                things.append(world.corpus.add_post(post(key, title=text, **place)))
            else:
                things.append(world.corpus.add_comment(comment(key, body=text, link_id="t3_x", **place)))
    archive = tmp_path / "archive.ndjson"
    archive.write_text("".join(json.dumps(thing) + "\n" for thing in things), encoding="utf-8")

    crawled = world.crawl(wanted)
    expected = [document for batch in ArchiveSource(archive).search(wanted) for document in batch.documents]

    assert expected
    found = {document.reddit_id: document for batch in crawled.batches for document in batch.documents}
    assert set(found) == {document.reddit_id for document in expected}
    for document in expected:
        ours = found[document.reddit_id]
        assert ours.matched_keywords == document.matched_keywords
        same = ("reddit_id", "kind", "subreddit", "author", "body", "url", "created_at", "score")
        assert all(getattr(ours, name) == getattr(document, name) for name in same)


def grown_post(world: World, number: int, comments: int, first: int = 0, **other: Any) -> None:
    """A post with comments that match."""
    thing = post(number, **other)
    del thing["num_comments"]
    world.corpus.add_post(thing)
    for at in range(first, first + comments):
        world.corpus.add_comment(comment(at, link_id=f"t3_p{number:05}"))


BOTH: dict[str, Any] = {"content": ["posts", "comments"]}


def test_a_tree_is_read_with_what_hides_behind_more(world: World) -> None:
    grown_post(world, 1, 250)
    world.server.api.tree_limit = 100

    crawled = world.crawl(campaign(**BOTH))

    assert len([name for name in crawled.ids if name.startswith("t1_")]) == 250
    assert (world.server.requests["comments"], world.server.requests["morechildren"]) == (1, 2)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5])
def test_trees_stay_within_their_requests(world: World, limit: int) -> None:
    for number in range(4):
        grown_post(world, number, 150, first=1_000 * number)
    world.server.api.tree_limit = 50

    world.crawl(campaign(**BOTH), comment_requests=limit)

    assert world.server.requests["comments"] + world.server.requests["morechildren"] == limit


def test_a_comment_in_a_tree_has_its_posts_title_and_is_for_adults_where_its_post_is(world: World) -> None:
    grown_post(world, 1, 1, over_18=True)

    (document,) = [d for batch in world.crawl(campaign(**BOTH)).batches for d in batch.documents if d.kind == "comment"]

    assert (document.title, document.over_18, document.post_id) == ("Which CRM?", True, "t3_p00001")


@pytest.mark.parametrize(
    "content", [{"json": None}, {"json": {"errors": []}}, {"json": {"data": {"things": None}}}, [], None]
)
def test_a_strange_answer_to_more_comments_is_told(world: World, content: Any) -> None:
    grown_post(world, 1, 20)
    world.server.api.tree_limit = 10
    world.answers("morechildren", lambda _: answer(content))

    crawled = world.crawl(campaign(**BOTH))

    assert crawled.failure is None
    assert "The comments of t3_p00001 were not read" in crawled.warnings
    assert "t3_p00001" not in world.memory.trees


@pytest.mark.parametrize("replies", [{}, {"data": None}, [], 5, None, {"kind": "Listing", "data": {"children": 3}}])
def test_strange_replies_do_not_cost_the_tree(world: World, replies: Any) -> None:
    grown_post(world, 1, 1)
    first, second = (comment(number, name=f"t1_c{number:05}", subreddit="sales") for number in (1, 2))
    tree = [{"kind": "t1", "data": first | {"replies": replies}}, {"kind": "t1", "data": second}]
    empty = {"kind": "Listing", "data": {"children": [{"kind": "t3", "data": world.corpus.posts["t3_p00001"]}]}}
    world.answers("comments", lambda _: answer([empty, {"kind": "Listing", "data": {"children": tree}}]))

    crawled = world.crawl(campaign(**BOTH))

    assert [name for name in crawled.ids if name.startswith("t1_")] == ["t1_c00001", "t1_c00002"]


@pytest.mark.parametrize("fault", [Fault.BAD_REQUEST, Fault.SERVER_ERROR, Fault.TRUNCATED])
def test_trees_that_fail_are_warned_of_and_the_others_are_read(world: World, fault: Fault) -> None:
    for number, comments in ((1, 5), (2, 3), (3, 2)):
        grown_post(world, number, comments, first=100 * number)
    world.server.fail(fault, endpoint="comments", after=1)

    crawled = world.crawl(campaign(**BOTH), retry_seconds=0)

    assert crawled.failure is None
    assert len(crawled.ids) == 3 + 5 + 2
    assert "The comments of t3_p00002 were not read" in crawled.warnings
    assert set(world.memory.trees) == set(names(1, 3))


def test_trees_are_given_up_once_reddit_is_down(world: World) -> None:
    for number in range(6):
        grown_post(world, number, 3, first=100 * number)
    world.server.fail(Fault.UNAVAILABLE, endpoint="comments", times=None, after=1)

    crawled = world.crawl(campaign(**BOTH), retry_seconds=0)

    assert len(crawled.ids) == 6 + 3, "what was read before is kept"
    assert world.server.requests["comments"] == 3


def test_a_tree_that_cannot_be_reached_makes_room_for_others(world: World) -> None:
    grown_post(world, 1, 5)
    grown_post(world, 2, 2, first=100)
    world.corpus.vanish("t3_p00001")
    world.memory.documents["t3_p00001"] = replace(world.crawl().batches[0].documents[0], reddit_id="t3_p00001")
    world.memory.documents["t3_p00001"] = replace(world.memory.documents["t3_p00001"], num_comments=5)
    world.server.reset()

    first = world.crawl(campaign(**BOTH), comment_requests=1)
    world.server.reset()
    second = world.crawl(campaign(**BOTH), comment_requests=1)

    assert "t3_p00001" in first.warnings
    assert [name for name in second.ids if name.startswith("t1_")] == ["t1_c00100", "t1_c00101"]


def test_reading_stops_at_what_is_too_old(world: World) -> None:
    for number in range(450):
        world.corpus.add_post(post(number))
    since = datetime.fromtimestamp(NOW, UTC) - timedelta(minutes=150)

    crawled = world.crawl(since=since)

    assert len(crawled.ids) == 200
    assert world.server.requests["search"] == 2
    assert all(progress.read_to_end for progress in world.memory.queries.values())


def test_a_thing_without_a_time_does_not_hide_that_the_rest_is_too_old(world: World) -> None:
    for number in range(450):
        world.corpus.add_post(post(number, **({"created_utc": None} if number == 199 else {})))
    things = [{"kind": "t3", "data": post(number)} for number in range(100)]
    things[-1]["data"]["created_utc"] = "long ago"
    world.answers("search", lambda _: listing(*things, after="t3_p00099"))

    world.crawl(since=datetime.fromtimestamp(NOW, UTC) - timedelta(minutes=50))

    assert world.server.requests["search"] == 1


@pytest.mark.parametrize("batches", [1, 2])
def test_a_run_that_dies_loses_and_repeats_only_what_it_had_not_handed_on(world: World, batches: int) -> None:
    for number in range(1_000):
        world.corpus.add_post(post(number, title="Which CRM?" if number % 2 else "Lunch?"))
    world.answers("search", lambda params: None)
    keywords = campaign(keywords=["crm", "lunch"])
    running = world.source().search(keywords, None)
    for _ in range(batches):
        world.memory.take(next(running))
    running.close()
    handed = set(world.memory.documents)
    world.server.reset()

    crawled = Crawled(world.source().counts)
    for batch in world.opened[-1].search(keywords, None):
        world.memory.take(batch)
        crawled.batches.append(batch)

    assert len(world.memory.documents) == 1_000
    again = [name for name in crawled.ids if name in handed]
    assert len(again) <= 100, "only the page on which the reading from the top meets what is known"
    if batches == 1:
        assert world.after()[0] == f"t3_p{499:05}"


def test_known_things_end_a_reading_only_when_the_query_was_read_to_its_end(world: World) -> None:
    for number in range(600):
        world.corpus.add_post(post(number))
    known = world.crawl(since=None).batches
    queries = dict(world.memory.queries)
    world.memory.queries.clear()
    world.server.reset()

    world.crawl()
    assert world.server.requests["search"] == 6, "never read to its end"

    world.memory.queries = queries
    world.server.reset()
    world.crawl()
    assert world.server.requests["search"] == 1
    assert known


def test_ninety_nine_known_things_in_a_row_are_not_enough(world: World) -> None:
    for number in range(600):
        world.corpus.add_post(post(number))
    world.crawl()
    for number in range(50, 600, 100):
        del world.memory.documents[f"t3_p{number:05}"]
    world.server.reset()

    crawled = world.crawl()

    assert world.server.requests["search"] == 6
    assert len(world.memory.documents) == 600
    assert crawled.counts.given == 600


@pytest.mark.parametrize("read_to_end", [False, True])
def test_a_cursor_whose_post_is_gone_loses_nothing(world: World, read_to_end: bool) -> None:
    """An earlier run read the first 150 of 400 new posts; Reddit answers nothing to its cursor any more."""
    for number in range(600):
        world.corpus.add_post(post(number))
    world.crawl()
    (progress,) = world.memory.queries.values()
    for number in range(150, 400):
        del world.memory.documents[f"t3_p{number:05}"]
    interrupted = replace(
        progress,
        after="t3_gone",
        read_to_end=read_to_end,
        newest_at=datetime.fromtimestamp(NOW, UTC) - timedelta(minutes=400) if read_to_end else None,
    )
    world.memory.queries = {progress.query: interrupted}
    world.answers("search", lambda params: listing() if params.get("after") == "t3_gone" else None)
    world.server.reset()

    world.crawl()

    assert len(world.memory.documents) == 600
    assert world.memory.queries[progress.query].read_to_end


def test_a_cursor_whose_post_was_deleted_goes_on_there(world: World) -> None:
    for number in range(300):
        world.corpus.add_post(post(number))
    world.server.fail(Fault.UNAVAILABLE, endpoint="search", times=None, after=1)
    world.crawl(retry_seconds=0)
    world.corpus.delete("t3_p00099")
    world.server.reset()

    world.crawl()

    assert len(world.memory.documents) == 300
    assert world.after()[0] == "t3_p00099"


@pytest.mark.parametrize("limit", [10, 11, 14, 17, 20, 25])
@pytest.mark.parametrize("wanted", [{}, BOTH, BOTH | {"subreddits": {"include": ["sales"]}}])
def test_a_run_stays_within_its_requests_and_can_judge_what_it_gathered(
    world: World, limit: int, wanted: dict[str, Any]
) -> None:
    for number in range(500):
        world.corpus.add_post(post(number, author=f"author{number}"))
    for number in range(500, 504):
        grown_post(world, number, 300, first=1_000 * (number - 500))
    for number, thing in enumerate(world.corpus.comments.values()):
        thing["author_fullname"] = f"t2_x{number}"

    for _ in range(4):
        crawled = world.crawl(campaign(**wanted), look_up=True, max_requests=limit, comment_requests=limit)
        assert not isinstance(crawled.failure, LookUpFailed), "a batch could not be judged"
        assert crawled.counts.requests <= limit
        assert crawled.ids
        world.server.reset()


def test_a_spent_run_is_told(world: World) -> None:
    for number in range(900):
        world.corpus.add_post(post(number, author=f"author{number}"))

    crawled = world.crawl(look_up=True, max_requests=10)

    assert crawled.failure is None
    assert "REDDIT_MAX_REQUESTS_PER_RUN" in crawled.warnings


def test_stored_documents_that_cannot_be_fetched_again_are_warned_of(world: World) -> None:
    world.corpus.add_post(post(1))
    world.memory.stale = [StoredDocument("t3_p00001", "")]
    world.server.fail(Fault.BAD_REQUEST, endpoint="info")

    crawled = world.crawl()

    assert (crawled.failure, crawled.ids) == (None, names(1))
    assert "1 stored documents were not looked at again" in crawled.warnings


def test_stored_documents_are_fetched_again_and_those_that_are_gone_are_named(world: World) -> None:
    for number in range(3):
        world.corpus.add_post(post(number, score=50))
    world.corpus.delete("t3_p00001")
    world.corpus.vanish("t3_p00002")
    world.memory.stale = [StoredDocument(name, "") for name in names(0, 1, 2)]

    (*_, last) = world.crawl().batches

    assert last.refreshed
    assert ([document.reddit_id for document in last.documents], last.gone) == (names(0), names(1, 2))


def test_a_bad_day_of_reddit_is_no_deletion(world: World) -> None:
    world.memory.stale = [StoredDocument(name, "") for name in names(*range(20))]

    crawled = world.crawl()

    assert not any(batch.gone for batch in crawled.batches)
    assert "not a deletion" in crawled.warnings


def frame(*documents: Document) -> Any:
    return to_frame(documents)


def test_facts_that_cannot_be_had_are_not_unknown(world: World) -> None:
    world.corpus.add_post(post(1))
    documents = world.crawl().batches[0].documents
    world.server.fail(Fault.SERVER_ERROR, endpoint="user_data", times=None)

    with pytest.raises(LookUpFailed, match="status 500"):
        world.source(retry_seconds=0).look_up_authors(to_frame(documents))
    assert world.memory.karma == {}


def test_authors_whom_reddit_does_not_know_are_unknown_and_asked_for_once(world: World) -> None:
    world.corpus.add_post(post(1))
    documents = world.crawl().batches[0].documents
    world.corpus.suspend("ada")

    for _ in range(2):
        looked_up = world.source().look_up_authors(to_frame(documents))
        assert looked_up["author_karma"].isna().all()
    assert world.server.requests["user_data"] == 1


@pytest.mark.parametrize("content", [None, [], "x", {"t2_x": None}, {"t2_x": [1]}])
def test_strange_facts_are_not_believed(world: World, content: Any) -> None:
    world.corpus.add_post(post(1))
    documents = world.crawl().batches[0].documents
    world.answers("user_data", lambda _: answer(content))

    with pytest.raises(LookUpFailed, match="unexpected"):
        world.source(retry_seconds=0).look_up_authors(to_frame(documents))
    assert world.memory.karma == {}


@pytest.mark.parametrize("fault", [*PASSING, Fault.FORBIDDEN_AGENT, Fault.BAD_REQUEST])
def test_no_error_tells_a_secret(world: World, fault: Fault) -> None:
    world.corpus.add_post(post(1))
    world.server.client_secret = "a-very-secret-secret"
    world.server.fail(fault, times=None, retry_after=0.05)

    crawled = world.crawl(secret="a-very-secret-secret", retry_seconds=0, timeout_seconds=1)

    told = f"{crawled.failure!r} {crawled.failure} {crawled.warnings} {world.said} {crawled.counts!r}"
    assert crawled.failure is not None
    assert "a-very-secret-secret" not in told
    assert "bearer" not in told.lower()


def test_credentials_do_not_show_their_secret() -> None:
    assert "hush" not in f"{RedditCredentials('id', 'hush', 'agent')!r} {RedditCredentials('id', 'hush', 'agent')}"
