"""What is stored, counted: tallies of gates, counts of runs, the funnel, and everything about one document."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from lead_assets.domain.gates import EXCLUDED, GateStats
from lead_assets.storage.bulk import upsert
from lead_assets.storage.extractions import count_extractions
from lead_assets.storage.schema import (
    campaign_stats,
    candidates,
    current_candidates,
    current_extractions,
    documents,
    extractions,
    gate_tallies,
    leads,
    qualified_leads,
    rejections,
    sightings,
    stage_runs,
)


def write_stage_run(
    connection: sa.Connection, campaign_id: str, asset: str, run_id: str, counts: Mapping[str, Any]
) -> None:
    """Remember what an asset's last run did for a campaign."""
    row = {"campaign_id": campaign_id, "asset": asset, "run_id": run_id, "counts": counts}
    upsert(connection, stage_runs, [row], touch="finished_at")


def read_stage_runs(connection: sa.Connection, campaign_id: str, run_id: str) -> dict[str, dict[str, int]]:
    """What run ``run_id`` did for a campaign, by asset: every count, zeros among them."""
    query = sa.select(stage_runs.c.asset, stage_runs.c.counts).where(
        stage_runs.c.campaign_id == campaign_id, stage_runs.c.run_id == run_id
    )
    return dict(connection.execute(query).tuples().all())


def read_last_counts(connection: sa.Connection, campaign_id: str, asset: str) -> dict[str, int] | None:
    """What an asset's last run did for a campaign; None where it never ran."""
    query = sa.select(stage_runs.c.counts).where(stage_runs.c.campaign_id == campaign_id, stage_runs.c.asset == asset)
    return connection.scalar(query)


def write_gate_stats(
    connection: sa.Connection, campaign_id: str, run_id: str, tallies: Mapping[str, GateStats]
) -> dict[str, GateStats]:
    """Store the tallies that are not empty; returns, for the empty ones, the last that was not."""
    rows = [
        {
            "campaign_id": campaign_id,
            "gate": gate,
            "run_id": run_id,
            "evaluated": tally.evaluated,
            "kept": tally.kept,
            "rejected": tally.rejected,
            "unknown": tally.unknown,
        }
        for gate, tally in tallies.items()
        if tally.evaluated
    ]
    upsert(connection, gate_tallies, rows, touch="tallied_at")
    query = sa.select(gate_tallies).where(gate_tallies.c.campaign_id == campaign_id)
    stored = {row.gate: row for row in connection.execute(query)}
    return {
        gate: GateStats(row.evaluated, row.kept, row.rejected, row.unknown)
        for gate, tally in tallies.items()
        if not tally.evaluated and (row := stored.get(gate)) is not None
    }


def count_rows(connection: sa.Connection, table: sa.Table, campaign_id: str, *where: sa.ColumnElement[bool]) -> int:
    """Rows of a campaign-owned table or view."""
    query = sa.select(sa.func.count()).select_from(table).where(table.c.campaign_id == campaign_id, *where)
    return connection.scalar(query) or 0


def read_funnel(connection: sa.Connection, campaign_id: str) -> dict[str, Any]:
    """The funnel from what is stored: every judged document is counted once, where it is now."""
    by_gate = (
        sa.select(rejections.c.gate, sa.func.count())
        .where(rejections.c.campaign_id == campaign_id)
        .group_by(rejections.c.gate)
    )
    stored = sa.exists().where(
        documents.c.campaign_id == rejections.c.campaign_id, documents.c.reddit_id == rejections.c.reddit_id
    )
    documents_stored = count_rows(connection, documents, campaign_id)
    ranked = current_candidates.c
    counted = sa.select(
        sa.func.count(),
        sa.func.count().filter(ranked.gate == EXCLUDED),
        sa.func.count().filter(ranked.kept),
        sa.func.count().filter(ranked.kept & ranked.duplicate_of.isnot(None)),
    ).where(ranked.campaign_id == campaign_id)
    ranked_now, excluded, kept, duplicates = connection.execute(counted).one()
    read = count_extractions(connection, campaign_id)
    return {
        "crawled": documents_stored + count_rows(connection, rejections, campaign_id, ~stored),
        "rejected": dict(connection.execute(by_gate).tuples().all()),
        "stored": documents_stored,
        "ranked": ranked_now,
        "excluded": excluded,
        "kept": kept,
        "near_duplicates": duplicates,
        "extracted": read.extracted,
        "stale": read.stale,
        "failed": read.failed,
        "leads": count_rows(connection, qualified_leads, campaign_id),
    }


class LastRun(NamedTuple):
    """The run that wrote last for a campaign, when, and how many leads there are now."""

    run_id: str | None
    at: datetime | None
    leads: int


def read_last_runs(connection: sa.Connection, campaign_id: str | None = None) -> dict[str, LastRun]:
    """The last run of each campaign of which something is stored, or of one."""
    columns = campaign_stats.c
    query = sa.select(columns.campaign_id, columns.last_run_id, columns.last_run_at, columns.leads_found)
    if campaign_id is not None:
        query = query.where(columns.campaign_id == campaign_id)
    return {name: LastRun(*rest) for name, *rest in connection.execute(query)}


def read_campaign_stats(connection: sa.Connection) -> dict[str, dict[str, Any]]:
    """The view ``campaign_stats``, by campaign."""
    return {row.campaign_id: dict(row._mapping) for row in connection.execute(sa.select(campaign_stats))}


def read_explanation(connection: sa.Connection, campaign_id: str, reddit_id: str) -> dict[str, dict[str, Any] | None]:
    """One row of each table about one document; None where it has none.

    The extraction is the one that counts, with ``stale``, else the newest one, which failed or is about another text.
    """
    found: dict[str, dict[str, Any] | None] = {}
    for table in (documents, rejections, sightings, candidates, leads):
        columns: list[sa.ColumnElement[Any]] = [column for column in table.columns if column.name != "embedding"]
        if table is sightings:
            age = sa.func.extract("epoch", sa.func.now() - sightings.c.seen_at)
            columns.append(age.cast(sa.Double).label("age_seconds"))
        query = sa.select(*columns).where(table.c.campaign_id == campaign_id, table.c.reddit_id == reddit_id)
        row = connection.execute(query).one_or_none()
        found[table.name] = dict(row._mapping) if row else None
    current = connection.execute(_of(current_extractions, campaign_id, reddit_id)).one_or_none()
    newest = _of(extractions, campaign_id, reddit_id).order_by(extractions.c.extracted_at.desc()).limit(1)
    row = current or connection.execute(newest).one_or_none()
    found["extractions"] = dict(row._mapping) if row else None
    qualified = connection.execute(_of(qualified_leads, campaign_id, reddit_id)).one_or_none()
    found["qualified"] = {"stale": qualified.stale} if qualified else None
    return found


def _of(table: sa.Table, campaign_id: str, reddit_id: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.campaign_id == campaign_id, table.c.reddit_id == reddit_id)
