"""Queries of Reddit's search: few, short enough, and none that misses what our own rule matches."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import from_reddit
from lead_assets.sources.reddit.queries import (
    MAX_PATH_CHARACTERS,
    MAX_QUERY_CHARACTERS,
    Query,
    comment_queries,
    post_queries,
    search_text,
)
from lead_assets_tests.stand_ins.reddit_server import query as reddit


@pytest.mark.parametrize(
    ("keyword", "expected"),
    [
        ("crm", "(crm)"),
        ("CRM", "(crm)"),
        ("track clients", "((track AND clients) OR (trackclients))"),
        ('"track clients"', '(("track clients" OR trackclients))'),
        ('best "track clients now" app', '(best AND "track clients now" AND app)'),
        ("c++", '("c++")'),
        ("c#", '("c#")'),
        ("node.js", '("node.js")'),
        ('"author:x"', '(("author x" OR authorx))'),
        ("not", '("not")'),
        ("this OR that", "((this) OR (that))"),
        ("not crm and invoices", '("not" AND crm AND "and" AND invoices)'),
        ("crm -salesforce", "(crm)"),
        ("title:crm", "(title:crm)"),
        ('title:"lead tracking" app', '((title:"lead tracking" OR title:leadtracking) AND app)'),
        ("followup", '((followup OR "follow up"))'),
        ("tooth", "((tooth OR teeth))"),
        ("📈 tracker", "(tracker)"),
        ("📈", '("📈")'),
        ("sub-contractor", '(("sub contractor" OR subcontractor))'),
        ("it's", '("it\'s")'),
        ("über", "(über)"),
        ("顧客管理", "(顧客管理)"),
        ("a_b", '(("a b" OR ab))'),
    ],
)
def test_a_keyword_is_written_so_that_nothing_in_it_is_an_operator(keyword: str, expected: str) -> None:
    assert search_text([keyword]) == expected


def test_keywords_are_alternatives() -> None:
    assert search_text(["crm", "track my clients"]) == "(crm) OR (track AND my AND clients)"


def test_a_usual_campaign_is_one_query() -> None:
    keywords = [f"keyword number {number}" for number in range(14)]
    subreddits = [f"subreddit_{number}" for number in range(100)]

    (query,) = post_queries(keywords, subreddits)

    assert query.path == f"r/{'+'.join(subreddits)}/search"
    assert query.params["restrict_sr"] == "true"


def test_all_of_reddit_is_not_restricted() -> None:
    (query,) = post_queries(["crm"], [])

    assert query.path == "search"
    assert "restrict_sr" not in query.params


def test_the_most_keywords_that_a_campaign_may_have_are_few_queries() -> None:
    queries = post_queries([f"keyword number {number:03}" for number in range(100)], [])

    whole = len(search_text([f"keyword number {number:03}" for number in range(100)]))
    assert len(queries) <= whole / MAX_QUERY_CHARACTERS * 1.1 + 1


def test_comments_are_asked_for_by_subreddit_alone() -> None:
    assert comment_queries(["crm"], []) == []
    (query,) = comment_queries(["crm"], ["a", "b"])
    assert (query.path, query.params) == ("r/a+b/comments", {})


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | st.sampled_from(
    ["not", "OR", "and", "c++", "node.js", "author:x", '"a b"', "ﬃ", "_", "title:(", "-x", '"', "’s"]
)
keyword_texts = st.lists(words, min_size=1, max_size=40).map(lambda parts: " ".join(parts)[:120])


def campaign(keywords: list[str]) -> Campaign:
    return Campaign.model_validate({"id": "c", "name": "c", "product": "c", "keywords": keywords})


def is_valid(keyword: str) -> bool:
    try:
        campaign([keyword])
    except ValueError:
        return False
    return True


valid_keywords = st.lists(keyword_texts.filter(is_valid), min_size=1, max_size=30).map(lambda k: campaign(k).keywords)
subreddit_names = st.lists(st.from_regex(r"[A-Za-z0-9_]{2,24}", fullmatch=True), max_size=120, unique_by=str.casefold)


@given(keywords=valid_keywords, subreddits=subreddit_names)
def test_every_keyword_is_in_exactly_one_query_for_every_subreddit(keywords: list[str], subreddits: list[str]) -> None:
    queries = post_queries(keywords, subreddits)

    covered = [(keyword, name) for query in queries for keyword in query.keywords for name in query.subreddits or [""]]
    assert sorted(covered) == sorted((keyword, name) for keyword in keywords for name in subreddits or [""])
    assert all(len(query.params["q"]) <= MAX_QUERY_CHARACTERS for query in queries)
    assert all(len("+".join(query.subreddits)) <= MAX_PATH_CHARACTERS for query in queries)


@given(keywords=valid_keywords)
def test_no_two_neighbours_would_fit_in_one_query(keywords: list[str]) -> None:
    queries = post_queries(keywords, [])

    for one, next_one in pairwise(queries):
        assert len(search_text([*one.keywords, next_one.keywords[0]])) > MAX_QUERY_CHARACTERS


@given(keywords=valid_keywords, subreddits=subreddit_names)
def test_halves_are_the_whole(keywords: list[str], subreddits: list[str]) -> None:
    query = Query("posts", tuple(keywords), tuple(subreddits))

    by_keywords, by_subreddits = list(query.halves_of_keywords()), list(query.halves())

    assert bool(by_keywords) == (len(keywords) > 1)
    assert bool(by_subreddits) == (len(subreddits) > 1)
    assert not by_keywords or sum((half.keywords for half in by_keywords), ()) == query.keywords
    assert not by_subreddits or sum((half.subreddits for half in by_subreddits), ()) == query.subreddits


def test_a_digest_tells_apart_all_that_decides_what_is_found_and_how_it_is_judged() -> None:
    query = Query("posts", ("a", "b"), ("x",))
    others = [
        Query("comments", ("a", "b"), ("x",)),
        Query("posts", ("a b",), ("x",)),
        Query("posts", ("b", "a"), ("x",)),
        Query("posts", ("a",), ("b", "x")),
        Query("posts", ("a", "b"), ()),
    ]

    asked = campaign(["a", "b"])
    campaigns = [
        asked.model_copy(update=changed)
        for changed in ({"all_of": ["c"]}, {"negative_keywords": ["c"]}, {"language": "german"})
    ]
    digests = {query.digest(asked, "gates"), query.digest(asked, "other gates")}
    digests |= {other.digest(asked, "gates") for other in others} | {
        query.digest(other, "gates") for other in campaigns
    }

    assert len(digests) == 2 + len(others) + len(campaigns)
    assert query.digest(asked, "gates") == Query("posts", ("a", "b"), ("x",)).digest(asked, "gates")


VOCABULARY = [
    "crm", "client", "clients", "invoice", "invoices", "boxes", "box", "c++", "c#", "node.js", "it's", "it’s", "not",
    "and", "title", "größe", "Größe", "顧客管理", "real-time", "at&t", "sub-contractor", "3.5",
    "address", "addresses", "a", "plan", "e-mail", "email", "follow", "up", "followup", "tooth", "teeth",
]  # fmt: skip
"""Words whose plurals are regular: Reddit's own stems are not known, and the stand-in's are only like them."""
plain_texts = st.lists(st.sampled_from([*VOCABULARY, "(", ")", "-", "\n", "!"]), max_size=12).map(" ".join)
quoted = st.lists(st.sampled_from([*VOCABULARY, "or", "NOT", "AND", "author:x"]), min_size=2, max_size=3).map(
    lambda parts: f'"{" ".join(parts)}"'
)
keyword_lists = st.lists(
    st.lists(st.sampled_from([*VOCABULARY, "plan -crm", "x OR y", "title:plan"]) | quoted, min_size=1, max_size=3).map(
        " ".join
    ),
    min_size=1,
    max_size=25,
)


@given(keywords=keyword_lists, title=plain_texts, body=plain_texts)
@example(keywords=['"teeth crm"'], title="", body="tooth crm")
def test_search_finds_all_that_our_own_rule_matches(keywords: list[str], title: str, body: str) -> None:
    # A phrase may not reach from the title into the body: Reddit searches them as two fields.
    thing: dict[str, Any] = {"id": "a", "title": f"{title} end", "selftext": f"begin {body}"}
    # What a search cannot find (docs/keywords.md): a word that is written as one, in its hyphenated form.
    assume("e-mail" not in f"{title} {body}".split() or not any("email" in keyword for keyword in keywords))
    wanted = campaign(keywords)
    matched = wanted.keywords_in(from_reddit(thing, "reddit"))
    document = reddit.Document(reddit.fold(thing["title"]), reddit.fold(thing["selftext"]))

    found = {
        keyword
        for query in post_queries(wanted.keywords, [])
        if reddit.parse(query.params["q"]).matches(document)
        for keyword in query.keywords
    }

    assert set(matched) <= found


@pytest.mark.parametrize(
    "keyword", ["crm", '"track clients"', "not crm", "c++", '"author:ada"', "node.js", "größe", "crm OR erp"]
)
def test_search_does_not_find_just_anything(keyword: str) -> None:
    document = reddit.Document(reddit.fold("What is for lunch"), reddit.fold("Soup by ada"), author=reddit.fold("ada"))

    assert not reddit.parse(search_text([keyword])).matches(document)
