"""Extraction: what is read out of a document, and the check that it is written there.

What belongs here: the request, the answer's schema, and grounding. What does not: the readers (``services.extractor``).
A reader is distrusted, be it a model or our own rules: what it quotes must occur in the document.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lead_assets.domain.ranking import document_text

Intent = Literal["recommendation", "comparison", "switching", "problem", "hiring", "other"]
Urgency = Literal["high", "medium", "low", "none"]

MIN_QUOTE_CHARACTERS = 6
"""Fewest letters and digits of a quote. Nearly every text contains every short string ("I", "the", "a CRM" by parts),
so that finding one again proves nothing."""
MIN_CONTACT_CHARACTERS = 4
"""Fewest letters and digits of a contact: "DM me" is the shortest that says something."""

_QUOTATION_MARKS = (("\u2018", "'"), ("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"'))
_WRAPPED = re.compile(r"""["'\u201c\u2018](.*)["'\u201d\u2019]""", re.DOTALL)
# Only text made for it ("aaaa...") holds a quote so often within longer words; trying on would take quadratic time.
_PLACES_TRIED = 500
_WITHIN_CONTACTS = frozenset("@.+-_/,")


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

    is_lead: bool = Field(description="Whether the author now needs what the product's category offers, and looks.")
    pain_point: str | None = Field(description="What troubles the author, or null.")
    intent: Intent = Field(
        description="recommendation: asks for a product or service; comparison: chooses between named ones; "
        "switching: leaves one for another; problem: asks how to solve what the product solves; "
        "hiring: looks for somebody to do the work; other: none of these."
    )
    urgency: Urgency = Field(description="How soon the author wants it, by the author's own words.")
    budget: str | None = Field(description="The budget exactly as written, or null.")
    contact: list[str] = Field(description="Ways to reach the author, exactly as written in the document.")
    evidence: list[str] = Field(description="Verbatim quotes from the document that show the need.")
    confidence: float = Field(ge=0, le=1, description="How sure it is that this is a lead, from 0 to 1.")
    summary: str = Field(description="One sentence on what the author wants.")


@dataclass(frozen=True)
class Grounded:
    """An extraction with only what its document says, and how much was removed."""

    extraction: Extraction
    removed_quotes: int
    removed_contacts: int


def ground(extraction: Extraction, text: str) -> Grounded:
    """Keep of ``extraction`` only what is written in ``text``, the document's text.

    Quotes, contacts and the budget must occur; a pain point may be a paraphrase unless it stands in quotation marks.
    Budget and pain point count as quotes when they are removed. Without evidence left it is not a lead.
    """
    folded = _fold(text)
    evidence = [quote for quote in extraction.evidence if _occurs(quote, folded)]
    contact = [way for way in extraction.contact if _occurs(way, folded, MIN_CONTACT_CHARACTERS, whole=True)]
    budget, pain_point = extraction.budget, extraction.pain_point
    if budget is not None and not _occurs(budget, folded, 1, whole=True):
        budget = None
    if pain_point is not None and not _pain_point_holds(pain_point, folded):
        pain_point = None
    removed = (len(extraction.evidence) - len(evidence)) + (budget != extraction.budget)
    update = {"evidence": evidence, "contact": contact, "budget": budget, "pain_point": pain_point}
    return Grounded(
        extraction.model_copy(update=update | {"is_lead": extraction.is_lead and bool(evidence)}),
        removed_quotes=removed + (pain_point != extraction.pain_point),
        removed_contacts=len(extraction.contact) - len(contact),
    )


def occurs(quote: str, text: str) -> bool:
    """Whether ``quote`` is written in ``text``: white space, case and the shape of quotation marks aside.

    It must not begin or end within a word, and must have at least ``MIN_QUOTE_CHARACTERS`` letters and digits.
    """
    return _occurs(quote, _fold(text))


def _pain_point_holds(pain_point: str, folded: str) -> bool:
    quoted = _WRAPPED.fullmatch(pain_point.strip())
    return _occurs(quoted.group(1), folded) if quoted else bool(pain_point.strip())


def _occurs(quote: str, folded: str, minimum: int = MIN_QUOTE_CHARACTERS, *, whole: bool = False) -> bool:
    """``whole``: also not within what looks like one longer address or number ("$5" in "$5,000")."""
    wanted = _fold(quote)
    if sum(map(str.isalnum, wanted)) < minimum:
        return False
    start = folded.find(wanted)
    for _ in range(_PLACES_TRIED):
        if start < 0:
            break
        end = start + len(wanted)
        before, after = folded[max(0, start - 2) : start][::-1], folded[end : end + 2]
        if not _joins(before, wanted[0], whole) and not _joins(after, wanted[-1], whole):
            return True
        start = folded.find(wanted, start + 1)
    return False


def _joins(beside: str, edge: str, whole: bool) -> bool:
    """Whether ``edge`` goes on into ``beside``, the two characters next to it, nearest first."""
    if not beside or not _in_word(edge):
        return False
    if _in_word(beside[0]):
        return True
    return whole and len(beside) == 2 and beside[0] in _WITHIN_CONTACTS and _in_word(beside[1])


def _in_word(character: str) -> bool:
    # Scripts with case put spaces between words; others (Chinese, Thai) do not: no inside of a word to respect.
    return character.isdigit() or character.lower() != character.upper()


def _fold(text: str) -> str:
    """The text without case, with single spaces, straight quotation marks and characters composed in one way."""
    folded = text.casefold()
    if not folded.isascii():
        for curly, straight in _QUOTATION_MARKS:
            folded = folded.replace(curly, straight)
        folded = unicodedata.normalize("NFC", folded)
    return " ".join(folded.split())
