"""What people do on the page: each is a form, sent by POST, and answered with the page that it was sent from."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from lead_assets.config.campaign_edits import edit_campaign
from lead_assets.config.campaign_files import find_campaign
from lead_assets.domain.errors import InvalidInput
from lead_assets.inbox import statuses
from lead_assets.pipeline.preview import ANSWERED
from lead_assets.web.rendering import Form, OurForm, PageRoute, Visit, Visiting

actions = APIRouter(route_class=PageRoute)


@actions.post("/c/{campaign_id}/do")
def decide(visit: Visiting, campaign_id: str, form: OurForm) -> Response:
    """Give the chosen leads a status, a mark or a note, or undo the last such thing."""
    find_campaign(visit.services.environment.campaigns, campaign_id)
    chosen, actor, action = form.all("id"), visit.identity.actor, form.get("do")
    if form.get("one"):  # a button of one lead, whatever else is chosen
        action, _, only = form.get("one").rpartition(" ")
        chosen = [only]
    what, _, detail = action.partition(":")
    with visit.services.database.engine.begin() as connection:
        if what == "undo":
            statuses.undo(connection, campaign_id, actor=actor)
            return form.back(campaign_id)
        if not chosen:
            raise InvalidInput("No lead was chosen. Tick the box of one.")
        if what == "status":
            until = _until(form) if detail == "snoozed" else None
            reason = form.get("reason") or None if detail == "dismissed" else None
            statuses.set_status(connection, campaign_id, chosen, detail, actor=actor, reason=reason, until=until)
        elif what == "dismiss":
            statuses.set_status(connection, campaign_id, chosen, "dismissed", actor=actor, reason=detail)
        elif what == "mark":
            statuses.set_mark(connection, campaign_id, chosen, detail, actor=actor)
        elif what == "note":
            for reddit_id in chosen:
                statuses.add_note(connection, campaign_id, reddit_id, form.get("note"), actor=actor)
        else:
            raise InvalidInput(f"{what[:40]!r} is nothing that can be done here. Load the page again.")
    return form.back(campaign_id, done=chosen[0])


def _until(form: Form) -> datetime:
    try:
        days = float(form.get("days") or statuses.SNOOZE_DAYS)
        return datetime.now(UTC) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise InvalidInput("The number of days cannot be read. Write one such as 7.") from None


@actions.post("/c/{campaign_id}/rules")
def write_rules(visit: Visiting, campaign_id: str, form: OurForm) -> Response:
    """Write what was accepted into the campaign's file: settings, and entries of its lists."""
    environment = visit.services.environment
    settings = _changed_settings(visit, campaign_id, form)
    lists = {name: form.all(name) for name in ("negative_keyword", "exclude_subreddit", "exclude_author")}
    if not settings and not any(lists.values()):
        raise InvalidInput("Nothing was changed, so there is nothing to write.")
    edit_campaign(
        environment.campaigns,
        campaign_id,
        settings=settings,
        negative_keywords=lists["negative_keyword"],
        exclude_subreddits=lists["exclude_subreddit"],
        exclude_authors=lists["exclude_author"],
    )
    return form.back(campaign_id, said="written")


def _changed_settings(visit: Visit, campaign_id: str, form: Form) -> dict[str, Any]:
    """The settings of the form that are other than those in force."""
    from lead_assets.web.tuning import changed_settings  # it shows the same form

    given = {name: form.get(name) for name in sorted(ANSWERED) if form.get(name)}
    with visit.services.database.connect() as connection:
        return changed_settings(visit, connection, campaign_id, given)


@actions.post("/c/{campaign_id}/run")
def run_now(visit: Visiting, campaign_id: str, form: OurForm) -> Response:
    """Have Dagster run the campaign."""
    campaign = find_campaign(visit.services.environment.campaigns, campaign_id)
    visit.services.starter.start(campaign.id, {})
    return form.back(campaign_id, said="started")
