"""All definitions. ``build_defs`` makes them for production and, with other resources, for tests."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from lead_assets.config.environment import Environment
from lead_assets.defs.alerts import alert_of_failed_runs, alert_of_failing_checks, deliver_alerts
from lead_assets.defs.assets.announce import announced_leads
from lead_assets.defs.assets.crawl import crawled_documents
from lead_assets.defs.assets.embed import document_embeddings, lead_stubs
from lead_assets.defs.assets.extract import extracted_leads
from lead_assets.defs.assets.index import typesense_index
from lead_assets.defs.assets.leads import leads, qualified_leads
from lead_assets.defs.assets.rank import ranked_candidates
from lead_assets.defs.checks import (
    embeddings_complete,
    every_lead_announced_once,
    every_match_accounted_for,
    extractions_grounded,
    index_matches_documents,
    leads_complete,
)
from lead_assets.defs.jobs import build_jobs, weekly_deletion_sweep
from lead_assets.defs.resources import build_resources
from lead_assets.defs.sensors import build_sensors


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The asset graph, its checks, the jobs, and the resources, of which ``resource_overrides`` replaces some."""
    jobs = build_jobs(Environment.read())
    return dg.Definitions(
        assets=[
            crawled_documents,
            typesense_index,
            document_embeddings,
            lead_stubs,
            ranked_candidates,
            extracted_leads,
            leads,
            qualified_leads,
            announced_leads,
        ],
        asset_checks=[
            every_match_accounted_for,
            index_matches_documents,
            embeddings_complete,
            extractions_grounded,
            leads_complete,
            every_lead_announced_once,
        ],
        jobs=jobs.all,
        schedules=[weekly_deletion_sweep],
        sensors=[*build_sensors(jobs.started), deliver_alerts, alert_of_failed_runs, alert_of_failing_checks],
        executor=jobs.executor,
        resources={**build_resources(), **(resource_overrides or {})},
    )


defs = build_defs()
