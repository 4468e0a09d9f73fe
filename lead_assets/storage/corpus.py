"""Crawled documents, the ledger of sightings, and rejections: what a crawl writes, always together."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from lead_assets.domain.document_text import EXCERPT_CHARACTERS
from lead_assets.domain.frames import typed
from lead_assets.storage.bulk import Row, update_existing, upsert
from lead_assets.storage.reading import read_frame
from lead_assets.storage.schema import documents, rejections, sightings

if TYPE_CHECKING:
    import pandas as pd

CRAWL = "crawl"
JUDGED_COLUMNS = (
    "reddit_id",
    "kind",
    "source",
    "url",
    "author",
    "created_at",
    "score",
    "upvote_ratio",
    "over_18",
    "subreddit_subscribers",
    "subreddit_hot_posts",
    "author_karma",
    "judged_as_of",
)
"""What the metadata gates look at, and what names a row in an example."""


def read_sightings(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> "pd.DataFrame":
    """The ledger's entries for ``reddit_ids``, their ages by the server's clock: ``reddit_id, age_seconds, …``."""
    query = sa.select(
        sightings.c.reddit_id,
        sa.func.extract("epoch", sa.func.now() - sightings.c.seen_at).cast(sa.Double).label("age_seconds"),
        sightings.c.gate_digest,
        sightings.c.run_id,
    ).where(sightings.c.campaign_id == campaign_id, sightings.c.reddit_id.in_(sa.bindparam("ids", expanding=True)))
    return read_frame(connection, query, {"ids": list(reddit_ids)})


def read_states(connection: sa.Connection, campaign_id: str) -> dict[str, datetime | None]:
    """All that a campaign has met, by fullname, and since when it is as it is stored; None where unknown."""
    query = (
        sa.select(sightings.c.reddit_id, documents.c.state_at)
        .outerjoin(
            documents,
            (documents.c.campaign_id == sightings.c.campaign_id) & (documents.c.reddit_id == sightings.c.reddit_id),
        )
        .where(sightings.c.campaign_id == campaign_id)
    )
    return dict(connection.execute(query).tuples().all())


def read_texts_of(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> "pd.DataFrame":
    """Of stored documents ``reddit_id, stored_title, stored_hash, stored_state_at``; a title only of comments."""
    query = sa.select(
        documents.c.reddit_id,
        sa.case((documents.c.kind == "comment", documents.c.title), else_="").label("stored_title"),
        documents.c.text_hash.label("stored_hash"),
        documents.c.state_at.label("stored_state_at"),
    ).where(
        documents.c.campaign_id == campaign_id,
        documents.c.reddit_id == sa.func.any(sa.bindparam("ids", list(reddit_ids), type_=sa.ARRAY(sa.Text))),
    )
    return read_frame(connection, query)


def write_judged(
    connection: sa.Connection,
    campaign_id: str,
    *,
    kept: Sequence[Row],
    rejected: Sequence[Row],
    rejection_rows: Sequence[Row],
    gate_digest: str,
    run_id: str,
    anew: Collection[str] = (),
) -> tuple[int, int]:
    """Write one batch after it met the metadata gates: documents, rejections and sightings.

    Returns how many documents and how many rejections PostgreSQL says that it has written.

    ``kept`` and ``rejected`` are rows of ``documents``; a rejected document that is stored already is updated, a new
    one is not stored. ``rejection_rows`` are rows of ``rejections``. ``anew`` are those that were judged again on
    purpose, so that the ledger before this run is no measure for them.
    """
    stored = upsert(connection, documents, kept, touch="updated_at")
    update_existing(connection, documents, rejected, touch="updated_at")
    noted = upsert(connection, rejections, rejection_rows, touch="rejected_at")
    forget_rejections(connection, campaign_id, [row["reddit_id"] for row in kept], stage=CRAWL)
    judged = [row["reddit_id"] for row in (*kept, *rejected)]
    _write_sightings(connection, campaign_id, judged, gate_digest, run_id, anew)
    return stored, noted


def _write_sightings(
    connection: sa.Connection,
    campaign_id: str,
    reddit_ids: Sequence[str],
    gate_digest: str,
    run_id: str,
    anew: Collection[str],
) -> None:
    connection.execute(
        sa.text(
            "INSERT INTO lead_assets.sightings (campaign_id, reddit_id, seen_at, gate_digest, run_id) "
            "SELECT :campaign, unnest(CAST(:ids AS text[])), now(), :digest, :run "
            "ON CONFLICT (campaign_id, reddit_id) DO UPDATE SET "
            "previous_seen_at = sightings.seen_at, "
            "previous_gate_digest = "
            "CASE WHEN sightings.reddit_id = ANY(CAST(:anew AS text[])) THEN NULL ELSE sightings.gate_digest END, "
            "seen_at = now(), gate_digest = EXCLUDED.gate_digest, run_id = EXCLUDED.run_id"
        ),
        {
            "campaign": campaign_id,
            "ids": list(reddit_ids),
            "digest": gate_digest,
            "run": run_id,
            "anew": sorted(anew),
        },
    )


def forget_rejections(
    connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str], stage: str | None = None
) -> None:
    """Delete the rejections of documents that are kept now; only those of ``stage`` where it is given."""
    of_ids = rejections.c.reddit_id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text)))
    query = sa.delete(rejections).where(rejections.c.campaign_id == campaign_id, of_ids)
    if stage is not None:
        query = query.where(rejections.c.stage == stage)
    connection.execute(query, {"ids": list(reddit_ids)})


def unite_keywords(connection: sa.Connection, campaign_id: str, keywords: Mapping[str, Sequence[str]]) -> None:
    """Add matched keywords to documents that this run met again."""
    for reddit_id, found in keywords.items():
        connection.execute(
            sa.text(
                "UPDATE lead_assets.documents SET matched_keywords = "
                "ARRAY(SELECT DISTINCT unnest(matched_keywords || CAST(:found AS text[])) ORDER BY 1) "
                "WHERE campaign_id = :campaign AND reddit_id = :id"
            ),
            {"found": list(found), "campaign": campaign_id, "id": reddit_id},
        )


def read_kept_by_run(connection: sa.Connection, campaign_id: str, run_id: str) -> "pd.DataFrame":
    """Documents that run ``run_id`` kept, with the age at which the ledger had them before it."""
    known_before = sightings.c.previous_gate_digest == sightings.c.gate_digest
    age = sa.func.extract("epoch", sightings.c.seen_at - sightings.c.previous_seen_at).cast(sa.Double)
    query = (
        sa.select(
            *(documents.c[name] for name in JUDGED_COLUMNS),
            sa.case((known_before, age), else_=None).label("sighting_age_seconds"),
        )
        .join(
            sightings,
            (sightings.c.campaign_id == documents.c.campaign_id) & (sightings.c.reddit_id == documents.c.reddit_id),
        )
        .where(documents.c.campaign_id == campaign_id, documents.c.run_id == run_id, ~is_rejected_by_crawl())
    )
    return typed(read_frame(connection, query))


def is_rejected_by_crawl() -> sa.Exists:
    """Whether a row of ``documents`` is one that the metadata gates reject now."""
    return sa.exists().where(
        rejections.c.campaign_id == documents.c.campaign_id,
        rejections.c.reddit_id == documents.c.reddit_id,
        rejections.c.stage == CRAWL,
    )


def read_texts(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> "pd.DataFrame":
    """``reddit_id, kind, title, body, text_hash`` of documents of a campaign."""
    names = ("reddit_id", "kind", "title", "body", "text_hash")
    of_ids = documents.c.reddit_id == sa.func.any(sa.bindparam("ids", list(reddit_ids), type_=sa.ARRAY(sa.Text)))
    query = sa.select(*(documents.c[name] for name in names)).where(documents.c.campaign_id == campaign_id, of_ids)
    return read_frame(connection, query)


def read_text_hashes(connection: sa.Connection, campaign_id: str) -> dict[str, str]:
    """Fullname to text hash of every stored document of a campaign."""
    query = sa.select(documents.c.reddit_id, documents.c.text_hash).where(documents.c.campaign_id == campaign_id)
    return dict(connection.execute(query).tuples().all())


def read_excerpts(connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]) -> dict[str, str]:
    """How the texts of stored documents begin, by fullname."""
    of_ids = documents.c.reddit_id == sa.func.any(sa.bindparam("ids", list(reddit_ids), type_=sa.ARRAY(sa.Text)))
    query = sa.select(documents.c.reddit_id, _beginning).where(documents.c.campaign_id == campaign_id, of_ids)
    return dict(connection.execute(query).tuples().all())


_beginning = sa.func.left(documents.c.body, EXCERPT_CHARACTERS)


def read_rejections(connection: sa.Connection, campaign_id: str) -> "pd.DataFrame":
    """Current rejections of a campaign, newest first, each with the ``excerpt`` of its document."""
    excerpt = sa.func.coalesce(_beginning, rejections.c.excerpt).label("excerpt")
    of_document = (documents.c.campaign_id == campaign_id) & (documents.c.reddit_id == rejections.c.reddit_id)
    query = (
        sa.select(*(column for column in rejections.columns if column.name not in ("observed_values", "excerpt")))
        .add_columns(excerpt)
        .outerjoin(documents, of_document)
        .where(rejections.c.campaign_id == campaign_id)
        .order_by(rejections.c.rejected_at.desc(), rejections.c.reddit_id)
    )
    return read_frame(connection, query)
