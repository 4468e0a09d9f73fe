"""What people decide about leads. Each decision is an event; ``undo`` appends one that puts back what was before."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.inbox import MARKS, MAX_NOTE_CHARACTERS, REASONS, STATUSES
from lead_assets.domain.plain_text import clean
from lead_assets.storage.lead_events import add_events, changed_since, event_before, known_documents, newest_undoable

SNOOZE_DAYS = 7
MOST_AT_ONCE = 500


def set_status(
    connection: sa.Connection,
    campaign_id: str,
    reddit_ids: Sequence[str],
    status: str,
    *,
    actor: str,
    reason: str | None = None,
    until: datetime | None = None,
    now: datetime | None = None,
) -> None:
    """Give leads a status. ``reason`` is that of a dismissal; ``until`` ends a snooze, in a week where it is not given.

    Raises:
        InvalidInput: no such status, reason or document, or an ``until`` that has passed.
    """
    now = now or datetime.now(UTC)
    if status not in STATUSES:
        raise InvalidInput(f"{status!r} is not a status. Choose one of {', '.join(STATUSES)}.")
    _check_reason(reason)
    if reason is not None and status != "dismissed":
        raise InvalidInput(f"A reason belongs to a dismissal, and {status} is none. Leave the reason out.")
    if until is not None and status != "snoozed":
        raise InvalidInput(f"A time belongs to a snooze, and {status} is none. Leave the time out.")
    if status == "snoozed":
        until = until or now + timedelta(days=SNOOZE_DAYS)
        if until <= now:
            raise InvalidInput(f"A snooze until {until:%Y-%m-%d %H:%M} has ended already. Choose a later time.")
    chosen = _known(connection, campaign_id, reddit_ids)
    add_events(connection, campaign_id, chosen, event="status", value=status, reason=reason, until=until, actor=actor)


def set_mark(
    connection: sa.Connection,
    campaign_id: str,
    reddit_ids: Sequence[str],
    mark: str,
    *,
    actor: str,
    reason: str | None = None,
) -> None:
    """Mark documents as ``lead`` or ``no lead``, or take their marks back (``none``).

    Raises:
        InvalidInput: no such mark, reason or document.
    """
    if mark not in MARKS:
        raise InvalidInput(f"{mark!r} is not a mark. Choose one of {', '.join(MARKS)}.")
    _check_reason(reason)
    chosen = _known(connection, campaign_id, reddit_ids)
    add_events(connection, campaign_id, chosen, event="mark", value=mark, reason=reason, actor=actor)


def add_note(connection: sa.Connection, campaign_id: str, reddit_id: str, text: str, *, actor: str) -> None:
    """Add a note to a document.

    Raises:
        InvalidInput: it is empty or too long, or there is no such document.
    """
    note = clean(text, MAX_NOTE_CHARACTERS + 1).strip()
    if not note:
        raise InvalidInput("The note is empty. Write a few words.")
    if len(note) > MAX_NOTE_CHARACTERS:
        raise InvalidInput(f"The note is longer than {MAX_NOTE_CHARACTERS:,} characters. Shorten it.")
    add_events(
        connection, campaign_id, _known(connection, campaign_id, [reddit_id]), event="note", value=note, actor=actor
    )


def undo(connection: sa.Connection, campaign_id: str, *, actor: str) -> list[dict[str, Any]]:
    """Put back what was before the last thing that ``actor`` did; returns the events that were undone.

    Each further undo goes one step further back.

    Raises:
        InvalidInput: there is nothing to undo, or somebody else has changed it since.
    """
    undone = newest_undoable(connection, campaign_id, actor)
    if not undone:
        raise InvalidInput("There is nothing to undo.")
    for event in undone:
        if (other := changed_since(connection, event)) is not None:
            raise InvalidInput(f"{other} has changed {event['reddit_id']} since, so that it cannot be undone.")
        before = event_before(connection, event) or {}
        first = {"status": "new", "mark": "none", "note": None}[event["event"]]
        add_events(
            connection,
            campaign_id,
            [event["reddit_id"]],
            event=event["event"],
            value=None if event["event"] == "note" else before.get("value", first),
            reason=before.get("reason") if event["event"] != "note" else None,
            until=before.get("until"),
            actor=actor,
            undoes=event["event_id"],
        )
    return undone


def _known(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> list[str]:
    chosen = list(dict.fromkeys(reddit_ids))
    if len(chosen) > MOST_AT_ONCE:
        raise InvalidInput(f"{len(chosen)} leads are too many at once. Choose at most {MOST_AT_ONCE}.")
    known = known_documents(connection, campaign_id, chosen)
    for reddit_id in chosen:
        if reddit_id not in known:
            raise InvalidInput(f"Campaign {campaign_id} holds no document {reddit_id[:40]!r}. Check the id.")
    return chosen


def _check_reason(reason: str | None) -> None:
    if reason is not None and reason not in REASONS:
        raise InvalidInput(f"{reason!r} is not a reason. Choose one of {', '.join(REASONS)}.")
