"""Ranked candidates and the rejections of the ranking."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from lead_assets.domain.frames import to_rows
from lead_assets.domain.score_components import COMPONENTS
from lead_assets.storage.bulk import Row, update_existing, upsert
from lead_assets.storage.corpus import forget_rejections
from lead_assets.storage.reading import own_title, read_frame
from lead_assets.storage.schema import (
    candidates,
    current_candidates,
    current_extractions,
    documents,
    extractions,
    lead_marks,
    rejections,
)

if TYPE_CHECKING:
    import pandas as pd

JUDGED = (*(component.name for component in COMPONENTS), "keyword_hits", "score", "fused_score")
"""What the ranking's gates look at."""


def write_ranked(
    connection: sa.Connection, campaign_id: str, frame: "pd.DataFrame", rejection_rows: Sequence[Row]
) -> None:
    """Write ranked documents, the rejections among them, and forget the rejections of the others of them.

    ``frame`` has the columns of the table ``candidates``, and more.
    """
    ranked = to_rows(frame[[column.name for column in candidates.columns if column.name in frame]])
    upsert(connection, candidates, ranked, touch="ranked_at")
    upsert(connection, rejections, rejection_rows, touch="rejected_at")
    rejected = {row["reddit_id"] for row in rejection_rows}
    forget_rejections(connection, campaign_id, [row["reddit_id"] for row in ranked if row["reddit_id"] not in rejected])


def read_kept_among(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> "pd.DataFrame":
    """Those of ``reddit_ids`` that are stored as kept, with the components that the gates look at."""
    of_ids = candidates.c.reddit_id == sa.func.any(sa.bindparam("ids", list(reddit_ids), type_=sa.ARRAY(sa.Text)))
    query = (
        sa.select(candidates.c.reddit_id, documents.c.url, *(candidates.c[name] for name in JUDGED))
        .join(documents, _same_document())
        .where(candidates.c.campaign_id == campaign_id, candidates.c.kept, of_ids)
    )
    return read_frame(connection, query).astype(dict.fromkeys(JUDGED, "float64"))


def read_without_keys(connection: sa.Connection, campaign_id: str, basis: str) -> "pd.DataFrame":
    """Readable candidates whose request keys were made of something else than ``basis`` and their stored text.

    Columns: ``reddit_id, title, body, text_hash``.
    """
    made_of = sa.literal(basis) + ":" + documents.c.text_hash
    query = (
        sa.select(documents.c.reddit_id, own_title, documents.c.body, documents.c.text_hash)
        .join(documents, _same_document(current_candidates))
        .where(
            current_candidates.c.campaign_id == campaign_id,
            current_candidates.c.is_readable,
            current_candidates.c.request_basis.is_distinct_from(made_of),
        )
    )
    return read_frame(connection, query)


def write_request_keys(
    connection: sa.Connection, campaign_id: str, basis: str, rows: Sequence[tuple[str, str, Sequence[str]]]
) -> None:
    """Store what would be asked now: fullname, text hash and accepted keys of candidates, the reader's own key last."""
    keyed = [
        {
            "campaign_id": campaign_id,
            "reddit_id": reddit_id,
            "request_key": keys[-1],
            "accepted_keys": list(keys),
            "request_basis": f"{basis}:{text_hash}",
        }
        for reddit_id, text_hash, keys in rows
    ]
    update_existing(connection, candidates, keyed)


OrderedBy = Literal["lead_probability", "fused_score"]
ORDERED_BY: Mapping[Literal["probability", "fused"], OrderedBy] = {
    "probability": "lead_probability",
    "fused": "fused_score",
}
"""What is best first, by RELEVANCE."""


def read_to_extract(connection: sa.Connection, campaign_id: str, by: OrderedBy = "lead_probability") -> "pd.DataFrame":
    """Readable candidates without an answer to the request that would be made now, best first.

    Columns: ``reddit_id, title, body, source, text_hash, request_key, attempts``: how often the same request failed,
    whichever document it was made for, since another of the same text has no better chance.
    """
    failed = (
        sa.select(sa.func.max(extractions.c.attempts))
        .where(
            extractions.c.campaign_id == campaign_id,
            extractions.c.request_key == current_candidates.c.request_key,
            extractions.c.status == "failed",
        )
        .correlate(current_candidates)
        .scalar_subquery()
    )
    query = (
        sa.select(
            documents.c.reddit_id,
            own_title,
            documents.c.body,
            documents.c.source,
            documents.c.text_hash,
            current_candidates.c.request_key,
            sa.func.coalesce(failed, 0).label("attempts"),
        )
        .join(documents, _same_document(current_candidates))
        .outerjoin(
            current_extractions,
            (current_extractions.c.campaign_id == current_candidates.c.campaign_id)
            & (current_extractions.c.reddit_id == current_candidates.c.reddit_id),
        )
        .where(
            current_candidates.c.campaign_id == campaign_id,
            current_candidates.c.is_readable,
            sa.func.coalesce(current_extractions.c.stale, sa.true()),
        )
        .order_by(*_best_first(by), current_candidates.c.reddit_id)
    )
    return read_frame(connection, query)


def _best_first(by: OrderedBy) -> list[sa.ColumnElement[Any]]:
    """What was ranked before there was a probability comes last, by its fused score."""
    return [current_candidates.c[by].desc().nulls_last(), current_candidates.c.fused_score.desc()]


def read_candidates(connection: sa.Connection, campaign_id: str, by: OrderedBy = "lead_probability") -> "pd.DataFrame":
    """Kept candidates for people, best first, near-duplicates after the documents that stand for them."""
    ranked = current_candidates.c
    query = (
        sa.select(
            documents.c.reddit_id,
            ranked.lead_probability,
            ranked.fused_score,
            *(ranked[component.name] for component in COMPONENTS),
            ranked.keyword_hits,
            ranked.duplicate_of,
            documents.c.kind,
            documents.c.subreddit,
            documents.c.author,
            documents.c.title,
            documents.c.created_at.label("posted_at"),
            documents.c.matched_keywords,
            documents.c.url,
        )
        .join(documents, _same_document(current_candidates))
        .where(ranked.campaign_id == campaign_id, ranked.kept)
        .order_by(*_best_first(by), ranked.duplicate_of.isnot(None), ranked.reddit_id)
    )
    return read_frame(connection, query)


def read_components(connection: sa.Connection, campaign_id: str) -> "pd.DataFrame":
    """All ranked documents of a campaign, kept or not: ``reddit_id``, ``cosine_similarity``, ``fused_score`` and
    ``lead_probability``."""
    names = ("reddit_id", "cosine_similarity", "fused_score", "lead_probability")
    ranked = current_candidates.c
    query = sa.select(*(ranked[name] for name in names)).where(ranked.campaign_id == campaign_id)
    return read_frame(connection, query.order_by(ranked.reddit_id))


def _same_document(ranked: sa.Table = candidates) -> sa.ColumnElement[bool]:
    return (documents.c.campaign_id == ranked.c.campaign_id) & (documents.c.reddit_id == ranked.c.reddit_id)


def read_least_sure(connection: sa.Connection, campaign_id: str, threshold: float, limit: int) -> list[dict[str, Any]]:
    """Readable candidates that nobody has marked, their probability nearest to ``threshold`` first."""
    ranked = current_candidates.c
    of_mark = (lead_marks.c.campaign_id == ranked.campaign_id) & (lead_marks.c.reddit_id == ranked.reddit_id)
    of_document = (documents.c.campaign_id == ranked.campaign_id) & (documents.c.reddit_id == ranked.reddit_id)
    query = (
        sa.select(ranked.reddit_id, ranked.lead_probability, documents.c.title, documents.c.body, documents.c.url)
        .join(documents, of_document)
        .outerjoin(lead_marks, of_mark)
        .where(
            ranked.campaign_id == campaign_id,
            ranked.is_readable,
            ranked.lead_probability.is_not(None),
            lead_marks.c.mark.is_(None),
        )
        .order_by(sa.func.abs(ranked.lead_probability - threshold), ranked.reddit_id)
        .limit(limit)
    )
    return [dict(row._mapping) for row in connection.execute(query)]
