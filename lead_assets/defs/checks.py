"""The checks that read the stores again: each runs alone from the UI, for one campaign."""

from typing import Any

import dagster as dg

from lead_assets.defs.assets.announce import announced_leads
from lead_assets.defs.assets.crawl import crawled_documents
from lead_assets.defs.assets.embed import document_embeddings
from lead_assets.defs.assets.extract import extracted_leads
from lead_assets.defs.assets.index import typesense_index
from lead_assets.defs.assets.leads import leads
from lead_assets.defs.metadata.tables import MAX_TABLE_ROWS, table
from lead_assets.defs.partitioned_checks import as_dagster_failure, checked_campaign, partitioned_check
from lead_assets.defs.resources import RunSettings
from lead_assets.domain.accounting import UNMATCHED, accounts, told
from lead_assets.domain.document_text import document_text
from lead_assets.domain.extraction import Extraction, ground
from lead_assets.domain.frames import to_rows
from lead_assets.pipeline.connect import opened_embedder
from lead_assets.pipeline.index import compare
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.corpus import read_text_hashes
from lead_assets.storage.database import Database
from lead_assets.storage.extractions import count_extractions, read_current_with_texts
from lead_assets.storage.leads import contradictions
from lead_assets.storage.outbox import announcement_faults, read_outbox_state
from lead_assets.storage.statistics import read_last_counts
from lead_assets.storage.vectors import faulty_vectors


@partitioned_check(
    crawled_documents,
    "Everything that the last crawl met for the campaign was stored, rejected, or left out for a counted reason.",
)
def every_match_accounted_for(
    context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database]
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with as_dagster_failure(), database.connect() as connection:
        counts = read_last_counts(connection, campaign_id, crawled_documents.key.to_user_string())
    if counts is None or UNMATCHED not in counts:
        return dg.AssetCheckResult(passed=True, description="Nothing was crawled by this version yet.")
    matched, ends = found = accounts(counts)
    missing = found.missing
    return dg.AssetCheckResult(
        passed=not missing,
        description=(
            f"{abs(missing)} records were {'lost' if missing > 0 else 'counted twice'}: {told(counts)} Report it."
            if missing
            else told(counts)
        ),
        metadata={"matched": matched, **ends, "missing": missing, "matched_nothing": counts[UNMATCHED]},
    )


@partitioned_check(
    typesense_index, "Typesense holds the stored documents of the campaign with their texts, and no others."
)
def index_matches_documents(
    context: dg.AssetCheckExecutionContext,
    database: dg.ResourceParam[Database],
    search_index: dg.ResourceParam[SearchIndex],
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with as_dagster_failure(), database.connect() as connection:
        stored = read_text_hashes(connection, campaign_id)
        difference = compare(stored, search_index.held(campaign_id))
    examples = [
        {"reddit_id": reddit_id, "difference": kind}
        for kind in ("missing", "stale", "surplus")
        for reddit_id in getattr(difference, kind)
    ]
    return dg.AssetCheckResult(
        passed=not difference.total,
        description=(
            f"{difference.total} documents differ. Materialize typesense_index to repair them."
            if difference.total
            else f"All {len(stored)} documents are indexed with their texts."
        ),
        metadata={
            "stored": len(stored),
            "missing": len(difference.missing),
            "stale": len(difference.stale),
            "surplus": len(difference.surplus),
            "examples": table(examples[:MAX_TABLE_ROWS]),
        },
    )


@partitioned_check(
    document_embeddings,
    "Every document has a vector of the model, or a recorded failure; all are of one dimension and of unit length.",
)
def embeddings_complete(
    context: dg.AssetCheckExecutionContext,
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    embedder_opener: dg.ResourceParam[Any],
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with as_dagster_failure(), database.connect() as connection:
        run = run_settings.resolve(campaign_id)
        with opened_embedder(connection, run, embedder_opener) as embedder:
            model = embedder.model
        found = faulty_vectors(connection, campaign_id, model)
    recorded = f"; {found['failed']} could not be embedded, which is recorded" if found["failed"] else ""
    whole = not found["missing"] and not found["not_unit_length"] and found["dimensions"] <= 1
    return dg.AssetCheckResult(
        passed=whole,
        description=(
            f"All {found['documents'] - found['failed']} documents have a vector{recorded}."
            if whole
            else f"{found['missing']} of {found['documents']} documents have no vector, {found['not_unit_length']} "
            f"vectors are not of unit length, {found['dimensions']} dimensions. Materialize document_embeddings."
        ),
        metadata={"model": model, **found},
    )


def _is_grounded(row: dict[str, Any]) -> bool:
    found = ground(Extraction.model_validate(row["extraction"]), document_text(row["title"], row["body"]))
    return not (found.removed_quotes or found.removed_contacts or found.removed_words)


@partitioned_check(extracted_leads, "Every quote and contact of a current extraction is written in its document.")
def extractions_grounded(
    context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database]
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with as_dagster_failure(), database.connect() as connection:
        stored = read_current_with_texts(connection, campaign_id)
        counts = count_extractions(connection, campaign_id)
    failed, mostly_failed = counts.failed, counts.failed > counts.extracted
    ungrounded = [row["reddit_id"] for row in to_rows(stored) if not _is_grounded(row)]
    return dg.AssetCheckResult(
        passed=not ungrounded and not mostly_failed,
        severity=dg.AssetCheckSeverity.ERROR if ungrounded else dg.AssetCheckSeverity.WARN,
        description=(
            f"{len(ungrounded)} extractions say what their document does not."
            if ungrounded
            else f"{failed} of {failed + counts.extracted} candidates could not be read: see the column error of the "
            "table extractions."
            if mostly_failed
            else f"All {len(stored)} extractions are grounded; {failed} candidates could not be read."
        ),
        metadata={
            "extractions": len(stored),
            "failed": failed,
            "ungrounded": table([{"reddit_id": reddit_id} for reddit_id in ungrounded]),
        },
    )


@partitioned_check(leads, "Every candidate has its lead's row, and no lead carries an extraction that is not its own.")
def leads_complete(context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database]) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with as_dagster_failure(), database.connect() as connection:
        found = contradictions(connection, campaign_id)
    wrong = sum(found.values())
    return dg.AssetCheckResult(
        passed=not wrong,
        description=(
            f"{wrong} rows contradict each other. Materialize lead_stubs and leads."
            if wrong
            else "Candidates, extractions and leads agree."
        ),
        metadata=dict(found),
    )


@partitioned_check(announced_leads, "Every announced lead is in the outbox once for its receiver, and nothing else is.")
def every_lead_announced_once(
    context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database]
) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with as_dagster_failure(), database.connect() as connection:
        found = announcement_faults(connection, campaign_id)
        state = read_outbox_state(connection, campaign_id)
    wrong = sum(found.values())
    off = [f"{label}: {because}" for label, because in state["switched_off"].items()]
    told = f"{wrong} announcements and rows of the outbox contradict each other." if wrong else "Each was queued once."
    return dg.AssetCheckResult(
        passed=not wrong and not off,
        severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
        description=" ".join([told, *(["Switched off:", *off] if off else [])]),
        metadata={**found, "waiting": state["waiting"], "sent": state["sent"], "undelivered": state["undelivered"]},
    )
