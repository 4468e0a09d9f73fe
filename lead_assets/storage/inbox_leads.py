"""Leads as the inbox shows them: one tab at a time, in pages, with the texts that a card shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from lead_assets.domain.inbox import STATUSES
from lead_assets.storage.schema import candidates, documents, lead_marks, lead_states, leads


@dataclass(frozen=True)
class InboxFilters:
    """What a view is narrowed to. ``text`` occurs in title, body, author or what was read."""

    min_probability: float = 0.0
    posted_since: datetime | None = None
    found_since: datetime | None = None
    subreddit: str = ""
    intent: str = ""
    with_budget: bool = False
    kind: str = ""
    text: str = ""


Position = tuple[datetime, str]
"""Where a page ends: a lead's moment and its id."""


class Tab(NamedTuple):
    """One page of a tab, and how many leads each tab has. Each row has ``moment``, by which it is ordered."""

    rows: list[dict[str, Any]]
    counts: dict[str, int]


def read_tab(
    connection: sa.Connection,
    campaign_id: str,
    status: str,
    filters: InboxFilters,
    *,
    limit: int | None,
    after: Position | None = None,
) -> Tab:
    """The leads of one status: new ones by when they were found, others by when that was decided, last first.

    Where every lead of the campaign stands is found out once, for the page and the counts together.
    """
    columns = (lead_states.c[name] for name in ("reddit_id", "status", "found_at", "status_at"))
    of_campaign = sa.select(*columns).where(lead_states.c.campaign_id == campaign_id)
    states = of_campaign.cte("states").prefix_with("MATERIALIZED")
    moment = states.c.found_at if status == "new" else sa.func.coalesce(states.c.status_at, states.c.found_at)
    page = sa.select(
        states.c.reddit_id.label("name"), sa.cast(sa.null(), sa.BigInteger).label("leads"), moment.label("at")
    )
    page = page.where(states.c.status == status)
    if conditions := _conditions(filters, states):
        page = page.join(leads, (leads.c.campaign_id == campaign_id) & (leads.c.reddit_id == states.c.reddit_id))
        of_lead = (documents.c.campaign_id == campaign_id) & (documents.c.reddit_id == states.c.reddit_id)
        page = page.join(documents, of_lead).where(*conditions)
    if after is not None:
        at, reddit_id = after
        page = page.where((moment < at) | ((moment == at) & (states.c.reddit_id > reddit_id)))
    chosen = page.order_by(moment.desc(), states.c.reddit_id).limit(limit).subquery()
    no_time = sa.cast(sa.null(), sa.DateTime(timezone=True))
    counted = sa.select(states.c.status, sa.func.count(), no_time).group_by(states.c.status)
    found = connection.execute(sa.union_all(sa.select(chosen), counted)).all()
    moments = {row.name: row.at for row in found if row.leads is None}
    counts = {row.name: row.leads for row in found if row.leads is not None}
    cards = read_cards(connection, campaign_id, list(moments))
    rows = [cards[reddit_id] | {"moment": moments[reddit_id]} for reddit_id in moments if reddit_id in cards]
    rows.sort(key=lambda row: row["reddit_id"])
    rows.sort(key=lambda row: row["moment"], reverse=True)
    return Tab(rows, dict.fromkeys(STATUSES, 0) | counts)


def read_cards(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The cards of some leads, whatever their status, by id; what is not in the inbox is left out."""
    query = _cards().where(lead_states.c.campaign_id == campaign_id, lead_states.c.reddit_id.in_(list(reddit_ids)))
    return {row.reddit_id: dict(row._mapping) for row in connection.execute(query)}


def read_parents(connection: sa.Connection, campaign_id: str, post_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Title and text of the posts that comments belong to, where the campaign holds them."""
    query = sa.select(documents.c.reddit_id, documents.c.title, documents.c.body, documents.c.url).where(
        documents.c.campaign_id == campaign_id, documents.c.reddit_id.in_(list(post_ids))
    )
    return {row.reddit_id: dict(row._mapping) for row in connection.execute(query)}


def read_choices(connection: sa.Connection, campaign_id: str) -> dict[str, list[str]]:
    """The subreddits and intents that leads of a campaign have, for the filters."""
    of_campaign = (leads.c.campaign_id == campaign_id) & leads.c.extracted_data.isnot(None)
    intent = leads.c.extracted_data["intent"].astext
    found: dict[str, list[str]] = {}
    for name, column in (("subreddit", leads.c.subreddit), ("intent", intent)):
        found[name] = [each for each in connection.scalars(sa.select(column).where(of_campaign).distinct()) if each]
        found[name].sort(key=str.casefold)
    return found


def _cards() -> sa.Select[Any]:
    of_state = (leads.c.campaign_id == lead_states.c.campaign_id) & (leads.c.reddit_id == lead_states.c.reddit_id)
    of_lead = (documents.c.campaign_id == leads.c.campaign_id) & (documents.c.reddit_id == leads.c.reddit_id)
    of_mark = (lead_marks.c.campaign_id == leads.c.campaign_id) & (lead_marks.c.reddit_id == leads.c.reddit_id)
    ranked = (candidates.c.campaign_id == leads.c.campaign_id) & (candidates.c.reddit_id == leads.c.reddit_id)
    shown = [column for column in candidates.columns if column.name not in _SHARED]
    return (
        sa.select(
            *(column for column in lead_states.columns),
            leads.c.reddit_url,
            leads.c.author,
            leads.c.title,
            leads.c.subreddit,
            leads.c.posted_at,
            leads.c.extracted_data,
            leads.c.relevance_score,
            documents.c.kind,
            documents.c.body,
            documents.c.post_id,
            documents.c.score.label("upvotes"),
            documents.c.num_comments,
            documents.c.matched_keywords,
            documents.c.crawled_at,
            lead_marks.c.mark,
            *shown,
        )
        .select_from(lead_states)
        .join(leads, of_state)
        .join(documents, of_lead)
        .outerjoin(candidates, ranked)
        .outerjoin(lead_marks, of_mark)
    )


_SHARED = frozenset(
    {"campaign_id", "reddit_id", "text_hash", "score", "kept", "accepted_keys", "request_key", "request_basis"}
)


def _conditions(filters: InboxFilters, states: sa.CTE) -> list[sa.ColumnElement[bool]]:
    data = leads.c.extracted_data
    found: list[sa.ColumnElement[bool]] = []
    if filters.min_probability > 0:
        found.append(leads.c.relevance_score >= filters.min_probability)
    if filters.posted_since is not None:
        found.append(leads.c.posted_at >= filters.posted_since)
    if filters.found_since is not None:
        found.append(states.c.found_at >= filters.found_since)
    if filters.subreddit:
        found.append(sa.func.lower(leads.c.subreddit) == filters.subreddit.lower())
    if filters.intent:
        found.append(data["intent"].astext == filters.intent)
    if filters.with_budget:
        found.append(sa.func.coalesce(data["budget"].astext, "") != "")
    if filters.kind:
        found.append(documents.c.kind == filters.kind)
    if filters.text:
        places = (leads.c.title, documents.c.body, leads.c.author, data["summary"].astext)
        found.append(sa.or_(*(place.icontains(filters.text, autoescape=True) for place in places)))
    return found
