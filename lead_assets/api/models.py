"""What is asked and answered, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lead_assets.api.cursors import MAX_CHARACTERS
from lead_assets.domain.inbox import MAX_NOTE_CHARACTERS, Reason
from lead_assets.domain.inbox import Status as LeadStatus

BIGGEST = 2**63 - 1
MOST_LEADS = 500
Status = Literal[
    "QUEUED",
    "NOT_STARTED",
    "MANAGED",
    "STARTING",
    "STARTED",
    "SUSPENDED",
    "SUCCESS",
    "FAILURE",
    "CANCELING",
    "CANCELED",
]
"""Dagster's names of a run's states."""
SettingValue = bool | Annotated[int, Field(ge=-BIGGEST, le=BIGGEST)] | float | Annotated[str, Field(max_length=10_000)]


class Problem(BaseModel):
    """What went wrong."""

    error: str = Field(description="One sentence: what, where, what to do.")


class InFlight(Problem):
    """The run that has to end first."""

    run_id: str
    url: str = Field(description="Where a browser shows that run.")


class StartRun(BaseModel):
    """What one run does otherwise than its campaign's file says."""

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, SettingValue] = Field(
        default={},
        max_length=100,
        description="Settings of this run by their names, as in a campaign file.",
        examples=[{"REDDIT_MAX_POST_AGE_MONTHS": 6, "COSINE_THRESHOLD": 0.35}],
    )


class Started(BaseModel):
    """A run that Dagster has taken into its queue."""

    run_id: str
    url: str = Field(description="Where a browser shows it.")
    campaign: str


class Run(BaseModel):
    """A run, as Dagster knows it now."""

    run_id: str
    job: str
    campaign: str | None = Field(description="Null for runs of no campaign, such as the sweep of deletions.")
    status: Status
    created: datetime
    started: datetime | None
    ended: datetime | None
    url: str
    failure: str | None = Field(description="Why it failed, in a sentence.")


class NewestRun(BaseModel):
    """A campaign's newest run, also one that has stored nothing."""

    run_id: str
    status: Status
    started: datetime | None
    ended: datetime | None
    failed_step: str | None = Field(description="The first asset or check that failed.")


class CampaignEntry(BaseModel):
    """One campaign file, and what is stored of its campaign."""

    id: str
    state: Literal["valid", "broken"]
    error: str | None = Field(description="What is wrong with the file.")
    name: str | None
    schedule: str | None
    timezone: str | None
    enabled: bool | None
    next_due: datetime | None
    last_run_id: str | None
    last_run_at: datetime | None
    newest_run: NewestRun | None = Field(description="Null before the first; the last run above has stored something.")
    leads: int


class CampaignList(BaseModel):
    """All campaign files, by id."""

    campaigns: list[CampaignEntry]


class Funnel(BaseModel):
    """Where the documents that were judged are now."""

    crawled: int
    rejected: dict[str, int] = Field(description="By gate.")
    stored: int
    ranked: int
    excluded: int
    kept: int
    near_duplicates: int
    extracted: int
    stale: int = Field(description="Those of them that were read for an earlier product or by an earlier model.")
    failed: int = Field(description="Kept candidates that could not be read.")
    leads: int


class Stats(BaseModel):
    """What is stored of a campaign, counted."""

    campaign: str
    last_run_id: str | None
    last_run_at: datetime | None
    funnel: Funnel


class LeadFilters(BaseModel):
    """Which leads, and how. A name that is not here is refused: a misspelt filter would find everything."""

    model_config = ConfigDict(extra="forbid")

    min_score: float = Field(default=0, ge=0, le=1, allow_inf_nan=False, description="Lowest relevance score.")
    since: str | None = Field(
        default=None,
        max_length=40,
        description="Only documents posted since this day or moment (ISO 8601; UTC unless it has an offset).",
        examples=["2026-01-31"],
    )
    found_since: str | None = Field(
        default=None,
        max_length=40,
        description="Only leads found since then: 24h, 7d, today, yesterday (in the campaign's time zone), a day or a "
        "moment. To poll, ask with order=newest.",
        examples=["1d"],
    )
    status: LeadStatus | None = Field(default=None, description="Only leads of this status in the inbox.")
    order: Literal["best", "newest"] = Field(default="best", description="By score, or those found last first.")
    limit: int = Field(default=50, ge=1, le=MOST_LEADS, description="How many on a page.")
    cursor: str | None = Field(
        default=None, max_length=MAX_CHARACTERS, description="`next_cursor` of the page before, with the same filters."
    )
    format: Literal["json", "csv"] = "json"


class LeadChange(BaseModel):
    """What is decided about a lead: at least one of the three."""

    model_config = ConfigDict(extra="forbid")

    status: LeadStatus | None = None
    reason: Reason | None = Field(default=None, description="Why it is dismissed, or marked.")
    until: str | None = Field(
        default=None,
        max_length=40,
        description="The end of a snooze: a day or a moment (ISO 8601; UTC unless it has an offset), a week from now "
        "if it is left out.",
        examples=["2026-12-01"],
    )
    mark: Literal["lead", "no lead", "none"] | None = Field(
        default=None, description="Whether its author is a lead, whatever the status; none takes a mark back."
    )
    note: str | None = Field(default=None, min_length=1, max_length=MAX_NOTE_CHARACTERS)


class LeadState(BaseModel):
    """Where a lead stands."""

    campaign_id: str
    reddit_id: str
    status: LeadStatus
    reason: str | None
    snoozed_until: datetime | None
    status_by: str | None = Field(description="Who decided: a token's name, local, command or page.")
    status_at: datetime | None
    mark: Literal["lead", "no lead"] | None
    notes: list[str]
    qualifies: bool = Field(description="Whether it is a lead by the settings in force.")


class Undone(BaseModel):
    """What was put back."""

    reddit_ids: list[str]


class StoredMark(BaseModel):
    """A mark in force."""

    reddit_id: str = Field(max_length=20)
    mark: Literal["lead", "no lead"]
    reason: str | None
    actor: str
    marked_at: datetime


class MarkList(BaseModel):
    """All marks of a campaign that are in force."""

    marks: list[StoredMark]


class GivenMark(BaseModel):
    """A mark to be written."""

    model_config = ConfigDict(extra="ignore")  # what was exported may be sent as it is

    reddit_id: str = Field(max_length=20)
    mark: Literal["lead", "no lead", "none"]
    reason: Reason | None = None


class GivenMarks(BaseModel):
    """Marks to be written, such as those of an export."""

    model_config = ConfigDict(extra="forbid")

    marks: list[GivenMark] = Field(max_length=500)


class ImportedMarks(BaseModel):
    """What became of them."""

    written: int
    unchanged: int
    unknown: list[str] = Field(description="Documents that the campaign does not hold.")


class Place(BaseModel):
    """Where else the text of a lead was posted."""

    reddit_id: str
    subreddit: str
    author: str | None
    url: str


class Lead(BaseModel):
    """A qualified lead. Texts are as others wrote them: escape them where you show them."""

    campaign_id: str
    reddit_id: str
    reddit_url: str
    author: str | None
    extracted_data: dict[str, Any] = Field(description="What was read: intent, urgency, budget, evidence and so on.")
    relevance_score: float
    title: str
    subreddit: str
    posted_at: datetime | None
    created_at: datetime
    updated_at: datetime
    kind: str
    matched_keywords: list[str]
    num_comments: int | None = Field(description="Of a post; null where unknown.")
    other_places: list[Place]
    found_at: datetime = Field(description="When it first was a lead.")
    status: LeadStatus
    snoozed_until: datetime | None
    stale: bool = Field(description="Read for an earlier product or by an earlier model, and not again yet.")


class LeadPage(BaseModel):
    """One page of leads, in the order that was asked for."""

    leads: list[Lead]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


State = Literal["ok", "unavailable", "outdated", "no daemon"]


class Health(BaseModel):
    """Whether everything that this stands on can be used."""

    status: Literal["ok", "unavailable"]
    postgres: State = Field(description="outdated: `lead-assets up` has to migrate the schema.")
    typesense: State
    dagster: State = Field(description="no daemon: the web server answers, but queued runs do not start.")
