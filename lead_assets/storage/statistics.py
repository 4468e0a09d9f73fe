"""What is stored, counted: tallies of gates, counts of runs, the funnel, and everything about one document."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from lead_assets.domain.gates import Tally
from lead_assets.storage.bulk import upsert
from lead_assets.storage.schema import (
    campaign_stats,
    candidates,
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


def write_tallies(
    connection: sa.Connection, campaign_id: str, run_id: str, tallies: Mapping[str, Tally]
) -> dict[str, Tally]:
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
        gate: Tally(row.evaluated, row.kept, row.rejected, row.unknown)
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
    ranked = count_rows(connection, candidates, campaign_id)
    kept = count_rows(connection, candidates, campaign_id, candidates.c.kept)
    duplicates = count_rows(
        connection, candidates, campaign_id, candidates.c.kept, candidates.c.duplicate_of.isnot(None)
    )
    extracted = connection.scalar(
        sa.select(sa.func.count(sa.distinct(extractions.c.reddit_id)))
        .join(
            candidates,
            (candidates.c.campaign_id == extractions.c.campaign_id)
            & (candidates.c.reddit_id == extractions.c.reddit_id)
            & (candidates.c.text_hash == extractions.c.text_hash),
        )
        .where(
            extractions.c.campaign_id == campaign_id,
            extractions.c.status == "ok",
            candidates.c.kept,
            candidates.c.duplicate_of.is_(None),
        )
    )
    return {
        "crawled": documents_stored + count_rows(connection, rejections, campaign_id, ~stored),
        "rejected": dict(connection.execute(by_gate).tuples().all()),
        "stored": documents_stored,
        "ranked": ranked,
        "excluded": count_rows(connection, candidates, campaign_id, candidates.c.gate == "excluded"),
        "kept": kept,
        "near_duplicates": duplicates,
        "extracted": extracted or 0,
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

    The extraction is the one that the lead carries, else the newest.
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
    persisted = ((found["leads"] or {}).get("extracted_data") or {}).get("request_key", "")
    extraction = (
        sa.select(extractions)
        .where(extractions.c.campaign_id == campaign_id, extractions.c.reddit_id == reddit_id)
        .order_by(sa.desc(extractions.c.request_key == persisted), extractions.c.extracted_at.desc())
        .limit(1)
    )
    row = connection.execute(extraction).one_or_none()
    found["extractions"] = dict(row._mapping) if row else None
    found["qualified"] = (
        {} if count_rows(connection, qualified_leads, campaign_id, qualified_leads.c.reddit_id == reddit_id) else None
    )
    return found
