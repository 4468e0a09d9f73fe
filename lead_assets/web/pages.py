"""The pages that are read: campaigns, a tab of the inbox, one lead with all that is known of it."""

from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from starlette.responses import RedirectResponse, Response

from lead_assets.config.campaign_files import list_campaigns
from lead_assets.domain.ages import age
from lead_assets.inbox.cards import read_cards_of, shown
from lead_assets.pipeline.explain import explain_document
from lead_assets.storage.inbox_leads import read_cards, read_choices, read_tab
from lead_assets.storage.lead_events import newest_undoable, read_history
from lead_assets.web.campaign_head import read_head, without_paths
from lead_assets.web.offers import Offer, offer_after
from lead_assets.web.rendering import PageRoute, Visit, Visiting
from lead_assets.web.views import AGES, PAGE, View, position_after, read_position, view_in_address

pages = APIRouter(route_class=PageRoute)


@pages.get("/")
def first_page(visit: Visiting) -> Response:
    """The first campaign that is not broken, or how to make one."""
    files = list_campaigns(visit.services.environment.campaigns)
    valid = next((file for file in files if file.campaign), None)
    if valid is not None:
        return RedirectResponse(f"/c/{valid.id}", 303)
    broken = [without_paths(visit, file.error) for file in files if file.error]
    return visit.render("no_campaign.html", broken=broken)


@pages.get("/c/{campaign_id}")
def tab(
    visit: Visiting,
    campaign_id: str,
    view: Annotated[View, Depends(view_in_address)],
    after: str = Query(default="", max_length=200),
    done: str = Query(default="", max_length=40),
) -> Response:
    """One tab, in the order in which leads were found or decided about, last first."""
    now = datetime.now(UTC)
    with visit.services.database.connect() as connection:
        head = read_head(visit, connection, campaign_id)
        filters = view.filters(head.campaign.timezone, now)
        found = read_tab(connection, campaign_id, view.tab, filters, limit=PAGE + 1, after=read_position(after))
        rows = found.rows[:PAGE]
        last = rows[-1] if len(found.rows) > PAGE else None
        return visit.render(
            "inbox.html",
            head=head,
            tab=view.tab,
            counts=found.counts,
            view=view,
            cards=read_cards_of(connection, campaign_id, rows, head.run.settings, now),
            choices=read_choices(connection, campaign_id),
            ages=AGES,
            older=view.address(campaign_id, after=position_after(last["moment"], last["reddit_id"])) if last else "",
            done=_done(visit, connection, head.run, campaign_id) if done else None,
        )


def _done(visit: Visit, connection: sa.Connection, run: Any, campaign_id: str) -> dict[str, Any] | None:
    """What this person did last, which can be undone, and the rule that it suggests."""
    events = newest_undoable(connection, campaign_id, visit.identity.actor)
    if not events:
        return None
    first = events[0]
    card = read_cards(connection, campaign_id, [first["reddit_id"]]).get(first["reddit_id"], {})
    said = {"status": first["value"], "mark": f"marked as {first['value']}", "note": "noted"}[first["event"]]
    offer: Offer | None = None
    if first["event"] == "status" and first["value"] == "dismissed" and len(events) == 1 and card:
        offer = offer_after(connection, run, first["reason"], card)
    return {
        "said": f"{said}: {first['reason']}" if first["reason"] else said,
        "title": shown(card.get("title")) or first["reddit_id"],
        "more": len(events) - 1,
        "offer": offer,
    }


@pages.get("/c/{campaign_id}/lead/{reddit_id}")
def one_lead(visit: Visiting, campaign_id: str, reddit_id: str) -> Response:
    """One document: its card where it is a lead, what was decided, and each gate and score."""
    now = datetime.now(UTC)
    with visit.services.database.connect() as connection:
        head = read_head(visit, connection, campaign_id)
        explanation = explain_document(visit.services.database, head.run, reddit_id)
        row = read_cards(connection, campaign_id, [reddit_id]).get(reddit_id)
        card = read_cards_of(connection, campaign_id, [row], head.run.settings, now)[0] if row else None
        events = read_history(connection, campaign_id, reddit_id)
        counts = read_tab(connection, campaign_id, "new", View().filters("UTC", now), limit=1).counts
        return visit.render(
            "lead.html",
            head=head,
            tab="",
            counts=counts,
            card=card,
            body=shown(row["body"]) if row else "",
            explanation=explanation | {"title": shown(explanation["title"])},
            events=[event | {"age": age(event["happened_at"], now)} for event in events],
        )
