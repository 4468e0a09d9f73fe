"""Alerts: never lost, repeated at most once and with the same id, on a clock that tests play."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from standardwebhooks.webhooks import Webhook

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.notify import Notify, next_moment
from lead_assets.domain.settings import Settings
from lead_assets.inbox import senders
from lead_assets.inbox.delivery import Delivered, deliver
from lead_assets.inbox.senders import Message, Outcome, send, without_mentions
from lead_assets.inbox.statuses import set_status
from lead_assets.storage.database import Database
from lead_assets.storage.deletions import remember_deleted
from lead_assets.storage.lead_events import add_found
from lead_assets.storage.outbox import (
    add_channels,
    announcement_faults,
    queue_leads,
    queue_notice,
    read_outbox_state,
    switch_on,
)
from lead_assets_tests.conftest import PROJECT
from lead_assets_tests.faults import fault
from lead_assets_tests.stand_ins.receiver import Receiver, receiving, receiving_mail
from lead_assets_tests.stored_leads import store_leads

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Sends:
    """A sender that keeps messages and answers as it is told; ``sent`` at the end of the answers."""

    answers: list[Outcome] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def __call__(self, _: Notify, message: Message, __: datetime) -> Outcome:
        self.messages.append(message)
        return self.answers.pop(0) if self.answers else Outcome("sent")


@dataclass
class Alerts:
    """A campaign with one receiver, and a clock."""

    database: Database
    campaign: Campaign
    now: datetime
    sends: Sends = field(default_factory=Sends)

    @property
    def notify(self) -> Notify:
        return self.campaign.notify[0]

    def announce(self) -> int:
        with self.database.engine.begin() as connection:
            add_channels(connection, "crm", {self.notify.channel: self.notify.label})
            add_found(connection, "crm")
            due = next_moment(self.notify, self.now, self.campaign.timezone)
            least, age = self.notify.min_probability, self.notify.max_age
            return queue_leads(connection, "crm", self.notify.channel, min_probability=least, max_age=age, due_at=due)

    def deliver(self, sender: Any = None) -> Delivered:
        page = "http://127.0.0.1:8000"
        return deliver(self.database, self.campaign, Settings(), page, sender or self.sends, self.now)

    def state(self) -> dict[str, Any]:
        with self.database.connect() as connection:
            assert sum(announcement_faults(connection, "crm").values()) == 0
            return read_outbox_state(connection, "crm")


def leads(database: Database, number: int, first: int = 0, **other: Any) -> list[str]:
    fresh = {"posted_at": datetime.now(UTC) - timedelta(days=1)} | other
    return store_leads(database, "crm", [0.9] * number, first=first, **fresh)


def make(database: Database, **keys: Any) -> Alerts:
    notify = Notify.model_validate({"to": "env:NOTIFY_HOOK"} | keys)
    campaign = Campaign(id="crm", name="CRM", product="A CRM.", keywords=["crm"], notify=[notify], timezone="UTC")
    return Alerts(database, campaign, datetime.now(UTC))


@pytest.fixture
def alerts(database: Database) -> Alerts:
    return make(database)


def test_each_lead_is_announced_once(alerts: Alerts) -> None:
    ids = leads(alerts.database, 2)
    assert alerts.announce() == 2
    assert alerts.announce() == 0
    alerts.deliver()
    alerts.deliver()
    told = [message.data["leads"][0]["reddit_id"] for message in alerts.sends.messages]
    assert sorted(told) == ids
    text = alerts.sends.messages[0].text
    for part in ("Which CRM?", "90 %", "https://reddit.com/x", "http://127.0.0.1:8000/c/crm/lead/t3_0000"):
        assert part in text
    assert (alerts.state()["sent"], alerts.state()["waiting"]) == (2, 0)


def test_nobody_is_flooded(alerts: Alerts) -> None:
    leads(alerts.database, 3)
    with alerts.database.engine.begin() as connection:
        add_found(connection, "crm")  # before there was a receiver
    leads(alerts.database, 3, first=10, posted_at=datetime.now(UTC) - timedelta(days=8))  # history
    leads(alerts.database, 3, first=20, posted_at=None)
    assert alerts.announce() == 0
    leads(alerts.database, 11, first=30)
    assert alerts.announce() == 11
    alerts.deliver()
    (digest,) = alerts.sends.messages
    assert digest.title == "CRM: 11 new leads"
    assert len(digest.data["leads"]) == 11


def test_what_is_below_the_probability_or_decided_already_is_not_announced(database: Database) -> None:
    alerts = make(database, min_probability=0.95)
    ids = leads(database, 2)
    assert alerts.announce() == 0
    alerts = make(database, to="env:NOTIFY_OTHER")
    with database.engine.begin() as connection:
        set_status(connection, "crm", ids[:1], "contacted", actor="ann")
        connection.execute(sa.text("UPDATE lead_assets.lead_events SET happened_at = now() WHERE event = 'found'"))
        add_channels(connection, "crm", {alerts.notify.channel: "x"})
    assert alerts.announce() == 1


def test_what_was_dismissed_or_deleted_meanwhile_is_not_sent(alerts: Alerts) -> None:
    first, second, third = leads(alerts.database, 3)
    alerts.announce()
    with alerts.database.engine.begin() as connection:
        set_status(connection, "crm", [first], "dismissed", actor="ann", reason="not buying")
        remember_deleted(connection, [second])
    assert alerts.deliver().dropped == 2
    assert [message.data["leads"][0]["reddit_id"] for message in alerts.sends.messages] == [third]


@fault(
    "the receiver fails for a day",
    service="alerts",
    seen="`lead-assets notify state` shows what waits, and why",
    again="for 40 hours, each time later, with the same id",
)
def test_a_day_of_outage_loses_nothing_and_keeps_the_id(alerts: Alerts) -> None:
    leads(alerts.database, 1)
    alerts.announce()
    began = alerts.now
    while alerts.now < began + timedelta(hours=24):
        alerts.sends.answers = [Outcome("failed", "down")]
        alerts.deliver()
        alerts.now += timedelta(minutes=5)
    tried = len(alerts.sends.messages)
    assert 20 <= tried <= 40
    alerts.sends.answers = []
    alerts.now += timedelta(hours=1)
    assert alerts.deliver().sent == 1
    assert len({message.message_id for message in alerts.sends.messages}) == 1


@fault(
    "the receiver fails for 40 hours",
    service="alerts",
    seen="it is switched off, and the reason is told",
    again="`lead-assets notify test` switches it on again",
    lost="alerts of these hours; the leads are in the inbox",
)
def test_after_forty_hours_a_receiver_is_switched_off_and_told(alerts: Alerts) -> None:
    leads(alerts.database, 1)
    alerts.announce()
    began, problems = alerts.now, list[str]()
    while not alerts.state()["switched_off"]:
        alerts.sends.answers = [Outcome("failed", "Down.")]
        problems += alerts.deliver().problems
        alerts.now += timedelta(minutes=30)
        assert alerts.now < began + timedelta(hours=43)
    assert alerts.now > began + timedelta(hours=40)
    assert "switched off, and 1 messages were not delivered" in problems[-1]
    assert alerts.state()["undelivered"] == 1
    leads(alerts.database, 1, first=10)
    assert alerts.announce() == 0
    with alerts.database.engine.begin() as connection:
        switch_on(connection, "crm", alerts.notify.channel)
    leads(alerts.database, 1, first=20)
    assert alerts.announce() == 1, "only what is found from now on"


def test_a_receiver_that_wants_nothing_more_is_switched_off_at_once(alerts: Alerts) -> None:
    leads(alerts.database, 2)
    alerts.announce()
    alerts.sends.answers = [Outcome("gone", "It answered 410.")]
    alerts.deliver()
    assert len(alerts.sends.messages) == 1
    assert alerts.state()["switched_off"] == {"env:NOTIFY_HOOK": "It answered 410."}


def test_quiet_hours_hold_back_also_what_is_tried_again(database: Database) -> None:
    alerts = make(database, quiet="22:00-07:00")
    leads(database, 1)
    alerts.now = alerts.now.replace(hour=21, minute=59) + timedelta(days=1)
    alerts.announce()
    alerts.sends.answers = [Outcome("failed", "down")]
    alerts.deliver()
    alerts.now += timedelta(minutes=5)
    alerts.deliver()
    assert len(alerts.sends.messages) == 1
    alerts.now = alerts.now.replace(hour=7, minute=0) + timedelta(days=1)
    assert alerts.deliver().sent == 1


def test_failed_runs_go_the_same_way(alerts: Alerts) -> None:
    with alerts.database.engine.begin() as connection:
        add_channels(connection, "crm", {alerts.notify.channel: "x"})
        for _ in range(2):
            details = {"title": "a run failed", "text": "Run 1 failed.", "run_id": "1"}
            queue_notice(connection, "crm", alerts.notify.channel, "run:1", "failure", details, alerts.now)
    alerts.deliver()
    (message,) = alerts.sends.messages
    assert message.title == "CRM: a run failed"
    assert message.data["type"] == "run.failure"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(senders, "TIMEOUT_SECONDS", 0.5)
    with receiving() as opened:
        monkeypatch.setenv("NOTIFY_HOOK", f"webhook+{opened.url}")
        monkeypatch.setenv("NOTIFY_WEBHOOK_SECRET", SECRET)
        yield opened


def test_a_webhook_is_signed_as_its_library_verifies(alerts: Alerts, receiver: Receiver) -> None:
    ids = leads(alerts.database, 1, title="Ünïcode “CRM”?")
    alerts.announce()
    assert alerts.deliver(send).sent == 1
    ((headers, body),) = receiver.received
    data = Webhook(SECRET).verify(body, headers)
    assert data["leads"][0]["reddit_id"] == ids[0]
    with pytest.raises(Exception, match="signature"):
        Webhook(SECRET).verify(body + b" ", headers)


@pytest.mark.parametrize(
    ("answer", "headers", "kind", "wait"),
    [
        (429, {"Retry-After": "7200"}, "failed", timedelta(hours=2)),
        (429, {"Retry-After": "soon"}, "failed", None),
        (500, {}, "failed", None),
        (302, {"Location": "http://127.0.0.1:1/"}, "failed", None),
        ("hang", {}, "failed", None),
        ("close", {}, "failed", None),
        (410, {}, "gone", None),
        (204, {}, "sent", None),
    ],
)
def test_what_a_receiver_may_answer(
    receiver: Receiver, answer: int | str, headers: dict[str, str], kind: str, wait: timedelta | None
) -> None:
    receiver.answers, receiver.headers = [answer], headers
    notify = Notify.model_validate({"to": "env:NOTIFY_HOOK"})
    outcome = send(notify, Message("msg_1", "a", "b", {}), datetime.now(UTC))
    assert (outcome.kind, outcome.wait) == (kind, wait)
    assert "127.0.0.1" not in outcome.error, "addresses may hold secrets"


def test_a_chat_is_sent_slacks_format(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    # Mattermost takes what Slack takes, and may be anywhere.
    monkeypatch.setenv("NOTIFY_HOOK", f"{receiver.url.replace('http://', 'mmost://')}/abcdefghijklmnopqrstuvwx")
    notify = Notify.model_validate({"to": "env:NOTIFY_HOOK"})
    message = Message("msg_1", "CRM: a new lead", "@everyone <!channel> mail a@b.example", {})
    assert send(notify, message, datetime.now(UTC)) == Outcome("sent")
    ((_, body),) = receiver.received
    text = json.loads(body)["text"]
    assert "CRM: a new lead" in text
    assert "a@b.example" in text
    assert "@everyone" not in text
    assert "<!channel>" not in text
    receiver.answers = [500]
    assert send(notify, message, datetime.now(UTC)).kind == "failed"


def test_mail_goes_to_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving_mail() as (port, mails):
        address = f"mailto://127.0.0.1:{port}?from=leads@example.org&to=ann@example.org&mode=insecure"
        monkeypatch.setenv("NOTIFY_HOOK", address)
        message = Message("msg_1", "CRM: a new lead", "“Which CRM?”\nhttp://127.0.0.1:8000/c/crm", {})
        assert send(Notify.model_validate({"to": "env:NOTIFY_HOOK"}), message, datetime.now(UTC)) == Outcome("sent")
    (mail,) = mails
    parsed = message_from_bytes(mail, policy=policy.default)
    assert parsed["to"] == "ann@example.org"
    assert parsed["subject"] == "CRM: a new lead"
    body = parsed.get_body(("plain", "html"))
    assert body is not None
    assert "Which CRM?" in body.get_content()


def test_an_address_that_is_not_set_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_HOOK", raising=False)
    notify = Notify.model_validate({"to": "env:NOTIFY_HOOK"})
    outcome = send(notify, Message("msg_1", "a", "b", {}), datetime.now(UTC))
    assert "NOTIFY_HOOK" in outcome.error
    assert without_mentions("a@b") == "a@b"


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.settings import Settings
from lead_assets.inbox.delivery import deliver
from lead_assets.inbox.senders import send
from lead_assets.storage.database import Database

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def sender(notify, message, now):
    if sys.argv[2] == "before":
        die()
    outcome = send(notify, message, now)
    die()

campaign = Campaign(id="crm", name="CRM", product="A CRM.", keywords=["crm"], notify=[{"to": "env:NOTIFY_HOOK"}])
deliver(Database(sys.argv[1]), campaign, Settings(), "http://127.0.0.1:8000", sender, datetime.now(UTC))
"""


@fault(
    "the sending process is killed",
    service="alerts",
    seen="nothing",
    again="the message, with the same id; at most once more",
)
@pytest.mark.parametrize(("moment", "arrivals"), [("before", 1), ("after", 2)])
def test_a_killed_delivery_is_repeated_at_most_once_with_the_same_id(
    alerts: Alerts, receiver: Receiver, tmp_path: Path, moment: str, arrivals: int
) -> None:
    leads(alerts.database, 1)
    alerts.announce()
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    url = alerts.database.engine.url.render_as_string(hide_password=False)
    died = subprocess.run(
        [sys.executable, str(script), url, moment],
        env={**os.environ, "PYTHONPATH": str(PROJECT)}, check=False, timeout=120,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    assert alerts.state()["waiting"] == 1, "it is not lost"
    for _ in range(3):
        alerts.now = datetime.now(UTC) + timedelta(minutes=5)
        alerts.deliver(send)
    assert alerts.state()["sent"] == 1
    assert len(receiver.received) == arrivals
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
