"""The inbox as one file: it opens from disk, sorts, prints, and can be sent. It says what the page says."""

import base64
import hashlib
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from lead_assets.inbox.cards import read_cards_of
from lead_assets.pipeline.run_context import RunContext
from lead_assets.storage.inbox_leads import InboxFilters, read_tab
from lead_assets.web.templating import templates

STATIC = Path(__file__).parent / "static"


def render_report(
    connection: sa.Connection, run: RunContext, status: str, filters: InboxFilters, now: datetime, about: str
) -> str:
    """The leads of one status as an HTML file. ``about`` says in words what it was narrowed to."""
    rows = read_tab(connection, run.campaign.id, status, filters, limit=None).rows
    script = (STATIC / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return templates.get_template("report.html").render(
        campaign=run.campaign,
        cards=read_cards_of(connection, run.campaign.id, rows, run.settings, now),
        rows=rows,
        status=status,
        about=about,
        made=now,
        style=(STATIC / "page.css").read_text(encoding="utf-8"),
        script=script,
        # Only this script may run, also in a file that somebody has sent on.
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'",
    )
