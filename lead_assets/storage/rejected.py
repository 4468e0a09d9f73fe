"""Rejected documents for people, with the texts that are stored: the nearest to their threshold first, or a random
sample, and what the marks of samples say.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa

from lead_assets.domain.audit import SAMPLE, Audit
from lead_assets.domain.gates import EXCLUDED
from lead_assets.storage.schema import (
    current_candidates,
    current_extractions,
    documents,
    lead_marks,
    leads,
    rejections,
    stage_runs,
)

READING = "reading"
"""In place of a gate: documents that were read, and are no leads."""


class Nearness(NamedTuple):
    """Where a page of rejected documents ends: how far the last one is from its threshold, and its id."""

    distance: float
    reddit_id: str


def read_rejected(
    connection: sa.Connection, campaign_id: str, *, gate: str = "", text: str = "", limit: int, after: Nearness | None
) -> list[dict[str, Any]]:
    """Rejected documents, nearest to the threshold first: by ``gate``, by the reading, or by any gate.

    The distance is relative to the threshold, so that gates of different units can be compared; below a threshold of 1
    it is absolute. What is marked over 18, and what had no value, comes last.
    """
    found, query = _found(campaign_id, gate)
    query = query.order_by(found.c.distance, found.c.reddit_id).limit(limit)
    if text:
        places = (found.c.title, query.selected_columns["body"], found.c.author)
        query = query.where(sa.or_(*(place.icontains(text, autoescape=True) for place in places)))
    if after is not None:
        farther = found.c.distance > after.distance
        query = query.where(farther | ((found.c.distance == after.distance) & (found.c.reddit_id > after.reddit_id)))
    return [dict(row._mapping) for row in connection.execute(query)]


def read_sample(connection: sa.Connection, campaign_id: str, gate: str) -> list[dict[str, Any]]:
    """The rows of ``read_rejected`` that are the random sample of what ``gate`` (or the reading) rejected."""
    found, query = _found(campaign_id, gate)
    query = query.order_by(sa.func.md5(found.c.reddit_id)).limit(SAMPLE)
    return [dict(row._mapping) for row in connection.execute(query)]


def read_audits(connection: sa.Connection, campaign_id: str) -> dict[str, Audit]:
    """What the marks of each gate's sample say; gates of whose sample nothing is marked are left out."""
    of_mark = (lead_marks.c.campaign_id == rejections.c.campaign_id) & (
        lead_marks.c.reddit_id == rejections.c.reddit_id
    )
    is_of_campaign = rejections.c.campaign_id == campaign_id
    if not connection.scalar(sa.select(sa.exists().where(is_of_campaign, of_mark))):
        return {}  # samples are drawn from all rejects: not in vain
    place = sa.func.row_number().over(partition_by=rejections.c.gate, order_by=sa.func.md5(rejections.c.reddit_id))
    drawn = sa.select(rejections, place.label("place")).where(is_of_campaign).subquery()
    query = (
        sa.select(drawn.c.gate, sa.func.count(), sa.func.count().filter(lead_marks.c.mark == "lead"))
        .join(lead_marks, (lead_marks.c.campaign_id == campaign_id) & (lead_marks.c.reddit_id == drawn.c.reddit_id))
        .where(drawn.c.place <= SAMPLE)
        .group_by(drawn.c.gate)
    )
    return {gate: Audit(marked, leads_marked) for gate, marked, leads_marked in connection.execute(query).tuples()}


def _found(campaign_id: str, gate: str) -> tuple[sa.Subquery, sa.Select[Any]]:
    """What ``gate``, the reading or any gate rejected, and a query of it with texts and marks."""
    source = _not_leads(campaign_id) if gate == READING else _rejections(campaign_id, gate)
    found = source.subquery()
    of_document = (documents.c.campaign_id == campaign_id) & (documents.c.reddit_id == found.c.reddit_id)
    of_mark = (lead_marks.c.campaign_id == campaign_id) & (lead_marks.c.reddit_id == found.c.reddit_id)
    body = sa.func.coalesce(documents.c.body, found.c.excerpt)
    query = (
        sa.select(*(column for column in found.c if column.name != "excerpt"), body.label("body"), lead_marks.c.mark)
        .outerjoin(documents, of_document)
        .outerjoin(lead_marks, of_mark)
    )
    return found, query


_FARTHEST = 1e9


def _rejections(campaign_id: str, gate: str) -> sa.Select[Any]:
    columns = rejections.c
    scale = sa.func.greatest(sa.func.abs(columns.threshold), 1.0)
    near = sa.func.abs(columns.observed - columns.threshold) / scale
    distance = sa.case((columns.gate == "nsfw", _FARTHEST), else_=sa.func.coalesce(near, _FARTHEST))
    query = sa.select(
        columns.reddit_id,
        columns.gate,
        columns.setting,
        columns.observed,
        columns.threshold,
        columns.kind,
        columns.subreddit,
        columns.author,
        columns.title,
        columns.url,
        columns.posted_at,
        columns.excerpt,
        distance.cast(sa.Double).label("distance"),
    ).where(columns.campaign_id == campaign_id)
    return query.where(columns.gate == gate) if gate else query


def _not_leads(campaign_id: str) -> sa.Select[Any]:
    """What was read and is no lead, the best ranked first."""
    answers = current_extractions.c
    ranked = current_candidates.c
    nothing = sa.cast(sa.null(), sa.Double)
    score = sa.func.coalesce(leads.c.relevance_score, ranked.fused_score)
    return (
        sa.select(
            answers.reddit_id,
            sa.literal(READING).label("gate"),
            sa.literal("").label("setting"),
            score.label("observed"),
            nothing.label("threshold"),
            documents.c.kind,
            documents.c.subreddit,
            documents.c.author,
            documents.c.title,
            documents.c.url,
            documents.c.created_at.label("posted_at"),
            sa.literal("").label("excerpt"),
            (1.0 - score).cast(sa.Double).label("distance"),
        )
        .join(
            current_candidates,
            (ranked.campaign_id == answers.campaign_id) & (ranked.reddit_id == answers.reddit_id),
        )
        .join(
            documents,
            (documents.c.campaign_id == answers.campaign_id) & (documents.c.reddit_id == answers.reddit_id),
        )
        .outerjoin(leads, (leads.c.campaign_id == answers.campaign_id) & (leads.c.reddit_id == answers.reddit_id))
        .where(
            answers.campaign_id == campaign_id,
            sa.not_(sa.func.coalesce(leads.c.qualifies, sa.false())),
            sa.func.coalesce(ranked.gate, "") != EXCLUDED,
        )
    )


def thresholds_of_last_ranking(connection: sa.Connection, campaign_id: str) -> dict[str, float]:
    """The thresholds by which the newest ranking rejected, by setting; a gate that rejected nothing is not told."""
    run_id = (
        sa.select(stage_runs.c.run_id)
        .where(stage_runs.c.campaign_id == campaign_id, stage_runs.c.asset == "ranked_candidates")
        .scalar_subquery()
    )
    query = (
        sa.select(rejections.c.setting, sa.func.max(rejections.c.threshold))
        .where(rejections.c.campaign_id == campaign_id, rejections.c.stage == "rank", rejections.c.run_id == run_id)
        .group_by(rejections.c.setting)
    )
    return dict(connection.execute(query).tuples().all())


def ranking_model(connection: sa.Connection, campaign_id: str) -> str | None:
    """The embedding model of the campaign's ranking; None before the first."""
    query = sa.select(current_candidates.c.model).where(current_candidates.c.campaign_id == campaign_id).limit(1)
    return connection.scalar(query)
