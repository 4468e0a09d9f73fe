"""``leads``: what was found, with the reason for each."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table

from lead_assets.cli.state import campaign_argument, cell, console, known_campaign, opened_database
from lead_assets.domain.ages import age, parse_since
from lead_assets.domain.document import short_url
from lead_assets.domain.inbox import STATUSES
from lead_assets.export import Record, flat_lead, listed_places, write_records
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
        found = read_qualified(
            connection,
            campaign_id,
            limit=limit,
            min_score=min_score,
            since=since_option,
            found_since=found_option,
            status=status,
            newest_first=newest,
        )
        stored = len(found) or count_rows(connection, qualified_leads, campaign_id)
    if form == "table":
        _print_leads_table(campaign_id, found, now, stored=stored)
    else:
        write_records(sys.stdout, [flat_lead(row) for row in found] if form == "csv" else found, form)


def print_leads(campaign_id: str, limit: int) -> None:
    """The best leads as a table."""
    with opened_database() as database, database.connect() as connection:
        found = read_qualified(connection, campaign_id, limit=limit)
    _print_leads_table(campaign_id, found, datetime.now(UTC), stored=len(found))


def _print_leads_table(campaign_id: str, rows: Sequence[Record], now: datetime, *, stored: int) -> None:
    if not rows and stored:
        console.print(
            f"None of the {stored} leads of {campaign_id} match these options. `lead-assets leads {campaign_id}` "
            "shows all of them.",
            soft_wrap=True,
        )
        return
    if not rows:
        console.print(f"No leads yet for {campaign_id}. `lead-assets run {campaign_id}` looks for some.")
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
