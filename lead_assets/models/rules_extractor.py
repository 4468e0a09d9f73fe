"""Reading candidates: the protocol that assets use, and the reader by rules (``openai_extractor`` has the other).

What belongs here: turning a request into an extraction. What does not: the schema and grounding (``domain.extraction``)
and the tables of cues (``domain.cues``).
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from lead_assets.domain import cues
from lead_assets.domain.document_text import document_text
from lead_assets.domain.extraction import RULES, Extraction, ExtractionRequest, Intent, ground
from lead_assets.models.protocols import ModelKeys, Outcome

LEAD_CONFIDENCE = 0.35
"""From here on the rules call it a lead; the rest is kept with its confidence."""
OFF_TOPIC = 0.6
"""How much asking counts in a text that shares no word with the product; texts that come here are on topic by their
keywords and vectors already, and the product's words are few."""
BY_NAME_SHARE, BY_KIND_SHARE = 0.8, 0.5
"""How much asking for a thing counts where the title calls the product by its name, and where it only says "app"."""
SELLING_SHARE = 0.9
MOST_QUOTES = 3
SENTENCES_READ = 6
HEAD_READ, TAIL_READ = 6_000, 2_000
SUMMARY_CHARACTERS = 200
BATCH = 50
"""Documents whose extractions come, and are stored, at once."""

_INTENTS: tuple[tuple[Intent, re.Pattern[str]], ...] = (
    ("hiring", cues.HIRING),
    ("switching", cues.SWITCHING),
    ("comparison", cues.COMPARING),
    ("recommendation", cues.RECOMMENDING),
)
"""The first that fits, most telling first."""


class RulesExtractor:
    """An honest reader without a model: it finds who asks, quotes the sentence, and copies what is written there.

    Deterministic. The document is only ever searched, so that nothing in it can instruct this reader.
    """

    name = RULES
    model = "rules-2"
    is_free = True

    def __init__(self, better: ModelKeys | None = None) -> None:
        """``better`` gives the keys of the model whose answers the rules leave alone."""
        self._better = better

    def accepted_keys(self, request: ExtractionRequest) -> tuple[str, ...]:
        """The key of a model's answer, which rules never replace, and our own."""
        own = self.request_key(request)
        return (own,) if self._better is None else (self._better.of(request), own)

    def keys_basis(self, product: str) -> str:
        """Hash of this reader's version, the answer's schema, the product, and what the model's keys depend on."""
        better = "" if self._better is None else self._better.basis(product)
        return hashlib.sha256(json.dumps([self.model, _schema(), product, better]).encode()).hexdigest()

    def metadata(self) -> dict[str, Any]:
        """Nothing: rules cost time only, which is measured elsewhere."""
        return {}

    def close(self) -> None:
        """Nothing is open."""

    def request_key(self, request: ExtractionRequest) -> str:
        """SHA-256 of this reader's version, the answer's schema, the product and the document."""
        rendered = json.dumps([self.model, _schema(), request.product, request.title, request.body])
        return hashlib.sha256(rendered.encode()).hexdigest()

    def extract(self, request: ExtractionRequest) -> Extraction:
        """What the words of the document say; every quote and contact occurs in it."""
        product = _product(request.product)
        document = _Reading.of(request, product)
        # Against the part that was read, not the whole: it is cut between words, so what occurs in it occurs there.
        return ground(_read(document, product), document_text(document.title, document.part)).extraction

    def extract_all(self, requests: Sequence[ExtractionRequest]) -> Iterator[list[tuple[int, Outcome]]]:
        """Each request's extraction, in order and ``BATCH`` at a time; the rules never fail."""
        for start in range(0, len(requests), BATCH):
            batch = enumerate(requests[start : start + BATCH], start)
            yield [(position, Outcome(self.extract(request))) for position, request in batch]


@lru_cache(maxsize=1)
def _schema() -> str:
    return json.dumps(Extraction.model_json_schema(), sort_keys=True)


@dataclass(frozen=True)
class _Product:
    """What the rules know of a product: its own words' stems, what it is called, whether it is somebody's work."""

    stems: frozenset[str]
    naming: cues.Naming
    is_service: bool

    def overlap(self, text: str) -> float:
        """How many of the product's words ``text`` has, two being enough: 0..1."""
        return min(1.0, len(self.stems & cues.stems(text)) / 2)

    def nearness(self, topic: float) -> float:
        """How much asking counts in a text that overlaps by ``topic``: less, not nothing, where no word is shared."""
        return OFF_TOPIC + (1.0 - OFF_TOPIC) * topic


@lru_cache(maxsize=256)
def _product(text: str) -> _Product:
    return _Product(
        cues.stems(text) - cues.GENERIC_STEMS, cues.Naming.of(text), bool(cues.SERVICE.search(text.lower()))
    )


@dataclass(frozen=True)
class _Reading:
    """A document as the rules look at it.

    ``part`` is as much of the body as is read at all (contacts), ``opening`` the part of it where people say what they
    want; ``head`` and ``rest`` are title and opening folded, as cues are looked for (a comment's head is its
    beginning). ``nearness`` is how near it is to the product.
    """

    title: str
    part: str
    opening: str
    head: str
    rest: str
    nearness: float
    asking: float
    selling: float

    @classmethod
    def of(cls, request: ExtractionRequest, product: _Product) -> "_Reading":
        title, body = request.title, request.body
        part, opening = cues.opening_and_end(body, HEAD_READ, TAIL_READ), cues.opening_and_end(cues.own_words(body))
        head, rest = cues.folded_parts(title, body)
        by_name = product.naming.occurs_in(head)
        # Calling it by its name is nearly as good as two of its words.
        in_head = max(0.8 * by_name, product.overlap(head))
        topic = 0.6 * in_head + 0.4 * product.overlap(rest) if rest.strip() else in_head
        nearness = product.nearness(topic)
        named = cues.combined(cues.NAMED, product.naming.marked(head), product.naming.marked(rest))
        asking = _either(
            cues.combined(cues.ASKING, head, rest), (BY_NAME_SHARE if by_name else BY_KIND_SHARE) * nearness * named
        )
        return cls(title, part, opening, head, rest, nearness, asking, cues.combined(cues.SELLING, head, rest))


def _either(one: float, other: float) -> float:
    return 1.0 - (1.0 - one) * (1.0 - other)


def _read(document: _Reading, product: _Product) -> Extraction:
    quotes = _telling_sentences(document, product)
    confidence = _confidence(document, product)
    return Extraction(
        is_lead=bool(quotes) and confidence >= LEAD_CONFIDENCE,
        pain_point=quotes[0] if quotes else None,
        intent=_intent(document),
        urgency=cues.urgency(f"{document.head}\n{document.rest}"),
        budget=cues.budget(f"{document.title}\n{document.opening}"),
        contact=cues.contacts(document.part),
        evidence=quotes,
        confidence=round(confidence, 3),
        summary=_summary(document),
    )


def _confidence(document: _Reading, product: _Product) -> float:
    """How sure: asks, does not sell, and speaks of what the product is; 0..1."""
    asking = document.asking
    if not product.is_service and cues.HIRING.search(document.head):
        # An employer looks for a person: only who sells work can serve that.
        asking *= 0.5
    return asking * document.nearness * (1.0 - SELLING_SHARE * document.selling)


def _telling_sentences(document: _Reading, product: _Product) -> list[str]:
    """The sentences that show the need best, best first, verbatim; none where no sentence asks for anything."""
    sentences = dict.fromkeys([*cues.sentences(document.title), *cues.sentences(document.opening)])
    by_topic = sorted(((product.overlap(text), text) for text in sentences), key=itemgetter(0), reverse=True)
    needs = [(_need(cues.fold(text), product) * (0.5 + 0.5 * topic), text) for topic, text in by_topic[:SENTENCES_READ]]
    best = sorted((row for row in needs if row[0] > 0), key=itemgetter(0), reverse=True)
    return [text for _, text in best[:MOST_QUOTES]]


def _need(folded: str, product: _Product) -> float:
    named = cues.strength(cues.NAMED, product.naming.marked(folded), BY_KIND_SHARE)
    return _either(cues.strength(cues.ASKING, folded), named)


def _intent(document: _Reading) -> Intent:
    if not document.asking:
        return "other"
    for intent, pattern in _INTENTS:
        if pattern.search(document.head) or pattern.search(document.rest):
            return intent
    return "problem"


def _summary(document: _Reading) -> str:
    """The title, or a comment's first sentence."""
    first = document.title.strip() or next(iter(cues.sentences(document.opening)), "")
    return " ".join(first.split())[:SUMMARY_CHARACTERS].strip()
