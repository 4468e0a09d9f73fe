"""``notify test``: whether alerts reach their receivers."""

import secrets
from datetime import UTC, datetime

import click

from lead_assets.cli.state import campaign_argument, console, echo_json, json_option, known_campaign, opened_database
from lead_assets.config.environment import Environment
from lead_assets.domain.errors import InvalidInput, RunFailed
from lead_assets.inbox.senders import Message, send
from lead_assets.storage.outbox import add_channels, read_outbox_state, switch_on


@click.group()
def notify() -> None:
    """Try alerts, and show what waits to be sent."""


@notify.command()
@campaign_argument
@json_option
def test(campaign_id: str, as_json: bool) -> None:
    """Send a sample to each receiver of CAMPAIGN; one that was switched off is switched on where it works."""
    campaign, environment = known_campaign(campaign_id), Environment.read()
    if not campaign.notify:
        raise InvalidInput(f"Campaign {campaign_id} names no receivers. Add `notify:` to its file: docs/inbox.md.")
    results: list[dict[str, str]] = []
    with opened_database() as database:
        for each in campaign.notify:
            text = f"This is a sample. New leads are announced here.\n{environment.page_url}/c/{campaign_id}"
            data = {"type": "test", "campaign": campaign_id}
            message = Message(f"msg_{secrets.token_urlsafe(18)}", f"{campaign.name}: a sample alert", text, data)
            outcome = send(each, message, datetime.now(UTC))
            results.append({"to": each.label, "outcome": outcome.kind, "error": outcome.error})
            if outcome.kind == "sent":
                with database.engine.begin() as connection:
                    add_channels(connection, campaign_id, {each.channel: each.label})
                    switch_on(connection, campaign_id, each.channel)
    if as_json:
        echo_json(results)
    else:
        for result in results:
            console.print(f"{result['to']}: {result['outcome']}. {result['error']}".strip(), soft_wrap=True)
    failed = sum(result["outcome"] != "sent" for result in results)
    if failed:
        raise RunFailed(f"{failed} of {len(results)} receivers did not take the sample.")


@notify.command()
@campaign_argument
@json_option
def state(campaign_id: str, as_json: bool) -> None:
    """Show what waits in the outbox of CAMPAIGN, what was sent, and which receivers are switched off."""
    known_campaign(campaign_id)
    with opened_database() as database, database.connect() as connection:
        found = read_outbox_state(connection, campaign_id)
    if as_json:
        echo_json(found)
        return
    since = f", the oldest since {found['oldest']:%Y-%m-%d %H:%M}" if found["oldest"] else ""
    console.print(f"{found['waiting']} wait{since}. {found['sent']} sent, {found['dropped']} left out, "
                  f"{found['undelivered']} not delivered.", soft_wrap=True)  # fmt: skip
    for label, because in found["switched_off"].items():
        console.print(f"{label} is switched off: {because}", soft_wrap=True)
