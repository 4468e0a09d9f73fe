"""Events of leads, append-only. The only change ever made to one takes the text of a note away with its document."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from lead_assets.domain.document import is_fullname
from lead_assets.storage.reading import read_frame
from lead_assets.storage.schema import documents, lead_events, lead_marks, lead_states, rejections

if TYPE_CHECKING:
    import pandas as pd

RUN = "run"
"""The actor of what a run of the graph writes."""


def add_found(connection: sa.Connection, campaign_id: str) -> int:
    """Write ``found`` for each qualified lead that has none yet; returns how many were new.

    The best is written last: who asks for what was found last sees it first.
    """
    statement = sa.text("""
        INSERT INTO lead_assets.lead_events (campaign_id, reddit_id, event, actor, happened_at)
        SELECT campaign_id, reddit_id, 'found', :actor, clock_timestamp()
        FROM (SELECT campaign_id, reddit_id FROM lead_assets.qualified_leads WHERE campaign_id = :campaign
            ORDER BY relevance_score, reddit_id DESC) AS worst_first
        ON CONFLICT (campaign_id, reddit_id) WHERE event = 'found' DO NOTHING
    """)
    return connection.execute(statement, {"campaign": campaign_id, "actor": RUN}).rowcount


def add_events(
    connection: sa.Connection,
    campaign_id: str,
    reddit_ids: Sequence[str],
    *,
    event: str,
    actor: str,
    value: str | None = None,
    reason: str | None = None,
    until: datetime | None = None,
    undoes: int | None = None,
) -> list[int]:
    """Append one event for each of ``reddit_ids``; returns the events' ids."""
    shared = {"value": value, "reason": reason, "until": until, "actor": actor, "undoes": undoes}
    rows = [{"campaign_id": campaign_id, "reddit_id": each, "event": event, **shared} for each in reddit_ids]
    if not rows:
        return []
    return list(connection.scalars(sa.insert(lead_events).returning(lead_events.c.event_id), rows))


def known_documents(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> set[str]:
    """Those of ``reddit_ids`` that the campaign holds, as a document or as a rejection."""
    found: set[str] = set()
    reddit_ids = [each for each in reddit_ids if is_fullname(each)]
    for table in (documents, rejections):
        query = sa.select(table.c.reddit_id).where(
            table.c.campaign_id == campaign_id,
            table.c.reddit_id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))),
        )
        found |= set(connection.scalars(query, {"ids": list(reddit_ids)}))
    return found


def newest_undoable(connection: sa.Connection, campaign_id: str, actor: str) -> list[dict[str, Any]]:
    """The last thing that ``actor`` did and has not undone: the events of one moment, oldest first."""
    undone = sa.alias(lead_events, "undone")
    is_undone = sa.exists().where(undone.c.campaign_id == campaign_id, undone.c.undoes == lead_events.c.event_id)
    own = (
        (lead_events.c.campaign_id == campaign_id)
        & (lead_events.c.actor == actor)
        & lead_events.c.event.in_(("status", "mark", "note"))
        & lead_events.c.undoes.is_(None)
        & ~is_undone
    )
    newest = sa.select(lead_events.c.happened_at).where(own).order_by(lead_events.c.event_id.desc()).limit(1)
    query = sa.select(lead_events).where(own, lead_events.c.happened_at == newest.scalar_subquery())
    return [dict(row._mapping) for row in connection.execute(query.order_by(lead_events.c.event_id))]


def event_before(connection: sa.Connection, of: dict[str, Any]) -> dict[str, Any] | None:
    """The event of the same kind about the same document that came before ``of``; None where it was the first."""
    query = (
        sa.select(lead_events)
        .where(
            lead_events.c.campaign_id == of["campaign_id"],
            lead_events.c.reddit_id == of["reddit_id"],
            lead_events.c.event == of["event"],
            lead_events.c.event_id < of["event_id"],
        )
        .order_by(lead_events.c.event_id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return dict(row._mapping) if row else None


def changed_since(connection: sa.Connection, event: dict[str, Any]) -> str | None:
    """Who else has appended an event of the same kind about the same document after ``event``; None if nobody has."""
    query = (
        sa.select(lead_events.c.actor)
        .where(
            lead_events.c.campaign_id == event["campaign_id"],
            lead_events.c.reddit_id == event["reddit_id"],
            lead_events.c.event == event["event"],
            lead_events.c.event_id > event["event_id"],
            lead_events.c.actor != event["actor"],
        )
        .limit(1)
    )
    return connection.scalar(query) if event["event"] != "note" else None


def read_history(connection: sa.Connection, campaign_id: str, reddit_id: str) -> list[dict[str, Any]]:
    """All events of one document, oldest first."""
    query = (
        sa.select(lead_events)
        .where(lead_events.c.campaign_id == campaign_id, lead_events.c.reddit_id == reddit_id)
        .order_by(lead_events.c.event_id)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def read_notes(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> "pd.DataFrame":
    """The notes that stand, oldest first: ``reddit_id, value, actor, happened_at``."""
    undone = sa.alias(lead_events, "undone")
    query = (
        sa.select(lead_events.c.reddit_id, lead_events.c.value, lead_events.c.actor, lead_events.c.happened_at)
        .where(
            lead_events.c.campaign_id == campaign_id,
            lead_events.c.reddit_id.in_(list(reddit_ids)),
            lead_events.c.event == "note",
            lead_events.c.value.isnot(None),
            lead_events.c.undoes.is_(None),
            ~sa.exists().where(undone.c.campaign_id == campaign_id, undone.c.undoes == lead_events.c.event_id),
        )
        .order_by(lead_events.c.event_id)
    )
    return read_frame(connection, query)


def read_states(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Where leads stand, by id; a document that is no lead and was never touched is left out."""
    query = sa.select(lead_states).where(
        lead_states.c.campaign_id == campaign_id, lead_states.c.reddit_id.in_(list(reddit_ids))
    )
    return {row.reddit_id: dict(row._mapping) for row in connection.execute(query)}


def read_all_marks(connection: sa.Connection, campaign_id: str) -> "pd.DataFrame":
    """The current marks, oldest first: ``reddit_id, mark, reason, actor, marked_at``."""
    columns = [column for column in lead_marks.columns if column.name != "campaign_id"]
    query = sa.select(*columns).where(lead_marks.c.campaign_id == campaign_id)
    return read_frame(connection, query.order_by(lead_marks.c.marked_at, lead_marks.c.reddit_id))


def take_texts(connection: sa.Connection, campaign_id: str, doomed: sa.Select[tuple[str]]) -> int:
    """Take the texts of notes about ``doomed`` documents; the events stay and count."""
    statement = (
        sa.update(lead_events)
        .where(
            lead_events.c.campaign_id == campaign_id,
            lead_events.c.event == "note",
            lead_events.c.value.isnot(None),
            lead_events.c.reddit_id.in_(doomed),
        )
        .values(value=None)
    )
    return connection.execute(statement).rowcount
