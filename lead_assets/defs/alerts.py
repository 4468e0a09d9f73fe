"""Sensors of alerts: one delivers what waits in the outbox, two put failed runs and failing checks into it."""

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime

import dagster as dg

from lead_assets.config.campaign_files import find_campaign, list_campaigns
from lead_assets.config.environment import Environment
from lead_assets.defs.jobs import campaign_job
from lead_assets.defs.partitions import PARTITION_TAG
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import LeadAssetsError
from lead_assets.domain.notify import after_quiet
from lead_assets.inbox.delivery import Delivered, deliver
from lead_assets.inbox.senders import send
from lead_assets.pipeline.run_context import resolve_run
from lead_assets.storage.database import Database
from lead_assets.storage.outbox import CHECK, FAILURE, add_channels, queue_notice

TICK_SECONDS = 30
MOST_SECONDS = 60
"""A tick ends after this: what is left is sent by the next."""


@dg.sensor(
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    job=campaign_job,
    description="Sends what waits in the outbox to the receivers that campaign files name under `notify`.",
)
def deliver_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """One tick. It never starts a run."""
    return dg.SkipReason(deliver_all(Environment.read(), datetime.now(UTC)))


def deliver_all(environment: Environment, began: datetime) -> str:
    """Send what is due for every campaign; returns what was done, in a sentence."""
    campaigns = _with_receivers(environment)
    if not campaigns:
        return "No campaign file has notify."
    done = Delivered()
    with closing(Database(environment.database_url)) as database:
        for campaign in campaigns:
            if (datetime.now(UTC) - began).total_seconds() > MOST_SECONDS:
                break
            settings = resolve_run(environment, campaign.id).settings
            one = deliver(database, campaign, settings, environment.page_url, send, datetime.now(UTC))
            done.sent += one.sent
            done.failed += one.failed
            done.dropped += one.dropped
            done.problems += one.problems
    return " ".join([f"{done.sent} sent, {done.failed} failed, {done.dropped} left out.", *done.problems])


def _with_receivers(environment: Environment) -> list[Campaign]:
    try:
        files = list_campaigns(environment.campaigns)
    except LeadAssetsError:
        return []
    return [file.campaign for file in files if file.campaign and file.campaign.notify]


@dg.run_failure_sensor(
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues an alert of each failed run, for receivers with `failures: true`.",
)
def alert_of_failed_runs(context: dg.RunFailureSensorContext) -> None:
    """One failed run."""
    run_id = context.dagster_run.run_id
    details = {"title": "a run failed", "text": f"Run {run_id} failed. Dagster says why.", "run_id": run_id}
    _queue(context.dagster_run, [(f"run:{run_id}", FAILURE, details)])


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues an alert of each check that failed in a successful run, for receivers with `failures: true`.",
)
def alert_of_failing_checks(context: dg.RunStatusSensorContext) -> None:
    """One run that succeeded; its checks may have failed all the same."""
    run_id = context.dagster_run.run_id
    logs = context.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    notices: list[tuple[str, str, dict[str, str]]] = []
    for entry in logs:
        assert entry.dagster_event is not None
        data = entry.dagster_event.asset_check_evaluation_data
        if not data.passed and data.severity is dg.AssetCheckSeverity.ERROR:
            text = f"Check {data.check_name} failed in run {run_id}. {data.description or ''}".strip()
            details = {"title": f"check {data.check_name} failed", "text": text, "run_id": run_id}
            notices.append((f"check:{run_id}:{data.check_name}", CHECK, details))
    _queue(context.dagster_run, notices)


def _queue(run: dg.DagsterRun, notices: Iterable[tuple[str, str, dict[str, str]]]) -> None:
    """Queue notices for the receivers of the run's campaign that want them."""
    environment, now, rows = Environment.read(), datetime.now(UTC), list(notices)
    campaign_id = run.tags.get(PARTITION_TAG)
    if campaign_id is None or not rows:
        return
    try:
        campaign = find_campaign(environment.campaigns, campaign_id)
    except LeadAssetsError:
        return  # a removed or broken file names no receivers
    wanting = [notify for notify in campaign.notify if notify.failures]
    if not wanting:
        return
    with closing(Database(environment.database_url)) as database, database.engine.begin() as connection:
        add_channels(connection, campaign_id, {notify.channel: notify.label for notify in wanting})
        for notify in wanting:
            due = after_quiet(notify, now, campaign.timezone)
            for subject, kind, details in rows:
                queue_notice(connection, campaign_id, notify.channel, subject, kind, details, due)
