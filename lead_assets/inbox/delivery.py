"""Delivery of the outbox: never lost, and repeated only where the process dies between the receiver's acceptance and
our record of it; the message has the same id then.

Three steps, each committed before the next: the message gets its id, it is sent, and how it ended is recorded.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.notify import DIGEST_ABOVE, GIVE_UP, Notify, after_quiet, next_attempt
from lead_assets.domain.settings import Settings
from lead_assets.inbox.messages import lead_message, notice_message
from lead_assets.inbox.senders import Message, Outcome
from lead_assets.storage import outbox
from lead_assets.storage.database import Database

Sender = Callable[[Notify, Message, datetime], Outcome]
Row = dict[str, Any]


@dataclass
class Delivered:
    """What one round did, in messages; ``problems`` says what is worth a word."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    problems: list[str] = field(default_factory=list[str])


def deliver(
    database: Database, campaign: Campaign, settings: Settings, page_url: str, sender: Sender, now: datetime
) -> Delivered:
    """Send what is due for the receivers of one campaign; a receiver that another process serves is left to it."""
    done = Delivered()
    for notify in {each.channel: each for each in campaign.notify}.values():
        with database.connect() as connection:
            if not outbox.lock_channel(connection, f"{campaign.id} {notify.channel}"):
                continue
            connection.commit()
            try:
                _deliver_to(database, campaign, settings, page_url, notify, sender, now, done)
            finally:
                outbox.unlock_channel(connection, f"{campaign.id} {notify.channel}")
                connection.commit()
    return done


def _deliver_to(
    database: Database,
    campaign: Campaign,
    settings: Settings,
    page_url: str,
    notify: Notify,
    sender: Sender,
    now: datetime,
    done: Delivered,
) -> None:
    with database.engine.begin() as connection:
        known = outbox.read_channels(connection, campaign.id).get(notify.channel)
        rows = outbox.due_rows(connection, campaign.id, notify.channel, now)
        if not rows or known is None or known["switched_off_at"] is not None:
            return
        if (later := after_quiet(notify, now, campaign.timezone)) > now:
            subjects = [row["subject"] for row in rows]
            outbox.move_due(connection, campaign.id, notify.channel, subjects, later)
            return
    for group in _messages(rows):
        if not _deliver_one(database, campaign, settings, page_url, notify, sender, now, group, done):
            return  # the receiver is in trouble: the others wait for their own time


def _messages(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each message: those that had an id stay together, many new leads become one digest."""
    started: dict[str, list[Row]] = {}
    for row in rows:
        if row["message_id"] is not None:
            started.setdefault(row["message_id"], []).append(row)
    fresh = [row for row in rows if row["message_id"] is None]
    leads = [row for row in fresh if row["kind"] == outbox.LEAD]
    others = [[row] for row in fresh if row["kind"] != outbox.LEAD]
    grouped = [leads] if len(leads) > DIGEST_ABOVE else [[row] for row in leads]
    return [*started.values(), *others, *grouped]


def _deliver_one(
    database: Database,
    campaign: Campaign,
    settings: Settings,
    page_url: str,
    notify: Notify,
    sender: Sender,
    now: datetime,
    group: Sequence[Row],
    done: Delivered,
) -> bool:
    """Send one message; False where the receiver did not take it."""
    channel, message_id = notify.channel, group[0]["message_id"] or f"msg_{secrets.token_urlsafe(18)}"
    with database.engine.begin() as connection:
        leads = [row["subject"] for row in group if row["kind"] == outbox.LEAD]
        gone = outbox.gone_leads(connection, campaign.id, leads) if leads else set[str]()
        outbox.end_rows(connection, campaign.id, channel, sorted(gone), outbox.DROPPED, now)
        subjects = [row["subject"] for row in group if row["subject"] not in gone]
        done.dropped += len(gone)
        if not subjects:
            return True
        if group[0]["message_id"] is None:
            outbox.give_message_id(connection, campaign.id, channel, subjects, message_id, now)
        if leads:
            message = lead_message(
                connection, campaign.id, campaign.name, subjects, message_id,
                settings=settings, page_url=page_url, now=now,
            )  # fmt: skip
        else:
            message = notice_message(campaign.id, campaign.name, group[0], message_id, page_url)
    outcome = sender(notify, message, now)
    with database.engine.begin() as connection:
        return _record(connection, campaign.id, notify, group[0], subjects, outcome, now, done)


def _record(
    connection: Any,
    campaign_id: str,
    notify: Notify,
    first: Row,
    subjects: Sequence[str],
    outcome: Outcome,
    now: datetime,
    done: Delivered,
) -> bool:
    channel = notify.channel
    if outcome.kind == "sent":
        outbox.end_rows(connection, campaign_id, channel, subjects, outbox.SENT, now)
        done.sent += 1
        return True
    done.failed += 1
    began = first["first_attempt_at"] or now
    if outcome.kind == "gone" or now - began >= GIVE_UP:
        hours = GIVE_UP.total_seconds() / 3600
        because = outcome.error if outcome.kind == "gone" else f"{outcome.error} It was tried for {hours:.0f} hours."
        lost = outbox.switch_off(connection, campaign_id, channel, because, now)
        done.problems.append(
            f"{notify.label} is switched off, and {lost} messages were not delivered. {because} Try it with "
            f"`lead-assets notify test {campaign_id}`, which switches it on again where it works."
        )
        return False
    attempts = first["attempts"] + 1
    until = next_attempt(attempts, now, outcome.wait)
    outbox.postpone(connection, campaign_id, channel, subjects, until, outcome.error)
    done.problems.append(f"{notify.label}: {outcome.error} Attempt {attempts}; the next is at {until:%Y-%m-%d %H:%M}.")
    return False
