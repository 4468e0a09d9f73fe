"""``candidates``: what was ranked and kept, with each part of its score."""

import sys
from collections.abc import Sequence

import click
from rich.table import Table

from lead_assets.cli.state import campaign_argument, cell, console, known_campaign, opened_database
from lead_assets.domain.frames import to_rows
from lead_assets.domain.score_components import COMPONENTS
from lead_assets.export import Record, flat_candidate, write_records
from lead_assets.storage.candidates import read_candidates


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
        write_records(sys.stdout, [flat_candidate(row) for row in rows] if form == "csv" else rows, form)
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
