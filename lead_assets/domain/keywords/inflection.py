"""Word forms: which words are the same but for their endings, by Snowball's stemmers.

In English only inflection counts, not derivation: "tracks", "tracked" and "tracking" are forms of "track", but
"manager" and "management" are not forms of "manage". A plural stands for the noun alone, and a word in -ing or -ed
for itself: "accounting" does not find "account".
"""

import os
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

import regex
import snowballstemmer

DEFAULT_LANGUAGE = "english"
LANGUAGES: tuple[str, ...] = tuple(name for name in snowballstemmer.algorithms() if "porter" not in name)
"""Languages whose endings are known."""
MAX_WORD = 40
"""Longer words have no other forms: they are not words."""

_ING, _ED = "\ue000", "\ue001"
"""Stand behind a stem for its ending. They are not letters, so that a stem ends before them as before a space."""
_ENDING = re.compile(r"(?P<middle>.*?)(?:(?P<ing>y?ings?)|(?P<ed>i?ed|^d)|(?:e|y|(?<!s)s|es|ies)?)")
_HISSING = ("s", "x", "z", "ch", "sh")
_IRREGULAR = {
    **{"child": "children", "foot": "feet", "man": "men", "mouse": "mice", "person": "people", "tooth": "teeth"},
    **{"woman": "women", "half": "halves", "knife": "knives", "leaf": "leaves", "life": "lives", "shelf": "shelves"},
    **{"thief": "thieves", "wife": "wives", "wolf": "wolves", "analysis": "analyses", "basis": "bases"},
    **{"crisis": "crises", "diagnosis": "diagnoses", "criterion": "criteria", "quiz": "quizzes"},
}
"""What English has of plurals that no ending explains."""
_SINGULARS = {plural: singular for singular, plural in _IRREGULAR.items()}
_STEMMING = threading.Lock()
"""A stemmer holds the word that it is at."""


class Inflection:
    """The word forms of one language. All words and texts are folded."""

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        """Take one of ``LANGUAGES``."""
        self._language = language
        self._is_english = language == DEFAULT_LANGUAGE
        self._letter = "[a-z]" if self._is_english else r"[\p{L}\p{M}]"

    def pattern(self, word: str) -> str:
        """A pattern for the forms of ``word`` in a text that ``canonical_by`` has rewritten."""
        forms = {self._canonical_text(form) for form in self._with_other_number(word)}
        alternatives = "|".join(regex.escape(form) for form in sorted(forms, key=len, reverse=True))
        return f"(?:{alternatives})" + ("" if self._is_base(word) else f"(?![{_ING}{_ED}])")

    def heads(self, word: str) -> tuple[str, ...]:
        """Beginnings of ``word``'s forms: each form starts with one of them."""
        if not self._is_english:
            return tuple({word[0], unicodedata.normalize("NFD", word)[0]})
        heads = {_head(self._canonical_text(form)) for form in self._with_other_number(word)}
        return tuple(sorted(head for head in heads if not any(head != h and head.startswith(h) for h in heads)))

    def canonical_by(self, heads: Iterable[str]) -> Callable[[str], str]:
        """A function that rewrites a text so that the words that begin with ``heads`` have one form each."""
        alternatives = "|".join(map(regex.escape, sorted(set(heads))))
        if not alternatives:
            return lambda text: text
        words = regex.compile(rf"(?<!{self._letter})(?:{alternatives}){self._letter}*+")
        return lambda text: words.sub(self._of_match, text)

    def spelled(self, word: str) -> tuple[str, ...]:
        """``word`` and its forms as they are written, for services that look words up; English ones only."""
        forms = [word, *sorted(self._with_other_number(word) - {word})] if self._is_english else [word]
        if self._is_english and word.isascii() and word.isalpha() and self._is_base(word):
            canonical = _canonical(word, self._language)
            for ending, mark in (("ing", _ING), ("ed", _ED)):
                stems = (word, word.removesuffix("e"), word + word[-1], word.removesuffix("y") + "i")
                made = dict.fromkeys(stem + ending for stem in stems if stem != word + "e")
                forms += [form for form in made if _canonical(form, self._language) == canonical + mark]
        return tuple(dict.fromkeys(forms))

    @staticmethod
    def irregular(word: str) -> str | None:
        """The plural or singular of an English word that no ending explains."""
        return _IRREGULAR.get(word) or _SINGULARS.get(word)

    def _with_other_number(self, word: str) -> set[str]:
        if not self._is_english or len(word) < 2:
            return {word}
        plural = _IRREGULAR.get(word) or word + ("es" if word.endswith(_HISSING) else "s")
        return {word, plural, *self._singulars(word)}

    def _singulars(self, word: str) -> set[str]:
        """What ``word`` is the plural of; empty where it does not look like one."""
        if word in _SINGULARS:
            return {_SINGULARS[word]}
        if len(word) < 3 or not word.endswith("s") or word.endswith("ss"):
            return set()
        singulars = {word[:-1]} | ({word[:-2]} if word.endswith("es") and word[:-2].endswith(_HISSING) else set())
        is_initials = not re.search("[aeiouy]", word) and len(word) > 3
        canonical = self._canonical_text(word)
        return singulars if is_initials or canonical in map(self._canonical_text, singulars) else set()

    def _is_base(self, word: str) -> bool:
        return not self._singulars(word) and self._canonical_text(word)[-1] not in (_ING, _ED)

    def _canonical_text(self, text: str) -> str:
        return regex.sub(f"{self._letter}+", self._of_match, text)

    def _of_match(self, word: "regex.Match[str]") -> str:
        return _canonical(word[0], self._language)


def _head(canonical: str) -> str:
    """What every word with this canonical form begins with."""
    plain = re.match("[a-z]+", canonical)
    head = plain[0] if plain else canonical[0]
    # "tying" has the stem "tie", "companies" has "compani", and "hoping" has "hope".
    return re.sub("(?<=.)(?:ie|[eiy])$", "", head)


@lru_cache(maxsize=200_000)
def _canonical(word: str, language: str) -> str:
    if not 2 < len(word) <= MAX_WORD:
        return word
    with _STEMMING:
        stem = str(_stemmer(language).stemWord(word))
    return _inflected(word, stem) if language == DEFAULT_LANGUAGE else stem


def _inflected(word: str, stem: str) -> str:
    """``stem`` with what of ``word``'s ending is derivation, and a mark for -ing and -ed."""
    common = len(os.path.commonprefix([word, stem]))
    rest = word[common:]
    if common == len(stem) and rest[1:] in ("ing", "ings", "ed") and rest[0] == stem[-1]:
        rest = rest[1:]
    ending = _ENDING.fullmatch(rest)
    assert ending is not None, "the middle matches anything"
    base = stem[:common] + ending["middle"] if ending["middle"] else stem
    return base + (_ING if ending["ing"] else _ED if ending["ed"] else "")


@cache
def _stemmer(language: str) -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer(language)
