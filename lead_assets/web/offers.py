"""The rule that a dismissal suggests, with what it would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lead_assets.domain.changes import Changes
from lead_assets.domain.errors import InvalidInput
from lead_assets.inbox.cards import shown
from lead_assets.pipeline.preview import preview
from lead_assets.pipeline.run_context import RunContext

MOST_TITLES = 4


@dataclass(frozen=True)
class Offer:
    """A rule: which field of the form has which value, in words, and the titles of what else would go."""

    field: str
    value: str
    words: str
    others: int
    titles: list[str]


def offer_after(
    connection: sa.Connection, run: RunContext, reason: str | None, card: Mapping[str, Any]
) -> Offer | None:
    """The rule that would have kept a dismissed lead away; None where the reason says nothing of where it came from.

    Whoever sells is excluded by name, what is out of place by its subreddit.
    """
    if reason == "seller or spam" and card["author"]:
        field, value, words = "exclude_author", card["author"], f"Leave out everything by u/{shown(card['author'])}"
        changes = Changes(exclude_authors=[value])
    elif reason in ("seller or spam", "wrong product", "not buying"):
        field, value, words = "exclude_subreddit", card["subreddit"], f"Leave out r/{shown(card['subreddit'])}"
        changes = Changes(exclude_subreddits=[value])
    else:
        return None
    try:
        gone = [row for row in preview(connection, run, changes).gone if row["reddit_id"] != card["reddit_id"]]
    except InvalidInput:
        return None  # a name that no campaign file may have
    titles = [shown(row["title"]) or row["reddit_id"] for row in gone[:MOST_TITLES]]
    return Offer(field, value, words, len(gone), titles)
