"""Reddit's search syntax: words, "phrases", AND, OR, NOT or -, parentheses and fields such as title:word.

Words match without regard to case and to a plural's s, so a search finds a bit more than the exact word, as Reddit's
does. A query that is not well formed is read as far as it goes, again as Reddit's is.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FIELDS = ("title", "selftext", "author", "subreddit", "flair", "url", "site", "nsfw", "self")

_TOKEN = re.compile(r'\(|\)|-(?=[\w"(])|\+(?=[\w"(])|[a-zA-Z]+:(?=[\w"(])|"[^"]*"?|[^\s()"]+')
_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True)
class Document:
    """A post's folded texts, each word between spaces."""

    title: str
    selftext: str
    author: str = ""
    subreddit: str = ""
    flair: str = ""
    url: str = ""
    site: str = ""
    nsfw: str = ""
    self: str = ""

    def field(self, name: str) -> str:
        """The text of a field; without a field's name, title and self-text."""
        return getattr(self, name) if name else f"{self.title}|{self.selftext}"


Match = Callable[[Document], bool]


@dataclass(frozen=True)
class Query:
    """A query ready to be put to documents."""

    matches: Match
    terms: tuple[str, ...]

    def score(self, document: Document) -> int:
        """How often the query's words occur, in the title three times as much."""
        return sum(3 * document.title.count(term) + document.selftext.count(term) for term in self.terms)


@functools.lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A word without case and plural."""
    word = re.sub(r"['’]s?$", "", word.casefold()).replace("’", "'")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def fold(text: str | None) -> str:
    """A text's stems, each between spaces."""
    stems = " ".join(map(stem, _WORD.findall(text or "")))
    return f" {stems} " if stems else ""


def parse(text: str) -> Query:
    """A query from its text; one without any word matches nothing."""
    reader = _Reader(_TOKEN.findall(text))
    match = reader.alternatives("")
    return Query(match or (lambda document: False), tuple(reader.terms))


class _Reader:
    """Recursive descent over the tokens: a query is alternatives of sequences of atoms."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._negated = False
        self.terms: list[str] = []

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def alternatives(self, field: str) -> Match | None:
        """``a OR b``, up to a closing parenthesis or the end."""
        found = list(self._sequences(field))
        return _combine(any, found)

    def _sequences(self, field: str) -> Iterator[Match]:
        while True:
            if match := _combine(all, list(self._atoms(field))):
                yield match
            if self._peek() != "OR":
                return
            self._next()

    def _atoms(self, field: str) -> Iterator[Match]:
        # A closing parenthesis that nothing opened is passed over.
        while (token := self._peek()) not in ("", "OR", ")") or (token == ")" and self._depth == 0):
            if match := self._atom(field):
                yield match

    def _atom(self, field: str) -> Match | None:
        token = self._next()
        if token in ("AND", "+", ")"):
            return None
        if token in ("NOT", "-"):
            return self._negation(field)
        if token == "(":
            return self._group(field)
        if token.endswith(":") and token[:-1].lower() in FIELDS:
            return self._atom(token[:-1].lower())
        return self._phrase(token.strip('"'), field)

    def _negation(self, field: str) -> Match | None:
        self._negated = not self._negated
        match = self._atom(field) if self._peek() not in ("", ")") else None
        self._negated = not self._negated
        return (lambda document: not match(document)) if match else None

    def _group(self, field: str) -> Match | None:
        self._depth += 1
        match = self.alternatives(field)
        self._depth -= 1
        if self._peek() == ")":
            self._next()
        return match

    def _phrase(self, text: str, field: str) -> Match | None:
        words = fold(text)
        if not words:
            return None
        if not self._negated and field in ("", "title", "selftext"):
            self.terms.append(words)
        return lambda document: words in document.field(field)


def _combine(how: Callable[[Iterator[bool]], bool], matches: list[Match]) -> Match | None:
    if len(matches) < 2:
        return matches[0] if matches else None
    return lambda document: how(match(document) for match in matches)
