"""A term of a keyword as patterns, and as texts that rule out quickly that it occurs."""

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import regex

from lead_assets.domain.keywords import scripts
from lead_assets.domain.keywords.grammar import Term
from lead_assets.domain.keywords.inflection import Inflection
from lead_assets.domain.keywords.visible_text import without_hiding


class TermFinder:
    """Finds a term in texts as ``visible_text`` makes them: words in all their forms, symbols as they are written."""

    def __init__(self, term: Term, inflection: Inflection) -> None:
        self.in_title = term.in_title
        self._inflection = inflection
        spellings = [[part for word in words for part in _parts(word, inflection)] for words in term.spellings()]
        self._phrases = [_Phrase.of(parts) for parts in spellings]
        # Where words may be written as one, both stand in that one.
        self.needles = tuple(part.needles for part in max(spellings, key=len))
        """Of each of these groups one stands in the ``skeleton`` of every text that has the term."""

    def occurs_in(self, text: str) -> bool:
        """Whether the term occurs in ``text``, which is folded and begins with a line break."""
        for pattern, forms in self._phrases:
            for words in pattern.finditer(text, overlapped=True):
                if all(map(self._is_one_of, words.groups(), forms)):
                    return True
        return False

    def _is_one_of(self, word: str, forms: frozenset[str]) -> bool:
        return self._inflection.canonical(word) in forms


class _Part(NamedTuple):
    """A word, or the part of one that is in one kind of script: its edges, its pattern, and what stands for it.

    ``forms`` is empty where the pattern has no group.
    """

    first: str
    last: str
    pattern: str
    forms: frozenset[str]
    needles: tuple[str, ...]


def _parts(word: str, inflection: Inflection) -> list[_Part]:
    if not scripts.is_word(word):
        return [_as_written(word)]
    return [_inflected(p, inflection) if scripts.is_spaced(p) else _as_written(p) for p in scripts.parts(word)]


def _as_written(word: str) -> _Part:
    return _Part(word[0], word[-1], regex.escape(word), frozenset(), _needles([word]))


def _inflected(word: str, inflection: Inflection) -> _Part:
    heads = inflection.heads(word)
    common = os.path.commonprefix(heads)  # noqa: RUF071 - by characters
    # A literal is searched for ten times as fast as alternatives.
    head = regex.escape(common) if len(common) > 1 else f"(?:{'|'.join(map(regex.escape, heads))})"
    pattern = f"({head}{scripts.SPACED}*+)"
    return _Part(word[0], word[-1], pattern, inflection.forms(word), _needles(heads))


def _needles(heads: Sequence[str]) -> tuple[str, ...]:
    return tuple(without_hiding(head) if head.isascii() else head[0] for head in heads)


class _Phrase(NamedTuple):
    """A pattern for parts side by side, and for each group of it the forms that its word may have."""

    pattern: "regex.Pattern[str]"
    forms: list[frozenset[str]]

    @classmethod
    def of(cls, parts: Sequence[_Part]) -> "_Phrase":
        pattern = scripts.before(parts[0].first) + parts[0].pattern
        for last, part in pairwise(parts):
            pattern += scripts.between(last.last, part.first) + part.pattern
        pattern += scripts.behind(parts[-1].last)
        return cls(regex.compile(pattern, regex.V1), [part.forms for part in parts if part.forms])
