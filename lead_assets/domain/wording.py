"""How a text is worded, whatever it is about: a table of patterns that the lead model weighs.

Unlike cues (``cues``), nobody sets weights here: training does. A row is a pattern, the part of the text in which it is
counted, and how many hits are as good as it gets. Every pattern takes linear time: repetitions are bounded.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from lead_assets.domain import cues
from lead_assets.domain.plain_text import tokenizer

BODY_CHARACTERS = 3_000
HEAD_CHARACTERS = 300
FEWEST_WORDS = 12
"""A shorter text does not show its language."""
ENGLISH_SHARE = 0.12
"""Share of English function words from which a text counts as English; English posts have 0.3 to 0.6."""


@dataclass(frozen=True)
class Wording:
    """One row: ``min(occurrences, most) / most`` of ``pattern`` in ``part``, which is in lower case.

    Where there are ``hints``, one of them is part of every text that the pattern matches, as in ``cues``.
    """

    name: str
    about: str
    part: Literal["head", "body"]
    pattern: str
    most: int = 1
    hints: tuple[str, ...] = field(default=(), repr=False)  # they change no value, so not the version either


WORDING: tuple[Wording, ...] = (
    Wording("head_question", "a question mark in the title", "head", r"\?"),
    Wording("body_questions", "question marks in the text", "body", r"\?", 5),
    Wording("head_first_person", "the title speaks of its author", "head", r"\b(?:i|i'm|i've|my|me|we|our|us)\b"),
    Wording("body_first_person", "the text speaks of its author", "body", r"\b(?:i|i'm|i've|i'd|my|me)\b", 10),
    Wording(
        "head_looking",
        "the title looks for something or asks for advice",
        "head",
        r"\b(?:looking for|recommend\w{0,10}|suggest\w{0,6}|advice|searching for|in search of|need (?:an?|some|help)|"
        r"help)\b",
    ),
    Wording(
        "head_choosing",
        "the title weighs a choice or its price",
        "head",
        r"\b(?:should i|do i need|is it worth|worth it|what(?:'s| is) the best|best way|which|how much)\b",
    ),
    Wording(
        "head_teaching",
        "the title teaches or announces",
        "head",
        r"^\s{0,9}(?:how to|why|the \d{1,6}|\d{1,6} |top \d{1,6}|tips|here'?s|guide|introducing|announcing)\b",
    ),
    Wording(
        "head_made",
        "the title shows what its author made or did",
        "head",
        r"\b(?:i|we) (?:made|built|created|wrote|launched|designed|released|fixed|finally|just)\b",
    ),
    Wording(
        "head_problem",
        "the title tells of a problem",
        "head",
        r"\b(?:won'?t|doesn'?t|can'?t|problem|issue|broke|broken|trouble|struggling|stuck|fail\w{0,6}|wrong|noise)\b",
    ),
    Wording(
        "planning",
        "the text plans, considers or decides",
        "body",
        r"\b(?:thinking (?:of|about)|planning|considering|want to|going to|about to|trying to|decid\w{1,6}|"
        r"choos\w{1,4})\b",
        hints=(
            "thinking ",
            "planning",
            "considering",
            "want to",
            "going to",
            "about to",
            "trying to",
            "decid",
            "choos",
        ),
    ),
    Wording("exclamation", "an exclamation mark", "body", "!"),
    Wording("link", "a link", "body", "https?:"),
    Wording(
        "thanks",
        "thanks in advance or appreciation",
        "body",
        r"\b(?:thanks|thank you|thx|appreciated?)\b",
        hints=("thank", "thx", "appreciate"),
    ),
    Wording(
        "money",
        "money, a price or a budget",
        "body",
        r"\$ ?\d|\b(?:budget|afford|cheap\w{0,4}|prices?|costs?)\b",
        hints=("$", "budget", "afford", "cheap", "price", "cost"),
    ),
)
"""What the lead model looks at in the words themselves, in the order in which it is stored."""
_COMPILED = tuple((each, re.compile(each.pattern)) for each in WORDING)
_words_of_letters = tokenizer(r"[^\W\d_]")
_ENGLISH: frozenset[str] = frozenset(
    re.findall(
        r"[\w']+",
        """the a an and or but if of to in on at for with from by as is are was were be been am i i'm my me we our you
        your it its this that these those they them he she his her there what which who how when where why not no do
        does did have has had can could would should will just so any some all more than then out up about like get
        need want help good best looking use using one know please thanks anyone""",
    )
)
"""Function words that nearly every English post has."""


def wording_of(title: str, body: str) -> list[float]:
    """``WORDING`` of what an author wrote, each 0..1; quoted lines and code are not the author's words.

    The head of a text without a title, such as a comment, is its first sentence.
    """
    own = cues.own_words(body)
    head = title or next(iter(cues.sentences(own[:BODY_CHARACTERS])), "")
    parts = {
        "head": head[:HEAD_CHARACTERS].lower().replace("\u2019", "'"),
        "body": f"{title}\n{own[:BODY_CHARACTERS]}".lower().replace("\u2019", "'"),
    }
    return [min(_count(each, pattern, parts[each.part]), each.most) / each.most for each, pattern in _COMPILED]


def _count(row: Wording, pattern: re.Pattern[str], text: str) -> int:
    if row.hints and not any(hint in text for hint in row.hints):
        return 0
    if row.most == 1:
        return int(pattern.search(text) is not None)
    return len(pattern.findall(text))


def is_foreign(title: str, body: str) -> bool:
    """Whether the text is plainly in another language than English, which the lead model has learned nothing of."""
    words = _words_of_letters(f"{title}\n{body[:BODY_CHARACTERS]}".lower())
    if len(words) < FEWEST_WORDS:
        letters = [letter for letter in title + body[:BODY_CHARACTERS] if letter.isalpha()]
        return bool(letters) and sum(letter > "\u024f" for letter in letters) > len(letters) / 2
    return sum(map(_ENGLISH.__contains__, words)) < ENGLISH_SHARE * len(words)
