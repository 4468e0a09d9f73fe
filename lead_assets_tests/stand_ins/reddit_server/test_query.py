"""Reddit's search syntax."""

import pytest

from lead_assets_tests.stand_ins.reddit_server import Corpus, query
from lead_assets_tests.stand_ins.reddit_server.search import Searcher


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("crm", True),
        ("CRMs", True),
        ("box", True),
        ("company", True),
        ("cr", False),
        ("crm rolodex", False),
        ("crm AND clients", True),
        ("crm OR rolodex", True),
        ("rolodex OR notebook", False),
        ('"track clients"', True),
        ('"clients track"', False),
        ('"simple crm we"', False),
        ("NOT rolodex", True),
        ("crm NOT clients", False),
        ("crm -rolodex", True),
        ("crm -clients", False),
        ('crm -"track clients"', False),
        ("crm (rolodex OR client)", True),
        ("(crm rolodex) OR (client boxes)", True),
        ("crm NOT (rolodex OR client)", False),
        ("title:crm", True),
        ("title:clients", False),
        ('selftext:"our clients"', True),
        ("selftext:(crm OR boxes)", True),
        ("title:(crm clients)", False),
        ("author:jo subreddit:sales", True),
        ("author:ann", False),
        ("subreddit:Sales crm", True),
        ("flair:question nsfw:no self:yes", True),
        ("nsfw:yes", False),
        ("", False),
        ("crm (client", True),
        (") crm", True),
        ("OR crm", True),
        ('"crm', True),
        ("crm?", True),
        ("price:crm", False),
    ],
)
def test_search_syntax(text: str, found: bool) -> None:
    thing = {
        "title": "A simple CRM?",
        "selftext": "We track clients of our clients' companies in boxes.",
        "author": "Jo",
        "subreddit": "Sales",
        "link_flair_text": "Question",
    }
    corpus = Corpus(posts=[thing])
    assert bool(Searcher().search(corpus.posts.values(), text, "new")) is found


def test_stems_are_of_plurals_only() -> None:
    words = ["clients", "companies", "boxes", "business", "status", "analysis", "CRM's", "uses", "was"]
    assert [query.stem(word) for word in words] == [
        "client", "company", "box", "business", "status", "analysis", "crm", "use", "was"
    ]  # fmt: skip
