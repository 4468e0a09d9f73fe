"""A post's comments, fetched by the real asyncpraw."""

import asyncpraw
from asyncpraw.models import MoreComments

from lead_assets_tests.stand_ins.reddit_server import Corpus, asking
from lead_assets_tests.stand_ins.reddit_server.asking import (
    IGNORED_WARNINGS,
    Serve,
    ask,
    comment,
    get,
    informed,
    listed,
    post,
)

pytestmark = IGNORED_WARNINGS
serve = asking.serve


async def _tree(reddit: asyncpraw.Reddit) -> tuple[list[str], list[str]]:
    submission = await reddit.submission("p0001")
    before = [thing.name for thing in submission.comments.list() if not isinstance(thing, MoreComments)]
    await submission.comments.replace_more(limit=None)
    return before, [thing.name for thing in submission.comments.list()]


def test_a_whole_tree_in_one_request(serve: Serve) -> None:
    comments = [comment("a", score=1), comment("b", score=5), comment("c", "t1_a"), comment("d", "t1_c")]
    server = serve(Corpus(posts=[post(1)], comments=comments))
    assert ask(server, _tree) == (["t1_b", "t1_a", "t1_c", "t1_d"],) * 2
    assert server.requests == {"token": 1, "comments": 1}
    assert server.corpus.posts["t3_p0001"]["num_comments"] == 4


def test_more_comments_are_fetched_until_none_is_left(serve: Serve) -> None:
    comments = [comment("c0"), *(comment(f"c{n}", f"t1_c{n // 3}") for n in range(1, 300))]
    server = serve(Corpus(posts=[post(1)], comments=comments))
    server.api.tree_limit = 100
    before, after = ask(server, _tree)
    assert len(before) == 100
    assert sorted(after) == sorted(f"t1_c{number}" for number in range(300))
    assert server.requests["comments"] == 1
    assert server.requests["morechildren"] > 1


def test_more_children_come_by_the_hundred(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(1)], comments=[comment(f"c{number}") for number in range(250)]))
    server.api.tree_limit = 20
    before, after = ask(server, _tree)
    assert (len(before), len(set(after)), len(after)) == (20, 250, 250)
    assert server.requests["morechildren"] == 3


def test_a_deep_thread_goes_on_in_a_request_of_its_own(serve: Serve) -> None:
    chain = [comment("c0"), *(comment(f"c{n}", f"t1_c{n - 1}") for n in range(1, 25))]
    server = serve(Corpus(posts=[post(1)], comments=chain))
    before, after = ask(server, _tree)
    assert (len(before), len(after)) == (10, 25)
    paths = [path for _, endpoint, path, _ in server.log if endpoint == "comments"]
    assert paths == ["/comments/p0001/", "/comments/p0001/_/c9", "/comments/p0001/_/c18"]


def test_depth_and_sort_of_a_tree(serve: Serve) -> None:
    comments = [comment("a", created_utc=1), comment("b", created_utc=2), comment("c", "t1_a"), comment("d", "t1_c")]
    server = serve(Corpus(posts=[post(1)], comments=comments))
    _, tree = get(server, "/comments/p0001", sort="new", depth=1)
    assert [child["data"]["name"] for child in tree["data"]["children"]] == ["t1_b", "t1_a"]
    (more,) = tree["data"]["children"][1]["data"]["replies"]["data"]["children"]
    assert more["data"] == {
        "count": 2, "name": "t1_c", "id": "c", "parent_id": "t1_a", "depth": 1, "children": ["c"]
    }  # fmt: skip


def test_a_comment_with_its_context(serve: Serve) -> None:
    comments = [comment("a"), comment("b", "t1_a"), comment("c", "t1_b"), comment("x", "t1_a")]
    server = serve(Corpus(posts=[post(1)], comments=comments))

    async def replies(reddit: asyncpraw.Reddit) -> list[str]:
        return [reply.id for reply in (await (await reddit.comment("b")).refresh()).replies]

    assert ask(server, replies) == ["c"]


def test_deleted_comments_stay_only_above_replies(serve: Serve) -> None:
    corpus = Corpus(posts=[post(1)], comments=[comment("a"), comment("b", "t1_a"), comment("c", "t1_b"), comment("d")])
    server = serve(corpus)
    for name in ("t1_a", "t1_c", "t1_d"):
        corpus.delete(name)
    assert ask(server, _tree)[1] == ["t1_a", "t1_b"]
    assert listed(server, "comments") == ["t1_b"]
    corpus.vanish("t1_b")
    (gone,) = informed(server, "t1_a", "t1_b")
    assert (gone.body, gone.author) == ("[deleted]", None)
