"""Ranked candidates and the rejections of the ranking."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from lead_assets.storage.bulk import Row, read_frame, upsert
from lead_assets.storage.corpus import forget_rejections, own_title
from lead_assets.storage.schema import candidates, documents, rejections

COMPONENTS = (
    "cosine_similarity",
    "product_similarity",
    "lexical",
    "intent_similarity",
    "asking_cue",
    "selling_cue",
    "keyword_hits",
    "score",
    "fused_score",
)


def write_ranked(
    connection: sa.Connection, campaign_id: str, ranked: Sequence[Row], rejection_rows: Sequence[Row]
) -> None:
    """Write rows of ``candidates``, the rejections among them, and forget the rejections of the others of them."""
    upsert(connection, candidates, ranked, touch="ranked_at")
    upsert(connection, rejections, rejection_rows, touch="rejected_at")
    rejected = {row["reddit_id"] for row in rejection_rows}
    forget_rejections(connection, campaign_id, [row["reddit_id"] for row in ranked if row["reddit_id"] not in rejected])


def read_kept_among(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> pd.DataFrame:
    """Those of ``reddit_ids`` that are stored as kept, with the components that the gates look at."""
    of_ids = candidates.c.reddit_id == sa.func.any(sa.bindparam("ids", list(reddit_ids), type_=sa.ARRAY(sa.Text)))
    query = (
        sa.select(candidates.c.reddit_id, documents.c.url, *(candidates.c[name] for name in COMPONENTS))
        .join(documents, _same_document())
        .where(candidates.c.campaign_id == campaign_id, candidates.c.kept, of_ids)
    )
    return read_frame(connection, query).astype(dict.fromkeys(COMPONENTS, "float64"))


def read_kept(connection: sa.Connection, campaign_id: str) -> pd.DataFrame:
    """Kept canonical candidates whose ranking is current, best first, with texts, hashes and fused scores."""
    query = (
        sa.select(
            documents.c.reddit_id,
            own_title,
            documents.c.body,
            documents.c.text_hash,
            candidates.c.fused_score,
        )
        .join(documents, _same_document())
        .where(candidates.c.campaign_id == campaign_id, *_is_current())
        .order_by(candidates.c.fused_score.desc(), candidates.c.reddit_id)
    )
    return read_frame(connection, query)


def read_candidates(connection: sa.Connection, campaign_id: str) -> pd.DataFrame:
    """Kept candidates for people, best first, near-duplicates after the documents that stand for them."""
    query = (
        sa.select(
            documents.c.reddit_id,
            candidates.c.fused_score,
            candidates.c.cosine_similarity,
            candidates.c.product_similarity,
            candidates.c.lexical,
            candidates.c.intent_similarity,
            candidates.c.asking_cue,
            candidates.c.selling_cue,
            candidates.c.keyword_hits,
            candidates.c.duplicate_of,
            documents.c.kind,
            documents.c.subreddit,
            documents.c.author,
            documents.c.title,
            documents.c.created_at.label("posted_at"),
            documents.c.matched_keywords,
            documents.c.url,
        )
        .join(documents, _same_document())
        .where(candidates.c.campaign_id == campaign_id, candidates.c.kept)
        .order_by(candidates.c.fused_score.desc(), candidates.c.duplicate_of.isnot(None), candidates.c.reddit_id)
    )
    return read_frame(connection, query)


def read_components(connection: sa.Connection, campaign_id: str) -> pd.DataFrame:
    """All ranked documents of a campaign, kept or not: ``reddit_id``, ``cosine_similarity`` and ``fused_score``."""
    names = ("reddit_id", "cosine_similarity", "fused_score")
    query = sa.select(*(candidates.c[name] for name in names)).where(candidates.c.campaign_id == campaign_id)
    return read_frame(connection, query.order_by(candidates.c.reddit_id))


def _same_document() -> sa.ColumnElement[bool]:
    return (documents.c.campaign_id == candidates.c.campaign_id) & (documents.c.reddit_id == candidates.c.reddit_id)


def _is_current() -> tuple[sa.ColumnElement[bool], ...]:
    return (
        candidates.c.kept,
        candidates.c.duplicate_of.is_(None),
        candidates.c.text_hash == documents.c.text_hash,
    )
