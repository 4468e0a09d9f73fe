"""Extraction: what is read out of a document, and the check that it is written there.

What belongs here: the request, the answer's schema, and grounding. What does not: the readers (``services.extractor``).
A reader is distrusted, be it a model or our own rules: what it quotes must occur in the document.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lead_assets.domain.document_text import document_text
from lead_assets.domain.keywords.visible_text import fold, visible

Intent = Literal["recommendation", "comparison", "switching", "problem", "hiring", "other"]
Urgency = Literal["high", "medium", "low", "none"]

RULES = "rules"
"""The reader by rules: it costs nothing, quotes, and does not decide."""
MIN_QUOTE_CHARACTERS = 6
"""Fewest letters and digits of a quote. Nearly every text contains every short string ("I", "the", "a CRM" by parts),
so that finding one again proves nothing. A character of a script without letters counts as two."""
_FIRST_IDEOGRAPH = "\u2e80"
MIN_CONTACT_CHARACTERS = 4
"""Fewest letters and digits of a contact: "DM me" is the shortest that says something."""

MAX_QUOTES, MAX_QUOTE_CHARACTERS = 10, 1_000
MAX_CONTACTS, MAX_CONTACT_CHARACTERS = 10, 200
MAX_BUDGET_CHARACTERS = 200
MAX_TOLD_CHARACTERS = 400
"""Of pain point and summary, which the reader writes freely."""

_QUOTATION_MARKS = (("\u2018", "'"), ("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"'))
_WRAPPED = re.compile(r"""["'\u201c\u2018](.*)["'\u201d\u2019]""", re.DOTALL)
# Only text made for it ("aaaa...") holds a quote so often within longer words; trying on would take quadratic time.
_PLACES_TRIED = 500
_WITHIN_CONTACTS = "@.+-_/,"
_WITHIN_NUMBERS = ".,-"
_CUT_OFF = re.compile(r"^\s*(?:\.\.\.|…)\s*|\s*(?:\.\.\.|…)\s*$")
_BRACKETS_AND_BULLETS = re.compile(r"[\[\]]|^[ \t]{0,9}(?:[>#]{1,9}|[*+-]|\d{1,3}\.)[ \t]", re.MULTILINE)
_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|guidelines|previous|above|prior)\b"
    r"|\bsystem (?:prompt|message|override)\b|^\W{0,9}(?:system|assistant|developer)\s*:"
    r"|\bis_lead\b|\bpain_point\b|[\"'](?:evidence|confidence|summary|intent|urgency)[\"']\s*:"
    r"|\bconfidence(?: score)?(?: of| to| is| at|:|=)?\s*(?:=\s*)?(?:1(?:\.0+)?|100\s*%?)(?!\d)"
    r"|\b(?:mark|classify|label|rate|treat|flag|score|report)\b.{0,40}\bas\b.{0,20}\blead\b"
    r"|\byou are (?:now )?(?:an? )?(?:ai|llm|language model|assistant|dan)\b|\bjson object\b|</?(?:system|document)",
    re.DOTALL,
)
"""Text that speaks to a machine which reads it. People who need something do not write so; who does is no lead."""
_ADDRESS = re.compile(r"://|@\w|\bwww\.|\w\.[a-z]{2,}(?:[/:?#)\]]|$)|^\W*/?[ru]/\w|\d|[$€£¥]")
"""A word that leads somewhere (link, address, user) or has a number: a fact that only the document can tell."""
_EDGES = " \t\n.,;:!?()[]{}<>\"'*_|"
_MARKUP = str.maketrans(dict.fromkeys("<>`{}[]|\\", " "))


@dataclass(frozen=True)
class ExtractionRequest:
    """One document to be read for one product. Title and body are untrusted text."""

    product: str
    title: str
    body: str

    @property
    def text(self) -> str:
        """The document as it is indexed, embedded and quoted from."""
        return document_text(self.title, self.body)


class Extraction(BaseModel):
    """What a reader found in one document. Every field must be given, also where nothing was found."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    is_lead: bool = Field(
        description="Whether the author needs what the product's category offers now, and is looking for it."
    )
    pain_point: str | None = Field(description="The author's problem, or null.")
    intent: Intent = Field(
        description="recommendation: asks for a product or service; comparison: weighs named options; "
        "switching: wants to leave one product for another; problem: asks how to solve what the product solves; "
        "hiring: wants someone to do the work; other: none of these."
    )
    urgency: Urgency = Field(description="How soon the author wants it, judged by their own words.")
    budget: str | None = Field(description="The budget exactly as written, or null.")
    contact: list[str] = Field(description="Ways to reach the author, exactly as written in the document.")
    evidence: list[str] = Field(description="Verbatim quotes from the document that show the need.")
    confidence: float = Field(ge=0, le=1, description="How certain it is that this is a lead, from 0 to 1.")
    summary: str = Field(description="One sentence saying what the author wants.")


@dataclass(frozen=True)
class Grounded:
    """An extraction with only what its document says, and how much was removed."""

    extraction: Extraction
    removed_quotes: int
    removed_contacts: int
    removed_words: int = 0


def ground(extraction: Extraction, text: str) -> Grounded:
    """Keep of ``extraction`` only what is written in ``text``, the document's text.

    Quotes, contacts and the budget must occur; a pain point may be a paraphrase unless it stands in quotation marks.
    Budget and pain point count as quotes when they are removed. Pain point and summary lose words that lead somewhere
    or have numbers which the document does not. What instructs a reader is no evidence, contact or budget. Without
    evidence left it is not a lead.
    """
    document = _Text(text)
    folded = document.folded
    evidence = [
        _as_written(quote, text)
        for quote in (_bare(each) for each in extraction.evidence if len(each) <= MAX_QUOTE_CHARACTERS)
        if document.has(quote) and not _instructs(quote)
    ][:MAX_QUOTES]
    contact = [
        _as_written(way, text)
        for way in extraction.contact
        if len(way) <= MAX_CONTACT_CHARACTERS
        and _occurs(way, folded, MIN_CONTACT_CHARACTERS, joined_by=_WITHIN_CONTACTS)
        and not _instructs(way)
    ][:MAX_CONTACTS]
    budget, pain_point = extraction.budget, extraction.pain_point
    if budget is not None:
        holds = len(budget) <= MAX_BUDGET_CHARACTERS and _occurs(budget, folded, 1, joined_by=_WITHIN_NUMBERS)
        budget = _as_written(budget, text) if holds and not _instructs(budget) else None
    told = 0
    if pain_point is not None:
        holds = _pain_point_holds(pain_point, document)
        pain_point, told = _told(pain_point, text, folded) if holds else (None, 0)
    summary, told_in_summary = _told(extraction.summary, text, folded)
    update = {"evidence": evidence, "contact": contact, "budget": budget, "pain_point": pain_point or None}
    lost = sum((extraction.budget is not None and not budget, extraction.pain_point is not None and not pain_point))
    return Grounded(
        extraction.model_copy(
            update=update | {"summary": summary, "is_lead": extraction.is_lead and bool(evidence)},
        ),
        removed_quotes=len(extraction.evidence) - len(evidence) + lost,
        removed_contacts=len(extraction.contact) - len(contact),
        removed_words=told + told_in_summary,
    )


def _as_written(quote: str, text: str) -> str:
    """A quote that occurs, without white space of the reader's own."""
    return quote if quote in text else " ".join(quote.split())


def _instructs(text: str) -> bool:
    return bool(_INSTRUCTION.search(text.casefold()))


def _told(told: str, text: str, folded: str) -> tuple[str, int]:
    """What a reader wrote freely: on one line, short, without foreign words; and how many words were removed.

    What stands in the document literally stays as it is, as quotes do: whoever shows it escapes it.
    """
    if _instructs(told):
        return "", len(told.split())
    if told in text:
        return _shortened(told), 0
    is_plain = told.isascii() and told.isprintable()
    shown = told if is_plain else "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in told)
    words = shown.translate(_MARKUP).split()
    own = [word for word in words if not _is_foreign(word, folded)]
    kept = _shortened(" ".join(own))
    # Only words together may instruct, which removing others brought together.
    return ("", len(words)) if _instructs(kept) else (kept, len(words) - len(own))


def _is_foreign(word: str, folded: str) -> bool:
    bare = word.strip(_EDGES)
    return bool(_ADDRESS.search(bare.casefold())) and not _occurs(bare, folded, 1, joined_by=_WITHIN_CONTACTS)


def _shortened(told: str) -> str:
    if len(told) <= MAX_TOLD_CHARACTERS:
        return told
    return told[:MAX_TOLD_CHARACTERS].rsplit(None, 1)[0]


def occurs(quote: str, text: str) -> bool:
    """Whether ``quote`` is written in ``text``, or is what a reader sees of it: case, white space and marks aside.

    It must not begin or end within a word, and must have at least ``MIN_QUOTE_CHARACTERS`` letters and digits.
    """
    return _Text(text).has(quote)


@dataclass(frozen=True)
class _Text:
    """A document's text, folded when it is asked for."""

    written: str

    @cached_property
    def folded(self) -> str:
        """As it is written."""
        return _fold(self.written)

    @cached_property
    def seen(self) -> str:
        """As a reader sees it: addresses and Markdown are gone."""
        return _seen(self.written)

    def has(self, quote: str) -> bool:
        """Whether it has ``quote``; one that is only seen may have no word that leads elsewhere."""
        if _occurs(quote, self.folded):
            return True
        return _occurs(_seen(quote), self.seen) and not any(_is_foreign(word, self.folded) for word in quote.split())


def _pain_point_holds(pain_point: str, document: _Text) -> bool:
    quoted = _WRAPPED.fullmatch(pain_point.strip())
    return document.has(quoted.group(1)) if quoted else bool(pain_point.strip())


def _bare(quote: str) -> str:
    """A quote without quotation marks around it, and without the dots that say that the text goes on."""
    while True:
        bare = _CUT_OFF.sub("", quote)
        if (quoted := _WRAPPED.fullmatch(bare.strip())) is None:
            return bare
        quote = quoted[1]


def _occurs(quote: str, folded: str, minimum: int = MIN_QUOTE_CHARACTERS, *, joined_by: str = "") -> bool:
    """``joined_by``: what holds a longer address or number together, within which it is not ("$5" in "$5,000")."""
    wanted = _fold(quote)
    if not _has_letters(wanted, minimum):
        return False
    start = folded.find(wanted)
    for _ in range(_PLACES_TRIED):
        if start < 0:
            break
        end = start + len(wanted)
        before, after = folded[max(0, start - 2) : start][::-1], folded[end : end + 2]
        if not _joins(before, wanted[0], joined_by) and not _joins(after, wanted[-1], joined_by):
            return True
        start = folded.find(wanted, start + 1)
    return False


def _has_letters(folded: str, minimum: int) -> bool:
    found = 0
    for letter in folded:
        if letter.isalnum():
            found += 1 + (letter >= _FIRST_IDEOGRAPH)
            if found >= minimum:
                return True
    return False


def _joins(beside: str, edge: str, joined_by: str) -> bool:
    """Whether ``edge`` goes on into ``beside``, the two characters next to it, nearest first."""
    if not beside or not _in_word(edge):
        return False
    if _in_word(beside[0]):
        return True
    return len(beside) == 2 and beside[0] in joined_by and _in_word(beside[1])


def _in_word(character: str) -> bool:
    # Scripts with case put spaces between words; others (Chinese, Thai) do not: no inside of a word to respect.
    return character.isdigit() or character.lower() != character.upper()


def _seen(text: str) -> str:
    """What a reader sees of the text, folded: no Markdown, entities, addresses and invisible characters."""
    return _fold(_BRACKETS_AND_BULLETS.sub("", fold(visible(text))))


def _fold(text: str) -> str:
    """The text without case, with single spaces, straight quotation marks and characters composed in one way."""
    folded = text.casefold()
    if not folded.isascii():
        for curly, straight in _QUOTATION_MARKS:
            folded = folded.replace(curly, straight)
        folded = unicodedata.normalize("NFC", folded)
    return " ".join(folded.split())
