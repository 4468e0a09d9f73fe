"""A term of a keyword as a pattern, and as texts that rule out quickly that it occurs."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import regex

from lead_assets.domain.keywords import scripts
from lead_assets.domain.keywords.grammar import Term
from lead_assets.domain.keywords.inflection import Inflection
from lead_assets.domain.keywords.visible_text import without_hiding


@dataclass(frozen=True)
class TermPattern:
    """What finds a term.

    ``is_exact``: it is looked for in the text as it is read, not in the canonical one. ``heads``: see ``Inflection``.
    ``needles`` and ``characters`` all stand in the first and second text of ``skeleton`` of every text with the term.
    """

    pattern: "regex.Pattern[str]"
    in_title: bool
    is_exact: bool
    heads: frozenset[str]
    needles: tuple[bytes, ...]
    characters: tuple[str, ...]


def term_pattern(term: Term, inflection: Inflection) -> TermPattern:
    """The pattern of ``term``: with symbols it is found as it is written, otherwise in all forms of its words."""
    if not all(map(scripts.is_word, term.words)):
        pattern = regex.compile(_phrase(term.words, [regex.escape(word) for word in term.words]), regex.V1)
        return TermPattern(pattern, term.in_title, True, frozenset(), *_needles(term.words))
    spellings = [_parts(words) for words in term.spellings()]
    phrases = [_phrase(parts, [_forms(part, inflection) for part in parts]) for parts in spellings]
    heads = {part: _heads(part, inflection) for parts in spellings for part in parts}
    # Where words may be written as one, both stand in that one.
    apart = max(spellings, key=len)
    needed = [os.path.commonprefix(heads[part] or [part]) for part in apart]
    return TermPattern(
        regex.compile("|".join(phrases), regex.V1),
        term.in_title,
        False,
        frozenset(head for found in heads.values() for head in found),
        *_needles(needed),
    )


def _parts(words: Iterable[str]) -> list[str]:
    return [part for word in words for part in scripts.parts(word)]


def _forms(part: str, inflection: Inflection) -> str:
    return inflection.pattern(part) if scripts.is_spaced(part) else regex.escape(part)


def _heads(part: str, inflection: Inflection) -> list[str]:
    return list(inflection.heads(part)) if scripts.is_spaced(part) else []


def _phrase(parts: Sequence[str], patterns: Sequence[str]) -> str:
    """A pattern for ``patterns``, which are of ``parts``, side by side."""
    phrase = scripts.before(parts[0][0]) + patterns[0]
    for last, part, pattern in zip(parts, parts[1:], patterns[1:], strict=False):
        phrase += scripts.between(last[-1], part[0]) + pattern
    return phrase + scripts.behind(parts[-1][-1])


def _needles(texts: Iterable[str]) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """``texts`` that are ASCII as bytes, longest first, and of the others the first character."""
    present = [text for text in dict.fromkeys(texts) if text]
    needles = sorted((without_hiding(text) for text in present if text.isascii()), key=len, reverse=True)
    return tuple(needle for needle in needles if needle), tuple(text[0] for text in present if not text.isascii())
