"""Each campaign's newest run, from Dagster's own tables: read without importing Dagster, and while it is not running.

A test holds the tables and columns to the pinned minor version of Dagster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

_NEWEST = sa.text("""
    SELECT campaign.id, run.* FROM unnest(CAST(:ids AS text[])) AS campaign (id) CROSS JOIN LATERAL (
        SELECT run_id, status, start_time, end_time, (
            SELECT step_key FROM dagster.event_logs AS event
            WHERE event.run_id = runs.run_id AND dagster_event_type = 'STEP_FAILURE' ORDER BY event.id LIMIT 1
        ) AS failed_step
        FROM dagster.runs AS runs JOIN dagster.run_tags AS tags USING (run_id)
        WHERE key = 'dagster/partition' AND value = campaign.id ORDER BY runs.id DESC LIMIT 1
    ) AS run
""")
_KNOWN = sa.text("SELECT DISTINCT value FROM dagster.run_tags WHERE key = 'dagster/partition'")


@dataclass(frozen=True)
class NewestRun:
    """A campaign's newest run of any kind; ``status`` is Dagster's, ``failed_step`` the first step that failed."""

    run_id: str
    status: str
    started: datetime | None
    ended: datetime | None
    failed_step: str | None


def read_newest_runs(connection: sa.Connection, campaign_ids: Sequence[str] | None = None) -> dict[str, NewestRun]:
    """The newest run of each of these campaigns, or of all, that have one."""
    if connection.scalar(sa.text("SELECT to_regclass('dagster.event_logs')")) is None:
        return {}  # Dagster has never run here
    ids = list(campaign_ids) if campaign_ids is not None else list(connection.scalars(_KNOWN))
    rows = connection.execute(_NEWEST, {"ids": ids})
    return {
        row.id: NewestRun(row.run_id, row.status, _moment(row.start_time), _moment(row.end_time), row.failed_step)
        for row in rows
    }


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
