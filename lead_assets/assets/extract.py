"""Extract: the kept candidates, read best first."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from lead_assets.assets.rank import ranked_candidates
from lead_assets.assets.stages import checked_campaign, partitioned_check, progress, report, stage, told_in_one_sentence
from lead_assets.domain.document import to_rows
from lead_assets.domain.errors import ExtractionFailed
from lead_assets.domain.extraction import Extraction, ExtractionRequest, ground
from lead_assets.domain.ranking import document_text
from lead_assets.reporting import Phases, table
from lead_assets.resources import Brief, RunSettings
from lead_assets.services.extractor import Extractor
from lead_assets.storage.candidates import read_kept
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.extractions import (
    FAILED,
    OK,
    count_by_status,
    read_by_keys,
    read_texts_of_current,
    write_extractions,
)

MAX_ATTEMPTS = 3
"""A document that could not be read so often is left alone until its request changes."""
BATCH = 50


@dataclass
class Reading:
    """What became of the candidates in this run."""

    candidates: int = 0
    current: int = 0
    extracted: int = 0
    failed: int = 0
    given_up: int = 0
    leads: int = 0
    removed_quotes: int = 0
    removed_contacts: int = 0


def requests_of(kept: pd.DataFrame, product: str, extractor: Extractor) -> pd.DataFrame:
    """Kept candidates with ``request`` and ``request_key``: what would be sent for each of them now."""
    requests = [ExtractionRequest(product, *texts) for texts in zip(kept["title"], kept["body"], strict=True)]
    keys = [extractor.request_key(request) for request in requests]
    return kept.assign(
        request=pd.Series(requests, kept.index, dtype=object), request_key=pd.Series(keys, kept.index, dtype=object)
    )


def read_candidates(
    session: CampaignSession, brief: Brief, extractor: Extractor, run_id: str, say: Callable[[str], object]
) -> Reading:
    """Read every kept candidate that has no current extraction; results are written as they come."""
    with session.transaction() as connection:
        wanted = requests_of(read_kept(connection, session.campaign_id), brief.campaign.product, extractor)
        known = read_by_keys(connection, session.campaign_id, wanted["request_key"].tolist()).set_index("request_key")
    attempts = wanted["request_key"].map(known["attempts"]).fillna(0).astype(int)
    current = wanted["request_key"].map(known["status"]) == OK
    given_up = ~current & (attempts >= MAX_ATTEMPTS)
    todo = wanted.assign(attempts=attempts)[~current & ~given_up].reset_index(drop=True)
    reading = Reading(candidates=len(wanted), current=int(current.sum()), given_up=int(given_up.sum()))
    rows: list[dict[str, Any]] = []
    for position, outcome in extractor.extract_all(todo["request"].tolist()):
        rows.append(_row(session.campaign_id, todo.iloc[position], outcome, extractor, run_id, reading))
        if len(rows) >= BATCH:
            _write(session, rows)
            say(f"{reading.extracted + reading.failed:,} of {len(todo):,} candidates read")
    _write(session, rows)
    return reading


def _write(session: CampaignSession, rows: list[dict[str, Any]]) -> None:
    with session.transaction() as connection:
        write_extractions(connection, rows)
    rows.clear()


def _row(
    campaign_id: str,
    candidate: "pd.Series[Any]",
    outcome: Extraction | ExtractionFailed,
    extractor: Extractor,
    run_id: str,
    reading: Reading,
) -> dict[str, Any]:
    """A row of the table ``extractions``; only what the document says is kept of an answer."""
    row: dict[str, Any] = {
        "campaign_id": campaign_id,
        "reddit_id": candidate["reddit_id"],
        "request_key": candidate["request_key"],
        "text_hash": candidate["text_hash"],
        "extractor": extractor.name,
        "model": extractor.model,
        "attempts": int(candidate["attempts"]) + 1,
        "run_id": run_id,
        "status": FAILED,
        "extraction": None,
        "error": str(outcome),
        "removed_quotes": 0,
        "removed_contacts": 0,
    }
    if isinstance(outcome, ExtractionFailed):
        reading.failed += 1
        return row
    grounded = ground(outcome, candidate["request"].text)
    reading.extracted += 1
    reading.leads += grounded.extraction.is_lead
    reading.removed_quotes += grounded.removed_quotes
    reading.removed_contacts += grounded.removed_contacts
    return row | {
        "status": OK,
        "extraction": grounded.extraction.model_dump(),
        "error": None,
        "removed_quotes": grounded.removed_quotes,
        "removed_contacts": grounded.removed_contacts,
    }


@dg.asset(
    **stage("llm"),
    kinds={"postgres"},
    deps=[ranked_candidates],
    description=(
        "What was read out of the kept candidates: whether somebody needs the product, with verbatim evidence.\n\n"
        "Candidates are read best first by the extractor (rules in this version, and every row says so). Quotes and "
        "contacts that do not occur in the document are removed and counted. What was read once for the same text and "
        "product is not read again."
    ),
)
def extracted_leads(
    context: dg.AssetExecutionContext,
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    extractor: dg.ResourceParam[Extractor],
) -> dg.MaterializeResult:
    phases = Phases()
    with told_in_one_sentence():
        brief = run_settings.brief(context.partition_key)
        with database.campaign(brief.campaign.id, context.log.info) as session:
            with phases.measured("extract"):
                reading = read_candidates(session, brief, extractor, context.run.run_id, progress(context).at)
            with session.transaction() as connection:
                totals = count_by_status(connection, brief.campaign.id)
                metadata = report(
                    connection,
                    context,
                    row_count=totals[OK],
                    counts=dataclasses.asdict(reading),
                    phases=phases,
                    extra={"extractor": extractor.name, "model": extractor.model, "failed_total": totals[FAILED]},
                )
    return dg.MaterializeResult(metadata=metadata)


def _is_grounded(row: dict[str, Any]) -> bool:
    found = ground(Extraction.model_validate(row["extraction"]), document_text(row["title"], row["body"]))
    return not found.removed_quotes and not found.removed_contacts


@partitioned_check(extracted_leads, "Every quote and contact of a current extraction is written in its document.")
def extractions_grounded(
    context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database]
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with told_in_one_sentence(), database.connect() as connection:
        stored = read_texts_of_current(connection, campaign_id)
        failed = count_by_status(connection, campaign_id)[FAILED]
    ungrounded = [row["reddit_id"] for row in to_rows(stored) if not _is_grounded(row)]
    return dg.AssetCheckResult(
        passed=not ungrounded,
        description=(
            f"{len(ungrounded)} extractions say what their document does not."
            if ungrounded
            else f"All {len(stored)} extractions are grounded; {failed} candidates could not be read."
        ),
        metadata={
            "extractions": len(stored),
            "failed": failed,
            "ungrounded": table([{"reddit_id": reddit_id} for reddit_id in ungrounded]),
        },
    )
