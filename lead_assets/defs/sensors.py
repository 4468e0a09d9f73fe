"""Sensors: which campaigns there are, and which of them are due.

They decide by ``domain.schedule.due`` alone; everything else here is reading files and telling Dagster. A file is read
at each tick, so that a changed schedule or ``enabled: false`` counts from the next one on.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from lead_assets.config.campaign_files import CampaignFile, find_campaign, list_campaigns
from lead_assets.config.environment import Environment
from lead_assets.defs.abandoned_runs import end_abandoned_runs
from lead_assets.defs.jobs import AssetJob, campaign_job
from lead_assets.defs.partitions import IN_FLIGHT, PARTITION_TAG, campaigns
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import CampaignInvalid
from lead_assets.domain.schedule import due, next_due

TICK_SECONDS = 30
MOST_SENSORS = 200
"""The daemon manages about 15 ticks a second: with more campaigns, one sensor looks at all of them."""


def run_in_flight(instance: dg.DagsterInstance, campaign_id: str) -> str | None:
    """The id of a run of the campaign that is queued or running; None where there is none."""
    of_campaign = dg.RunsFilter(tags={PARTITION_TAG: campaign_id}, statuses=list(IN_FLIGHT))
    return next((record.dagster_run.run_id for record in instance.get_run_records(of_campaign, limit=1)), None)


def campaigns_in_flight(instance: dg.DagsterInstance) -> set[str]:
    """The campaigns with a run that is queued or running."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(IN_FLIGHT)))
    return {run.tags[PARTITION_TAG] for run in runs if PARTITION_TAG in run.tags}


def run_request(campaign_id: str, moment: datetime) -> dg.RunRequest:
    """The run of a campaign that was due at ``moment``; Dagster never runs the same key twice."""
    return dg.RunRequest(partition_key=campaign_id, run_key=f"{campaign_id}:{moment.astimezone(UTC).isoformat()}")


@dg.sensor(
    job=campaign_job,
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Makes a partition of every campaign file, and takes the partition of a removed file away once its runs have "
        "ended. What is stored of a campaign stays. Partitions that others added are left alone. Runs of "
        "`lead-assets run` whose process is gone are reported as failed: they would hold up their campaigns."
    ),
)
def campaign_registry(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One tick; the cursor names the partitions that this sensor has seen a file of, whoever added them first."""
    abandoned = end_abandoned_runs(context.instance)
    try:
        files = list_campaigns(Environment.read().campaigns)
    except CampaignInvalid as error:
        return dg.SkipReason(str(error))  # a folder that cannot be read is no empty folder
    known = set(context.instance.get_dynamic_partitions(_name()))
    own = (set(json.loads(context.cursor or "[]")) | {file.id for file in files}) & known
    new = sorted({file.id for file in files if file.campaign} - known)
    orphans = sorted(own - {file.id for file in files})
    removable = [campaign_id for campaign_id in orphans if run_in_flight(context.instance, campaign_id) is None]
    requests = [campaigns.build_add_request(new)] if new else []
    requests += [campaigns.build_delete_request(removable)] if removable else []
    return dg.SensorResult(
        skip_reason=_state_of(files, new, removable, orphans, abandoned),
        dynamic_partitions_requests=requests,
        cursor=json.dumps(sorted((own | set(new)) - set(removable))),
    )


def _name() -> str:
    assert campaigns.name is not None
    return campaigns.name


def _state_of(
    files: Sequence[CampaignFile],
    new: Sequence[str],
    removable: Sequence[str],
    orphans: Sequence[str],
    abandoned: Sequence[str],
) -> str:
    parts = [f"{len(files)} campaign files."]
    parts += [f"Added: {', '.join(new)}."] if new else []
    parts += [f"Removed: {', '.join(removable)}."] if removable else []
    waiting = sorted(set(orphans) - set(removable))
    parts += [f"Still running, removed later: {', '.join(waiting)}."] if waiting else []
    parts += [f"Runs whose process is gone: {', '.join(abandoned)}."] if abandoned else []
    parts += [f"Broken: {file.error}" for file in files if file.error]
    return " ".join(parts)


def campaign_sensor(campaign_id: str, job: AssetJob = campaign_job) -> dg.SensorDefinition:
    """The sensor ``campaign_<id>``, which runs the campaign by ``job`` when its file's schedule says so."""

    @dg.sensor(
        name=f"campaign_{campaign_id}",
        job=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Runs campaign {campaign_id} by the schedule in its file; its cursor is the last due time it met.",
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return tick_of_one(context, campaign_id, datetime.now(UTC))

    return evaluate


def tick_of_one(
    context: dg.SensorEvaluationContext, campaign_id: str, now: datetime
) -> dg.SensorResult | dg.SkipReason:
    """What the sensor of one campaign does at ``now``. The cursor moves only when a run is asked for."""
    try:
        campaign = find_campaign(Environment.read().campaigns, campaign_id)
    except CampaignInvalid as error:
        return dg.SkipReason(str(error))
    if not context.cursor:
        return dg.SensorResult(skip_reason=_waiting(campaign, now), cursor=now.isoformat())
    moment = due(campaign, now, datetime.fromisoformat(context.cursor))
    if moment is None:
        return dg.SkipReason(_waiting(campaign, now))
    if not context.instance.has_dynamic_partition(_name(), campaign_id):
        return dg.SkipReason(f"Due since {moment.isoformat()}; campaign_registry has not made its partition yet.")
    if (running := run_in_flight(context.instance, campaign_id)) is not None:
        return dg.SkipReason(f"Due since {moment.isoformat()}. Run {running} of this campaign has to end first.")
    return dg.SensorResult(run_requests=[run_request(campaign_id, moment)], cursor=moment.isoformat())


def _waiting(campaign: Campaign, now: datetime) -> str:
    if not campaign.enabled:
        return "Paused: the file says enabled: false."
    moment = next_due(campaign, now)
    return f"Next due {moment.isoformat()}." if moment else "The file has no schedule."


def sensor_of_all(job: AssetJob = campaign_job) -> dg.SensorDefinition:
    """The sensor ``scheduled_campaigns``, which runs every campaign by ``job``."""

    @dg.sensor(
        name="scheduled_campaigns",
        job=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs every campaign by the schedule in its file: one sensor, because there are so many of them.",
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return tick_of_all(context, datetime.now(UTC))

    return evaluate


def tick_of_all(context: dg.SensorEvaluationContext, now: datetime) -> dg.SensorResult | dg.SkipReason:
    """What the sensor of all campaigns does at ``now``: for each of them what its own sensor would do."""
    try:
        files = list_campaigns(Environment.read().campaigns)
    except CampaignInvalid as error:
        return dg.SkipReason(str(error))
    scheduled = [file.campaign for file in files if file.campaign and file.campaign.schedule]
    before: dict[str, str] = json.loads(context.cursor or "{}")
    cursor = _kept(before, files) | {one.id: now.isoformat() for one in scheduled if one.id not in before}
    partitions = set(context.instance.get_dynamic_partitions(_name()))
    busy = campaigns_in_flight(context.instance)
    requests: list[dg.RunRequest] = []
    for campaign in scheduled:
        moment = due(campaign, now, datetime.fromisoformat(cursor[campaign.id]))
        if moment is not None and campaign.id in partitions and campaign.id not in busy:
            requests.append(run_request(campaign.id, moment))
            cursor[campaign.id] = moment.isoformat()
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else f"None of {len(scheduled)} scheduled campaigns is due, or can start now.",
        cursor=json.dumps(cursor),
    )


def _kept(cursor: Mapping[str, str], files: Iterable[CampaignFile]) -> dict[str, str]:
    """The cursor without campaigns whose file is gone; a broken file's stays."""
    there = {file.id for file in files}
    return {campaign_id: moment for campaign_id, moment in cursor.items() if campaign_id in there}


def build_sensors(job: AssetJob = campaign_job) -> list[dg.SensorDefinition]:
    """The registry, and a sensor for each scheduled campaign, or one for all where there are many; they start ``job``.

    A folder that cannot be read has no campaigns yet; the registry says so at every tick.
    """
    try:
        files = list_campaigns(Environment.read().campaigns)
    except CampaignInvalid:
        files = []
    ids = [file.id for file in files if file.campaign and file.campaign.schedule]
    if len(ids) > MOST_SENSORS:
        return [campaign_registry, sensor_of_all(job)]
    return [campaign_registry, *(campaign_sensor(campaign_id, job) for campaign_id in ids)]
