"""The outbox: what is to be sent to whom. Texts are not in it; a message is made of what is stored when it is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_into

from lead_assets.storage import locks
from lead_assets.storage.schema import deleted_documents, lead_states, notify_channels, outbox

LEAD, FAILURE, CHECK = "lead", "failure", "check"
SENT, DROPPED, UNDELIVERED = "sent", "dropped", "undelivered"


def add_channels(connection: sa.Connection, campaign_id: str, labels: Mapping[str, str]) -> None:
    """Remember receivers from now on; what was found before is not announced to them."""
    for channel, label in labels.items():
        row = {"campaign_id": campaign_id, "channel": channel, "label": label}
        connection.execute(insert_into(notify_channels).values(row).on_conflict_do_nothing())


def read_channels(connection: sa.Connection, campaign_id: str) -> dict[str, dict[str, Any]]:
    """The receivers that a campaign has or had, by channel."""
    query = sa.select(notify_channels).where(notify_channels.c.campaign_id == campaign_id)
    return {row.channel: dict(row._mapping) for row in connection.execute(query)}


def queue_leads(
    connection: sa.Connection, campaign_id: str, channel: str, *, min_probability: float, max_age: int, due_at: datetime
) -> int:
    """Queue what is new and good enough for a receiver, once for each lead; returns how many.

    These are leads that were found since the receiver was added, of documents that are at most ``max_age`` days old,
    and that nobody has decided about. In the same transaction each gets its event ``announced``.
    """
    statement = sa.text("""
        WITH chosen AS (
            SELECT states.reddit_id FROM lead_assets.lead_states AS states
            JOIN lead_assets.leads USING (campaign_id, reddit_id)
            JOIN lead_assets.notify_channels AS channels USING (campaign_id)
            WHERE campaign_id = :campaign AND channels.channel = :channel AND channels.switched_off_at IS NULL
                AND states.qualifies AND states.status IN ('new', 'open')
                AND states.found_at >= channels.added_at AND leads.relevance_score >= :probability
                AND leads.posted_at >= now() - :days * interval '1 day'
        ), announced AS (
            INSERT INTO lead_assets.lead_events (campaign_id, reddit_id, event, value, actor)
            SELECT :campaign, reddit_id, 'announced', :channel, 'run' FROM chosen
            ON CONFLICT (campaign_id, reddit_id, value) WHERE event = 'announced' DO NOTHING
            RETURNING reddit_id
        )
        INSERT INTO lead_assets.outbox (campaign_id, channel, subject, kind, due_at)
        SELECT :campaign, :channel, reddit_id, 'lead', :due FROM announced
        ON CONFLICT (campaign_id, channel, subject) DO NOTHING
    """)
    given = {"campaign": campaign_id, "channel": channel, "probability": min_probability, "days": max_age}
    return connection.execute(statement, given | {"due": due_at}).rowcount


def queue_notice(
    connection: sa.Connection,
    campaign_id: str,
    channel: str,
    subject: str,
    kind: str,
    details: Mapping[str, Any],
    due_at: datetime,
) -> bool:
    """Queue what is to be told about a run; False where it was before."""
    row = {"campaign_id": campaign_id, "channel": channel, "subject": subject, "kind": kind}
    insert = insert_into(outbox).values(row | {"details": dict(details), "due_at": due_at})
    return connection.execute(insert.on_conflict_do_nothing()).rowcount == 1


def lock_channel(connection: sa.Connection, channel: str) -> bool:
    """Whether this connection alone sends to a receiver now, until it closes."""
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(locks.DELIVERY, sa.func.hashtext(channel)))))


def unlock_channel(connection: sa.Connection, channel: str) -> None:
    """Let others send to the receiver."""
    connection.execute(sa.select(sa.func.pg_advisory_unlock(locks.DELIVERY, sa.func.hashtext(channel))))


def due_rows(connection: sa.Connection, campaign_id: str, channel: str, now: datetime) -> list[dict[str, Any]]:
    """What is due for a receiver, oldest first."""
    query = (
        sa.select(outbox)
        .where(
            outbox.c.campaign_id == campaign_id,
            outbox.c.channel == channel,
            outbox.c.ended_at.is_(None),
            outbox.c.due_at <= now,
        )
        .order_by(outbox.c.queued_at, outbox.c.subject)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def gone_leads(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> set[str]:
    """Those of ``reddit_ids`` that are not to be sent: deleted on Reddit, dismissed, or no leads any more."""
    wanted = sa.select(lead_states.c.reddit_id).where(
        lead_states.c.campaign_id == campaign_id,
        lead_states.c.reddit_id.in_(list(reddit_ids)),
        lead_states.c.qualifies,
        lead_states.c.status != "dismissed",
        lead_states.c.reddit_id.not_in(sa.select(deleted_documents.c.reddit_id)),
    )
    return set(reddit_ids) - set(connection.scalars(wanted))


def _of(campaign_id: str, channel: str, subjects: Sequence[str]) -> sa.ColumnElement[bool]:
    return (outbox.c.campaign_id == campaign_id) & (outbox.c.channel == channel) & outbox.c.subject.in_(list(subjects))


def give_message_id(
    connection: sa.Connection, campaign_id: str, channel: str, subjects: Sequence[str], message_id: str, now: datetime
) -> None:
    """Name the message of which these are parts, before it is sent for the first time."""
    values = {"message_id": message_id, "first_attempt_at": now}
    connection.execute(sa.update(outbox).where(_of(campaign_id, channel, subjects)).values(values))


def end_rows(
    connection: sa.Connection, campaign_id: str, channel: str, subjects: Sequence[str], outcome: str, now: datetime
) -> None:
    """Say how it ended with these."""
    values: dict[str, Any] = {"ended_at": now, "outcome": outcome}
    if outcome == SENT:
        values["attempts"] = outbox.c.attempts + 1
    connection.execute(sa.update(outbox).where(_of(campaign_id, channel, subjects)).values(values))


def postpone(
    connection: sa.Connection, campaign_id: str, channel: str, subjects: Sequence[str], until: datetime, error: str
) -> None:
    """Try these again later, after an attempt that failed."""
    values = {"due_at": until, "attempts": outbox.c.attempts + 1, "last_error": error}
    connection.execute(sa.update(outbox).where(_of(campaign_id, channel, subjects)).values(values))


def move_due(
    connection: sa.Connection, campaign_id: str, channel: str, subjects: Sequence[str], until: datetime
) -> None:
    """Send these later: quiet hours have begun."""
    connection.execute(sa.update(outbox).where(_of(campaign_id, channel, subjects)).values(due_at=until))


def switch_off(connection: sa.Connection, campaign_id: str, channel: str, because: str, now: datetime) -> int:
    """Send a receiver nothing more; what waits for it ends undelivered. Returns how much did."""
    one = (notify_channels.c.campaign_id == campaign_id) & (notify_channels.c.channel == channel)
    values = {"switched_off_at": now, "switched_off_because": because}
    connection.execute(sa.update(notify_channels).where(one).values(values))
    waiting = (outbox.c.campaign_id == campaign_id) & (outbox.c.channel == channel) & outbox.c.ended_at.is_(None)
    return connection.execute(
        sa.update(outbox).where(waiting).values(ended_at=now, outcome=UNDELIVERED, last_error=because)
    ).rowcount


def switch_on(connection: sa.Connection, campaign_id: str, channel: str) -> None:
    """Send to a receiver again, from now on."""
    one = (notify_channels.c.campaign_id == campaign_id) & (notify_channels.c.channel == channel)
    values = {"switched_off_at": None, "switched_off_because": None, "added_at": sa.func.now()}
    switched_off = notify_channels.c.switched_off_at.isnot(None)
    connection.execute(sa.update(notify_channels).where(one, switched_off).values(values))


def read_outbox_state(connection: sa.Connection, campaign_id: str) -> dict[str, Any]:
    """How much waits and since when, by outcome what has ended, and which receivers are switched off, and why."""
    waiting = sa.select(sa.func.count(), sa.func.min(outbox.c.queued_at)).where(
        outbox.c.campaign_id == campaign_id, outbox.c.ended_at.is_(None)
    )
    count, oldest = connection.execute(waiting).one()
    ended = (
        sa.select(outbox.c.outcome, sa.func.count())
        .where(outbox.c.campaign_id == campaign_id, outbox.c.ended_at.isnot(None))
        .group_by(outbox.c.outcome)
    )
    off = sa.select(notify_channels.c.label, notify_channels.c.switched_off_because).where(
        notify_channels.c.campaign_id == campaign_id, notify_channels.c.switched_off_at.isnot(None)
    )
    return {
        "waiting": count,
        "oldest": oldest,
        **dict.fromkeys((SENT, DROPPED, UNDELIVERED), 0),
        **dict(connection.execute(ended).tuples().all()),
        "switched_off": dict(connection.execute(off).tuples().all()),
    }


def announcement_faults(connection: sa.Connection, campaign_id: str) -> dict[str, int]:
    """Counts of what must not be: leads announced without a row in the outbox, rows without an announcement."""
    statement = sa.text("""
        SELECT
            count(*) FILTER (WHERE o.subject IS NULL) AS announced_but_not_queued,
            count(*) FILTER (WHERE e.reddit_id IS NULL) AS queued_but_not_announced
        FROM (SELECT * FROM lead_assets.lead_events WHERE campaign_id = :campaign AND event = 'announced') e
        FULL JOIN (SELECT * FROM lead_assets.outbox WHERE campaign_id = :campaign AND kind = 'lead') o
            ON o.channel = e.value AND o.subject = e.reddit_id
    """)
    return dict(connection.execute(statement, {"campaign": campaign_id}).one()._mapping)
