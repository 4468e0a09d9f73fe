"""A campaign as queries of Arctic Shift: one for each subreddit, kind of content and group of keywords."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import SourceNotFound
from lead_assets.domain.keywords import Keyword

Kind = Literal["posts", "comments"]

MAX_TEXT_CHARACTERS = 400
"""Length of one query's text: long ones are slow there, and no limit is documented."""
MAX_VARIED_WORDS = 3
"""In longer keywords only one word at a time is asked for in its other number."""
_OPERATORS = frozenset({"or", "and", "not"})


@dataclass(frozen=True)
class Query:
    """Posts or comments of one subreddit: those that match some keywords or, where ``listed``, all of them.

    The keywords of a listing are matched here.
    """

    kind: Kind
    subreddit: str
    keywords: tuple[str, ...]
    listed: bool = False

    @property
    def path(self) -> str:
        """Where it is asked."""
        return f"/api/{self.kind}/search"

    @property
    def params(self) -> dict[str, str]:
        """What is asked, apart from dates and limit."""
        asked = {"subreddit": self.subreddit, "sort": "desc"}
        if self.listed:
            return asked
        return asked | {"query" if self.kind == "posts" else "body": search_text(self.keywords)}

    @property
    def label(self) -> str:
        """The query for people."""
        what = "all" if self.listed else ", ".join(self.keywords)
        return f"{what} in {self.kind} of r/{self.subreddit}"

    def digest(self, campaign: Campaign, gate_digest: str, until: datetime | None) -> str:
        """Hash of all that decides what it finds, what of that is handed on, and how it is judged."""
        ruled_out = [campaign.negative_keywords, campaign.exclude_authors]
        moment = until.isoformat() if until else None
        rendered = [self.kind, self.subreddit.casefold(), self.keywords, self.listed, ruled_out, gate_digest, moment]
        return hashlib.sha256(json.dumps(["arctic_shift", *rendered]).encode()).hexdigest()[:16]


def require_subreddits(campaign: Campaign) -> None:
    """Make sure that the campaign names subreddits: Arctic Shift cannot search all of Reddit.

    Raises:
        SourceNotFound: it names none, or excludes all that it names.
    """
    if not subreddits_of(campaign):
        raise SourceNotFound(
            f"Campaign {campaign.id} names no subreddit to search, which Arctic Shift needs; list some under "
            "`subreddits: {include: […]}` in its file."
        )


def subreddits_of(campaign: Campaign) -> list[str]:
    """The subreddits that the campaign looks at, each once, as written."""
    named = {name.casefold(): name for name in reversed(campaign.subreddits.include)}
    return [name for folded, name in reversed(named.items()) if folded not in campaign.excluded_subreddits]


def keyword_queries(campaign: Campaign, kind: Kind, subreddit: str) -> list[Query]:
    """As few searches as hold all keywords."""
    groups: list[tuple[str, ...]] = []
    for keyword in campaign.keywords:
        if groups and len(search_text((*groups[-1], keyword))) <= MAX_TEXT_CHARACTERS:
            groups[-1] = (*groups[-1], keyword)
        else:
            groups.append((keyword,))
    return [Query(kind, subreddit, group) for group in groups]


def listing(campaign: Campaign, kind: Kind, subreddit: str) -> Query:
    """Everything in the subreddit, for where keywords cannot be searched."""
    return Query(kind, subreddit, tuple(campaign.keywords), listed=True)


def search_text(keywords: Sequence[str]) -> str:
    """``keywords`` as PostgreSQL's ``websearch_to_tsquery`` reads them: OR binds weaker than words side by side.

    Whether the server stems words is not documented, so each word is asked for in singular and plural. Negative
    keywords are left to our own rule: a stemmed "not" would drop too much.
    """
    return " OR ".join(itertools.chain.from_iterable(map(_alternatives, keywords)))


def _alternatives(keyword: str) -> list[str]:
    terms = Keyword(keyword).terms
    words = [word for term in terms for word in term]
    return list(dict.fromkeys(_rendered(terms, chosen) for chosen in _numbers(words)))


def _numbers(words: Sequence[str]) -> list[tuple[str, ...]]:
    """``words`` in singular and plural: all combinations of a few words, else as written and with one word changed."""
    both = [(word, other_number(word)) for word in words]
    if len(words) <= MAX_VARIED_WORDS:
        return list(itertools.product(*both))
    changed = [(*words[:place], other, *words[place + 1 :]) for place, (_, other) in enumerate(both)]
    return [tuple(words), *changed]


def other_number(word: str) -> str:
    """The plural of ``word``, or its singular where it looks like a plural, as our rule of matching has them."""
    hisses = ("s", "x", "z", "ch", "sh")
    if len(word) > 2 and word.endswith("s") and not word.endswith("ss"):
        return word[:-2] if len(word) > 4 and word.endswith("es") and word[:-2].endswith(hisses) else word[:-1]
    return word + ("es" if word.endswith(hisses) else "s")


def _rendered(terms: Sequence[Sequence[str]], words: Sequence[str]) -> str:
    rest = iter(words)
    return " ".join(_term([next(rest) for _ in term]) for term in terms)


def _term(words: Sequence[str]) -> str:
    plain = len(words) == 1 and words[0] not in _OPERATORS
    return words[0] if plain else f'"{" ".join(words)}"'
