"""Word forms: which words are the same but for their endings, by Snowball's stemmers.

In English only inflection counts, not derivation: "tracks", "tracked" and "tracking" are forms of "track", but
"manager" and "management" are not forms of "manage". A plural stands for the noun alone, and a word in -ing or -ed
for itself: "accounting" does not find "account".
"""

import os
import re
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, cast

import regex

DEFAULT_LANGUAGE = "english"
MAX_WORD = 40
"""Longer words have no other forms: they are not words."""

_ING, _ED = "+ing", "+ed"
"""Stand behind a stem for its ending."""
_ENDING = re.compile(r"(?P<middle>.*?)(?:(?P<ing>y?ings?)|(?P<ed>i?ed|^d)|(?:e|y|(?<!s)s|es|ies)?)")
_HISSING = ("s", "x", "z", "ch", "sh")
_NO_PLURALS = ("alias", "atlas", "bias", "canvas", "lens")
_IRREGULAR = {
    **{"child": "children", "foot": "feet", "man": "men", "mouse": "mice", "person": "people", "tooth": "teeth"},
    **{"woman": "women", "half": "halves", "knife": "knives", "leaf": "leaves", "life": "lives", "shelf": "shelves"},
    **{"thief": "thieves", "wife": "wives", "wolf": "wolves", "analysis": "analyses", "basis": "bases"},
    **{"crisis": "crises", "diagnosis": "diagnoses", "criterion": "criteria", "quiz": "quizzes"},
    **{"appendix": "appendices", "index": "indices", "matrix": "matrices", "vertex": "vertices", "axis": "axes"},
    **{"hypothesis": "hypotheses", "thesis": "theses", "phenomenon": "phenomena", "curriculum": "curricula"},
    **{"alumnus": "alumni", "cactus": "cacti", "syllabus": "syllabi", "calf": "calves", "loaf": "loaves"},
    **{"goose": "geese", "ox": "oxen", "ad": "ads", "cv": "cvs", "id": "ids", "pc": "pcs", "tv": "tvs"},
    **{word: word + "es" for word in _NO_PLURALS},
}
"""What English has of plurals that no ending explains. Media and data are words of
their own: few who look for "medium" mean both."""
_COMPOUNDED = ("child", "man", "person", "shelf", "wife", "woman")
"""What keeps its plural behind another word: salesperson, salespeople."""
_SINGULARS = {plural: singular for singular, plural in _IRREGULAR.items()}
_INITIALS = re.compile("[b-df-hj-np-tv-xz]{2,}")
"""Stemmers leave words without a vowel as they are, and initials have their plural in -s in any language."""
_LOAN_WORD = re.compile("[aiouyäöüp]")
"""At its end, German gives a word its plural in -s, which the stemmer leaves there."""
_STEMMING = threading.Lock()
"""A stemmer holds the word that it is at."""


def languages() -> list[str]:
    """The languages whose endings are known."""
    return [name for name in _snowball().algorithms() if "porter" not in name]


class Inflection:
    """The word forms of one language. All words are folded."""

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        """Take one of ``languages()``."""
        self._language = language
        self._is_english = language == DEFAULT_LANGUAGE
        # English words with other letters than these ("cafés") are looked at in pieces.
        self._pieces = regex.compile("[a-z]+" if self._is_english else r"[\p{L}\p{M}]+")

    def canonical(self, word: str) -> str:
        """What all words with the same forms have in common, and no others."""
        if len(word) > MAX_WORD:
            return word
        return self._pieces.sub(lambda piece: _canonical(piece[0], self._language), word)

    def forms(self, word: str) -> frozenset[str]:
        """``canonical`` of all words that count as ``word``."""
        forms = set(map(self.canonical, self._with_other_number(word)))
        return frozenset(forms | {form + mark for form in forms for mark in (_ING, _ED) if self._is_base(word)})

    def heads(self, word: str) -> tuple[str, ...]:
        """Beginnings of ``word``'s forms: each form starts with one of them."""
        if not self._is_english:
            return tuple({word[0], unicodedata.normalize("NFD", word)[0]})
        heads = {head for form in self._with_other_number(word) for head in _heads(self.canonical(form))}
        return tuple(sorted(head for head in heads if not any(head != h and head.startswith(h) for h in heads)))

    def spelled(self, word: str) -> tuple[str, ...]:
        """``word`` and its forms as they are written, for services that look words up; English ones only."""
        if not self._is_english:
            return (word,)
        forms = [word, *sorted(self._with_other_number(word) - {word})]
        if word.isascii() and word.isalpha() and self._is_base(word):
            canonical = self.canonical(word)
            bases = (
                [word[:-1]] if re.search("[^eoy]e$", word) else [word, word + word[-1], word.removesuffix("y") + "i"]
            )
            made = [(base + ending, mark) for base in bases for ending, mark in (("ing", _ING), ("ed", _ED))]
            forms += [form for form, mark in made if self.canonical(form) == canonical + mark]
        return tuple(dict.fromkeys(forms))

    @staticmethod
    def irregular(word: str) -> str | None:
        """The plural or singular of an English word that no ending explains."""
        return _IRREGULAR.get(word) or _SINGULARS.get(word)

    def _with_other_number(self, word: str) -> set[str]:
        """``word`` with its singular or plural in English; both where it is not clear which it is itself."""
        if not self._is_english:
            return self._with_foreign_number(word)
        if len(word) < 2:
            return {word}
        singulars = self._singulars(word)
        is_plural = word in _SINGULARS or (singulars and len(word) > 4)
        plurals = set[str]() if is_plural or self.canonical(word).endswith(_ED) else _plurals(word)
        return {word, *singulars, *_possible_singulars(word), *plurals}

    def _with_foreign_number(self, word: str) -> set[str]:
        if _INITIALS.fullmatch(word):
            return {word, word + "s"}
        if self._language != "german" or len(word) < 2:
            return {word}
        if word.endswith("s") and _LOAN_WORD.fullmatch(word[-2]):
            return {word, word[:-1]}
        return {word, word + "s"} if _LOAN_WORD.fullmatch(word[-1]) else {word}

    def _singulars(self, word: str) -> set[str]:
        """What English ``word`` is the plural of; empty where it does not look like one."""
        if word in _SINGULARS:
            return {_SINGULARS[word]}
        is_singular = word in _IRREGULAR or len(word) < 4 or not word.endswith("s") or word.endswith("ss")
        if is_singular or not self._is_english:
            return set()
        singulars = {word[:-1]}
        if word.endswith("ies"):
            singulars.add(word[:-3] + "y")
        if word.endswith("es") and word[:-2].endswith(_HISSING):
            singulars.add(word[:-2])
        return (
            singulars if _INITIALS.fullmatch(word) or self.canonical(word) in map(self.canonical, singulars) else set()
        )

    def _is_base(self, word: str) -> bool:
        return not self._singulars(word) and not self.canonical(word).endswith((_ING, _ED))


def _plurals(word: str) -> set[str]:
    """The plural as all others have it, and the one that no ending explains: indexes, indices."""
    regular = word[:-1] + "ies" if re.search("[^aeiou]y$", word) else word + ("es" if word.endswith(_HISSING) else "s")
    return {regular, *_in_compound(word, _IRREGULAR, _COMPOUNDED), *({_IRREGULAR[word]} if word in _IRREGULAR else ())}


def _possible_singulars(word: str) -> set[str]:
    """What ``word`` may be the plural of, or not: menus, but also status; salesmen, but also specimen."""
    compound = _in_compound(word, _SINGULARS, [_IRREGULAR[one] for one in _COMPOUNDED])
    doubtful = len(word) > 3 and word not in _IRREGULAR and word[-2] in "aiu" and word.endswith("s")
    return {*compound, *({word[:-1]} if doubtful else ())}


def _in_compound(word: str, other_number: Mapping[str, str], lasts: Sequence[str]) -> set[str]:
    """``word`` with another number of its last part, of which at least three letters stand before."""
    return {word.removesuffix(last) + other_number[last] for last in lasts if word[3:].endswith(last)}


def _heads(canonical: str) -> set[str]:
    """What a word with this canonical form begins with: "hope" or "hopi", "compani" or "company", "tie" or "ty"."""
    plain = re.match("[a-z]+", canonical)
    head = plain[0] if plain else canonical[0]
    stem, end = head[:-1], head[-1]
    if not stem or end not in "eiy":
        return {head}
    return {head, stem + ("y" if end == "i" else "i"), *({stem[:-1] + "y"} if head.endswith("ie") else ())}


@lru_cache(maxsize=200_000)
def _canonical(word: str, language: str) -> str:
    if language != DEFAULT_LANGUAGE:
        return _stem(word, language)
    # Of three letters there are more initials than plurals: UPS, GPS, CMS.
    is_too_short = len(word) < 3 or (len(word) == 3 and word.endswith("s"))
    return word if is_too_short or word in _NO_PLURALS else _inflected(word, _stem(word, language))


def _stem(word: str, language: str) -> str:
    with _STEMMING:
        return _stemmer(language)(word)


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    return cast("Callable[[str], str]", _snowball().stemmer(language).stemWord)


def _snowball() -> Any:
    # Its modules for all languages take longer to load than most commands take.
    import snowballstemmer  # pyright: ignore[reportMissingTypeStubs]

    return snowballstemmer


def _inflected(word: str, stem: str) -> str:
    """``stem`` with what of ``word``'s ending is derivation, and a mark for -ing and -ed."""
    common = len(os.path.commonprefix([word, stem]))  # noqa: RUF071 - by characters
    rest = word[common:]
    if common == len(stem) and rest[1:] in ("ing", "ings", "ed") and rest[0] == stem[-1]:
        rest = rest[1:]
    ending = _ENDING.fullmatch(rest)
    assert ending is not None, "the middle matches anything"
    base = stem[:common] + ending["middle"] if ending["middle"] else stem
    return base + (_ING if ending["ing"] else _ED if ending["ed"] else "")
