"""Leads: a row per embedded document, filled in once it was ranked and read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as insert_into

from lead_assets.storage.bulk import Row, update_existing
from lead_assets.storage.reading import read_rows
from lead_assets.storage.schema import (
    current_candidates,
    documents,
    lead_decisions,
    lead_events,
    leads,
    qualified_leads,
    vectors,
)


def write_stubs(connection: sa.Connection, campaign_id: str, model: str) -> int:
    """Insert or update a row for each document with a vector of ``model``; returns how many are new or changed.

    Only the identity columns are written; what was extracted stays.
    """
    identity = {
        "embedding": vectors.c.vector,
        "reddit_url": documents.c.url,
        "author": documents.c.author,
        "title": documents.c.title,
        "subreddit": documents.c.subreddit,
        "posted_at": documents.c.created_at,
    }
    with_vector = (vectors.c.text_hash == documents.c.text_hash) & (vectors.c.model == model)
    query = (
        sa.select(documents.c.campaign_id, documents.c.reddit_id, *identity.values())
        .join(vectors, with_vector)
        .where(documents.c.campaign_id == campaign_id)
    )
    insert = insert_into(leads).from_select(["campaign_id", "reddit_id", *identity], query)
    changed = sa.or_(*(leads.c[name].is_distinct_from(insert.excluded[name]) for name in identity))
    statement = insert.on_conflict_do_update(
        index_elements=["campaign_id", "reddit_id"],
        set_={name: insert.excluded[name] for name in identity} | {"updated_at": sa.func.now()},
        where=changed,
    )
    return connection.execute(statement).rowcount


LEAD_COLUMNS: tuple[str, ...] = (
    *(column.name for column in qualified_leads.columns if column.name != "embedding"),
    *("kind", "matched_keywords", "num_comments", "other_places", "found_at", "status", "snoozed_until"),
)
"""What ``read_qualified`` gives of a lead."""


class LeadChanges(NamedTuple):
    """How many leads a write added and took away."""

    new: int
    gone: int


def write_extracted(connection: sa.Connection, campaign_id: str, rows: Sequence[Row]) -> LeadChanges:
    """Fill in ``extracted_data``, ``relevance_score`` and ``qualifies`` of ``rows`` and clear those of all other leads.

    ``rows`` have ``campaign_id, reddit_id, extracted_data, relevance_score, qualifies``. Rows that say what is stored
    already are left alone. Returns how many leads are new and gone by what was persisted before: also those that a
    ranking or a reading since then has taken away.
    """
    stored = {
        reddit_id: (data, relevance, qualifies)
        for reddit_id, data, relevance, qualifies in connection.execute(
            sa.select(leads.c.reddit_id, leads.c.extracted_data, leads.c.relevance_score, leads.c.qualifies).where(
                leads.c.campaign_id == campaign_id, leads.c.extracted_data.isnot(None)
            )
        )
    }
    written = ("extracted_data", "relevance_score", "qualifies")
    new = [row for row in rows if stored.get(row["reddit_id"]) != tuple(row[name] for name in written)]
    update_existing(connection, leads, new, touch="updated_at")
    obsolete = sorted(stored.keys() - {row["reddit_id"] for row in rows})
    clearing = (
        sa.update(leads)
        .where(
            leads.c.campaign_id == campaign_id,
            leads.c.reddit_id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))),
        )
        .values(extracted_data=sa.null(), relevance_score=None, qualifies=None, updated_at=sa.func.now())
    )
    if obsolete:
        connection.execute(clearing, {"ids": obsolete})
    before = {reddit_id for reddit_id, (*_, qualifies) in stored.items() if qualifies}
    after = {row["reddit_id"] for row in rows if row["qualifies"]}
    return LeadChanges(new=len(after - before), gone=len(before - after))


def read_qualified(
    connection: sa.Connection,
    campaign_id: str,
    *,
    limit: int | None = None,
    min_score: float | None = None,
    since: datetime | None = None,
    found_since: datetime | None = None,
    status: str | None = None,
    after: tuple[float, str] | None = None,
    found_after: tuple[datetime, str] | None = None,
    newest_first: bool = False,
) -> list[dict[str, Any]]:
    """Qualified leads without their embeddings, with the ``other_places`` where each was posted too.

    Best first, or those that were found last first. ``after`` is the relevance score and the id of a lead, and
    ``found_after`` when it was found and its id: only those that come after it, in that order, are read. ``since`` is
    about when a document was posted, ``found_since`` about when it first was a lead.
    """
    found_at = sa.func.coalesce(lead_events.c.happened_at, qualified_leads.c.created_at)
    current = sa.func.coalesce(lead_decisions.c.status, "new")
    columns = [qualified_leads.c[name] for name in LEAD_COLUMNS if name in qualified_leads.c]
    places = _places(campaign_id)
    listed = sa.func.coalesce(places.c.other_places, sa.literal([], JSONB)).label("other_places")
    query = (
        sa.select(
            *columns,
            documents.c.kind,
            documents.c.matched_keywords,
            documents.c.num_comments,
            listed,
            found_at.label("found_at"),
            current.label("status"),
            lead_decisions.c.snoozed_until,
        )
        .join(
            documents,
            (documents.c.campaign_id == qualified_leads.c.campaign_id)
            & (documents.c.reddit_id == qualified_leads.c.reddit_id),
        )
        .outerjoin(places, places.c.duplicate_of == qualified_leads.c.reddit_id)
        .outerjoin(
            lead_events,
            (lead_events.c.campaign_id == qualified_leads.c.campaign_id)
            & (lead_events.c.reddit_id == qualified_leads.c.reddit_id)
            & (lead_events.c.event == "found"),
        )
        .outerjoin(
            lead_decisions,
            (lead_decisions.c.campaign_id == qualified_leads.c.campaign_id)
            & (lead_decisions.c.reddit_id == qualified_leads.c.reddit_id),
        )
        .where(qualified_leads.c.campaign_id == campaign_id)
        .order_by(found_at.desc() if newest_first else qualified_leads.c.relevance_score.desc())
        .order_by(qualified_leads.c.reddit_id)
        .limit(limit)
    )
    if min_score is not None:
        query = query.where(qualified_leads.c.relevance_score >= min_score)
    if since is not None:
        query = query.where(qualified_leads.c.posted_at >= since)
    if found_since is not None:
        query = query.where(found_at >= found_since)
    if status is not None:
        query = query.where(current == status)
    if found_after is not None:
        moment, reddit_id = found_after
        query = query.where((found_at < moment) | ((found_at == moment) & (qualified_leads.c.reddit_id > reddit_id)))
    if after is not None:
        score, reddit_id = after
        lower = qualified_leads.c.relevance_score < score
        query = query.where(
            lower | ((qualified_leads.c.relevance_score == score) & (qualified_leads.c.reddit_id > reddit_id))
        )
    return read_rows(connection, query)


def read_other_places(connection: sa.Connection, campaign_id: str, reddit_id: str) -> list[dict[str, Any]]:
    """Where else the text of a document was posted: ``reddit_id``, ``subreddit``, ``author`` and ``url``, oldest first.

    These are the kept near-duplicates that it stands for.
    """
    places = _places(campaign_id)
    return connection.scalar(sa.select(places.c.other_places).where(places.c.duplicate_of == reddit_id)) or []


def _places(campaign_id: str) -> sa.Subquery:
    """The near-duplicates of each document that stands for some."""
    ranked = current_candidates.c
    names = ("reddit_id", "subreddit", "author", "url")
    place = sa.func.jsonb_build_object(*(part for name in names for part in (name, documents.c[name])))
    in_order = aggregate_order_by(place, documents.c.created_at.nulls_last(), documents.c.reddit_id)
    return (
        sa.select(ranked.duplicate_of, sa.func.jsonb_agg(in_order, type_=JSONB).label("other_places"))
        .join(documents, (documents.c.campaign_id == ranked.campaign_id) & (documents.c.reddit_id == ranked.reddit_id))
        .where(ranked.campaign_id == campaign_id, ranked.kept, ranked.duplicate_of.isnot(None))
        .group_by(ranked.duplicate_of)
        .subquery("places")
    )


def contradictions(connection: sa.Connection, campaign_id: str) -> dict[str, int]:
    """Counts of what must not be, in both directions; what was postponed or could not be read is no contradiction.

    ``candidates_without_lead``: candidates without a row in ``leads``. ``read_but_not_persisted``: answers that count
    (``current_extractions``) but are not those that their leads carry. ``persisted_without_candidate``: leads that
    carry an answer though their candidate is not readable. ``persisted_without_extraction``: leads that carry one
    though no answer about the stored text counts.
    """
    query = sa.text("""
        SELECT
            count(*) FILTER (WHERE c.reddit_id IS NOT NULL AND l.reddit_id IS NULL) AS candidates_without_lead,
            count(*) FILTER (WHERE e.request_key IS DISTINCT FROM l.extracted_data ->> 'request_key'
                AND e.reddit_id IS NOT NULL AND l.reddit_id IS NOT NULL) AS read_but_not_persisted,
            count(*) FILTER (WHERE l.extracted_data IS NOT NULL AND c.is_readable IS NOT TRUE)
                AS persisted_without_candidate,
            count(*) FILTER (WHERE l.extracted_data IS NOT NULL AND c.is_readable AND e.reddit_id IS NULL)
                AS persisted_without_extraction
        FROM lead_assets.documents d
        LEFT JOIN (SELECT * FROM lead_assets.leads WHERE campaign_id = :campaign) l USING (campaign_id, reddit_id)
        LEFT JOIN (SELECT * FROM lead_assets.current_candidates WHERE campaign_id = :campaign) c
            USING (campaign_id, reddit_id)
        LEFT JOIN (SELECT * FROM lead_assets.current_extractions WHERE campaign_id = :campaign) e
            USING (campaign_id, reddit_id)
        WHERE d.campaign_id = :campaign
    """)
    return dict(connection.execute(query, {"campaign": campaign_id}).one()._mapping)
