"""Leads: what was extracted and how relevant it is, written where people read it."""

from typing import Any

import sqlalchemy as sa

from lead_assets.domain.document import short_url
from lead_assets.domain.frames import to_rows
from lead_assets.domain.funnel import funnel_steps
from lead_assets.domain.lead_decision import decide
from lead_assets.domain.settings import Settings
from lead_assets.pipeline.step import Step, StepContext, StepReport
from lead_assets.storage.extractions import read_current
from lead_assets.storage.lead_events import add_found
from lead_assets.storage.leads import read_qualified, write_extracted
from lead_assets.storage.outbox import add_channels
from lead_assets.storage.planner import refresh_statistics
from lead_assets.storage.schema import qualified_leads
from lead_assets.storage.statistics import count_rows, read_funnel

MOST_SHOWN = 10


def run(context: StepContext) -> StepReport:
    """Write the answers that count into ``leads``, and clear those of other documents."""
    campaign_id = context.campaign_id
    with context.session.transaction() as connection, context.phases.measured("write"):
        changes = write_extracted(connection, campaign_id, lead_rows(connection, campaign_id, context.run.settings))
        # Before the leads are found: receivers are told what is found from now on.
        receivers = {notify.channel: notify.label for notify in context.run.campaign.notify}
        add_channels(connection, campaign_id, receivers)
        found = add_found(connection, campaign_id)
    refresh_statistics(context.session)
    with context.session.transaction() as connection:
        stored = count_rows(connection, qualified_leads, campaign_id)
        funnel = funnel_steps(read_funnel(connection, campaign_id))
        best = read_qualified(connection, campaign_id, limit=MOST_SHOWN)
    counts = {"leads_stored": stored, "leads_new": changes.new, "leads_gone": changes.gone, "leads_first_found": found}
    shown = ("relevance_score", "reddit_id", "subreddit")
    return StepReport(
        row_count=stored,
        counts=counts,
        details={
            "best_leads": [
                {name: row[name] for name in shown} | {"link": short_url(row["reddit_id"], row["reddit_url"])}
                for row in best
            ],
            "funnel": funnel,
        },
        drawn=funnel if any(changes) else None,
    )


STEP = Step("leads", "persist", run)


def lead_rows(connection: sa.Connection, campaign_id: str, settings: Settings) -> list[dict[str, Any]]:
    """What ``leads`` should say now: a row for each candidate of which an answer counts."""
    return [
        {
            "campaign_id": campaign_id,
            "reddit_id": row["reddit_id"],
            "extracted_data": row["extraction"] | {name: row[name] for name in ("request_key", "extractor", "model")},
            **_decided(row, settings),
        }
        for row in to_rows(read_current(connection, campaign_id))
    ]


def _decided(row: dict[str, Any], settings: Settings) -> dict[str, Any]:
    extraction = row["extraction"]
    decision = decide(
        settings,
        lead_probability=row["lead_probability"],
        fused_score=row["fused_score"],
        extractor=row["extractor"],
        is_lead=extraction["is_lead"],
        confidence=extraction["confidence"],
        has_evidence=bool(extraction["evidence"]),
    )
    return {"relevance_score": decision.score, "qualifies": decision.qualifies}
