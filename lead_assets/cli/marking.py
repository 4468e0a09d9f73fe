"""``mark`` and ``marks``: which documents are leads, as people say, and what is worth marking."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from lead_assets.cli.inboxing import actor, ids_argument, tell, writing
from lead_assets.cli.state import (
    campaign_argument,
    cell,
    console,
    echo_json,
    json_option,
    known_campaign,
    opened_database,
)
from lead_assets.config.environment import Environment
from lead_assets.domain.document import fullname_in
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.gate_catalog import GATES
from lead_assets.domain.inbox import REASONS
from lead_assets.export import write_records
from lead_assets.inbox import statuses
from lead_assets.inbox.marks import COLUMNS, export_rows, import_rows, parse_marks
from lead_assets.pipeline.run_context import resolve_run
from lead_assets.storage.candidates import read_least_sure
from lead_assets.storage.rejected import read_audits, read_sample

_MAX_FILE_BYTES = 64 * 2**20


@click.command()
@campaign_argument
@ids_argument
@click.option("--as", "mark_as", type=click.Choice(["lead", "no-lead", "none"]), required=True, help="The mark.")
@click.option("--reason", type=click.Choice(REASONS), help="Why.")
@json_option
def mark(campaign_id: str, reddit_ids: tuple[str, ...], mark_as: str, reason: str | None, as_json: bool) -> None:
    """Say whether documents of CAMPAIGN are leads; `none` takes a mark back. Rejected ones can be marked too.

    ID is a fullname (t3_abc123), a post's id, or a link.
    """
    chosen = [fullname_in(each) for each in reddit_ids]
    value = mark_as.replace("-", " ")
    with writing(campaign_id) as connection:
        statuses.set_mark(connection, campaign_id, chosen, value, actor=actor(), reason=reason)
    tell(as_json, {"campaign": campaign_id, "mark": value, "reddit_ids": chosen}, f"Marked as {value}")


@click.group()
def marks() -> None:
    """Export and import marks, and see what to mark."""


@marks.command("next")
@campaign_argument
@click.option("--limit", type=click.IntRange(1, 1_000), default=10, show_default=True, help="How many.")
@json_option
def next_(campaign_id: str, limit: int, as_json: bool) -> None:
    """Show the documents of CAMPAIGN whose marks would teach most: those that are nearest to the decision."""
    rows = _least_sure(campaign_id, limit)
    if as_json:
        echo_json({"campaign": campaign_id, "documents": rows})
        return
    _print_least_sure(rows)


def print_next(campaign_id: str, limit: int) -> None:
    """What to mark next, and how."""
    console.print(
        f"The model is least sure of these. Teach it: lead-assets mark {campaign_id} ID --as lead (or no-lead)",
        soft_wrap=True,
    )
    _print_least_sure(_least_sure(campaign_id, limit))


def _least_sure(campaign_id: str, limit: int) -> list[dict[str, Any]]:
    threshold = resolve_run(Environment.read(), campaign_id).settings.min_lead_probability
    with opened_database() as database, database.connect() as connection:
        return read_least_sure(connection, campaign_id, threshold, limit)


def _print_least_sure(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for row in rows:
        table.add_row(f"{row['lead_probability']:.2f}", row["reddit_id"], cell(row["title"] or row["body"], 100))
    console.print(table)


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
    with writing(campaign_id) as connection:
        done = import_rows(connection, campaign_id, rows, actor=actor())
    if as_json:
        echo_json({"campaign": campaign_id, **vars(done)})
        return
    unknown = f" {len(done.unknown)} documents are not in this campaign." if done.unknown else ""
    console.print(f"{done.written} marks written, {done.unchanged} were in force already.{unknown}", soft_wrap=True)
