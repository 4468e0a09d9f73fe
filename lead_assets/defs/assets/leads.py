"""Persist: the leads, with what was extracted and how relevant they are."""

from typing import Any

import dagster as dg
import sqlalchemy as sa

from lead_assets.defs.assets.embed import lead_stubs
from lead_assets.defs.assets.extract import extracted_leads
from lead_assets.defs.campaign_asset import checked_campaign, partitioned_check, report, stage, told_in_one_sentence
from lead_assets.defs.metadata.charts import funnel_picture
from lead_assets.defs.metadata.tables import funnel_steps, table
from lead_assets.domain.document import to_rows
from lead_assets.domain.ranking import relevance
from lead_assets.pipeline.timing import Phases
from lead_assets.storage.database import Database
from lead_assets.storage.extractions import read_current
from lead_assets.storage.leads import contradictions, read_qualified, write_extracted
from lead_assets.storage.schema import qualified_leads
from lead_assets.storage.statistics import count_rows, read_funnel


def lead_rows(connection: sa.Connection, campaign_id: str) -> list[dict[str, Any]]:
    """What ``leads`` should say now: a row for each candidate of which an answer counts."""
    return [
        {
            "campaign_id": campaign_id,
            "reddit_id": row["reddit_id"],
            "extracted_data": row["extraction"] | {name: row[name] for name in ("request_key", "extractor", "model")},
            "relevance_score": round(float(relevance(row["fused_score"], row["extraction"]["confidence"])), 6),
        }
        for row in to_rows(read_current(connection, campaign_id))
    ]


@dg.asset(
    **stage("persist"),
    kinds={"postgres"},
    deps=[lead_stubs, extracted_leads],
    description=(
        "The leads: documents whose candidate is kept and of which the current extraction says that somebody needs the "
        "product.\n\n"
        "Writes `extracted_data` and `relevance_score` of the table `leads`, and clears both where the candidate is no "
        "longer kept or its extraction no longer current. People read the view `qualified_leads`."
    ),
)
def leads(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
) -> dg.MaterializeResult:
    phases = Phases()
    with told_in_one_sentence():
        campaign_id = context.partition_key
        with database.campaign(campaign_id, context.log.info) as session:
            with phases.measured("write"), session.transaction() as connection:
                rows = lead_rows(connection, campaign_id)
                counts = write_extracted(connection, campaign_id, rows)
            with session.transaction() as connection:
                funnel = funnel_steps(read_funnel(connection, campaign_id))
                best = read_qualified(connection, campaign_id, limit=10)
                examples = to_rows(best[["relevance_score", "reddit_id", "subreddit", "reddit_url"]])
                metadata = report(
                    connection,
                    context,
                    row_count=count_rows(connection, qualified_leads, campaign_id),
                    counts=counts,
                    phases=phases,
                    extra={
                        "funnel": table(funnel),
                        "best_leads": table(examples),
                        **({"best_lead": dg.MetadataValue.url(examples[0]["reddit_url"])} if examples else {}),
                    },
                )
    return dg.MaterializeResult(metadata={"funnel_picture": funnel_picture(funnel)} | metadata)


@partitioned_check(leads, "Every candidate has its lead's row, and no lead carries an extraction that is not its own.")
def leads_complete(context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database]) -> dg.AssetCheckResult:
    campaign_id = checked_campaign(context)
    with told_in_one_sentence(), database.connect() as connection:
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
