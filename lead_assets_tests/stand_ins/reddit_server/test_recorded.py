"""The server's answers, field by field against the recorded traffic of the real API.

A recorded answer's things become the corpus, the recorded request goes to the server, and what comes back has to be
what Reddit had answered. What may differ:

- ``modhash`` is "" as for an app without a user; most recordings are of a user's session, where it is null.
- Orders that depend on what Reddit does not tell (hot, relevance, confidence) are compared as sets.
- A search of the server finds only posts that hold the words; Reddit's found others too.
"""

import html
import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lead_assets_tests.conftest import SHARED
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer
from lead_assets_tests.stand_ins.reddit_server.asking import IGNORED_WARNINGS, get, raw
from lead_assets_tests.stand_ins.reddit_server.listings import wrapped
from lead_assets_tests.stand_ins.reddit_server.recordings import Exchange, corpus_of, exchanges, things

RECORDED = SHARED / "data" / "reddit_api"
pytestmark = [
    *IGNORED_WARNINGS,
    pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded traffic in ../shared/data/reddit_api is absent"),
]

TOKEN = "/api/v1/access_token"


def recording(name: str) -> list[Exchange]:
    """The good answers of a recording, the token's left out."""
    return [each for each in exchanges(RECORDED / f"{name}.json") if each.path != TOKEN and each.status == 200]


def replay(exchange: Exchange, corpus: Corpus | None = None) -> Any:
    """What the server answers to the recorded request, from a corpus of the recorded things unless another is given."""
    with RedditServer(corpus or corpus_of(exchange.content)) as server:
        # The recorded tree has 527 comments at once; Reddit answers some more than 500 to some.
        server.api.tree_limit = 1000
        return get(server, exchange.path, **{key: value for key, value in exchange.params.items() if key != "raw_json"})


def envelope(listing: dict[str, Any]) -> dict[str, Any]:
    """All of a Listing but its children and the modhash of the session."""
    assert listing["kind"] == "Listing"
    assert listing["data"]["modhash"] in (None, "")
    return {key: value for key, value in listing["data"].items() if key not in ("children", "modhash")}


def flat(content: Any) -> dict[str, Any]:
    """Every thing of an answer by fullname, and for replies the fullnames of the things in them."""
    return {thing["name"]: _shown(kind, thing) for kind, thing in things(content) if kind != "more"}


def _shown(kind: str, thing: dict[str, Any]) -> dict[str, Any]:
    if not thing.get("replies"):
        return {"kind": kind} | thing
    below = sorted(child["data"]["name"] for child in thing["replies"]["data"]["children"])
    return {"kind": kind} | thing | {"replies": (envelope(thing["replies"]), below)}


def mores(content: Any) -> list[dict[str, Any]]:
    """The ``more`` objects of an answer."""
    return sorted((thing for kind, thing in things(content) if kind == "more"), key=lambda more: more["parent_id"])


@pytest.mark.parametrize(
    "name",
    ["TestReddit.test_info", "TestReddit.test_info_sr_names", "TestSubredditListings.test_new"],
)
def test_listings_come_back_equal(name: str) -> None:
    for exchange in recording(name):
        found = replay(exchange)
        if exchange.path.endswith("/new"):
            # There are more posts than the recorded page holds.
            assert found["data"].pop("after") is None
            assert exchange.content["data"].pop("after").startswith("t3_")
        assert envelope(found) == envelope(exchange.content)
        assert found["data"]["children"] == exchange.content["data"]["children"]


def test_a_page_of_new_posts_says_what_comes_after_and_before() -> None:
    first, later = recording("TestSubredditStreams.test_submissions")
    posts = [thing for exchange in (first, later) for _, thing in things(exchange.content)]
    oldest = min(posts, key=lambda post: post["created_utc"])
    corpus = Corpus(posts=[*posts, {"id": "1", "created_utc": oldest["created_utc"] - 1}])
    for name in flat(later.content):
        corpus.vanish(name)
    before = replay(first, corpus)
    assert envelope(before) == envelope(first.content)
    assert flat(before) == flat(first.content)
    for thing in things(later.content):
        corpus.add_post(thing[1])
    after = replay(later, corpus)
    assert envelope(after) == envelope(later.content)
    assert after["data"]["children"] == later.content["data"]["children"]


def test_hot_posts_come_back_equal() -> None:
    (exchange,) = recording("TestSubredditListings.test_hot")
    found = replay(exchange)
    assert found["data"].keys() == exchange.content["data"].keys()
    assert flat(found) == flat(exchange.content)


def test_posts_found_come_back_equal() -> None:
    (exchange,) = recording("TestSubreddit.test_search")
    found, expected = replay(exchange), flat(exchange.content)
    assert found["data"].keys() == exchange.content["data"].keys()
    assert found["data"]["facets"] == exchange.content["data"]["facets"]
    assert 10 < len(flat(found)) == found["data"]["dist"] <= len(expected)
    assert flat(found) == {name: expected[name] for name in flat(found)}


@pytest.mark.parametrize("name", ["TestSubmission.test_comments", "TestCommentForest.test_replace__all"])
def test_comment_trees_come_back_equal(name: str) -> None:
    answers = recording(name)
    whole = Corpus()
    for _, thing in things(answers[0].content[0]):
        whole.add_post(thing)
    for exchange in answers:
        for kind, thing in things(exchange.content[1]):
            if kind == "t1":
                whole.add_comment(thing)
    for exchange in answers:
        found = replay(exchange, whole if exchange is answers[0] else None)
        assert [envelope(listing) for listing in found] == [envelope(listing) for listing in exchange.content]
        assert flat(found) == flat(exchange.content)
        assert mores(found) == mores(exchange.content)


@pytest.mark.parametrize("name", ["TestRedditors.test_partial_redditors", "TestRedditor.test_fullname_init"])
def test_user_data_comes_back_equal(name: str) -> None:
    exchange = recording(name)[0]
    known = [{"id": fullname[3:], **data} for fullname, data in exchange.content.items()]
    assert replay(exchange, Corpus(redditors=known)) == exchange.content


def test_about_comes_back_equal() -> None:
    asked = [each for each in recording("TestSubreddits.test_search_by_name") if each.method == "GET"]
    assert len(asked) > 10
    for exchange in (*asked, recording("TestRedditor.test_fullname_init")[1]):
        assert replay(exchange) == exchange.content


@pytest.mark.parametrize(
    "name",
    ["TestRedditors.test_partial_redditors__not_found", "TestReddit.test_bad_request_without_json_text_html_response"],
)
def test_refusals_come_back_equal(name: str) -> None:
    refused = [each for each in exchanges(RECORDED / f"{name}.json") if each.status >= 400]
    assert refused
    with RedditServer(Corpus(posts=[{"id": "n7r3uz"}])) as server:
        for exchange in refused:
            arguments = "&".join(f"{key}={value}" for key, value in exchange.params.items())
            status, headers, content = raw(server, f"{exchange.path}?{arguments}")
            assert (status, content) == (exchange.status, exchange.content)
            assert headers["Content-Type"] == _one(exchange.headers["content-type"])
            _same_form(headers, exchange.headers)


def _one(value: Any) -> str:
    return value[0] if isinstance(value, list) else value


def _same_form(found: dict[str, str], expected: dict[str, Any]) -> None:
    for name in ("x-ratelimit-remaining", "x-ratelimit-used", "x-ratelimit-reset"):
        assert ("." in found[name]) == ("." in _one(expected[name])), name
        assert float(found[name]) >= 0


def test_a_token_comes_in_the_recorded_form() -> None:
    (token, _) = exchanges(RECORDED / "TestReddit.test_info_sr_names.json")
    with RedditServer(Corpus()) as server:
        request = _token_request(server)
    assert {key: type(value) for key, value in request.items()} == {k: type(v) for k, v in token.content.items()}
    assert (request["token_type"], request["scope"]) == (token.content["token_type"], token.content["scope"])


def _token_request(server: RedditServer) -> dict[str, Any]:
    request = urllib.request.Request(f"{server.url}{TOKEN}", data=b"grant_type=client_credentials")
    request.add_header("Authorization", "Basic aWQ6c2VjcmV0")
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


@pytest.mark.parametrize("name", ["aws", "golang", "reactjs"])
def test_texts_are_escaped_unless_raw_json_is_asked_for(name: str) -> None:
    listing = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    with RedditServer(corpus_of(_unescaped(listing))) as server:
        _, _, found = raw(server, f"/r/{name}/hot?limit=100")
    assert found["data"].keys() == listing["data"].keys()
    assert flat(found) == flat(listing)


def _unescaped(value: Any) -> Any:
    if isinstance(value, str):
        return html.unescape(value)
    if isinstance(value, dict):
        return {key: _unescaped(inner) for key, inner in value.items()}
    return [_unescaped(inner) for inner in value] if isinstance(value, list) else value


# Things that the corpus fills


def recorded_things() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(Path(RECORDED).glob("Test*.json")):
        for exchange in exchanges(file):
            yield from things(exchange.content)


def test_filled_things_have_the_recorded_fields_and_types() -> None:
    fields: dict[str, dict[str, set[type]]] = defaultdict(lambda: defaultdict(set))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    totals: Counter[str] = Counter()
    for kind, thing in recorded_things():
        totals[kind] += 1
        counts[kind].update(thing.keys())
        for name, value in thing.items():
            fields[kind][name].add(type(value))
    corpus = Corpus(posts=[{"title": "A", "selftext": "B", "created_utc": 1.0}], comments=[{"created_utc": 1.0}])
    for kind, known in (("t1", corpus.comments), ("t3", corpus.posts), ("t5", corpus.subreddits)):
        assert totals[kind] > 100
        filled = wrapped(kind, next(iter(known.values())))["data"]
        # A tree alone tells the depth; only a part of the posts has a preview, flair, gallery and so on.
        expected = {name for name, count in counts[kind].items() if count > 0.9 * totals[kind]} - {"depth"}
        assert expected <= filled.keys()
        assert filled.keys() <= fields[kind].keys()
        for name, value in filled.items():
            assert type(value) in fields[kind][name], (kind, name, value)


def test_filled_user_data_has_the_recorded_fields_and_types() -> None:
    recorded = recording("TestRedditors.test_partial_redditors")[0].content["t2_1w72"]
    corpus = Corpus(posts=[{"author": "Ann", "author_fullname": "t2_ann"}])
    with RedditServer(corpus) as server:
        filled = get(server, "/api/user_data_by_account_ids", ids="t2_ann")["t2_ann"]
    assert {key: type(value) for key, value in filled.items()} == {key: type(value) for key, value in recorded.items()}
