"""Documents as the ranking reads them: without their bodies, beside what is known of their texts already."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from lead_assets.domain.candidate import MATCHES
from lead_assets.domain.columns import DOCUMENT_COLUMNS
from lead_assets.domain.frames import typed
from lead_assets.domain.text_features import FEATURES, VERSION
from lead_assets.storage.bulk import Row, update_existing, upsert
from lead_assets.storage.reading import read_frame
from lead_assets.storage.schema import candidates, documents, rejections, text_features

_LONG = ("body", "matched_keywords")
_COLUMNS = tuple(name for name in DOCUMENT_COLUMNS if name not in _LONG)


def read_for_ranking(connection: sa.Connection, campaign_id: str, keywords_digest: str) -> pd.DataFrame:
    """Stored documents of a campaign, oldest first: their columns but the long ones, ``judged_as_of``, and what is
    known of their texts: ``FEATURES``, and ``MATCHES`` by the keywords of ``keywords_digest``; None where unknown.
    ``stored_outcome`` is what is stored of the last ranking, ``stored_gate`` and ``stored_threshold`` of a rejection.
    """
    of_text = (
        (text_features.c.version == VERSION)
        & (text_features.c.text_hash == documents.c.text_hash)
        & (text_features.c.kind == documents.c.kind)
    )
    holds = (candidates.c.text_hash == documents.c.text_hash) & (candidates.c.keywords_digest == keywords_digest)
    query = (
        sa.select(
            *(documents.c[name] for name in (*_COLUMNS, "judged_as_of")),
            *(text_features.c[name] for name in FEATURES if name != "wording"),
            sa.cast(text_features.c.wording, sa.Text).label("wording"),
            *(sa.case((holds, candidates.c[name])).label(name) for name in MATCHES),
            candidates.c.outcome.label("stored_outcome"),
            rejections.c.gate.label("stored_gate"),
            rejections.c.threshold.label("stored_threshold"),
        )
        .outerjoin(text_features, of_text)
        .outerjoin(candidates, _of_document(candidates))
        .outerjoin(rejections, _of_document(rejections))
        .where(documents.c.campaign_id == campaign_id)
        .order_by(documents.c.created_at.nulls_last(), documents.c.reddit_id)
    )
    frame = typed(read_frame(connection, query)).astype({"stored_outcome": object, "stored_gate": object})
    return frame.assign(wording=_parsed(frame["wording"]))


def _parsed(arrays: "pd.Series[Any]") -> "pd.Series[Any]":
    """Arrays of numbers in PostgreSQL's text form as lists; psycopg2 takes as long for them as for all else."""
    known = arrays[arrays.notna()]
    text = f"[{','.join(known)}]".replace("{", "[").replace("}", "]")
    return pd.Series(json.loads(text), index=known.index, dtype=object).reindex(arrays.index)


def _of_document(table: sa.Table) -> sa.ColumnElement[bool]:
    return (table.c.campaign_id == documents.c.campaign_id) & (table.c.reddit_id == documents.c.reddit_id)


def write_text_features(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store ``FEATURES`` of texts (``text_hash``, ``kind``) under this version; a text may come more than once."""
    different = {(row["text_hash"], row["kind"]): {"version": VERSION, **row} for row in rows}
    # In one order for all: two campaigns that store the same texts at once must not wait for each other in a circle.
    upsert(connection, text_features, [different[key] for key in sorted(different)], update=())


def write_matched_keywords(connection: sa.Connection, campaign_id: str, rows: Sequence[Row]) -> None:
    """Store which of the campaign's keywords, as they are now, occur in documents (``reddit_id``)."""
    update_existing(connection, documents, [{"campaign_id": campaign_id, **row} for row in rows])
