"""Extractions: what was read out of candidates. They are never overwritten; a failed one may be tried again."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from lead_assets.storage.bulk import Row, read_frame, upsert
from lead_assets.storage.corpus import own_title
from lead_assets.storage.schema import candidates, documents, extractions

OK, FAILED = "ok", "failed"


def read_by_keys(connection: sa.Connection, campaign_id: str, request_keys: Sequence[str]) -> pd.DataFrame:
    """The extractions with one of ``request_keys``: all columns."""
    of_keys = extractions.c.request_key == sa.func.any(sa.bindparam("keys", type_=sa.ARRAY(sa.Text)))
    query = sa.select(extractions).where(extractions.c.campaign_id == campaign_id, of_keys)
    result = connection.execute(query, {"keys": list(request_keys)})
    return pd.DataFrame(result.fetchall(), columns=list(result.keys()))


def read_by_keys_elsewhere(connection: sa.Connection, campaign_id: str, request_keys: Sequence[str]) -> pd.DataFrame:
    """A good extraction of another campaign, or of another document, for each of ``request_keys`` that has one."""
    of_keys = extractions.c.request_key == sa.func.any(sa.bindparam("keys", type_=sa.ARRAY(sa.Text)))
    query = (
        sa.select(extractions)
        .distinct(extractions.c.request_key)
        .where(of_keys, extractions.c.status == OK)
        .order_by(extractions.c.request_key, extractions.c.campaign_id != campaign_id, extractions.c.extracted_at)
    )
    result = connection.execute(query, {"keys": list(request_keys)})
    return pd.DataFrame(result.fetchall(), columns=list(result.keys()))


def has_read_by(connection: sa.Connection, campaign_id: str, extractor: str) -> bool:
    """Whether the campaign has a good extraction by ``extractor``."""
    query = sa.select(
        sa.exists().where(
            extractions.c.campaign_id == campaign_id, extractions.c.extractor == extractor, extractions.c.status == OK
        )
    )
    return bool(connection.scalar(query))


def write_extractions(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store extractions; only a failed one with the same key is replaced."""
    keys = [_key(row) for row in rows]
    connection.execute(
        sa.delete(extractions).where(
            sa.tuple_(extractions.c.campaign_id, extractions.c.reddit_id, extractions.c.request_key).in_(keys),
            extractions.c.status == FAILED,
        )
    )
    upsert(connection, extractions, rows, update=())


def _key(row: Row) -> tuple[str, str, str]:
    return row["campaign_id"], row["reddit_id"], row["request_key"]


def read_texts_of_current(connection: sa.Connection, campaign_id: str) -> pd.DataFrame:
    """Good extractions of the texts that are stored now, with those texts: what grounding can be checked on."""
    query = (
        sa.select(extractions.c.reddit_id, extractions.c.extraction, own_title, documents.c.body)
        .join(
            documents,
            (documents.c.campaign_id == extractions.c.campaign_id)
            & (documents.c.reddit_id == extractions.c.reddit_id)
            & (documents.c.text_hash == extractions.c.text_hash),
        )
        .where(extractions.c.campaign_id == campaign_id, extractions.c.status == OK)
    )
    return read_frame(connection, query)


def count_by_status(connection: sa.Connection, campaign_id: str) -> dict[str, int]:
    """Kept candidates by what became of the reading of their current text: ``ok``, ``failed``."""
    current = (
        sa.select(candidates.c.reddit_id, sa.func.bool_or(extractions.c.status == OK).label("ok"))
        .join(
            documents,
            (documents.c.campaign_id == candidates.c.campaign_id) & (documents.c.reddit_id == candidates.c.reddit_id),
        )
        .join(
            extractions,
            (extractions.c.campaign_id == candidates.c.campaign_id)
            & (extractions.c.reddit_id == candidates.c.reddit_id)
            & (extractions.c.text_hash == documents.c.text_hash),
        )
        .where(
            candidates.c.campaign_id == campaign_id,
            candidates.c.kept,
            candidates.c.duplicate_of.is_(None),
            candidates.c.text_hash == documents.c.text_hash,
        )
        .group_by(candidates.c.reddit_id)
        .subquery()
    )
    query = sa.select(sa.func.count().filter(current.c.ok), sa.func.count().filter(~current.c.ok))
    good, failed = connection.execute(query).one()
    return {OK: good, FAILED: failed}
