"""The routes: what is asked, of whom, and what is answered. They are plain functions, which run in threads."""

import io
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.security import HTTPBearer

from lead_assets.api.cursors import cursor_after, found_cursor_after, read_cursor, read_found_cursor
from lead_assets.api.errors import RunUnknown, clean, without_folder
from lead_assets.api.health import HealthChecks
from lead_assets.api.models import (
    CampaignEntry,
    CampaignList,
    Funnel,
    Health,
    InFlight,
    Lead,
    LeadFilters,
    LeadPage,
    NewestRun,
    Problem,
    Run,
    Started,
    StartRun,
    Stats,
)
from lead_assets.api.runs import RunStarter, read_run
from lead_assets.config.campaign_files import CampaignFile, find_campaign, list_campaigns
from lead_assets.config.environment import Environment
from lead_assets.dagster_client import run_tables
from lead_assets.dagster_client.run_tables import read_newest_runs
from lead_assets.dagster_client.service import DagsterService
from lead_assets.domain.ages import parse_since
from lead_assets.domain.campaign import CAMPAIGN_ID, Campaign
from lead_assets.domain.errors import CampaignInvalid, InvalidInput, Unavailable
from lead_assets.domain.schedule import next_due
from lead_assets.domain.settings import Layer, resolve
from lead_assets.export import flat_lead, lead_columns, write_records
from lead_assets.storage.database import Database
from lead_assets.storage.leads import LEAD_COLUMNS, read_qualified
from lead_assets.storage.statistics import LastRun, read_funnel, read_last_runs

_RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOTHING = LastRun(None, None, 0)


@dataclass(frozen=True)
class Services:
    """What the routes work with."""

    environment: Environment
    database: Database
    dagster: DagsterService
    starter: RunStarter
    health: HealthChecks


def services_of(request: Request) -> Services:
    return request.app.state.services


Given = Annotated[Services, Depends(services_of)]
CampaignId = Annotated[str, Path(description="The campaign file's name.", examples=["shop_crm"])]
_PROBLEMS = {
    400: "The request cannot be read, or has a token in its address.",
    401: "A token is needed: there is one, or other machines reach this.",
    403: "Without a token only this machine may ask, and no web page; a token that may only read changes nothing.",
    404: "There is none of this id.",
    413: "The body is too large.",
    422: "A value is wrong, or the campaign's file is.",
    503: "PostgreSQL or Dagster does not answer. Ask again after Retry-After seconds.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    always = (400, 401, 403, 413, 503)
    return {status: {"model": Problem, "description": _PROBLEMS[status]} for status in sorted({*always, *statuses})}


# What refuses is access.Guard, in front of all routes; this says so in the OpenAPI document.
says_token = HTTPBearer(auto_error=False, description="A token of `lead-assets tokens new`.")
router = APIRouter(dependencies=[Depends(says_token)])
open_router = APIRouter()


@router.post(
    "/campaigns/{campaign_id}/run",
    status_code=202,
    responses={
        **problems(404, 422),
        202: {"headers": {"Location": {"description": "Where the run is asked for.", "schema": {"type": "string"}}}},
        409: {"model": InFlight, "description": "A run of the campaign has not ended."},
    },
)
def start_run(campaign_id: CampaignId, given: Given, response: Response, body: StartRun | None = None) -> Started:
    """Start a run of a campaign; Dagster queues it. `GET /runs/{run_id}` says how far it is."""
    campaign = find_campaign(given.environment.campaigns, campaign_id)
    started = given.starter.start(campaign.id, _run_settings(given.environment, campaign, body or StartRun()))
    response.headers["location"] = f"/runs/{started.run_id}"
    return started


def _run_settings(environment: Environment, campaign: Campaign, body: StartRun) -> dict[str, Any]:
    """The settings of ``body`` as the types that Dagster wants, checked as those of the run will be."""
    own = Layer("settings", body.settings)
    layers = [Layer("environment", environment.settings), Layer(f"campaign {campaign.id}", campaign.settings), own]
    settings = resolve(layers).settings
    return {name: getattr(settings, name.lower()) for name in own.given()}


@router.get("/runs/{run_id}", responses=problems(404))
def get_run(run_id: str, given: Given) -> Run:
    """A run: its state, and why it failed."""
    if not _RUN_ID.fullmatch(run_id):
        raise RunUnknown(f"{run_id!r} is not a valid run id.")
    run = read_run(given.dagster, run_id)
    told = without_folder(run.failure, given.environment.campaigns) if run.failure else None
    return run.model_copy(update={"failure": told})


@router.get("/campaigns", responses=problems())
def get_campaigns(given: Given) -> CampaignList:
    """All campaign files, the broken ones with what is wrong."""
    environment, now = given.environment, datetime.now(UTC)
    try:
        files = list_campaigns(environment.campaigns)
    except CampaignInvalid as error:
        raise Unavailable(without_folder(str(error), environment.campaigns)) from None
    with given.database.connect() as connection:
        last_runs = read_last_runs(connection)
        runnable = [file.id for file in files if CAMPAIGN_ID.fullmatch(file.id)]  # other names cannot be stored
        newest = read_newest_runs(connection, runnable)
    entries = [_entry(one, last_runs.get(one.id, _NOTHING), newest.get(one.id), environment, now) for one in files]
    return CampaignList(campaigns=entries)


def _entry(
    file: CampaignFile, last: LastRun, newest: run_tables.NewestRun | None, environment: Environment, now: datetime
) -> CampaignEntry:
    campaign = file.campaign
    return CampaignEntry(
        id=clean(file.id),
        state="valid" if campaign else "broken",
        error=clean(without_folder(file.error, environment.campaigns)) if file.error else None,
        name=campaign.name if campaign else None,
        schedule=campaign.schedule if campaign else None,
        timezone=campaign.timezone if campaign else None,
        enabled=campaign.enabled if campaign else None,
        next_due=next_due(campaign, now) if campaign else None,
        last_run_id=last.run_id,
        last_run_at=last.at,
        newest_run=NewestRun.model_validate(asdict(newest)) if newest else None,
        leads=last.leads,
    )


@router.get("/campaigns/{campaign_id}/stats", responses=problems(404, 422))
def get_stats(campaign_id: CampaignId, given: Given) -> Stats:
    """The funnel from what is stored: every judged document is counted once, where it is now."""
    campaign = find_campaign(given.environment.campaigns, campaign_id)
    with given.database.connect() as connection:
        last = read_last_runs(connection, campaign.id).get(campaign.id, _NOTHING)
        funnel = Funnel.model_validate(read_funnel(connection, campaign.id))
    return Stats(campaign=campaign.id, last_run_id=last.run_id, last_run_at=last.at, funnel=funnel)


@router.get(
    "/campaigns/{campaign_id}/leads",
    response_model=LeadPage,
    responses={
        **problems(404, 422),
        200: {
            "description": "A page, as JSON or CSV; the header Link has the next page's address.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
    },
)
def get_leads(
    campaign_id: CampaignId,
    given: Given,
    filters: Annotated[LeadFilters, Query()],
) -> Any:
    """The qualified leads of a campaign, with the reason for each. All pages want the same filters and order."""
    campaign = find_campaign(given.environment.campaigns, campaign_id)
    moment = _since(filters.since) if filters.since is not None else None
    found_since = _found_since(filters.found_since, campaign) if filters.found_since is not None else None
    newest = filters.order == "newest"
    after = read_cursor(filters.cursor) if filters.cursor is not None and not newest else None
    found_after = read_found_cursor(filters.cursor) if filters.cursor is not None and newest else None
    with given.database.connect() as connection:
        # One more than wanted: whether there is a next page.
        rows = read_qualified(
            connection,
            campaign.id,
            limit=filters.limit + 1,
            min_score=filters.min_score,
            since=moment,
            found_since=found_since,
            status=filters.status,
            after=after,
            found_after=found_after,
            newest_first=newest,
        )
    page, last = rows[: filters.limit], rows[filters.limit - 1] if len(rows) > filters.limit else None
    cursor = _cursor(last, newest) if last else None
    headers = _link(campaign.id, filters.model_copy(update={"cursor": cursor})) if cursor else {}
    if filters.format == "csv":
        return _csv(campaign.id, page, list(LEAD_COLUMNS), headers)
    answer = LeadPage(leads=[Lead.model_validate(row) for row in page], next_cursor=cursor)
    return Response(answer.model_dump_json(), media_type="application/json", headers=headers)


def _cursor(last: dict[str, Any], newest: bool) -> str:
    if newest:
        return found_cursor_after(last["found_at"], last["reddit_id"])
    return cursor_after(last["relevance_score"], last["reddit_id"])


def _found_since(text: str, campaign: Campaign) -> datetime:
    try:
        return parse_since(text, datetime.now(UTC), campaign.timezone)
    except InvalidInput as error:
        raise InvalidInput(f"found_since: {error}") from None


def _since(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            "since: this is not a valid day. Write one such as 2026-01-31, or 2026-01-31T12:00:00Z."
        ) from None


def _link(campaign_id: str, filters: LeadFilters) -> dict[str, str]:
    query = urlencode(filters.model_dump(exclude_none=True))
    return {"link": f'</campaigns/{campaign_id}/leads?{query}>; rel="next"'}


def _csv(campaign_id: str, rows: Sequence[dict[str, Any]], columns: Sequence[str], headers: dict[str, str]) -> Response:
    file = io.StringIO(newline="")
    write_records(file, [flat_lead(row) for row in rows], "csv", lead_columns(columns))
    named = {"content-disposition": f'attachment; filename="{campaign_id}_leads.csv"'}
    return Response(file.getvalue(), media_type="text/csv", headers={**headers, **named})


@open_router.get("/health", responses={503: {"model": Health, "description": "One of them cannot be used."}})
def get_health(given: Given, response: Response) -> Health:
    """Whether PostgreSQL, Typesense and Dagster can be used. Anybody may ask; it says no more than that."""
    health = given.health.read()
    if health.status != "ok":
        response.status_code = 503
    return health
