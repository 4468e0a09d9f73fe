"""``report``: the leads as one HTML file."""

import sys
from datetime import UTC, datetime

import click

from lead_assets.cli.state import campaign_argument, opened_database
from lead_assets.config.environment import Environment
from lead_assets.domain.ages import parse_since
from lead_assets.domain.inbox import STATUSES
from lead_assets.pipeline.run_context import resolve_run


@click.command()
@campaign_argument
@click.option("--found-since", help="Only leads found since then: 1d, 12h, today, or a day.")
@click.option("--since", help="Only documents posted since then.")
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, help="Lowest relevance score.")
@click.option("--status", type=click.Choice(STATUSES), default="new", show_default=True, help="Leads of this status.")
def report(campaign_id: str, found_since: str | None, since: str | None, min_score: float, status: str) -> None:
    """Print the leads of CAMPAIGN as one HTML file, to open, print or send: `> leads.html`."""
    from lead_assets.storage.inbox_leads import InboxFilters
    from lead_assets.web.report import render_report

    run, now = resolve_run(Environment.read(), campaign_id), datetime.now(UTC)
    zone = run.campaign.timezone
    filters = InboxFilters(
        min_probability=min_score,
        posted_since=parse_since(since, now, zone) if since else None,
        found_since=parse_since(found_since, now, zone) if found_since else None,
    )
    narrowed = [f"found since {found_since}"] if found_since else []
    narrowed += [f"posted since {since}"] if since else []
    narrowed += [f"with a score of at least {min_score:g}"] if min_score else []
    about = "".join(f", {each}" for each in narrowed)
    with opened_database() as database, database.connect() as connection:
        page = render_report(connection, run, status, filters, now, about)
    sys.stdout.buffer.write(page.encode("utf-8"))
