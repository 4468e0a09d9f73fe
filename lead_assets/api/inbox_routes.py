"""The inbox over HTTP: statuses, marks and notes of leads."""

from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Path, Request

from lead_assets.api.access import identity_of
from lead_assets.api.models import (
    GivenMarks,
    ImportedMarks,
    LeadChange,
    LeadState,
    MarkList,
    StoredMark,
    Undone,
)
from lead_assets.api.routes import CampaignId, Given, problems, says_token
from lead_assets.config.campaign_files import find_campaign
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.frames import to_rows
from lead_assets.inbox import statuses
from lead_assets.inbox.marks import export_rows, import_rows
from lead_assets.storage.lead_events import read_all_marks, read_notes, read_states

RedditId = Annotated[str, Path(pattern=r"^t[13]_[0-9a-z]{1,13}$", examples=["t3_00000"])]
inbox_router = APIRouter(dependencies=[Depends(says_token)])


@inbox_router.patch("/campaigns/{campaign_id}/leads/{reddit_id}", responses=problems(404, 422))
def change_lead(
    campaign_id: CampaignId, reddit_id: RedditId, body: LeadChange, given: Given, request: Request
) -> LeadState:
    """Give a lead a status, a mark or a note; nothing is overwritten, each is an event of its own."""
    campaign = find_campaign(given.environment.campaigns, campaign_id)
    actor = identity_of(request).actor
    if body.status is None and body.mark is None and body.note is None:
        raise InvalidInput("body: this changes nothing. Give status, mark or note.")
    if body.until is not None and body.status is None:
        raise InvalidInput("until: this is the end of a snooze. Give the status snoozed with it.")
    until = _moment(body.until) if body.until is not None else None
    with given.database.engine.begin() as connection:
        if body.status is not None:
            reason = None if body.mark is not None and body.status != "dismissed" else body.reason
            statuses.set_status(
                connection, campaign.id, [reddit_id], body.status, actor=actor, reason=reason, until=until
            )
        if body.mark is not None:
            statuses.set_mark(connection, campaign.id, [reddit_id], body.mark, actor=actor, reason=body.reason)
        if body.note is not None:
            statuses.add_note(connection, campaign.id, reddit_id, body.note, actor=actor)
        return LeadState.model_validate(lead_state(connection, campaign.id, reddit_id))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("until: this is not a time. Write one such as 2026-12-01T08:00:00Z.") from None


def lead_state(connection: sa.Connection, campaign_id: str, reddit_id: str) -> dict[str, Any]:
    """Where a document stands, also one that is no lead."""
    state = read_states(connection, campaign_id, [reddit_id]).get(reddit_id, {})
    marks = {row["reddit_id"]: row["mark"] for row in to_rows(read_all_marks(connection, campaign_id))}
    nothing = dict.fromkeys(("reason", "snoozed_until", "status_by", "status_at"))
    return {
        "campaign_id": campaign_id,
        "reddit_id": reddit_id,
        "status": "new",
        "qualifies": False,
        **nothing,
        **state,
        "mark": marks.get(reddit_id),
        "notes": read_notes(connection, campaign_id, [reddit_id])["value"].tolist(),
    }


@inbox_router.post("/campaigns/{campaign_id}/undo", responses=problems(404, 422))
def undo_last(campaign_id: CampaignId, given: Given, request: Request) -> Undone:
    """Put back what was before the last thing that this token did; ask again to go one step further back."""
    campaign = find_campaign(given.environment.campaigns, campaign_id)
    with given.database.engine.begin() as connection:
        undone = statuses.undo(connection, campaign.id, actor=identity_of(request).actor)
    return Undone(reddit_ids=[event["reddit_id"] for event in undone])


@inbox_router.get("/campaigns/{campaign_id}/marks", responses=problems(404, 422))
def get_marks(campaign_id: CampaignId, given: Given) -> MarkList:
    """The marks in force: contacted and won leads are leads, some dismissed ones are not."""
    campaign = find_campaign(given.environment.campaigns, campaign_id)
    with given.database.connect() as connection:
        return MarkList(marks=[StoredMark.model_validate(row) for row in export_rows(connection, campaign.id)])


@inbox_router.post("/campaigns/{campaign_id}/marks/import", responses=problems(404, 422))
def post_marks(campaign_id: CampaignId, body: GivenMarks, given: Given, request: Request) -> ImportedMarks:
    """Write marks that are not in force yet, such as those of an export."""
    campaign = find_campaign(given.environment.campaigns, campaign_id)
    rows = [mark.model_dump() for mark in body.marks]
    with given.database.engine.begin() as connection:
        done = import_rows(connection, campaign.id, rows, actor=identity_of(request).actor)
    return ImportedMarks(written=done.written, unchanged=done.unchanged, unknown=done.unknown)
