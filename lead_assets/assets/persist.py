"""Persist: the leads, with what was extracted and how relevant they are."""

from typing import Any

import dagster as dg
import sqlalchemy as sa

from lead_assets.assets.embed import lead_stubs
from lead_assets.assets.extract import current_of, extracted_leads, extractions_of, wanted_requests
from lead_assets.assets.models import opened_extractor
from lead_assets.assets.stages import checked_campaign, partitioned_check, report, stage, told_in_one_sentence
from lead_assets.domain.document import to_rows
from lead_assets.domain.ranking import relevance
from lead_assets.reporting.pictures import funnel_picture
from lead_assets.reporting.tables import funnel_steps, table
from lead_assets.reporting.timing import Phases
from lead_assets.resources import Brief, ExtractorOpener, RunSettings
from lead_assets.services.extractor import Extractor
from lead_assets.storage.database import Database
from lead_assets.storage.leads import contradictions, read_qualified, write_extracted
from lead_assets.storage.schema import qualified_leads
from lead_assets.storage.statistics import count_rows, read_funnel


def lead_rows(connection: sa.Connection, brief: Brief, extractor: Extractor) -> list[dict[str, Any]]:
    """What ``leads`` should say now: a row for each kept candidate whose extraction is current."""
    campaign = brief.campaign
    wanted = wanted_requests(connection, brief, extractor)
    stored = extractions_of(connection, campaign.id, wanted)
    read = [(row, current_of(row, stored)) for row in to_rows(wanted[["reddit_id", "fused_score", "keys"]])]
    return [
        {
            "campaign_id": campaign.id,
            "reddit_id": row["reddit_id"],
            "extracted_data": found["extraction"]
            | {name: found[name] for name in ("request_key", "extractor", "model")},
            "relevance_score": round(float(relevance(row["fused_score"], found["extraction"]["confidence"])), 6),
        }
        for row, found in read
        if found is not None
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
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    extractor_opener: dg.ResourceParam[ExtractorOpener],
) -> dg.MaterializeResult:
    phases = Phases()
    with told_in_one_sentence():
        brief = run_settings.brief(context.partition_key)
        with (
            database.campaign(brief.campaign.id, context.log.info) as session,
            opened_extractor(session.connection, brief, extractor_opener) as extractor,
        ):
            with phases.measured("write"), session.transaction() as connection:
                rows = lead_rows(connection, brief, extractor)
                counts = write_extracted(connection, brief.campaign.id, rows)
            with session.transaction() as connection:
                funnel = funnel_steps(read_funnel(connection, brief.campaign.id))
                best = read_qualified(connection, brief.campaign.id, limit=10)
                examples = to_rows(best[["relevance_score", "reddit_id", "subreddit", "reddit_url"]])
                metadata = report(
                    connection,
                    context,
                    row_count=count_rows(connection, qualified_leads, brief.campaign.id),
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
            f"{wrong} rows contradict each other; materialize lead_stubs and leads."
            if wrong
            else "Candidates, extractions and leads agree."
        ),
        metadata=dict(found),
    )
