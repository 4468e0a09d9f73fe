"""Qualified leads as a run would store them, without a run."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from lead_assets.storage.database import Database

_LEAD = (
    """INSERT INTO lead_assets.documents (campaign_id, reddit_id, kind, source, subreddit, author, title, body, url,
        created_at, matched_keywords, text_hash, judged_as_of, run_id)
        VALUES (:campaign, :id, :kind, 'archive', :subreddit, :author, :title, :body, :url, :posted_at,
        '{crm}', 'hash', now(), 'run')""",
    """INSERT INTO lead_assets.candidates (campaign_id, reddit_id, model, text_hash, cosine_similarity, lexical,
        intent_similarity, asking_cue, selling_cue, keyword_hits, fused_score, kept, run_id, product_similarity)
        VALUES (:campaign, :id, 'model', 'hash', 1, 1, 1, 0, 0, 1, :score, true, 'run', 1)""",
    """INSERT INTO lead_assets.extractions (campaign_id, reddit_id, request_key, text_hash, extractor, model, status,
        extraction, removed_quotes, removed_contacts, attempts, run_id)
        VALUES (:campaign, :id, 'key', 'hash', 'rules', 'rules', 'ok', '{"is_lead": true}', 0, 0, 1, 'run')""",
    """INSERT INTO lead_assets.leads (campaign_id, reddit_id, reddit_url, author, extracted_data, relevance_score,
        title, subreddit, posted_at, qualifies)
        VALUES (:campaign, :id, :url, :author, '{"is_lead": true, "request_key": "key",
        "intent": "recommendation", "urgency": "none", "budget": null, "pain_point": null, "summary": "Wants a CRM.",
        "confidence": 0.9, "extractor": "rules", "evidence": ["Which CRM?"], "contact": []}'::jsonb || :more, :score,
        :title, :subreddit, :posted_at, true)""",
)


def store_leads(
    database: Database, campaign_id: str, scores: Sequence[float], *, first: int = 0, **of_document: Any
) -> list[str]:
    """Store a qualified lead for each score; returns their ids. ``more`` goes into what was extracted."""
    ids = [f"t3_{number:05d}" for number in range(first, first + len(scores))]
    shared = {
        "title": "Which CRM?",
        "author": "somebody",
        "posted_at": "2026-05-28T12:00:00Z",
        "kind": "post",
        "subreddit": "sales",
        "body": "",
        "url": "https://reddit.com/x",
        "more": {},
    } | of_document
    rows = [
        {"campaign": campaign_id, "id": one, "score": score, **shared} for one, score in zip(ids, scores, strict=True)
    ]
    with database.engine.begin() as connection:
        for statement in _LEAD:
            text = sa.text(statement)
            if ":more" in statement:
                text = text.bindparams(sa.bindparam("more", type_=JSONB))
            connection.execute(text, rows)
    return ids
