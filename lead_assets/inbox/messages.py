"""Messages of what waits in the outbox, made of what is stored at the moment of sending."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lead_assets.domain.settings import Settings
from lead_assets.inbox.cards import Card, read_cards_of
from lead_assets.inbox.senders import Message
from lead_assets.storage.inbox_leads import read_cards
from lead_assets.storage.outbox import LEAD

MOST_IN_DIGEST = 50


def lead_message(
    connection: sa.Connection,
    campaign_id: str,
    name: str,
    reddit_ids: Sequence[str],
    message_id: str,
    *,
    settings: Settings,
    page_url: str,
    now: datetime,
) -> Message:
    """One lead with its quote, why, and both links; more of them as a digest, the best first."""
    rows = read_cards(connection, campaign_id, reddit_ids)
    cards = read_cards_of(connection, campaign_id, list(rows.values()), settings, now)
    cards.sort(key=lambda card: (-card.probability, card.reddit_id))
    data = {
        "type": "leads.found",
        "campaign": campaign_id,
        "leads": [_data(card, page_url) for card in cards],
    }
    if len(cards) == 1:
        title = f"{name}: a new lead, {cards[0].percent} %"
        return Message(message_id, title, _text(cards[0], page_url), data)
    parts = [_text(card, page_url, short=True) for card in cards[:MOST_IN_DIGEST]]
    if len(cards) > MOST_IN_DIGEST:
        parts.append(f"… and {len(cards) - MOST_IN_DIGEST} more")
    parts.append(f"All of them: {page_url}/c/{campaign_id}")
    return Message(message_id, f"{name}: {len(cards)} new leads", "\n\n".join(parts), data)


def _text(card: Card, page_url: str, *, short: bool = False) -> str:
    quote = card.excerpt.quote or card.summary
    lines = [
        card.title or card.summary,
        f"“{quote}”" if quote else "",
        f"{card.percent} %: {', '.join(card.reasons)}" if card.reasons else f"{card.percent} %",
        *([] if short else card.facts),
        f"r/{card.subreddit}, {card.author or 'unknown author'}, posted {_posted(card.age)}",
        card.link or "",
        _inbox_link(card, page_url),
    ]
    return "\n".join(line for line in lines if line)


def _posted(age: str) -> str:
    return {"": "at an unknown time", "now": "just now"}.get(age, f"{age} ago")


def _data(card: Card, page_url: str) -> Mapping[str, Any]:
    return {
        "reddit_id": card.reddit_id,
        "title": card.title,
        "quote": card.excerpt.quote,
        "reasons": card.reasons,
        "probability": card.probability,
        "subreddit": card.subreddit,
        "author": card.author,
        "reddit_url": card.link,
        "inbox_url": _inbox_link(card, page_url),
    }


def _inbox_link(card: Card, page_url: str) -> str:
    return f"{page_url}/c/{card.campaign_id}/lead/{card.reddit_id}"


def notice_message(campaign_id: str, name: str, row: Mapping[str, Any], message_id: str, page_url: str) -> Message:
    """What is told about a run or a check."""
    assert row["kind"] != LEAD
    details = row["details"]
    text = f"{details['text']}\n{page_url}/c/{campaign_id}"
    data = {"type": f"run.{row['kind']}", "campaign": campaign_id, **details}
    return Message(message_id, f"{name}: {details['title']}", text, data)
