"""Keyword matching, the same for every source.

Every word of a keyword occurs in the text, in any case, as a whole word or with a plural ``s`` or ``es`` more or less;
words in double quotes are adjacent and in order.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

REVISION = 1
"""To be raised when the same keywords would match other texts, so that kept matches are found anew."""
_TERM = re.compile(r'"([^"]*)"|(\S+)')


def fold(text: str) -> str:
    """``text`` without case, with composed characters and the straight apostrophe that keyboards have."""
    composed = text if text.isascii() else unicodedata.normalize("NFC", text).replace("’", "'")
    return composed.casefold()


def _word_forms(word: str) -> str:
    """A pattern for ``word``, its plurals, and its singular if it looks like a plural itself."""
    forms = [word, f"{word}s", f"{word}es"]
    if len(word) > 2 and word.endswith("s") and not word.endswith("ss"):
        forms.append(word[:-1])
    if len(word) > 4 and word.endswith("es"):
        forms.append(word[:-2])
    return "(?:" + "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)) + ")"


def _stem(word: str) -> str:
    """A part that every form of ``word`` contains."""
    if len(word) > 4 and word.endswith("es"):
        return word[:-2]
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word


@dataclass(frozen=True)
class Keyword:
    """One keyword as written, with the terms it asks for: single words, or runs of adjacent words."""

    text: str

    @cached_property
    def terms(self) -> tuple[tuple[str, ...], ...]:
        """The terms, each a tuple of case-folded words."""
        found: list[tuple[str, ...]] = []
        for quoted, single in _TERM.findall(fold(self.text)):
            words = tuple(re.findall(r"\w[\w'’.+#&-]*", quoted or single))
            trimmed = tuple(word.rstrip(".'’&-") for word in words)
            if trimmed:
                found.append(trimmed)
        return tuple(found)

    @property
    def plain(self) -> str:
        """The keyword without its quotes, as it is searched for and embedded."""
        return " ".join(self.text.replace('"', " ").split())

    @cached_property
    def _stems(self) -> tuple[str, ...]:
        return tuple(sorted({_stem(word) for term in self.terms for word in term}, key=len, reverse=True))

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(r"(?<!\w)" + r"\W+".join(map(_word_forms, term)) + r"(?!\w)") for term in self.terms)

    def occurs_in(self, folded: str) -> bool:
        """Whether the keyword occurs in ``folded``, a text as ``fold`` gives it."""
        # Substring search costs a tenth of a pattern, and rules nearly every text out.
        return (
            bool(self.terms)
            and all(stem in folded for stem in self._stems)
            and all(p.search(folded) for p in self._patterns)
        )


class KeywordMatcher:
    """Matches texts against a campaign's keywords and negative keywords."""

    def __init__(self, keywords: Iterable[str], negative_keywords: Iterable[str] = ()) -> None:
        """Prepare the patterns; keywords keep their order."""
        self._keywords = [Keyword(text) for text in keywords]
        self._negative = [Keyword(text) for text in negative_keywords]

    @cached_property
    def digest(self) -> str:
        """Hash of all that matching depends on but the text."""
        lists = [[keyword.text for keyword in keywords] for keywords in (self._keywords, self._negative)]
        return hashlib.sha256(json.dumps([REVISION, *lists]).encode()).hexdigest()[:16]

    def matches(self, text: str) -> list[str]:
        """The keywords that occur in ``text``, as written; empty also when a negative keyword occurs."""
        folded = fold(text)
        found = [keyword.text for keyword in self._keywords if keyword.occurs_in(folded)]
        return [] if found and self._negative_in(folded) else found

    def rules_out(self, text: str) -> bool:
        """Whether a negative keyword occurs in ``text``."""
        return bool(self._negative) and self._negative_in(fold(text))

    def _negative_in(self, folded: str) -> bool:
        return any(keyword.occurs_in(folded) for keyword in self._negative)
