"""Delivery of the outbox: never lost, and repeated only where the process dies between the receiver's acceptance and
our record of it; the message has the same id then.

Three steps, each committed before the next: the message gets its id, it is sent, and how it ended is recorded.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

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
    return _Round(database, campaign, settings, page_url, sender, now).deliver()


@dataclass
class _Round:
    """One round of deliveries for a campaign, and what it did."""

    database: Database
    campaign: Campaign
    settings: Settings
    page_url: str
    sender: Sender
    now: datetime
    done: Delivered = field(default_factory=Delivered)

    def deliver(self) -> Delivered:
        for notify in {each.channel: each for each in self.campaign.notify}.values():
            name = f"{self.campaign.id} {notify.channel}"
            with self.database.connect() as connection:
                if not outbox.lock_channel(connection, name):
                    continue
                connection.commit()
                try:
                    self._deliver_to(notify)
                finally:
                    outbox.unlock_channel(connection, name)
                    connection.commit()
        return self.done

    def _deliver_to(self, notify: Notify) -> None:
        campaign_id, channel = self.campaign.id, notify.channel
        with self.database.engine.begin() as connection:
            known = outbox.read_channels(connection, campaign_id).get(channel)
            rows = outbox.due_rows(connection, campaign_id, channel, self.now)
            if not rows or known is None or known["switched_off_at"] is not None:
                return
            if (later := after_quiet(notify, self.now, self.campaign.timezone)) > self.now:
                outbox.move_due(connection, campaign_id, channel, [row["subject"] for row in rows], later)
                return
        for group in _messages(rows):
            if not self._deliver_one(notify, group):
                return  # the receiver is in trouble: the others wait for their own time

    def _deliver_one(self, notify: Notify, group: Sequence[Row]) -> bool:
        """Send one message; False where the receiver did not take it."""
        campaign_id, channel, now = self.campaign.id, notify.channel, self.now
        message_id = group[0]["message_id"] or f"msg_{secrets.token_urlsafe(18)}"
        with self.database.engine.begin() as connection:
            leads = [row["subject"] for row in group if row["kind"] == outbox.LEAD]
            gone = outbox.gone_leads(connection, campaign_id, leads) if leads else set[str]()
            outbox.end_rows(connection, campaign_id, channel, sorted(gone), outbox.DROPPED, now)
            subjects = [row["subject"] for row in group if row["subject"] not in gone]
            self.done.dropped += len(gone)
            if not subjects:
                return True
            if group[0]["message_id"] is None:
                outbox.give_message_id(connection, campaign_id, channel, subjects, message_id, now)
            if leads:
                message = lead_message(
                    connection, campaign_id, self.campaign.name, subjects, message_id,
                    settings=self.settings, page_url=self.page_url, now=now,
                )  # fmt: skip
            else:
                message = notice_message(campaign_id, self.campaign.name, group[0], message_id, self.page_url)
        outcome = self.sender(notify, message, now)
        with self.database.engine.begin() as connection:
            return self._record(connection, notify, group[0], subjects, outcome)

    def _record(
        self, connection: sa.Connection, notify: Notify, first: Row, subjects: Sequence[str], outcome: Outcome
    ) -> bool:
        campaign_id, channel, now = self.campaign.id, notify.channel, self.now
        if outcome.kind == "sent":
            outbox.end_rows(connection, campaign_id, channel, subjects, outbox.SENT, now)
            self.done.sent += 1
            return True
        self.done.failed += 1
        began = first["first_attempt_at"] or now
        if outcome.kind == "gone" or now - began >= GIVE_UP:
            tried = f" It was tried for {GIVE_UP.total_seconds() / 3600:.0f} hours."
            because = outcome.error + (tried if outcome.kind != "gone" else "")
            lost = outbox.switch_off(connection, campaign_id, channel, because, now)
            self.done.problems.append(
                f"{notify.label} is switched off, and {lost} messages were not delivered. {because} Try it with "
                f"`lead-assets notify test {campaign_id}`, which switches it on again where it works."
            )
            return False
        attempts = first["attempts"] + 1
        until = next_attempt(attempts, now, outcome.wait)
        outbox.postpone(connection, campaign_id, channel, subjects, until, outcome.error)
        self.done.problems.append(
            f"{notify.label}: {outcome.error} Attempt {attempts}. The next is at {until:%Y-%m-%d %H:%M}."
        )
        return False


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
