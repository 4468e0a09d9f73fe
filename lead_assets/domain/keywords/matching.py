"""Matches texts against keywords: what a reader sees, whole words in any case and in their other forms."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property

from lead_assets.domain.keywords.grammar import Alternative, parse
from lead_assets.domain.keywords.inflection import DEFAULT_LANGUAGE, Inflection
from lead_assets.domain.keywords.patterns import TermFinder
from lead_assets.domain.keywords.visible_text import fold, skeleton, visible, without_hyphens
from lead_assets.domain.plain_text import unescaped

REVISION = 3
"""To be raised when the same keywords would match other texts, so that kept matches are found anew."""
MAX_SOURCE_CHARACTERS = 500_000
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
            [KeywordFinder(text, inflection) for text in texts] for texts in lists
        )

    @cached_property
    def digest(self) -> str:
        """Hash of all that matching depends on but the text."""
        return hashlib.sha256(json.dumps([REVISION, *self._written]).encode()).hexdigest()[:16]

    def possible(self, source: str) -> list["KeywordFinder"]:
        """The keywords that can occur in what a reader sees of ``source``; none where a required one cannot.

        It costs a small part of ``matches``: most records of an archive come no further.
        """
        bones = skeleton(unescaped(source[:MAX_SOURCE_CHARACTERS]))
        found = _possible(self._keywords, bones)
        return found if len(_possible(self._required, bones)) == len(self._required) else []

    def matches(self, text: str, title: str = "", possible: Sequence["KeywordFinder"] | None = None) -> list[str]:
        """The keywords that occur in ``text``, as written; none where ``rules_out`` says so.

        ``title`` is the part of ``text`` that ``title:`` looks at; ``possible`` says what it does of the text's source.
        """
        texts = _Text(text), _Text(title)
        looked_for = self.possible(text) if possible is None else possible
        found = [finder.text for finder in looked_for if finder.occurs_in(*texts)]
        return [] if found and self._is_ruled_out(*texts) else found

    def rules_out(self, text: str, title: str = "") -> bool:
        """Whether a negative keyword occurs in ``text``, or a required one does not."""
        if not self._negative and not self._required:
            return False
        return self._is_ruled_out(_Text(text), _Text(title))

    def _is_ruled_out(self, text: "_Text", title: "_Text") -> bool:
        possible = _possible(self._negative, text.skeleton) if self._negative else []
        return any(finder.occurs_in(text, title) for finder in possible) or not all(
            finder.occurs_in(text, title) for finder in self._required
        )


class _Text:
    """A text in the forms that keywords are looked for in, each made when it is first needed."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def skeleton(self) -> str:
        """See ``visible_text.skeleton``."""
        return skeleton(self._text)

    @cached_property
    def as_read(self) -> str:
        """What a reader sees, folded; patterns look at what stands before a word, so something does."""
        return "\n" + fold(visible(self._text))

    @cached_property
    def without_hyphens(self) -> str:
        """The same with hyphenated words as one; empty where there are none."""
        joined = without_hyphens(self.as_read)
        return "" if joined == self.as_read else joined

    def has(self, term: TermFinder) -> bool:
        """Whether ``term`` occurs."""
        return term.occurs_in(self.as_read) or (self.without_hyphens != "" and term.occurs_in(self.without_hyphens))


class _Needed:
    """What stands in the ``skeleton`` of every text with some terms: all of ``single``, and one of each of ``groups``.

    Looking for it rules nearly every other text out.
    """

    def __init__(self, terms: Iterable[TermFinder]) -> None:
        groups = sorted({group for term in terms for group in term.needles}, key=_rarest_first)
        self.single = [group[0] for group in groups if not group[1:]]
        self.groups = [group for group in groups if group[1:]]


def _possible(finders: Sequence["KeywordFinder"], bones: str) -> list["KeywordFinder"]:
    """Those that can occur in a text, by its ``skeleton``."""
    # Asked of every record of an archive, for every keyword: a call costs more than what is looked for here.
    found: list[KeywordFinder] = []
    for finder in finders:
        for needed in finder.needed:
            for needle in needed.single:
                if needle not in bones:
                    break
            else:
                if all(any(needle in bones for needle in group) for group in needed.groups):
                    found.append(finder)
                    break
    return found


def _rarest_first(group: tuple[str, ...]) -> int:
    return -min(map(len, group))


class _Alternative:
    def __init__(self, alternative: Alternative, inflection: Inflection) -> None:
        self._spellings = [
            [TermFinder(term, inflection) for term in spelling.required] for spelling in alternative.spellings()
        ]
        self._excluded = [TermFinder(term, inflection) for term in alternative.excluded]
        # Where two words may be written as one, both stand in that one: the first spelling has what all have.
        self.needed = _Needed(self._spellings[0])

    def occurs_in(self, text: _Text, title: _Text) -> bool:
        def occurs(term: TermFinder) -> bool:
            return (title if term.in_title else text).has(term)

        return any(all(map(occurs, terms)) for terms in self._spellings) and not any(map(occurs, self._excluded))


class KeywordFinder:
    """Finds one keyword in texts."""

    def __init__(self, text: str, inflection: Inflection) -> None:
        """Prepare the patterns.

        Raises:
            KeywordRefusedError: see ``parse``.
        """
        self.text = text
        self._alternatives = [_Alternative(alternative, inflection) for alternative in parse(text)]
        self.needed = [alternative.needed for alternative in self._alternatives]

    def occurs_in(self, text: _Text, title: _Text) -> bool:
        """Whether the keyword occurs."""
        return any(alternative.occurs_in(text, title) for alternative in self._alternatives)
