"""``preview``: which leads would go and come under other settings or lists; nothing is stored."""

from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from lead_assets.cli.change_options import change_options
from lead_assets.cli.state import campaign_argument, cell, console, echo_json, json_option, opened_database
from lead_assets.config.environment import Environment
from lead_assets.domain.changes import Changes
from lead_assets.domain.document import short_url
from lead_assets.pipeline.preview import preview
from lead_assets.pipeline.run_context import resolve_run

MOST_SHOWN = 15


@click.command("preview")
@campaign_argument
@change_options
@json_option
def preview_command(campaign_id: str, changes: Changes, as_json: bool) -> None:
    """Show which leads of CAMPAIGN would go and come under other settings or lists. Nothing is changed."""
    run = resolve_run(Environment.read(), campaign_id)
    with opened_database() as database, database.connect() as connection:
        found = preview(connection, run, changes)
    if as_json:
        echo_json({"campaign": campaign_id, **asdict(found)})
        return
    console.print(
        f"{found.leads_now} leads now, {found.leads_then} then: {len(found.gone)} go, {len(found.come)} come."
    )
    if found.unread:
        console.print(f"{found.unread} documents more would be read. The next run says which of them are leads.")
    for title, rows in (("These would go", found.gone), ("These would come", found.come)):
        if rows:
            _print(title, rows)


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    more = f" (the first {MOST_SHOWN} of {len(rows)})" if len(rows) > MOST_SHOWN else ""
    table = Table(title=f"{title}, nearest to the threshold first{more}", title_justify="left")
    for column in ("why", "id", "subreddit", "title"):
        table.add_column(column, no_wrap=column != "title")
    for row in rows[:MOST_SHOWN]:
        why = f"{row['gate'] or ''}"
        if row["threshold"] is not None and row["observed"] is not None:
            why = f"{row['setting']}: {row['observed']:.3g}"
        link = short_url(row["reddit_id"], row["url"])
        table.add_row(cell(why), cell(row["reddit_id"]), cell(f"r/{row['subreddit']}"), cell(row["title"] or link, 90))
    console.print(table)
