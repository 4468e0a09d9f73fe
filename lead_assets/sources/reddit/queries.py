"""A campaign as queries of Reddit's search: as few as its syntax allows, each told from all others by a hash."""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.keywords import REVISION, Alternative, Inflection, Keyword, Term

MAX_QUERY_CHARACTERS = 512
"""Reddit refuses longer queries."""
MAX_PATH_CHARACTERS = 1_500
"""Joined names of subreddits stay well below the length of an address that servers take."""

_OPERATORS = frozenset({"and", "or", "not"})

QueryKind = Literal["posts", "comments"]


@dataclass(frozen=True)
class Query:
    """One listing to be read: posts that match some keywords, or all comments, of some subreddits or of all Reddit."""

    kind: QueryKind
    keywords: tuple[str, ...]
    subreddits: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where the listing is."""
        where = f"r/{'+'.join(self.subreddits)}/" if self.subreddits else ""
        return f"{where}search" if self.kind == "posts" else f"{where}comments"

    @property
    def params(self) -> dict[str, str]:
        """What is asked there."""
        if self.kind == "comments":
            return {}
        return {"q": search_text(self.keywords), "sort": "new", "t": "all", "type": "link"} | (
            {"restrict_sr": "true"} if self.subreddits else {}
        )

    @property
    def label(self) -> str:
        """The query for people."""
        where = f"r/{'+'.join(self.subreddits)}" if self.subreddits else "all of Reddit"
        return f"{search_text(self.keywords)} in {where}" if self.kind == "posts" else f"comments of {where}"

    def digest(self, campaign: Campaign, gate_digest: str) -> str:
        """Hash of what it finds, what of that is handed on, and how it is judged."""
        asked = [self.kind, self.keywords, self.subreddits]
        handed_on = [REVISION, campaign.language, campaign.negative_keywords, campaign.all_of]
        return hashlib.sha256(json.dumps([*asked, *handed_on, gate_digest]).encode()).hexdigest()[:16]

    def halves(self) -> Iterator["Query"]:
        """The query in two parts by subreddits; nothing where there is one at most."""
        middle = len(self.subreddits) // 2
        if middle:
            yield replace(self, subreddits=self.subreddits[:middle])
            yield replace(self, subreddits=self.subreddits[middle:])

    def halves_of_keywords(self) -> Iterator["Query"]:
        """The query in two parts by keywords; nothing where there is one at most."""
        middle = len(self.keywords) // 2
        if middle and self.kind == "posts":
            yield replace(self, keywords=self.keywords[:middle])
            yield replace(self, keywords=self.keywords[middle:])


def post_queries(keywords: Sequence[str], subreddits: Sequence[str]) -> list[Query]:
    """Searches that together find the posts of all ``keywords``."""
    return [
        Query("posts", group, joined)
        for joined in _joined(subreddits) or [()]
        for group in _groups(keywords, lambda group: len(search_text(group)) <= MAX_QUERY_CHARACTERS)
    ]


def comment_queries(keywords: Sequence[str], subreddits: Sequence[str]) -> list[Query]:
    """Listings of all comments of ``subreddits``; there is no search for comments.

    The keywords, by which they are matched here, are part of what tells a query from others.
    """
    return [Query("comments", tuple(keywords), joined) for joined in _joined(subreddits)]


def search_text(keywords: Sequence[str]) -> str:
    """``keywords`` in Reddit's search syntax: any of them, of each all words, quoted words adjacent.

    What is excluded is left to our own rule: Reddit stems words, so that its NOT would drop too much.
    """
    return " OR ".join(f"({_alternatives(keyword)})" for keyword in keywords)


def _alternatives(keyword: str) -> str:
    found = [_all_terms(each) for alternative in Keyword(keyword).alternatives for each in alternative.spellings()]
    return found[0] if len(found) == 1 else " OR ".join(f"({each})" for each in found)


def _all_terms(alternative: Alternative) -> str:
    return " AND ".join(map(_term, alternative.searchable))


def _term(term: Term) -> str:
    field = "title:" if term.in_title else ""
    spellings = [field + _words(words) for words in term.spellings()]
    return spellings[0] if len(spellings) == 1 else f"({' OR '.join(spellings)})"


def _words(words: tuple[str, ...]) -> str:
    # Reddit finds regular plurals itself, irregular ones are asked for: "tooth" beside "teeth", alone and in a phrase.
    forms = [(word, irregular) if (irregular := Inflection.irregular(word)) else (word,) for word in words]
    found = [_quoted(form) for form in itertools.product(*forms)]
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})"


def _quoted(words: tuple[str, ...]) -> str:
    """A plain word stays bare, so that Reddit finds its plural too; what could be an operator or a field is quoted."""
    (word, *others) = words
    return f'"{" ".join(words)}"' if others or not word.isalnum() or word in _OPERATORS else word


def _joined(subreddits: Sequence[str]) -> list[tuple[str, ...]]:
    return _groups(subreddits, lambda group: len("+".join(group)) <= MAX_PATH_CHARACTERS)


def _groups(items: Sequence[str], fits: Callable[[tuple[str, ...]], bool]) -> list[tuple[str, ...]]:
    """``items`` in order in as few groups as fit; one that does not fit alone is a group of its own."""
    groups: list[tuple[str, ...]] = []
    for item in items:
        if groups and fits((*groups[-1], item)):
            groups[-1] = (*groups[-1], item)
        else:
            groups.append((item,))
    return groups
