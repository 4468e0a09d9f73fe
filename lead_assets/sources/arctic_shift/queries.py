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
from lead_assets.domain.keywords import DEFAULT_LANGUAGE, REVISION, Alternative, Inflection, Keyword

Kind = Literal["posts", "comments"]

MAX_TEXT_CHARACTERS = 800
"""Length of one query's text: long ones are slow there, and no limit is documented."""
MAX_COMBINATIONS = 16
"""Forms of two words are asked for together where they are no more."""
_OPERATORS = frozenset({"or", "and", "not"})


@dataclass(frozen=True)
class Query:
    """Posts or comments of one subreddit: those that match some keywords or, where ``listed``, all of them.

    The keywords of a listing are matched here.
    """

    kind: Kind
    subreddit: str
    keywords: tuple[str, ...]
    language: str = DEFAULT_LANGUAGE
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
        return asked | {"query" if self.kind == "posts" else "body": search_text(self.keywords, self.language)}

    @property
    def label(self) -> str:
        """The query for people."""
        what = "all" if self.listed else ", ".join(self.keywords)
        return f"{what} in {self.kind} of r/{self.subreddit}"

    def digest(self, campaign: Campaign, gate_digest: str, until: datetime | None) -> str:
        """Hash of all that decides what it finds, what of that is handed on, and how it is judged."""
        ruled_out = [campaign.negative_keywords, campaign.exclude_authors, campaign.all_of, campaign.language, REVISION]
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
            f"Campaign {campaign.id} names no subreddit to search, which Arctic Shift needs. List some under "
            "`subreddits: {include: […]}` in its file."
        )


def subreddits_of(campaign: Campaign) -> list[str]:
    """The subreddits that the campaign looks at, each once, as written."""
    named = {name.casefold(): name for name in reversed(campaign.subreddits.include)}
    return [name for folded, name in reversed(named.items()) if folded not in campaign.excluded_subreddits]


def keyword_queries(campaign: Campaign, kind: Kind, subreddit: str) -> list[Query]:
    """As few searches as hold all keywords; a listing where search cannot find one of them."""
    if not all(can_be_searched(keyword) for keyword in campaign.keywords):
        return [listing(campaign, kind, subreddit)]
    groups: list[tuple[str, ...]] = []
    for keyword in campaign.keywords:
        if groups and len(search_text((*groups[-1], keyword), campaign.language)) <= MAX_TEXT_CHARACTERS:
            groups[-1] = (*groups[-1], keyword)
        else:
            groups.append((keyword,))
    return [Query(kind, subreddit, group, campaign.language) for group in groups]


def can_be_searched(keyword: str) -> bool:
    """Whether PostgreSQL finds ``keyword``: it looks words up that are parted by spaces, and knows no other signs."""
    terms = [term for alternative in Keyword(keyword).alternatives for term in alternative.searchable]
    return all(term.has_letters and not term.is_in_a_script_without_spaces for term in terms)


def listing(campaign: Campaign, kind: Kind, subreddit: str) -> Query:
    """Everything in the subreddit, for where keywords cannot be searched."""
    return Query(kind, subreddit, tuple(campaign.keywords), listed=True)


def search_text(keywords: Sequence[str], language: str = DEFAULT_LANGUAGE) -> str:
    """``keywords`` as PostgreSQL's ``websearch_to_tsquery`` reads them: OR binds weaker than words side by side.

    It finds all that our own rule matches, and more. Whether the server stems words is not documented, so English
    words are asked for in all their forms, and of each keyword only the two longest words. What is excluded is left to
    our own rule: a stemmed "not" would drop too much.
    """
    inflection = Inflection(language)
    return " OR ".join(itertools.chain.from_iterable(_alternatives(keyword, inflection) for keyword in keywords))


def _alternatives(keyword: str, inflection: Inflection) -> list[str]:
    spellings = [each for alternative in Keyword(keyword).alternatives for each in alternative.spellings()]
    words = [telling for each in spellings for telling in _telling_words(each)]
    texts = [" ".join(map(_word, forms)) for each in words for forms in _forms(each, inflection)]
    return list(dict.fromkeys(texts))


def _telling_words(alternative: Alternative) -> list[tuple[str, ...]]:
    """The two longest words of an alternative that its longest terms have, for each spelling of these."""
    terms = sorted(alternative.searchable, key=lambda term: len(term.written), reverse=True)[:2]
    spellings = itertools.product(*(term.spellings() for term in terms))
    return [tuple(sorted(itertools.chain(*words), key=len, reverse=True)[:2]) for words in spellings]


def _forms(words: Sequence[str], inflection: Inflection) -> list[tuple[str, ...]]:
    """``words`` in all combinations of their forms; only the first word where there are too many."""
    forms = list(itertools.product(*map(inflection.spelled, words)))
    return forms if len(forms) <= MAX_COMBINATIONS else [(form,) for form in inflection.spelled(words[0])]


def _word(word: str) -> str:
    return word if word.isalnum() and word not in _OPERATORS else f'"{word}"'
