"""When a campaign is due: one pure function of its schedule, the clock, and what was done already."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from lead_assets.domain.campaign import Campaign

A_SECOND = timedelta(seconds=1)


def due(campaign: Campaign, now: datetime, cursor: datetime) -> datetime | None:
    """The newest moment after ``cursor``, and not after ``now``, at which the campaign was to run; None without one.

    In UTC. However many were missed, one is caught up on. Times are those of the campaign's own clock: an hour that a
    change to summer time skips is due when the clock has gone on; one that comes twice is due once if a line names it.
    """
    moment = _newest(campaign, now)
    return moment if moment is not None and moment > cursor.astimezone(UTC) else None


def next_due(campaign: Campaign, now: datetime) -> datetime | None:
    """The next moment at which the campaign is to run; None where it has no schedule or is paused."""
    if campaign.schedule is None or not campaign.enabled:
        return None
    return next(CronSim(campaign.schedule, now.astimezone(ZoneInfo(campaign.timezone))), None)


def _newest(campaign: Campaign, now: datetime) -> datetime | None:
    if campaign.schedule is None or not campaign.enabled:
        return None
    # Reckoned in UTC: moments of one zone compare, and are added to, by what the clock on the wall says.
    just_after = now.astimezone(UTC).replace(microsecond=0) + A_SECOND
    moment = next(CronSim(campaign.schedule, just_after.astimezone(ZoneInfo(campaign.timezone)), reverse=True), None)
    return moment.astimezone(UTC) if moment is not None else None
