"""The whole way from Reddit's API to the store, through the real client and a server that answers as Reddit does."""

import time
from typing import Any

import pytest

from lead_assets_tests.conftest import World, checks, failure, metadata
from lead_assets_tests.faults import fault
from lead_assets_tests.stand_ins.reddit_server import Corpus, Fault, RedditServer

CRAWL = ("crawled_documents",)
HOUR = 3_600
DAY = 24 * HOUR


def post(number: int, **other: Any) -> dict[str, Any]:
    """A post that matches and passes every gate, older by its number. ``...`` leaves a field out."""
    thing = {
        "id": f"p{number:05}",
        "title": "Which CRM do you recommend?",
        "selftext": f"I run shop number {number}.",
        "subreddit": f"sub{number % 100}",
        "author": f"author{number % 500}",
        "created_utc": time.time() - HOUR - 60 * number,
        "score": 5,
        "subreddit_subscribers": 50_000,
        "num_comments": 0,
    } | other
    return {key: value for key, value in thing.items() if value is not ...}


def comment(number: int, **other: Any) -> dict[str, Any]:
    """A comment that matches and passes every gate."""
    return {
        "id": f"c{number:05}",
        "body": f"Which CRM do you use? This is number {number}.",
        "author": f"author{number % 500}",
        "created_utc": time.time() - HOUR - 60 * number,
        "score": 3,
    } | other


def campaign(world: World, campaign_id: str = "crm", **keys: Any) -> str:
    return world.campaign(campaign_id, **({"source": "reddit", "archive": None} | keys))


def ids(world: World, campaign_id: str = "crm") -> set[str]:
    return {
        row["reddit_id"]
        for row in world.rows("SELECT reddit_id FROM lead_assets.documents WHERE campaign_id = :c", c=campaign_id)
    }


def test_posts_are_found_looked_up_judged_and_stored(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world)
    corpus.add_post(post(1))
    corpus.add_post(post(2, subreddit_subscribers=5))
    corpus.add_post(post(3, title="What is for lunch?"))
    corpus.add_redditor({"name": "poor", "link_karma": 1, "comment_karma": 1})
    corpus.add_post(post(4, author="poor"))

    result = world.run(only=CRAWL)

    assert ids(world) == {"t3_p00001"}
    rejected = world.rows("SELECT reddit_id, gate FROM lead_assets.rejections ORDER BY 1")
    assert [tuple(row.values()) for row in rejected] == [
        ("t3_p00002", "subreddit_subscribers"),
        ("t3_p00004", "author_karma"),
    ]
    found = metadata(result, "crawled_documents")
    assert (found["records_read"], found["matched"], found["requests"]) == (3, 3, reddit.total)
    assert all(check.passed for check in checks(result).values())


def test_a_thousand_posts_cost_few_requests(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world, content=["posts"])
    for number in range(1_000):
        corpus.add_post(post(number))

    world.run(only=CRAWL)

    assert len(ids(world)) == 1_000
    assert reddit.total <= 30
    assert (reddit.requests["search"], reddit.requests["user_data"]) == (10, 5)

    reddit.reset()
    world.execute("DELETE FROM lead_assets.sightings")
    world.execute("DELETE FROM lead_assets.crawl_queries")
    world.run(only=CRAWL)

    assert reddit.total <= 12, "facts of subreddits and authors are cached"


def test_a_second_crawl_stops_among_what_it_knows_and_finds_what_is_new(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    campaign(world, content=["posts"])
    for number in range(10, 400):
        corpus.add_post(post(number, author="same"))
    world.run(only=CRAWL)
    reddit.reset()
    corpus.add_post(post(1, author="same"))

    again = world.run(only=CRAWL)

    assert "t3_p00001" in ids(world)
    assert metadata(again, "crawled_documents")["judged"] == 1
    assert reddit.requests["search"] <= 2


def test_another_keyword_or_gate_setting_reads_the_listing_again(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    campaign(world, content=["posts"])
    for number in range(300):
        corpus.add_post(post(number, author="same"))
    world.run(only=CRAWL)
    reddit.reset()

    world.run(only=CRAWL, config={"REDDIT_MIN_UPVOTE_RATIO": 0.5})

    assert reddit.requests["search"] == 3


@fault(
    "the requests that a run may make are spent",
    service="Reddit",
    seen="`source_complete` warns that the run stopped early",
    again="the next run continues there",
)
def test_a_crawl_that_stopped_early_is_gone_on_with(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world, content=["posts"], settings={"REDDIT_MAX_REQUESTS_PER_RUN": 10})
    for number in range(900):
        corpus.add_post(post(number, author="same"))

    first = metadata(world.run(only=CRAWL), "crawled_documents")
    assert first["requests"] <= 10
    assert 0 < first["kept"] < 900
    assert "REDDIT_MAX_REQUESTS_PER_RUN" in str(first["warnings"])
    corpus.add_post(post(0, id="new", author="same"))

    runs = 1
    while len(ids(world)) < 901 and runs < 6:
        assert metadata(world.run(only=CRAWL), "crawled_documents")["requests"] <= 10
        runs += 1

    assert len(ids(world)) == 901
    assert runs <= 4


@fault(
    "it does not answer a look-up of subreddits or authors",
    service="Reddit",
    seen="`source_complete` warns: “… documents were left for the next crawl”",
    again="the next crawl meets them again",
)
def test_a_batch_whose_look_up_failed_is_met_again(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world, content=["posts"])
    for number in range(700):
        corpus.add_post(post(number, author=f"author{number}"))
    reddit.fail(Fault.UNAVAILABLE, endpoint="user_data", times=1)

    first = metadata(world.run(only=CRAWL), "crawled_documents")
    second = metadata(world.run(only=CRAWL), "crawled_documents")

    assert (first["postponed"], first["kept"]) == (500, 200)
    assert second["kept"] == 500
    assert len(ids(world)) == 700


def test_a_crawl_in_which_no_look_up_worked_fails(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world)
    corpus.add_post(post(1))
    reddit.fail(Fault.SERVER_ERROR, endpoint="user_data", times=None)

    assert "status 500" in failure(world.run(only=CRAWL, ok=False))
    assert world.rows("SELECT * FROM lead_assets.sightings") == []


def test_what_was_waited_and_tried_again_is_told(
    world: World, reddit: RedditServer, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDDIT_RETRY_SECONDS", "30")
    campaign(world)
    corpus.add_post(post(1))
    reddit.fail(Fault.TOO_MANY_WITH_RETRY_AFTER, endpoint="search", retry_after=1)

    result = world.run(only=CRAWL)

    found = metadata(result, "crawled_documents")
    assert found["retries"] == 1
    assert found["seconds_waited_for_requests"] >= 1
    assert ids(world) == {"t3_p00001"}


def test_comments_come_from_trees_and_from_named_subreddits(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world, subreddits={"include": ["sub1", "sub2"]})
    corpus.add_post(post(1, num_comments=...))
    corpus.add_post(post(2, title="What is for lunch?"))
    corpus.add_comment(comment(1, link_id="t3_p00001"))
    corpus.add_comment(comment(2, link_id="t3_p00002"))
    corpus.add_comment(comment(3, link_id="t3_p00002", body="Soup."))

    world.run(only=CRAWL)

    rows = world.rows("SELECT reddit_id, title FROM lead_assets.documents ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [
        ("t1_c00001", "Which CRM do you recommend?"),
        ("t1_c00002", "What is for lunch?"),
        ("t3_p00001", "Which CRM do you recommend?"),
    ]


def test_a_tree_is_read_again_only_when_it_has_grown(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world)
    corpus.add_post(post(1, num_comments=...))
    corpus.add_comment(comment(1, link_id="t3_p00001"))
    world.run(only=CRAWL)
    assert ids(world) == {"t3_p00001", "t1_c00001"}
    reddit.reset()

    world.run(only=CRAWL)
    assert reddit.requests["comments"] == 0

    corpus.add_comment(comment(2, link_id="t3_p00001"))
    world.execute("UPDATE lead_assets.sightings SET seen_at = seen_at - interval '8 days'")
    world.run(only=CRAWL)
    world.run(only=CRAWL)
    assert reddit.requests["comments"] == 1
    assert "t1_c00002" in ids(world)


def test_documents_that_the_ledger_has_forgotten_are_refreshed_a_hundred_at_a_time(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    campaign(world, content=["posts"])
    for number in range(150):
        corpus.add_post(post(number, author="same"))
    world.run(only=CRAWL)
    world.execute("UPDATE lead_assets.sightings SET seen_at = seen_at - interval '8 days'")
    for thing in corpus.posts.values():
        thing.update(score=99, selftext="The search does not find it any more.", title="Gone from the index")
    reddit.reset()

    result = world.run(only=CRAWL)

    assert reddit.requests["info"] == 2
    assert metadata(result, "crawled_documents")["judged"] == 150
    assert world.value("SELECT min(score) FROM lead_assets.documents") == 99
    assert checks(result)["deduplication"].passed


def test_what_was_taken_down_goes_when_it_is_refreshed(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world, content=["posts"])
    for number in range(3):
        corpus.add_post(post(number))
    world.run()
    world.execute("UPDATE lead_assets.sightings SET seen_at = seen_at - interval '8 days'")
    corpus.delete("t3_p00000")
    corpus.remove("t3_p00001")
    reddit.reset()

    result = world.run()

    assert reddit.requests["info"] == 1
    assert metadata(result, "crawled_documents")["purged"] == 2
    assert ids(world) == {"t3_p00002"}
    assert set(world.search_index.held("crm")) == {"t3_p00002"}
    deleted = world.rows("SELECT reddit_id FROM lead_assets.deleted_documents ORDER BY 1")
    assert [row["reddit_id"] for row in deleted] == ["t3_p00000", "t3_p00001"]


def test_subreddit_facts_and_karma_are_shared_by_campaigns(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world, "one", subreddits={"include": ["sub1"]})
    campaign(world, "two", subreddits={"include": ["sub1"]})
    corpus.add_post(post(1))
    corpus.add_comment(comment(1, link_id="t3_p00001"))
    world.run("one", only=CRAWL)
    reddit.reset()

    world.run("two", only=CRAWL)

    assert reddit.requests["info_subreddits"] == reddit.requests["user_data"] == 0
    assert ids(world, "two") == ids(world, "one") == {"t3_p00001", "t1_c00001"}


def test_hot_posts_are_counted_only_where_the_gate_asks(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    campaign(world)
    corpus.add_post(post(1, subreddit="quiet", subreddit_subscribers=2_000))
    for number in range(2, 90):
        corpus.add_post(post(number, subreddit="busy", subreddit_subscribers=2_000, author="same"))
    world.run(only=CRAWL)
    assert reddit.requests["hot"] == 0

    world.run(only=CRAWL, config={"REDDIT_MIN_SUB_RATIO": 100.0})

    assert reddit.requests["hot"] == 2
    rows = world.rows("SELECT reddit_id FROM lead_assets.rejections WHERE gate = 'subreddit_activity'")
    assert len(rows) == 88


def test_what_cannot_be_crawled_is_told_and_the_rest_goes_on(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    campaign(world, subreddits={"include": ["sub1", "sub2", "sub3", "nosuchplace"]})
    for number in (1, 2, 3):
        corpus.add_post(post(number))
    corpus.make_private("sub2")

    result = world.run(only=CRAWL)

    assert ids(world) == {"t3_p00001", "t3_p00003"}
    warnings = str(metadata(result, "crawled_documents")["warnings"])
    assert "r/sub2" in warnings
    assert "r/nosuchplace" in warnings
    assert "subreddits.include" in warnings


@pytest.mark.parametrize("missing", ["REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT"])
def test_missing_credentials_are_named(
    missing: str, world: World, reddit: RedditServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign(world)
    monkeypatch.delenv(missing)

    assert f"needs {missing}, which is not set" in failure(world.run(only=CRAWL, ok=False))
    assert reddit.total == 0


def test_wrong_credentials_are_told_without_the_secret(
    world: World, reddit: RedditServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign(world)
    monkeypatch.setenv("REDDIT_CLIENT_SECRET", "not-the-secret")

    sentence = failure(world.run(only=CRAWL, ok=False))

    assert "REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET" in sentence
    assert "not-the-secret" not in sentence


def test_a_banned_user_agent_is_named(world: World, reddit: RedditServer) -> None:
    campaign(world)
    reddit.fail(Fault.FORBIDDEN_AGENT, times=None)

    assert "REDDIT_USER_AGENT" in failure(world.run(only=CRAWL, ok=False))


def test_what_was_deleted_is_not_brought_back_by_another_source(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    campaign(world)
    found = corpus.add_post(post(1))
    world.execute("INSERT INTO lead_assets.deleted_documents VALUES ('t3_p00001')")
    world.archive(found)
    world.run(only=CRAWL)

    config = {"source": "archive", "archive_path": str(world.folder / "archive.ndjson")}
    result = world.run(only=CRAWL, config=config)

    assert metadata(result, "crawled_documents")["withheld"] == 1
    assert ids(world) == set()
