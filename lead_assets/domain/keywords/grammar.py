"""The grammar of keywords, as docs/keywords.md describes it: words, "phrases", -excluded, title:word, OR between them.

A keyword has alternatives (parted by OR), an alternative has terms that must occur and terms that must not, and a term
has words that stand side by side.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lead_assets.domain.keywords import scripts
from lead_assets.domain.keywords.visible_text import fold

_PLAIN = {ord(wide): chr(ord(wide) - 0xFEE0) for wide in map(chr, range(0xFF01, 0xFF5F))} | str.maketrans(
    dict.fromkeys("“”„‟«»″〝〞＂", '"')  # noqa: RUF001
)
"""Full-width characters and all kinds of double quotes, as the grammar writes them."""
_DASHES = "–—−-"  # noqa: RUF001
_TOKEN = re.compile(
    rf'(?P<minus>[{_DASHES}](?=[^\s{_DASHES}]))?(?P<field>title:)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))',
    re.IGNORECASE,
)
_BETWEEN_WORDS = re.compile(rf"[\s/,:;…、。،؛_{_DASHES}]+")
_AT_EDGES = "'!?\"…·¿¡؟"
_BRACKETS = ("Ps", "Pe", "Pi", "Pf")
"""Unicode's categories of brackets and quotes, which may stand at a word's edges too."""
_PLURAL_OF_INITIALS = re.compile(r"(?<![^\W_])([A-Z]{2,})s(?![^\W_])")
_OTHER_FIELDS = frozenset(
    {"author", "body", "flair", "flair_text", "intitle", "inurl", "nsfw", "selftext", "self", "site", "subreddit"}
    | {"text", "url", "lang", "language", "since", "until", "before", "after", "is", "has", "from", "filetype", "user"}
)
PARTICLES = ("up", "out", "off", "down", "back", "over")
"""Words that make one word with the verb before them: "follow up", "follow-up", "followup"."""
_SPLIT = re.compile(rf"(\w{{3,}})({'|'.join(PARTICLES[:-1])})")


class KeywordRefusedError(ValueError):
    """A keyword that cannot be understood. Its message is the problem and the fix, without the last full stop."""


@dataclass(frozen=True)
class Term:
    """Folded words that stand side by side, in the title where ``in_title``; ``written`` as the campaign has them."""

    words: tuple[str, ...]
    written: str
    in_title: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is one word of letters and digits."""
        return len(self.words) == 1 and self.words[0].isalnum()

    @property
    def has_letters(self) -> bool:
        """Whether each word has something that a search engine indexes."""
        return all(any(character.isalnum() for character in word) for word in self.words)

    @property
    def is_in_a_script_without_spaces(self) -> bool:
        """Whether a word may stand within what a search engine takes for one, or be followed by particles."""
        return any(scripts.runs_on(word) for word in self.words)

    def spellings(self) -> list[tuple[str, ...]]:
        """The term's words, and the same with two of them written as one or a particle written apart."""
        others = [
            (*self.words[:place], first + second, *self.words[place + 2 :])
            for place, (first, second) in enumerate(zip(self.words, self.words[1:], strict=False))
            if first.isalnum() and second.isalnum() and (len(self.words) == 2 or second in PARTICLES)
        ]
        if len(self.words) == 1 and (parts := _SPLIT.fullmatch(self.words[0])):
            others.append((parts[1], parts[2]))
        return [self.words, *others]


@dataclass(frozen=True)
class Alternative:
    """Terms that must occur, at least one, and terms that must not."""

    required: tuple[Term, ...]
    excluded: tuple[Term, ...] = ()

    @property
    def searchable(self) -> tuple[Term, ...]:
        """The required terms that search engines can look up; all where they can none."""
        return tuple(term for term in self.required if term.has_letters) or self.required

    def spellings(self) -> list["Alternative"]:
        """The alternative, and the same with two required words written as one."""
        found: list[Alternative] = [self]
        for place, (first, second) in enumerate(zip(self.required, self.required[1:], strict=False)):
            if first.is_plain and second.is_plain and first.in_title == second.in_title:
                one, other = first.words[0], second.words[0]
                if len(self.required) == 2 or other in PARTICLES:
                    joined = replace(first, words=(one + other,), written=first.written + second.written)
                    required = (*self.required[:place], joined, *self.required[place + 2 :])
                    found.append(replace(self, required=required))
        return found


class Keyword:
    """One keyword as written, and what it asks for."""

    def __init__(self, text: str) -> None:
        """Read ``text``.

        Raises:
            KeywordRefusedError: see ``parse``.
        """
        self.text = text
        self.alternatives = parse(text)

    @property
    def searches(self) -> list[str]:
        """Each alternative without quotes, operators and what it excludes: to be searched for and embedded."""
        return list(dict.fromkeys(" ".join(term.written for term in each.required) for each in self.alternatives))

    @property
    def plain(self) -> str:
        """``searches`` as one text."""
        return ", ".join(self.searches)


def searches_of(keywords: Iterable[str]) -> list[str]:
    """The searches of all ``keywords``, each once."""
    return list(dict.fromkeys(search for text in keywords for search in Keyword(text).searches))


def parse(text: str) -> tuple[Alternative, ...]:
    """The alternatives of a keyword.

    Raises:
        KeywordRefusedError: the keyword has no word, or has what is not part of the grammar.
    """
    straight = text.translate(_PLAIN)
    if straight.count('"') % 2:
        raise KeywordRefusedError(f"{text!r} has an unclosed double quote. Close it or take it out")
    sides: list[list[re.Match[str]]] = [[]]
    for token in _TOKEN.finditer(straight):
        if token[0] == "OR":
            sides.append([])
        else:
            sides[-1].append(token)
    if len(sides) > 1 and not all(sides):
        raise KeywordRefusedError(f"{text!r} has an OR without a word on either side. Write one there, or take it out")
    return tuple(_alternative(tokens, text) for tokens in sides)


def _alternative(tokens: Sequence[re.Match[str]], text: str) -> Alternative:
    required: list[Term] = []
    excluded: list[Term] = []
    for token in tokens:
        if token["quoted"] is None:
            _refuse_what_is_not_understood(token, text)
        term = _term(token)
        if term.words:
            (excluded if token["minus"] else required).append(term)
    if not required and excluded:
        raise KeywordRefusedError(
            f"{text!r} says only what must not occur. Add a word that must, or list it under `negative_keywords`"
        )
    if not required:
        raise KeywordRefusedError(f"{text!r} has no word in it. Write at least one letter or digit")
    return Alternative(tuple(required), tuple(excluded))


def _term(token: re.Match[str]) -> Term:
    written = token["plain"] if token["quoted"] is None else token["quoted"]
    # "KPIs" stands for "KPI", whose plural it is: without capitals that could not be told.
    words = (_word(part) for part in _BETWEEN_WORDS.split(fold(_PLURAL_OF_INITIALS.sub(r"\1", written))))
    return Term(tuple(word for word in words if word), " ".join(written.split()), in_title=token["field"] is not None)


def _word(part: str) -> str:
    """``part`` without punctuation at its edges; empty where nothing else is in it."""
    around = {each for each in part if unicodedata.category(each) in _BRACKETS}
    word = part.strip(_AT_EDGES + "".join(around)).rstrip(".'")
    word = word.lstrip(".") if word.startswith("..") or not word[1:] else word
    return word if any(letter.isalnum() or unicodedata.category(letter) == "So" for letter in word) else ""


_REFUSED: tuple[tuple[str, str], ...] = (
    (r"\w+://.*|[wW]{3}\..*", "Write only the name, as in example.com: addresses are not looked at"),
    (r"(?:NEAR|ADJ|W|N)/\d+", "Put words in quotes that are to stand side by side"),
    (r".*\\(?:\W.*|$)", "Leave the backslash out"),
    (r"[oO]r", "Write OR in capitals for alternatives, or put the words in quotes"),
    (r"AND|&&", "Leave it out: all words of a keyword must occur anyway"),
    (r"NOT", "Write -word for a word that must not occur"),
    (rf"[!{_DASHES}]+\w.*", "Write -word, or -title:word, for a word that must not occur"),
    (r"\+\w.*", "Leave the + out: all words of a keyword must occur anyway"),
    (r"\|+|.*\w\|+\w.*", "Write OR in capitals for alternatives"),
    (r".*\*.*|.*\w\?\w.*", "Write whole words: plurals and other endings are found anyway"),
    (r".*[()\[\]{}<>].*", "Write each combination as a keyword of its own, without brackets"),
    (r"[~^].*|.*\w[~^]\d*", "Take it out, or put the words in quotes to find them side by side"),
)


def _refuse_what_is_not_understood(token: re.Match[str], text: str) -> None:
    plain = token["plain"]
    if plain.casefold() == "title:":
        raise KeywordRefusedError(f"{text!r} has no word after `title:`. Write it without a space, as in title:word")
    field = re.match(r"(\w+):\S", plain)
    if field and field[1].casefold() in _OTHER_FIELDS:
        raise KeywordRefusedError(
            f"{text!r} looks in {field[1]}:, and keywords can look only in title: or everywhere. Take it out, or use "
            "`subreddits` or `exclude_authors` of the campaign"
        )
    for pattern, fix in _REFUSED:
        if re.fullmatch(pattern, plain):
            raise KeywordRefusedError(f"{text!r} has {plain!r}, which is not part of the grammar. {fix}")
