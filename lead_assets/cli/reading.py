"""``leads``, ``candidates``, ``explain``, ``export``: what was found, and why."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from lead_assets.cli.explanation import print_explanation
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
from lead_assets.domain.ages import age, parse_since
from lead_assets.domain.document import fullname_in, short_url
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.frames import to_rows
from lead_assets.domain.inbox import STATUSES
from lead_assets.domain.scoring import COMPONENTS
from lead_assets.export import Record, flat_lead, lead_columns, listed_places, write_records
from lead_assets.files import replacing
from lead_assets.pipeline.explain import explain_document
from lead_assets.pipeline.run_context import resolve_run
from lead_assets.storage.candidates import read_candidates
from lead_assets.storage.corpus import read_rejections
from lead_assets.storage.leads import read_qualified
from lead_assets.storage.schema import qualified_leads
from lead_assets.storage.statistics import count_rows

format_option = click.option(
    "--format", "form", type=click.Choice(["table", "jsonl", "csv"]), default="table", show_default=True
)


@click.command()
@campaign_argument
@format_option
@click.option("--limit", type=click.IntRange(min=1), help="How many, best first.")
@click.option("--min-score", type=click.FloatRange(0, 1), help="Lowest relevance score.")
@click.option("--since", help="Only documents posted since then: today, yesterday, 7d, or a day.")
@click.option("--found-since", help="Only leads found since then: 1d, 12h, today, or a day.")
@click.option("--status", type=click.Choice(STATUSES), help="Only leads of this status in the inbox.")
@click.option("--newest", is_flag=True, help="Those found last first, instead of the best.")
def leads(
    campaign_id: str,
    form: str,
    limit: int | None,
    min_score: float | None,
    since: str | None,
    found_since: str | None,
    status: str | None,
    newest: bool,
) -> None:
    """Show the qualified leads of CAMPAIGN, best first, with the reason for each."""
    campaign, now = known_campaign(campaign_id), datetime.now(UTC)
    since_option = parse_since(since, now, campaign.timezone) if since else None
    found_option = parse_since(found_since, now, campaign.timezone) if found_since else None
    with opened_database() as database, database.connect() as connection:
        frame = read_qualified(
            connection,
            campaign_id,
            limit=limit,
            min_score=min_score,
            since=since_option,
            found_since=found_option,
            status=status,
            newest_first=newest,
        )
        stored = count_rows(connection, qualified_leads, campaign_id) if frame.empty else len(frame)
    found = to_rows(frame)
    if form == "table":
        _print_leads_table(campaign_id, found, now, stored=stored)
    else:
        write_records(sys.stdout, [flat_lead(row) for row in found] if form == "csv" else found, form)


def print_leads(campaign_id: str, limit: int) -> None:
    """The best leads as a table."""
    with opened_database() as database, database.connect() as connection:
        found = to_rows(read_qualified(connection, campaign_id, limit=limit))
    _print_leads_table(campaign_id, found, datetime.now(UTC), stored=len(found))


def _print_leads_table(campaign_id: str, rows: Sequence[Record], now: datetime, *, stored: int) -> None:
    if not rows and stored:
        console.print(
            f"None of the {stored} leads of {campaign_id} match these options; `lead-assets leads {campaign_id}` "
            "shows all of them.",
            soft_wrap=True,
        )
        return
    if not rows:
        console.print(f"No leads yet for {campaign_id}; `lead-assets run {campaign_id}` looks for some.")
        return
    table = Table(title=f"Leads of {campaign_id}", title_justify="left", show_lines=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("who needs what", ratio=1, overflow="fold")
    table.add_column("reason, in their words", ratio=1, overflow="fold")
    for row in rows:
        data = row["extracted_data"]
        told = [f"r/{row['subreddit']}", row["author"] or "unknown author"]
        told += [age(row["posted_at"], now)] if row["posted_at"] else []
        told += [row["status"]] if row["status"] != "new" else []
        what = cell(" · ".join(told), 80)
        what.stylize("dim")
        what.append("\n").append(cell(row["title"] or data["summary"], 120)).append("\n")
        what.append(short_url(row["reddit_id"], row["reddit_url"]), "blue")
        if row["other_places"]:
            what.append("\n").append(cell(f"also {listed_places(row)}", 300))
        table.add_row(f"{row['relevance_score']:.2f}", what, _reason(row))
    console.print(table)


def _reason(row: Record) -> Any:
    data = row["extracted_data"]
    reason = cell(f"“{(data['evidence'] or [''])[0]}”", 280)
    facts = [
        f"urgency {data['urgency']}" if data["urgency"] != "none" else "",
        f"budget {data['budget']}" if data["budget"] else "",
    ]
    facts += [f"contact {contact}" for contact in data["contact"]]
    facts += ["stale"] if row["stale"] else []
    noted = cell(" · ".join([data["intent"], *filter(None, facts)]), 160)
    noted.stylize("green")
    return reason.append("\n").append(noted)


def _flat_candidate(row: Record) -> dict[str, Any]:
    return {**row, "matched_keywords": "; ".join(row["matched_keywords"])}


@click.command()
@campaign_argument
@click.option(
    "--format", "form", type=click.Choice(["table", "jsonl", "csv", "ids"]), default="table", show_default=True
)
@click.option("--limit", type=click.IntRange(min=1), help="How many, best first.")
def candidates(campaign_id: str, form: str, limit: int | None) -> None:
    """Show the kept candidates of CAMPAIGN, best first. Format ids: one fullname a line."""
    known_campaign(campaign_id)
    with opened_database() as database, database.connect() as connection:
        rows = to_rows(read_candidates(connection, campaign_id))[:limit]
    if form == "ids":
        click.echo("".join(f"{row['reddit_id']}\n" for row in rows), nl=False)
    elif form != "table":
        write_records(sys.stdout, [_flat_candidate(row) for row in rows] if form == "csv" else rows, form)
    else:
        _print_candidates_table(campaign_id, rows)


def _print_candidates_table(campaign_id: str, rows: Sequence[Record]) -> None:
    table = Table(title=f"Candidates of {campaign_id}", title_justify="left")
    for column in ("id", "likely", "fused", *(component.label for component in COMPONENTS)):
        table.add_column(column, justify="left" if column == "id" else "right", no_wrap=True)
    table.add_column("title", ratio=1, no_wrap=True)
    shown = ("lead_probability", "fused_score", *(component.name for component in COMPONENTS))
    for row in rows:
        title = (
            cell(row["title"]) if not row["duplicate_of"] else cell(f"(repeats {row['duplicate_of']}) {row['title']}")
        )
        table.add_row(row["reddit_id"], *(_number(row[name]) for name in shown), title)
    console.print(table)


def _number(value: float | None) -> str:
    """A score; none was ranked before there was a probability."""
    return "–" if value is None else f"{value:.2f}"


@click.command()
@campaign_argument
@click.argument("reddit_id", metavar="ID")
@json_option
def explain(campaign_id: str, reddit_id: str, as_json: bool) -> None:
    """Tell everything about one document of CAMPAIGN: each gate, each score, and what was read.

    ID is a fullname (t3_abc123), a post's id, or a link.
    """
    run = resolve_run(Environment.read(), campaign_id)
    with opened_database() as database:
        explanation = explain_document(database, run, fullname_in(reddit_id))
    if as_json:
        echo_json(explanation)
    else:
        print_explanation(explanation)


@click.command()
@campaign_argument
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder (default: exports/CAMPAIGN)."
)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
def export(campaign_id: str, folder: Path | None, form: str) -> None:
    """Write leads, candidates and rejections of CAMPAIGN into files."""
    known_campaign(campaign_id)
    target = folder or Path("exports") / campaign_id
    with opened_database() as database, database.connect() as connection:
        tables = {
            "leads": read_qualified(connection, campaign_id),
            "candidates": read_candidates(connection, campaign_id),
            "rejections": read_rejections(connection, campaign_id),
        }
    flatten = {"leads": flat_lead, "candidates": _flat_candidate, "rejections": dict}
    for name, frame in tables.items():
        rows = to_rows(frame)
        if form == "csv":
            rows = [flatten[name](row) for row in rows]
        columns = lead_columns(list(frame.columns)) if name == "leads" else list(frame.columns)
        _write(target / f"{name}.{form}", rows, form, columns)
    written = ", ".join(f"{len(frame)} {name}" for name, frame in tables.items())
    console.print(f"Wrote {written} to {target}.", soft_wrap=True)


def _write(path: Path, rows: Sequence[Record], form: str, columns: Sequence[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            write_records(file, rows, form, columns)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written ({error.strerror}); choose another folder with --to.") from error
