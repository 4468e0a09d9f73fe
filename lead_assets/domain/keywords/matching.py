"""Matches texts against keywords: what a reader sees, whole words in any case and in their other forms."""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cached_property

from lead_assets.domain.keywords.grammar import Alternative, parse
from lead_assets.domain.keywords.inflection import DEFAULT_LANGUAGE, Inflection
from lead_assets.domain.keywords.patterns import TermPattern, term_pattern
from lead_assets.domain.keywords.visible_text import fold, skeleton, visible, without_hyphens

REVISION = 2
"""To be raised when the same keywords would match other texts, so that kept matches are found anew."""
MAX_RAW_CHARACTERS = 500_000
"""No document is made of more: what comes behind is not looked at."""


class KeywordMatcher:
    """Matches texts against a campaign's keywords, negative keywords and required ones."""

    def __init__(
        self,
        keywords: Iterable[str],
        negative_keywords: Iterable[str] = (),
        all_of: Iterable[str] = (),
        language: str = DEFAULT_LANGUAGE,
    ) -> None:
        """Prepare the patterns; keywords keep their order.

        Raises:
            KeywordRefusedError: a keyword is not part of the grammar.
        """
        inflection = Inflection(language)
        lists = [list(texts) for texts in (keywords, negative_keywords, all_of)]
        self._written = [*lists, language]
        self._keywords, self._negative, self._required = (
            [_Finder(text, inflection) for text in texts] for texts in lists
        )
        self._needed = [needed for finder in self._keywords for needed in finder.needed]
        finders = (*self._keywords, *self._negative, *self._required)
        self._canonical = inflection.canonical_by(head for finder in finders for head in finder.heads)

    @cached_property
    def digest(self) -> str:
        """Hash of all that matching depends on but the text."""
        return hashlib.sha256(json.dumps([REVISION, *self._written]).encode()).hexdigest()[:16]

    def matches(self, text: str, title: str = "") -> list[str]:
        """The keywords that occur in ``text``, as written; none where ``rules_out`` says so.

        ``title`` is the part of ``text`` that ``title:`` looks at.
        """
        texts = self._text(text), self._text(title)
        found = [finder.text for finder in self._keywords if finder.occurs_in(*texts)]
        return [] if found and self._is_ruled_out(*texts) else found

    def rules_out(self, text: str, title: str = "") -> bool:
        """Whether a negative keyword occurs in ``text``, or a required one does not."""
        if not self._negative and not self._required:
            return False
        return self._is_ruled_out(self._text(text), self._text(title))

    def may_match(self, raw: str) -> bool:
        """Whether ``raw``, a text's source, can match at all. It costs a small part of ``matches``."""
        text = self._text(raw[:MAX_RAW_CHARACTERS])
        return _stand_in(self._needed, text) and all(_stand_in(finder.needed, text) for finder in self._required)

    def _is_ruled_out(self, text: "_Text", title: "_Text") -> bool:
        return any(finder.occurs_in(text, title) for finder in self._negative) or not all(
            finder.occurs_in(text, title) for finder in self._required
        )

    def _text(self, text: str) -> "_Text":
        return _Text(text, self._canonical)


class _Text:
    """A text in the forms that keywords are looked for in, each made when it is first needed."""

    def __init__(self, text: str, canonical: Callable[[str], str]) -> None:
        self.skeleton = skeleton(text)
        self._text = text
        self._canonical = canonical


    @cached_property
    def as_read(self) -> tuple[str, ...]:
        """What a reader sees, folded; and with hyphenated words as one where there are any."""
        # Patterns look at what stands before a word.
        text = "\n" + fold(visible(self._text))
        return tuple(dict.fromkeys((text, without_hyphens(text))))

    @cached_property
    def canonical(self) -> tuple[str, ...]:
        """The same with one form of each word that keywords are about."""
        return tuple(map(self._canonical, self.as_read))


class _Needed:
    """What stands in every text with some term patterns; looking for it rules nearly every other text out."""

    def __init__(self, terms: Iterable[TermPattern]) -> None:
        terms = list(terms)
        self._needles = sorted({needle for term in terms for needle in term.needles}, key=len, reverse=True)
        self._characters = {character for term in terms for character in term.characters}

    def stands_in(self, text: _Text) -> bool:
        ascii_text, folded = text.skeleton
        for needle in self._needles:
            if needle not in ascii_text:
                return False
        return not self._characters or all(character in folded for character in self._characters)


class _Alternative:
    def __init__(self, alternative: Alternative, inflection: Inflection) -> None:
        self._spellings = [
            [term_pattern(term, inflection) for term in spelling.required] for spelling in alternative.spellings()
        ]
        self._excluded = [term_pattern(term, inflection) for term in alternative.excluded]
        # Where two words may be written as one, both stand in that one: the first spelling has what all have.
        self.needed = _Needed(self._spellings[0])
        self.heads = {head for terms in (*self._spellings, self._excluded) for term in terms for head in term.heads}

    def occurs_in(self, text: _Text, title: _Text) -> bool:
        return (
            self.needed.stands_in(text)
            and any(all(_occurs(term, text, title) for term in terms) for terms in self._spellings)
            and not any(_occurs(term, text, title) for term in self._excluded)
        )


class _Finder:
    """Finds one keyword in texts."""

    def __init__(self, text: str, inflection: Inflection) -> None:
        self.text = text
        self._alternatives = [_Alternative(alternative, inflection) for alternative in parse(text)]
        self.needed = [alternative.needed for alternative in self._alternatives]
        self.heads = {head for alternative in self._alternatives for head in alternative.heads}

    def occurs_in(self, text: _Text, title: _Text) -> bool:
        return any(alternative.occurs_in(text, title) for alternative in self._alternatives)


def _occurs(term: TermPattern, text: _Text, title: _Text) -> bool:
    where = title if term.in_title else text
    return any(term.pattern.search(form) for form in (where.as_read if term.is_exact else where.canonical))


def _stand_in(any_of: Iterable[_Needed], text: _Text) -> bool:
    for needed in any_of:
        if needed.stands_in(text):
            return True
    return False
