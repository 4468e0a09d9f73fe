"""What stands above every tab of a campaign: its name, how its last run went, when the next is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from lead_assets.api.errors import without_folder
from lead_assets.config.campaign_files import CampaignFile, find_campaign, list_campaigns
from lead_assets.dagster_client.run_tables import NewestRun, read_newest_runs
from lead_assets.domain.ages import ago
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.schedule import next_due
from lead_assets.pipeline.run_context import RunContext, resolve_run
from lead_assets.storage.outbox import read_outbox_state
from lead_assets.storage.rejected import thresholds_of_last_ranking
from lead_assets.web.rendering import Visit

_STATES = {
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "CANCELED": "was ended",
    "CANCELING": "is being ended",
    "STARTED": "is running",
    "STARTING": "is starting",
    "QUEUED": "is queued",
}
_FAILED = ("FAILURE",)


@dataclass(frozen=True)
class Head:
    """What the head shows; ``banner`` is what somebody should know before reading on."""

    campaign: Campaign
    run: RunContext
    others: Sequence[tuple[str, str]]
    last_run: str
    next_run: str
    banner: str
    alerts: str
    runs_now: bool


def read_head(visit: Visit, connection: sa.Connection, campaign_id: str) -> Head:
    """The head of a campaign.

    Raises:
        CampaignInvalid, SettingInvalid: its file does not say what it must.
    """
    environment, now = visit.services.environment, datetime.now(UTC)
    campaign = find_campaign(environment.campaigns, campaign_id)
    run = resolve_run(environment, campaign_id)
    newest = read_newest_runs(connection, [campaign_id]).get(campaign_id)
    due = next_due(campaign, now)
    others = [(file.id, file.campaign.name if file.campaign else f"{file.id} (broken)") for file in _files(visit)]
    return Head(
        campaign=campaign,
        run=run,
        others=others,
        last_run=_told(newest, now),
        next_run=f"{due:%a %d %b, %H:%M} {campaign.timezone}" if due else "only when you ask",
        banner=_banner(connection, run, newest),
        alerts=_alerts(connection, campaign, now),
        runs_now=newest is not None and newest.status not in ("SUCCESS", "FAILURE", "CANCELED"),
    )


def _files(visit: Visit) -> list[CampaignFile]:
    return list_campaigns(visit.services.environment.campaigns)


def _told(newest: NewestRun | None, now: datetime) -> str:
    if newest is None:
        return "never"
    moment = newest.ended or newest.started
    when = f" {ago(moment, now)}" if moment else ""
    return f"{_STATES.get(newest.status, newest.status.lower())}{when}"


def _alerts(connection: sa.Connection, campaign: Campaign, now: datetime) -> str:
    """What somebody should know of the alerts: what is late, and which receivers get none."""
    if not campaign.notify:
        return ""
    state = read_outbox_state(connection, campaign.id)
    told = [f"Alerts to {label} are switched off: {because}" for label, because in state["switched_off"].items()]
    if state["waiting"]:
        told.append(f"Alerts waiting: {state['waiting']}, the oldest queued {ago(state['oldest'], now)}.")
    return " ".join(told)


def _banner(connection: sa.Connection, run: RunContext, newest: NewestRun | None) -> str:
    if newest is not None and newest.status in _FAILED:
        step = f" at {newest.failed_step}" if newest.failed_step else ""
        return f"The last run failed{step}. What you see is from before it. Details are in Dagster: {newest.run_id}."
    others = thresholds_of_last_ranking(connection, run.campaign.id)
    in_force = run.settings.model_dump(by_alias=True)
    different = [
        f"{setting} {value:g} instead of {float(in_force[setting]):g}"
        for setting, value in others.items()
        if in_force.get(setting) is not None and float(in_force[setting]) != value
    ]
    if not different:
        return ""
    return (
        f"These leads were ranked with other settings ({', '.join(different)}). The next run uses the campaign's own."
    )


def without_paths(visit: Visit, sentence: str) -> str:
    """A sentence without the way to the campaigns' folder."""
    return without_folder(sentence, visit.services.environment.campaigns)
