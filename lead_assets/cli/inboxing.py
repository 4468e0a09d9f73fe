"""``mark``, ``marks`` and ``inbox``: what is decided about leads, from the command line."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import sqlalchemy as sa
from rich.table import Table

from lead_assets.cli.state import (
    campaign_argument,
    cell,
    console,
    echo_json,
    json_option,
    known_campaign,
    opened_database,
)
from lead_assets.domain.document import fullname_in
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.gate_catalog import GATES
from lead_assets.domain.inbox import REASONS, STATUSES
from lead_assets.export import write_records
from lead_assets.inbox import statuses
from lead_assets.inbox.marks import COLUMNS, export_rows, import_rows, parse_marks
from lead_assets.storage.lead_events import read_history, read_states
from lead_assets.storage.rejected import read_audits, read_sample

_MAX_FILE_BYTES = 64 * 2**20
_ids = click.argument("reddit_ids", metavar="ID…", nargs=-1, required=True)
_reason = click.option("--reason", type=click.Choice(REASONS), help="Why.")


def _actor() -> str:
    """Who events say that it was: the user of the operating system."""
    try:
        return f"command:{getpass.getuser()}"[:100]
    except (OSError, KeyError):
        return "command"


@contextmanager
def _writing(campaign_id: str) -> Iterator[sa.Connection]:
    known_campaign(campaign_id)
    with opened_database() as database, database.engine.begin() as connection:
        yield connection


@click.command()
@campaign_argument
@_ids
@click.option("--as", "mark_as", type=click.Choice(["lead", "no-lead", "none"]), required=True, help="The mark.")
@_reason
@json_option
def mark(campaign_id: str, reddit_ids: tuple[str, ...], mark_as: str, reason: str | None, as_json: bool) -> None:
    """Say whether documents of CAMPAIGN are leads; `none` takes a mark back. Rejected ones can be marked too.

    ID is a fullname (t3_abc123), a post's id, or a link.
    """
    chosen = [fullname_in(each) for each in reddit_ids]
    value = mark_as.replace("-", " ")
    with _writing(campaign_id) as connection:
        statuses.set_mark(connection, campaign_id, chosen, value, actor=_actor(), reason=reason)
    _tell(as_json, {"campaign": campaign_id, "mark": value, "reddit_ids": chosen}, f"Marked as {value}")


def _tell(as_json: bool, answer: dict[str, object], sentence: str) -> None:
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
@_ids
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
    with _writing(campaign_id) as connection:
        statuses.set_status(connection, campaign_id, chosen, status, actor=_actor(), reason=reason, until=until)
    _tell(as_json, {"campaign": campaign_id, "status": status, "reddit_ids": chosen}, status.capitalize())


@inbox.command()
@campaign_argument
@click.argument("reddit_id", metavar="ID")
@click.argument("text")
@json_option
def note(campaign_id: str, reddit_id: str, text: str, as_json: bool) -> None:
    """Add a note to a lead of CAMPAIGN."""
    chosen = fullname_in(reddit_id)
    with _writing(campaign_id) as connection:
        statuses.add_note(connection, campaign_id, chosen, text, actor=_actor())
    _tell(as_json, {"campaign": campaign_id, "reddit_ids": [chosen]}, "Noted")


@inbox.command()
@campaign_argument
@json_option
def undo(campaign_id: str, as_json: bool) -> None:
    """Put back what was before your last decision by command; again goes one step further back."""
    with _writing(campaign_id) as connection:
        undone = statuses.undo(connection, campaign_id, actor=_actor())
    ids = list(dict.fromkeys(event["reddit_id"] for event in undone))
    _tell(as_json, {"campaign": campaign_id, "reddit_ids": ids}, "Undone")


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


@click.group()
def marks() -> None:
    """Export and import marks, and draw samples of rejects to mark."""


@marks.command()
@campaign_argument
@click.option("--gate", type=click.Choice([gate.name for gate in GATES]), help="Only what this gate rejected.")
@json_option
def sample(campaign_id: str, gate: str | None, as_json: bool) -> None:
    """Show a random sample of what the gates of CAMPAIGN rejected, and what its marks say.

    It is the same sample each time. Mark all of it, leads and others, with `lead-assets mark`: the share of leads
    that a gate loses is estimated from it, here and in the gate's check.
    """
    known_campaign(campaign_id)
    with opened_database() as database, database.connect() as connection:
        audits = read_audits(connection, campaign_id)
        rows = [
            row
            for each in GATES
            if gate in (None, each.name)
            for row in read_sample(connection, campaign_id, each.name)
        ]
    audits = {name: audit for name, audit in audits.items() if gate in (None, name)}
    if as_json:
        told = {
            name: vars(audit) | {"share": audit.share, "interval": audit.interval} for name, audit in audits.items()
        }
        echo_json({"campaign": campaign_id, "gates": told, "sample": rows})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("gate", "id", "mark", "observed", "title"):
        table.add_column(name, no_wrap=name != "title", ratio=1 if name == "title" else None)
    for row in rows:
        observed = "unknown" if row["observed"] is None else f"{row['observed']:g}"
        table.add_row(row["gate"], cell(row["reddit_id"]), row["mark"] or "", observed, cell(row["title"] or ""))
    console.print(table)
    for name, audit in audits.items():
        console.print(f"{name}: {audit.told()}", soft_wrap=True)


@marks.command("export")
@campaign_argument
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="jsonl", show_default=True)
def export_(campaign_id: str, form: str) -> None:
    """Print the marks of CAMPAIGN that are in force."""
    known_campaign(campaign_id)
    with opened_database() as database, database.connect() as connection:
        write_records(sys.stdout, export_rows(connection, campaign_id), form, COLUMNS)


@marks.command("import")
@campaign_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def import_(campaign_id: str, file: Path, as_json: bool) -> None:
    """Write the marks in FILE (.csv or .jsonl, as exported) that are not in force in CAMPAIGN yet."""
    form = file.suffix.lstrip(".").lower()
    if form not in ("csv", "jsonl"):
        raise InvalidInput(f"{file} is neither .csv nor .jsonl. Name the file by what it is.")
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidInput(f"{file} is larger than {_MAX_FILE_BYTES // 2**20} MB. Divide it.")
        rows = parse_marks(file.read_text(encoding="utf-8"), form)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read ({error.strerror}). Check its name and mode.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not UTF-8. Save it as UTF-8.") from None
    with _writing(campaign_id) as connection:
        done = import_rows(connection, campaign_id, rows, actor=_actor())
    if as_json:
        echo_json({"campaign": campaign_id, **vars(done)})
        return
    unknown = f" {len(done.unknown)} documents are not in this campaign." if done.unknown else ""
    console.print(f"{done.written} marks written, {done.unchanged} were in force already.{unknown}", soft_wrap=True)
