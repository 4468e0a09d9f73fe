"""The jobs: the whole graph for one campaign, the same for backfills, and the weekly sweep of what was deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from lead_assets.config.campaign_files import find_campaign, list_campaigns
from lead_assets.config.environment import Environment
from lead_assets.defs.campaign_asset import GROUP
from lead_assets.defs.celery import run_executor
from lead_assets.defs.partitions import CELERY_JOB, JOB, campaigns
from lead_assets.defs.sweep import sweep_deletions
from lead_assets.domain.backfill import CONTENT_TAG, content_digest
from lead_assets.domain.errors import CampaignInvalid, InvalidInput, LeadAssetsError
from lead_assets.pipeline.connect import witness_for
from lead_assets.pipeline.run_context import resolve_run, values_in_force

GRAPH = dg.AssetSelection.groups(GROUP).materializable()
"""All but the view that people read."""
AssetJob = Any
"""What ``define_asset_job`` returns; Dagster has no public name for it."""
BACKFILL_JOB = "campaign_backfill"
SWEEP_JOB = "deletion_sweep"
EVERY_MONDAY_MORNING = "0 4 * * 1"


def launchpad_config(campaign_id: str) -> dict[str, Any]:
    """The run config that the launchpad is filled with: every setting as it is in force for the campaign."""
    environment = Environment.read()
    try:
        run = resolve_run(environment, campaign_id)
        settings = values_in_force(run.settings, environment, run.source)
    except LeadAssetsError:
        settings = {}  # the run itself says what is wrong with the campaign
    return {"resources": {"run_settings": {"config": settings}}}


def graph_job(name: str, executor: dg.ExecutorDefinition) -> AssetJob:
    """The whole graph for one campaign, with the launchpad filled."""
    return dg.define_asset_job(
        name,
        selection=GRAPH,
        config=dg.PartitionedConfig(partitions_def=campaigns, run_config_for_partition_key_fn=launchpad_config),
        executor_def=executor,
        description=(
            "Find leads for one campaign: crawl, index, embed, rank, extract, persist.\n\n"
            "To change thresholds for one run: Materialize all ▾, Open launchpad, choose the campaign; all its "
            "settings are in the editor. What a run changes in the stored leads stays until the next run."
        ),
    )


# Independent assets gain nothing from processes of their own, and starting one takes longer than most of them:
# a run is one process, and campaigns run side by side.
campaign_job = graph_job(JOB, dg.in_process_executor)


def content_tag(campaign_id: str) -> Mapping[str, str]:
    """The tag of a run of a backfill that says which content of the campaign's file it was for."""
    try:
        return {CONTENT_TAG: content_digest(find_campaign(Environment.read().campaigns, campaign_id))}
    except CampaignInvalid:
        return {}  # the run itself says what is wrong with the campaign


# A backfill of a job gives its runs each partition's own config and, only where that is empty, the config that came
# with the backfill: `campaign_job`, whose launchpad is filled with every setting, would not hear of --source or --set.
def backfill_job(executor: dg.ExecutorDefinition) -> AssetJob:
    """The job of `lead-assets backfill`."""
    return dg.define_asset_job(
        BACKFILL_JOB,
        selection=GRAPH,
        config=dg.PartitionedConfig(
            partitions_def=campaigns,
            run_config_for_partition_key_fn=lambda _: {},
            tags_for_partition_key_fn=content_tag,
        ),
        executor_def=executor,
        description=(
            "The graph of `campaign_job`, for `lead-assets backfill`: what a backfill changes (source, archive, day, "
            "settings) counts for all its campaigns, and everything else is as each campaign's file says."
        ),
    )


@dataclass(frozen=True)
class Jobs:
    """The jobs of an environment. ``started`` is the one that sensors, API and `lead-assets run` let Dagster start."""

    started: AssetJob
    all: Sequence[AssetJob]
    executor: dg.ExecutorDefinition


def build_jobs(environment: Environment) -> Jobs:
    """The jobs, with the executor that the environment names; ``campaign_job`` stays in one process in any case."""
    executor = run_executor(environment)
    started = campaign_job if environment.executor == "in_process" else graph_job(CELERY_JOB, executor)
    own = [campaign_job] if started is campaign_job else [campaign_job, started]
    return Jobs(started, [*own, backfill_job(executor), deletion_sweep], executor)


@dg.job(
    name=SWEEP_JOB,
    executor_def=dg.in_process_executor,
    description="Remove from every store what was deleted or removed on Reddit.",
)
def deletion_sweep() -> None:
    sweep_deletions()


@dg.schedule(job=deletion_sweep, cron_schedule=EVERY_MONDAY_MORNING, default_status=dg.DefaultScheduleStatus.RUNNING)
def weekly_deletion_sweep() -> dg.RunRequest | dg.SkipReason:
    """Reddit's terms ask for it wherever its content is kept.

    Without credentials of Reddit, Arctic Shift is asked where a campaign reads it anyway. Where none does, it is not
    told by itself what is stored here.
    """
    environment = Environment.read()
    try:
        is_asked = witness_for(environment) == "reddit" or _reads_arctic_shift(environment)
    except InvalidInput as error:
        return dg.SkipReason(str(error))
    if not is_asked:
        return dg.SkipReason(
            "No credentials of Reddit are set (REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET, REDDIT_USER_AGENT), and no "
            "campaign reads Arctic Shift. `lead-assets sweep` asks Arctic Shift all the same."
        )
    return dg.RunRequest()


def _reads_arctic_shift(environment: Environment) -> bool:
    files = list_campaigns(environment.campaigns)
    return any(file.campaign is not None and file.campaign.source == "arctic_shift" for file in files)
