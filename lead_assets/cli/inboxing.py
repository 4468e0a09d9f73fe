"""``inbox``: what is decided about leads, from the command line."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
import sqlalchemy as sa

from lead_assets.cli.state import campaign_argument, console, echo_json, json_option, known_campaign, opened_database
from lead_assets.domain.document import fullname_in
from lead_assets.domain.inbox import REASONS, STATUSES
from lead_assets.inbox import statuses
from lead_assets.storage.lead_events import read_history, read_states

ids_argument = click.argument("reddit_ids", metavar="ID…", nargs=-1, required=True)


def actor() -> str:
    """Who events say that it was: the user of the operating system."""
    try:
        return f"command:{getpass.getuser()}"[:100]
    except (OSError, KeyError):
        return "command"


@contextmanager
def writing(campaign_id: str) -> Iterator[sa.Connection]:
    known_campaign(campaign_id)
    with opened_database() as database, database.engine.begin() as connection:
        yield connection


def tell(as_json: bool, answer: dict[str, object], sentence: str) -> None:
    ids = answer["reddit_ids"]
    if as_json:
        echo_json(answer)
    elif isinstance(ids, list):
        console.print(f"{sentence}: {', '.join(ids)}.", soft_wrap=True)


@click.group()
def inbox() -> None:
    """Give leads a status or a note, undo, and show what was decided."""


@inbox.command("set")
@campaign_argument
@click.argument("status", type=click.Choice(STATUSES))
@ids_argument
@click.option("--reason", type=click.Choice(REASONS), help="Why a lead is dismissed.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True, max=3_650), help="How long a lead is snoozed.")
@json_option
def set_(
    campaign_id: str,
    status: str,
    reddit_ids: tuple[str, ...],
    reason: str | None,
    days: float | None,
    as_json: bool,
) -> None:
    """Give leads of CAMPAIGN a status: new, open, contacted, won, dismissed or snoozed."""
    chosen = [fullname_in(each) for each in reddit_ids]
    until = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    with writing(campaign_id) as connection:
        statuses.set_status(connection, campaign_id, chosen, status, actor=actor(), reason=reason, until=until)
    tell(as_json, {"campaign": campaign_id, "status": status, "reddit_ids": chosen}, status.capitalize())


@inbox.command()
@campaign_argument
@click.argument("reddit_id", metavar="ID")
@click.argument("text")
@json_option
def note(campaign_id: str, reddit_id: str, text: str, as_json: bool) -> None:
    """Add a note to a lead of CAMPAIGN."""
    chosen = fullname_in(reddit_id)
    with writing(campaign_id) as connection:
        statuses.add_note(connection, campaign_id, chosen, text, actor=actor())
    tell(as_json, {"campaign": campaign_id, "reddit_ids": [chosen]}, "Noted")


@inbox.command()
@campaign_argument
@json_option
def undo(campaign_id: str, as_json: bool) -> None:
    """Put back what was before your last decision by command; again goes one step further back."""
    with writing(campaign_id) as connection:
        undone = statuses.undo(connection, campaign_id, actor=actor())
    ids = list(dict.fromkeys(event["reddit_id"] for event in undone))
    tell(as_json, {"campaign": campaign_id, "reddit_ids": ids}, "Undone")


@inbox.command()
@campaign_argument
@click.argument("reddit_id", metavar="ID")
@json_option
def history(campaign_id: str, reddit_id: str, as_json: bool) -> None:
    """Show what was decided about a document of CAMPAIGN, oldest first."""
    known_campaign(campaign_id)
    chosen = fullname_in(reddit_id)
    with opened_database() as database, database.connect() as connection:
        events = read_history(connection, campaign_id, chosen)
        state = read_states(connection, campaign_id, [chosen]).get(chosen)
    if as_json:
        echo_json({"campaign": campaign_id, "reddit_id": chosen, "state": state, "events": events})
        return
    for event in events:
        parts = [event["event"], event["value"] or "", event["reason"] or "", f"by {event['actor']}"]
        console.print(f"{event['happened_at']:%Y-%m-%d %H:%M}  {'  '.join(filter(None, parts))}", soft_wrap=True)
    if not events:
        console.print(f"Nothing was decided about {chosen} yet.", soft_wrap=True)
