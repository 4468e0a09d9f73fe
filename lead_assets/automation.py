"""The job: the whole graph for one campaign."""

import dagster as dg

from lead_assets.assets.stages import GROUP

JOB = "campaign_job"

# Independent assets gain nothing from processes of their own, and starting one takes longer than most of them:
# a run is one process, and campaigns run side by side.
campaign_job = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.groups(GROUP),
    executor_def=dg.in_process_executor,
    description="Find leads for one campaign: crawl, index, embed, rank, extract, persist.",
)
