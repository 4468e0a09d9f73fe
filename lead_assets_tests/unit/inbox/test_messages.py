"""Texts of alerts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from lead_assets.domain.settings import Settings
from lead_assets.inbox import messages
from lead_assets.inbox.cards import make_card

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ROW: dict[str, Any] = {
    **dict.fromkeys(("status", "reason", "status_by", "mark", "qualifies", "stale", "upvotes", "num_comments"), None),
    **dict.fromkeys(("extracted_data", "relevance_score", "found_at", "snoozed_until", "reddit_url"), None),
    **{"reddit_id": "t3_a", "campaign_id": "crm", "kind": "post", "title": "CRM?", "body": "", "author": "ada"},
    "subreddit": "sales",
}


@pytest.mark.parametrize(
    ("posted_at", "said"),
    [
        (NOW - timedelta(hours=3), "posted 3 h ago"),
        (NOW, "posted just now"),
        (None, "posted at an unknown time"),
    ],
)
def test_a_message_says_when_a_lead_was_posted(
    monkeypatch: pytest.MonkeyPatch, posted_at: datetime | None, said: str
) -> None:
    card = make_card(ROW | {"posted_at": posted_at}, NOW, reasons=[])
    monkeypatch.setattr(messages, "read_cards", lambda *_: {"t3_a": ROW})
    monkeypatch.setattr(messages, "read_cards_of", lambda *_: [card])

    message = messages.lead_message(
        Mock(), "crm", "CRM", ["t3_a"], "1", settings=Settings(), page_url="http://page", now=NOW
    )

    assert f"r/sales, ada, {said}\n" in message.text
