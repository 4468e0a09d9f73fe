"""A lead as people see it, the same on the page, in reports, alerts and answers to assistants."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pandas as pd
import sqlalchemy as sa

from lead_assets.config.lead_models import lead_model_for
from lead_assets.domain.ages import age
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.frames import to_rows
from lead_assets.domain.lead_model import LeadModel, described, is_weaker
from lead_assets.domain.score_components import COMPONENTS
from lead_assets.domain.scoring import contributions
from lead_assets.domain.settings import Settings
from lead_assets.storage.inbox_leads import read_parents
from lead_assets.storage.lead_events import read_notes

_SENTENCE_END = re.compile(r"(?<=[.!?…。])[\"')\]]*\s+|\n+")
_DIRECTION_CHANGES = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_REDDIT_HOSTS = ("reddit.com", "redd.it")
MOST_CONTEXT = 400
"""Characters shown before a quote, and after it."""
MOST_PARENT = 300
SENTENCES = 2

REASONS: Mapping[str, str] = {
    "cosine_similarity": "close in meaning to your keywords",
    "product_similarity": "close in meaning to what you sell",
    "lexical": "uses your keywords",
    "intent_similarity": "sounds like somebody asking",
    "asking_cue": "asks in so many words",
    "selling_cue": "sounds like somebody selling",
}
"""What each component of the score says, for people. A test compares the names with those of the score."""


class Excerpt(NamedTuple):
    """A quote within the text around it; ``quote`` is empty where the text does not have it."""

    before: str
    quote: str
    after: str


@dataclass(frozen=True)
class Card:
    """One lead. Texts are as strangers wrote them, but for marks that change the direction of what surrounds them."""

    reddit_id: str
    campaign_id: str
    status: str
    status_reason: str | None
    status_by: str | None
    snoozed_until: datetime | None
    mark: str | None
    qualifies: bool
    stale: bool
    probability: float
    reasons: list[str]
    age: str
    found: str
    title: str
    subreddit: str
    author: str
    kind: str
    link: str | None
    excerpt: Excerpt
    parent: str
    summary: str
    intent: str
    urgency: str
    budget: str
    contact: list[str]
    upvotes: int | None
    comments: int | None
    notes: list[str]

    @property
    def percent(self) -> int:
        """The probability in percent."""
        return round(self.probability * 100)

    @property
    def facts(self) -> list[str]:
        """Budget, urgency and contact, where they are written."""
        return [
            *([f"Budget: {self.budget}"] if self.budget else []),
            *([f"Urgency: {self.urgency}"] if self.urgency not in ("", "none") else []),
            *(f"Contact: {each}" for each in self.contact),
        ]


def make_card(
    row: Mapping[str, Any],
    now: datetime,
    *,
    reasons: list[str],
    parent: Mapping[str, Any] | None = None,
    notes: list[str] | None = None,
) -> Card:
    """The card of a row of ``storage.inbox_leads``; ``parent`` is the post that a comment answers,
    ``reasons`` are of ``strongest_reasons``."""
    data = row["extracted_data"] or {}
    quotes = [quote for quote in data.get("evidence") or [] if isinstance(quote, str)]
    return Card(
        reddit_id=row["reddit_id"],
        campaign_id=row["campaign_id"],
        status=row["status"],
        status_reason=row["reason"],
        status_by=row["status_by"],
        snoozed_until=row["snoozed_until"],
        mark=row["mark"],
        qualifies=row["qualifies"],
        stale=row["stale"],
        probability=float(row["relevance_score"] or 0.0),
        reasons=reasons,
        age=age(row["posted_at"], now),
        found=age(row["found_at"], now),
        title=shown(row["title"]),
        subreddit=shown(row["subreddit"]),
        author=shown(row["author"]),
        kind=row["kind"],
        link=reddit_link(row["reddit_url"]),
        excerpt=excerpt_of(shown(row["body"]), [shown(quote) for quote in quotes]),
        parent=_cut(shown((parent or {}).get("body")), MOST_PARENT) if row["kind"] == "comment" else "",
        summary=shown(data.get("summary")),
        intent=shown(data.get("intent")),
        urgency=shown(data.get("urgency")),
        budget=shown(data.get("budget")),
        contact=[shown(each) for each in data.get("contact") or []],
        upvotes=row["upvotes"],
        comments=row["num_comments"],
        notes=[shown(note) for note in notes or []],
    )


def strongest_reasons(rows: Sequence[Mapping[str, Any]], settings: Settings, most: int = 3) -> list[list[str]]:
    """What adds most to each document's score, in words, strongest first; nothing where it was not ranked."""
    if settings.relevance == "probability" and any(row.get("lead_parts") for row in rows):
        return [_of_probability(row, settings)[:most] for row in rows]
    names = [component.name for component in COMPONENTS]
    frame = pd.DataFrame([{name: row.get(name) for name in names} for row in rows], columns=names).astype("float64")
    parts = contributions(frame, settings.weights).to_dict("records")
    strongest = [sorted(part.items(), key=lambda item: -item[1]) for part in parts]
    return [[REASONS.get(str(name), str(name)) for name, added in each if added > 0][:most] for each in strongest]


def _of_probability(row: Mapping[str, Any], settings: Settings) -> list[str]:
    """What raises the log-odds; that something is less than usual is no reason to read a text."""
    if not row.get("lead_parts"):
        return []
    model = _model_of(row, settings)
    parts = sorted(row["lead_parts"].items(), key=lambda item: -item[1])
    return [described(name, added, model) for name, added in parts if added > 0 and not is_weaker(name, added, model)]


def _model_of(row: Mapping[str, Any], settings: Settings) -> LeadModel | None:
    """The lead model that judged the document, where it is still the one in use."""
    try:
        model = lead_model_for(settings, row["model"])
    except InvalidInput:
        return None  # its file is gone: the next ranking says so
    return model if model.digest == row["lead_model"] else None


def excerpt_of(text: str, quotes: list[str]) -> Excerpt:
    """The first of ``quotes`` that ``text`` has, within two sentences before and after; else how the text begins."""
    for quote in quotes:
        if (span := _find(text, quote)) is None:
            continue
        start, end = span
        before = "".join(_sentences(text[:start])[-SENTENCES:])
        after = "".join(_sentences(text[end:])[: SENTENCES + 1])
        earlier = "…" if len(before) > MOST_CONTEXT or len(before) < start else ""
        later = "…" if len(after) > MOST_CONTEXT or end + len(after) < len(text) else ""
        return Excerpt(
            earlier + before[-MOST_CONTEXT:].lstrip(), text[start:end], after[:MOST_CONTEXT].rstrip() + later
        )
    beginning = "".join(_sentences(text)[: 2 * SENTENCES])
    return Excerpt("", "", _cut(beginning, MOST_CONTEXT) + ("…" if len(beginning) < len(text) else ""))


def _find(text: str, quote: str) -> tuple[int, int] | None:
    """Where ``quote`` stands, white space, case and Markdown between its words aside."""
    words = quote.split()
    if not words or len(quote) > 5_000:
        return None
    match = re.search(r"[\s*_~`\\\[\]]+".join(map(re.escape, words)), text, re.IGNORECASE)
    return match.span() if match else None


def _sentences(text: str) -> list[str]:
    """``text`` cut after its sentences; together they are the text."""
    cuts = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(cuts) if end > start]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def shown(text: object) -> str:
    """Untrusted text for people: without marks that turn the direction of what stands around it."""
    return _DIRECTION_CHANGES.sub("", text) if isinstance(text, str) else ""


def reddit_link(url: str | None) -> str | None:
    """``url`` where it leads to Reddit over http or https; None where it leads anywhere else."""
    try:
        parts = urlsplit(url or "")
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    trusted = any(host == each or host.endswith(f".{each}") for each in _REDDIT_HOSTS)
    return url if parts.scheme in ("http", "https") and trusted and "@" not in parts.netloc else None


def read_cards_of(
    connection: sa.Connection, campaign_id: str, rows: Sequence[Mapping[str, Any]], settings: Settings, now: datetime
) -> list[Card]:
    """The cards of rows of ``storage.inbox_leads``, with their notes and what comments answer."""
    if not rows:
        return []
    posts = sorted({row["post_id"] for row in rows if row["kind"] == "comment" and row["post_id"]})
    parents = read_parents(connection, campaign_id, posts) if posts else {}
    notes: dict[str, list[str]] = {}
    for note in to_rows(read_notes(connection, campaign_id, [row["reddit_id"] for row in rows])):
        notes.setdefault(note["reddit_id"], []).append(note["value"])
    return [
        make_card(row, now, reasons=why, parent=parents.get(row["post_id"]), notes=notes.get(row["reddit_id"]))
        for row, why in zip(rows, strongest_reasons(rows, settings), strict=True)
    ]
