"""The one partitioning: a partition is a campaign, its key the campaign's id; and how its runs are found in Dagster."""

import dagster as dg

campaigns = dg.DynamicPartitionsDefinition(name="campaigns")

LOCATION, REPOSITORY = "lead_assets", "__repository__"
"""Names of the code location in workspace.yaml, and of the one repository that ``Definitions`` make."""
JOB, CELERY_JOB = "campaign_job", "campaign_job_celery"
PARTITION_TAG = "dagster/partition"
IN_FLIGHT = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""States of a run that has not ended."""


def job_name(executor: str) -> str:
    """The job that Dagster is asked to start where runs are executed by ``executor``."""
    return JOB if executor == "in_process" else CELERY_JOB
