"""What was deleted or removed on Reddit, or is older than it may be kept, and its removal from every table.

``deleted_documents`` is the list for all campaigns; each campaign's rows go while somebody holds its lock, so that
nothing is taken away from under a run that has it in its hands.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from lead_assets.domain.document_text import document_text, text_hash
from lead_assets.storage.bulk import upsert
from lead_assets.storage.lead_events import take_texts
from lead_assets.storage.schema import (
    candidates,
    comment_trees,
    deleted_documents,
    documents,
    extractions,
    failed_embeddings,
    lead_decisions,
    leads,
    metadata,
    rejections,
    sightings,
    stage_runs,
    text_features,
    vectors,
)

_STORED_CHUNK = 10_000


@dataclass
class Purged:
    """Which documents went, and how many rows of which table."""

    reddit_ids: set[str] = field(default_factory=set)
    rows: dict[str, int] = field(default_factory=dict)


def remember_deleted(connection: sa.Connection, reddit_ids: Collection[str]) -> None:
    """Put ``reddit_ids`` on the list; no source brings them back."""
    upsert(connection, deleted_documents, [{"reddit_id": reddit_id} for reddit_id in sorted(reddit_ids)])


def read_deleted(connection: sa.Connection, reddit_ids: Sequence[str]) -> set[str]:
    """Those of ``reddit_ids`` that are on the list."""
    query = sa.select(deleted_documents.c.reddit_id).where(_among(deleted_documents.c.reddit_id))
    return set(connection.scalars(query, {"ids": list(reddit_ids)}))


def stored_documents(connection: sa.Connection) -> Iterator[tuple[str, bool, Sequence[str | None]]]:
    """Every fullname that was judged for any campaign, once; whether its author is known, and where it came from."""
    named = sa.union_all(
        *(
            sa.select(table.c.reddit_id, table.c.author.isnot(None).label("named"), table.c.source)
            for table in (documents, rejections)
        ),
        sa.select(sightings.c.reddit_id, sa.false().label("named"), sa.null().label("source")),
    ).subquery()
    sources = sa.func.array_agg(named.c.source.distinct())
    query = sa.select(named.c.reddit_id, sa.func.bool_or(named.c.named), sources).group_by(named.c.reddit_id)
    result = connection.execution_options(yield_per=_STORED_CHUNK).execute(query.order_by(named.c.reddit_id))
    yield from result.tuples()


def deleted_of_campaign(connection: sa.Connection, campaign_id: str) -> list[str]:
    """What a campaign still holds of what is on the list."""
    held = sa.union(
        *(
            sa.select(table.c.reddit_id).where(table.c.campaign_id == campaign_id, _on_list(table))
            for table in (documents, *_BY_ID)
        )
    )
    return sorted(connection.scalars(held))


def campaigns_with_deleted(connection: sa.Connection) -> list[str]:
    """Campaigns that still hold something that is on the list."""
    held = sa.union(*(sa.select(table.c.campaign_id).where(_on_list(table)) for table in (documents, *_BY_ID)))
    return sorted(connection.scalars(held))


def purge_deleted(connection: sa.Connection, campaign_id: str) -> Purged:
    """Remove what is on the list from all tables of a campaign, and what is kept of texts that no document has now.

    The caller holds the campaign's lock. A comment keeps its own text where only its post went: the post's title, which
    it carries as context, goes.
    """
    purged = Purged()
    hashes = _untitle_comments(connection, campaign_id, purged)
    _purge(connection, campaign_id, sa.select(deleted_documents.c.reddit_id), purged, hashes)
    return purged


def purge_expired(connection: sa.Connection, campaign_id: str, before: datetime) -> Purged:
    """Remove what was posted before ``before``, or nobody knows when, with all that follows from it.

    The caller holds the campaign's lock. Leads that were won stay, and so does the title that a comment carries of its
    post.
    """
    old = sa.union(
        *(
            sa.select(table.c.reddit_id).where(
                table.c.campaign_id == campaign_id, sa.or_(posted_at.is_(None), posted_at < before)
            )
            for table, posted_at in ((documents, documents.c.created_at), (rejections, rejections.c.posted_at))
        )
    )
    expired = sorted(set(connection.scalars(old)) - read_won(connection, campaign_id))
    purged = Purged()
    if expired:
        doomed = sa.select(sa.func.unnest(sa.literal(expired, sa.ARRAY(sa.Text))))
        _purge(connection, campaign_id, doomed, purged, set())
    return purged


def read_won(connection: sa.Connection, campaign_id: str) -> set[str]:
    """The leads of a campaign that were won, which are kept for good."""
    query = sa.select(lead_decisions.c.reddit_id).where(
        lead_decisions.c.campaign_id == campaign_id, lead_decisions.c.status == "won"
    )
    return set(connection.scalars(query))


def _purge(
    connection: sa.Connection, campaign_id: str, doomed: sa.Select[tuple[str]], purged: Purged, hashes: set[str]
) -> None:
    """Remove ``doomed`` from all tables of a campaign; ``hashes`` are of texts that documents had before."""
    for table in (*_BY_ID, documents):
        statement = sa.delete(table).where(table.c.campaign_id == campaign_id, table.c.reddit_id.in_(doomed))
        if table is documents:
            gone = connection.execute(statement.returning(table.c.reddit_id, table.c.text_hash)).all()
            hashes |= {row.text_hash for row in gone}
        else:
            gone = connection.execute(statement.returning(table.c.reddit_id)).all()
        purged.reddit_ids |= {row.reddit_id for row in gone}
        purged.rows[table.name] = len(gone)
    connection.execute(
        sa.delete(comment_trees).where(comment_trees.c.campaign_id == campaign_id, comment_trees.c.post_id.in_(doomed))
    )
    purged.rows["texts_of_notes"] = take_texts(connection, campaign_id, doomed)
    # A near-duplicate of a document that went stands for itself; the next ranking says so anew.
    connection.execute(
        sa.update(candidates)
        .where(candidates.c.campaign_id == campaign_id, candidates.c.duplicate_of.in_(doomed))
        .values(duplicate_of=None)
    )
    purged.rows |= forget_texts(connection, hashes)


def texts_of(connection: sa.Connection, campaign_id: str) -> set[str]:
    """The hashes of the texts of a campaign's documents."""
    return set(connection.scalars(sa.select(documents.c.text_hash).where(documents.c.campaign_id == campaign_id)))


def delete_campaign(
    connection: sa.Connection, campaign_id: str, but: sa.ColumnElement[bool] | None = None
) -> dict[str, int]:
    """Delete a campaign's rows from every table, of ``stage_runs`` not those where ``but`` holds; counts by table."""
    removed: dict[str, int] = {}
    for table in reversed(metadata.sorted_tables):
        if "campaign_id" in table.c:
            statement = sa.delete(table).where(table.c.campaign_id == campaign_id)
            if table is stage_runs and but is not None:
                statement = statement.where(~but)
            removed[table.name] = connection.execute(statement).rowcount
    return removed


_BY_ID = (leads, extractions, candidates, rejections, sightings)
"""The campaign-owned tables beside ``documents``; their rows are deleted by name so that they can be counted."""

_BY_TEXT = {vectors: "created_at", text_features: "created_at", failed_embeddings: "failed_at"}
"""The shared tables that are keyed by text hash, and when their rows were stored."""


def _on_list(table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.reddit_id.in_(sa.select(deleted_documents.c.reddit_id))


def _among(column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return column == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text)))


def _untitle_comments(connection: sa.Connection, campaign_id: str, purged: Purged) -> set[str]:
    """Take the titles of deleted posts off their comments, and what was read out of them; returns the old hashes."""
    query = sa.select(documents.c.reddit_id, documents.c.body, documents.c.text_hash).where(
        documents.c.campaign_id == campaign_id,
        documents.c.kind == "comment",
        documents.c.title != "",
        documents.c.post_id.in_(sa.select(deleted_documents.c.reddit_id)),
    )
    comments = connection.execute(query).all()
    ids = [row.reddit_id for row in comments]
    for row in comments:
        values = {"title": "", "text_hash": text_hash(document_text("", row.body)), "updated_at": sa.func.now()}
        of_row = (documents.c.campaign_id == campaign_id) & (documents.c.reddit_id == row.reddit_id)
        connection.execute(sa.update(documents).where(of_row).values(values))
    if ids:
        of_lead = (leads.c.campaign_id == campaign_id) & _among(leads.c.reddit_id)
        blank = {"title": "", "extracted_data": sa.null(), "relevance_score": None, "embedding": None}
        connection.execute(sa.update(leads).where(of_lead).values(blank), {"ids": ids})
        of_extraction = (extractions.c.campaign_id == campaign_id) & _among(extractions.c.reddit_id)
        connection.execute(sa.delete(extractions).where(of_extraction), {"ids": ids})
    purged.rows["comments_untitled"] = len(ids)
    return {row.text_hash for row in comments}


def forget_texts(connection: sa.Connection, hashes: Collection[str], since: datetime | None = None) -> dict[str, int]:
    """Remove what is kept by text hash of texts that no document has any more; returns counts of rows by table.

    ``hashes`` are the texts to look at; with ``since``, only what was stored since then goes.
    """
    removed: dict[str, int] = {}
    for table, stored_at in _BY_TEXT.items():
        in_use = sa.exists().where(documents.c.text_hash == table.c.text_hash)
        statement = sa.delete(table).where(_among(table.c.text_hash), ~in_use)
        if since is not None:
            statement = statement.where(table.c[stored_at] >= since)
        removed[table.name] = connection.execute(statement, {"ids": sorted(hashes)}).rowcount if hashes else 0
    return removed
