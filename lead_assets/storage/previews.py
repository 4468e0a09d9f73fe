"""What a preview is made of: everything that decides about each stored document, whether it is kept now or not."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from lead_assets.domain.frames import typed
from lead_assets.domain.score_components import COMPONENTS
from lead_assets.storage.corpus import JUDGED_COLUMNS
from lead_assets.storage.reading import own_title, read_frame
from lead_assets.storage.schema import current_candidates, documents, extractions, leads, qualified_leads


def read_for_preview(connection: sa.Connection, campaign_id: str) -> pd.DataFrame:
    """A row for each ranked document: what gates look at, its components, ``duplicate_of``, ``is_lead_now``, and of the
    newest good answer about its text ``is_read``, ``read_as_lead``, ``confidence``, ``has_evidence``, ``extractor``."""
    ranked = current_candidates.c
    answer = (
        sa.select(
            extractions.c.reddit_id,
            extractions.c.text_hash,
            extractions.c.extraction["is_lead"].astext.cast(sa.Boolean).label("read_as_lead"),
            extractions.c.extraction["confidence"].astext.cast(sa.Double).label("confidence"),
            (sa.func.jsonb_array_length(extractions.c.extraction["evidence"]) > 0).label("has_evidence"),
            extractions.c.extractor,
        )
        .distinct(extractions.c.reddit_id, extractions.c.text_hash)
        .where(extractions.c.campaign_id == campaign_id, extractions.c.status == "ok")
        .order_by(extractions.c.reddit_id, extractions.c.text_hash, extractions.c.extracted_at.desc())
        .subquery()
    )
    of_campaign = (documents.c.campaign_id == ranked.campaign_id) & (documents.c.reddit_id == ranked.reddit_id)
    query = (
        sa.select(
            *(documents.c[name] for name in JUDGED_COLUMNS),
            documents.c.subreddit,
            documents.c.title,
            documents.c.author_left,
            *(ranked[component.name] for component in COMPONENTS),
            ranked.keyword_hits,
            ranked.ruled_out,
            ranked.fused_score,
            ranked.duplicate_of,
            ranked.model,
            ranked.lead_probability,
            leads.c.relevance_score,
            answer.c.reddit_id.isnot(None).label("is_read"),
            sa.func.coalesce(answer.c.read_as_lead, sa.false()).label("read_as_lead"),
            answer.c.confidence,
            sa.func.coalesce(answer.c.has_evidence, sa.false()).label("has_evidence"),
            answer.c.extractor,
            qualified_leads.c.reddit_id.isnot(None).label("is_lead_now"),
        )
        .select_from(current_candidates)
        .join(documents, of_campaign)
        .outerjoin(answer, (answer.c.reddit_id == ranked.reddit_id) & (answer.c.text_hash == ranked.text_hash))
        .outerjoin(leads, (leads.c.campaign_id == ranked.campaign_id) & (leads.c.reddit_id == ranked.reddit_id))
        .outerjoin(
            qualified_leads,
            (qualified_leads.c.campaign_id == ranked.campaign_id) & (qualified_leads.c.reddit_id == ranked.reddit_id),
        )
        .where(ranked.campaign_id == campaign_id)
        .order_by(ranked.reddit_id)
    )
    frame = typed(read_frame(connection, query))
    return frame.assign(ruled_out=frame["ruled_out"].astype("boolean").fillna(value=False).astype(bool))


def read_own_texts(
    connection: sa.Connection, campaign_id: str, reddit_ids: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Title and body that the authors of some documents wrote, by id."""
    query = sa.select(documents.c.reddit_id, own_title, documents.c.body).where(
        documents.c.campaign_id == campaign_id,
        documents.c.reddit_id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))),
    )
    return {reddit_id: (title, body) for reddit_id, title, body in connection.execute(query, {"ids": list(reddit_ids)})}
