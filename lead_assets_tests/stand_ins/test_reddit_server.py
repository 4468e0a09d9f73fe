"""The stand-in Reddit server: each endpoint asked by the real asyncpraw over TCP.

Its other tests are beside it in ``reddit_server``: failures, limits, comment trees, the search syntax, and the answers
field by field against recorded traffic.
"""

import json

import asyncpraw
import asyncprawcore
import pytest

from lead_assets_tests.conftest import SHARED
from lead_assets_tests.stand_ins.reddit_server import Corpus, asking
from lead_assets_tests.stand_ins.reddit_server.__main__ import sample_corpus
from lead_assets_tests.stand_ins.reddit_server.asking import (
    BAD_REQUEST,
    IGNORED_WARNINGS,
    Serve,
    ask,
    comment,
    get,
    informed,
    listed,
    post,
    raw,
    searched,
)

pytestmark = IGNORED_WARNINGS
MESSAGES = {403: "Forbidden", 404: "Not Found"}
serve = asking.serve


# Each endpoint through asyncpraw


def test_search_finds_in_several_subreddits_newest_first(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(1), post(2), post(3, title="Nothing"), post(4, subreddit="other")]))
    assert searched(server, "crm") == ["t3_p0002", "t3_p0001"]
    assert searched(server, "crm", "all") == ["t3_p0004", "t3_p0002", "t3_p0001"]
    assert server.requests == {"token": 2, "search": 2}
    _, endpoint, path, params = server.log[1]
    assert (endpoint, path) == ("search", "/r/a+b/search/")
    assert params == {
        "q": "crm",
        "restrict_sr": "true",
        "sort": "new",
        "syntax": "lucene",
        "t": "all",
        "limit": "1024",
        "raw_json": "1",
    }


def test_search_orders_and_time_filter(serve: Serve) -> None:
    posts = [
        post(1, created_utc=1_000_000, score=9, title="crm"),
        post(2, created_utc=1_050_000, score=2, num_comments=5, selftext="crm", title=""),
        post(3, created_utc=1_099_999, score=5, title="crm crm"),
    ]
    server = serve(Corpus(posts=posts), now=lambda: 1_100_000.0)
    assert searched(server, "crm", sort="relevance") == ["t3_p0003", "t3_p0001", "t3_p0002"]
    assert searched(server, "crm", sort="top") == ["t3_p0001", "t3_p0003", "t3_p0002"]
    assert searched(server, "crm", sort="comments")[0] == "t3_p0002"
    assert searched(server, "crm", time_filter="day") == ["t3_p0003", "t3_p0002"]
    assert searched(server, "crm", time_filter="hour") == ["t3_p0003"]


def test_a_query_may_have_512_characters(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(1, title="word " * 200)]))
    assert searched(server, "word " * 102 + "wo") == []
    assert searched(server, "word " * 102) == ["t3_p0001"]
    with pytest.raises(BAD_REQUEST):
        searched(server, "word " * 102 + "wor")


def test_info_answers_what_is_known(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(1)], comments=[comment("c1")], subreddits=[{"display_name": "A", "id": "s1"}]))
    found = informed(server, "t1_c1", "t3_p0001", "t3_gone", "t5_s1")
    assert [thing.fullname for thing in found] == ["t1_c1", "t3_p0001", "t5_s1"]
    assert found[0].body == "I am c1"
    assert found[1].title == "Which CRM 1?"
    assert found[1].upvote_ratio == 0.9


def test_info_goes_out_in_hundreds(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(number) for number in range(250)]))
    assert len(informed(server, *server.corpus.posts)) == 250
    assert server.requests == {"token": 1, "info": 3}
    with pytest.raises(BAD_REQUEST):
        get(server, "/api/info", id=",".join(list(server.corpus.posts)[:101]))


def test_info_of_subreddits_by_name(serve: Serve) -> None:
    corpus = Corpus(posts=[post(1, subreddit="Sales", subreddit_subscribers=7), post(2), post(3)])
    corpus.ban("a")
    server = serve(corpus)

    async def info(reddit: asyncpraw.Reddit) -> list[tuple[str, int]]:
        found = reddit.info(subreddits=["SALES", "nosuch", "a", "b"])
        return [(subreddit.display_name, subreddit.subscribers) async for subreddit in found]

    assert ask(server, info) == [("Sales", 7), ("b", 10_000)]
    assert server.requests["info_subreddits"] == 1


def test_user_data_of_known_redditors(serve: Serve) -> None:
    corpus = Corpus(posts=[post(1, author="Ann", author_fullname="t2_ann"), post(2, author="Bob")])
    bob = corpus.posts["t3_p0002"]["author_fullname"]
    corpus.add_redditor({"name": "Ann", "id": "ann", "link_karma": 3, "comment_karma": 4})
    server = serve(corpus)

    async def karma(reddit: asyncpraw.Reddit) -> dict[str, int]:
        found = reddit.redditors.partial_redditors(["t2_ann", bob, "t2_nobody"])
        return {one.name: one.link_karma + one.comment_karma async for one in found}

    assert ask(server, karma) == {"Ann": 7, "Bob": 200}
    corpus.suspend("ann")
    assert ask(server, karma) == {"Bob": 200}
    corpus.suspend(bob)
    assert ask(server, karma) == {}
    assert server.requests["user_data"] == 3


def test_given_redditors_are_all_there_are() -> None:
    corpus = Corpus(posts=[post(1, author="Ann"), post(2, author="Bob")], redditors=[{"name": "ann", "id": "7"}])
    assert list(corpus.redditors) == ["t2_7"]
    assert corpus.posts["t3_p0001"]["author_fullname"] == "t2_7"


def test_hot_and_new(serve: Serve) -> None:
    corpus = Corpus(posts=[post(1, score=1000), post(2), post(3), post(4, stickied=True), post(5, subreddit="c")])
    server = serve(corpus)
    assert listed(server, "hot") == ["t3_p0004", "t3_p0001", "t3_p0003", "t3_p0002"]
    assert listed(server, "new") == ["t3_p0004", "t3_p0003", "t3_p0002", "t3_p0001"]
    corpus.add_post(post(6))
    assert listed(server, "new")[0] == "t3_p0006"
    assert (server.requests["hot"], server.requests["new"]) == (1, 2)


def test_comments_of_subreddits_with_their_posts_title(serve: Serve) -> None:
    comments = [comment(f"c{number}", created_utc=number) for number in range(130)]
    server = serve(Corpus(posts=[post(1)], comments=[*comments, comment("x", link_id="t3_z", subreddit="c")]))
    assert listed(server, "comments") == [f"t1_c{number}" for number in reversed(range(130))]
    assert server.requests["subreddit_comments"] == 2
    (first,) = get(server, "/r/b/comments/", limit=1)["data"]["children"]
    assert first["data"]["link_title"] == "Which CRM 1?"
    assert first["data"]["replies"] == ""


def test_about_a_subreddit(serve: Serve) -> None:
    server = serve(Corpus(subreddits=[{"display_name": "Sales", "subscribers": 12}]))

    async def subscribers(reddit: asyncpraw.Reddit) -> int:
        return (await reddit.subreddit("sales", fetch=True)).subscribers

    assert ask(server, subscribers) == 12
    assert server.requests["about"] == 1


def test_what_there_is_not_is_not_found(serve: Serve) -> None:
    with pytest.raises(asyncprawcore.NotFound):
        get(serve(), "/api/nothing")


# Deleted, removed, vanished, private, banned


def test_deleted_posts_leave_listings_but_not_info(serve: Serve) -> None:
    corpus = Corpus(posts=[post(number, selftext="a crm") for number in range(1, 5)])
    server = serve(corpus)
    corpus.delete("t3_p0001")
    corpus.remove("t3_p0002")
    corpus.vanish("t3_p0003")
    corpus.posts["t3_p0004"]["title"] = "Something else"
    assert listed(server, "new") == ["t3_p0004"]
    assert searched(server, "crm") == ["t3_p0004"]
    assert searched(server, "title:crm") == []
    deleted, removed, changed = informed(server, *corpus.posts)
    assert (deleted.author, deleted.selftext, deleted.removed_by_category) == (None, "[deleted]", "deleted")
    assert "crm" not in deleted.selftext_html
    assert (str(removed.author), removed.selftext) == ("somebody", "[removed]")
    assert removed.removed_by_category == "moderator"
    assert changed.title == "Something else"


@pytest.mark.parametrize("path", ["/r/a/search", "/r/b+a/new", "/r/A/hot", "/r/a+b/comments", "/r/a/about"])
def test_a_private_or_banned_subreddit_refuses_the_whole_request(serve: Serve, path: str) -> None:
    corpus = Corpus(posts=[post(1), post(2)])
    server = serve(corpus)
    for close, error, status, reason in (
        (corpus.make_private, asyncprawcore.Forbidden, 403, "private"),
        (corpus.ban, asyncprawcore.NotFound, 404, "banned"),
    ):
        close("a")
        with pytest.raises(error):
            get(server, path)
        assert raw(server, path)[::2] == (status, {"reason": reason, "message": MESSAGES[status], "error": status})
    corpus.reopen("a")
    assert get(server, path)


def test_a_private_subreddits_posts_cannot_be_asked_for(serve: Serve) -> None:
    corpus = Corpus(posts=[post(1), post(2)])
    corpus.make_private("a")
    server = serve(corpus)
    assert [thing.fullname for thing in informed(server, "t3_p0001", "t3_p0002")] == ["t3_p0001"]
    with pytest.raises(asyncprawcore.Forbidden):
        get(server, "/comments/p0002")
    assert searched(server, "crm", "all") == ["t3_p0001"]


def test_subreddits_that_do_not_exist(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(1)]))
    assert listed(server, "new", "b+nosuch") == ["t3_p0001"]
    with pytest.raises(asyncprawcore.Redirect) as caught:
        listed(server, "new", "nosuch")
    assert caught.value.path == "/subreddits/search"


# Pages


def test_pages_have_no_gaps_or_repeats(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(number, created_utc=number // 7) for number in range(250)]))
    found = searched(server, "crm")
    assert sorted(found) == sorted(server.corpus.posts)
    assert server.requests["search"] == 3
    assert listed(server, "new") == found
    assert len(listed(server, "new", limit=120)) == 120


def test_a_listing_ends_at_a_thousand(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(number) for number in range(1100)]))
    newest = [f"t3_p{number:04}" for number in range(1099, 99, -1)]
    assert searched(server, "crm") == newest
    assert server.requests["search"] == 10
    assert listed(server, "new") == newest


def test_a_page_goes_on_after_a_post_deleted_meanwhile(serve: Serve) -> None:
    corpus = Corpus(posts=[post(number) for number in range(10)])
    server = serve(corpus)
    after = get(server, "/r/a+b/new", limit=4)["data"]["after"]
    assert after == "t3_p0006"
    corpus.vanish(after)
    corpus.add_post(post(10))
    rest = get(server, "/r/a+b/new", limit=4, after=after)["data"]
    assert [child["data"]["id"] for child in rest["children"]] == ["p0005", "p0004", "p0003", "p0002"]


# Whole corpora, and the server on its own


@pytest.mark.skipif(not (SHARED / "data" / "reddit").is_dir(), reason="the real data in ../shared/data is absent")
def test_a_corpus_of_recorded_things(serve: Serve) -> None:
    server = serve(Corpus.from_shared(SHARED / "data"))
    assert (len(server.corpus.posts), len(server.corpus.comments)) == (5830, 7135)
    found = searched(server, "title:praw", "redditdev+learnpython")
    assert 0 < len(found) < 1000
    for thing in informed(server, *found[:100]):
        assert "praw" in thing.title.lower()
    assert len(listed(server, "new", "all")) == 1000


def test_the_sample_is_of_now() -> None:
    things = [
        {"name": "t3_a", "id": "a", "title": "old", "created_utc": 100, "author": "Ann", "author_karma": 7},
        {"name": "t1_b", "id": "b", "body": "new", "created_utc": 150, "link_id": "t3_a", "score": "12", "_meta": {}},
    ]
    corpus = sample_corpus([*map(json.dumps, things), "not JSON", '{"name": "t3_c", "created_utc": "soon"}'], now=1000)
    assert (corpus.posts["t3_a"]["created_utc"], corpus.comments["t1_b"]["created_utc"]) == (950.0, 1000.0)
    assert list(corpus.posts) == ["t3_a"]
    assert "author_karma" not in corpus.posts["t3_a"]
    assert (corpus.comments["t1_b"]["score"], "_meta" in corpus.comments["t1_b"]) == (1, False)
    (ann,) = [one for one in corpus.redditors.values() if one["name"] == "Ann"]
    assert ann["link_karma"] + ann["comment_karma"] == 7
