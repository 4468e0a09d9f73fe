"""The corpus, its ledger, vectors, candidates, extractions, leads, and the views that people read."""

from alembic import op

revision = "0001"
down_revision = None

DOCUMENT_KEY = "FOREIGN KEY (campaign_id, reddit_id) REFERENCES lead_assets.documents ON DELETE CASCADE"

TABLES = f"""
CREATE TABLE lead_assets.documents (
    campaign_id text, reddit_id text,
    kind text NOT NULL, source text NOT NULL,
    subreddit text NOT NULL, subreddit_id text, author text, author_id text,
    title text NOT NULL, body text NOT NULL, url text NOT NULL, post_id text,
    created_at timestamptz,
    score bigint, upvote_ratio double precision, over_18 boolean, num_comments bigint,
    subreddit_subscribers bigint, subreddit_hot_posts bigint, author_karma bigint,
    matched_keywords text[] NOT NULL, text_hash text NOT NULL,
    judged_as_of timestamptz NOT NULL, run_id text NOT NULL,
    crawled_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, reddit_id)
);
CREATE INDEX documents_text_hash ON lead_assets.documents (text_hash);
CREATE INDEX documents_run ON lead_assets.documents (campaign_id, run_id);

CREATE TABLE lead_assets.rejections (
    campaign_id text, reddit_id text,
    stage text NOT NULL, gate text NOT NULL, setting text NOT NULL,
    observed double precision, threshold double precision NOT NULL, observed_values jsonb NOT NULL,
    kind text NOT NULL, source text NOT NULL, subreddit text NOT NULL, author text,
    title text NOT NULL, url text NOT NULL, posted_at timestamptz,
    run_id text NOT NULL, rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, reddit_id)
);
CREATE INDEX rejections_gate ON lead_assets.rejections (campaign_id, gate);

CREATE TABLE lead_assets.sightings (
    campaign_id text, reddit_id text,
    seen_at timestamptz NOT NULL DEFAULT now(), gate_digest text NOT NULL, run_id text NOT NULL,
    previous_seen_at timestamptz, previous_gate_digest text,
    PRIMARY KEY (campaign_id, reddit_id)
);

CREATE TABLE lead_assets.gate_tallies (
    campaign_id text, gate text, run_id text NOT NULL,
    evaluated bigint NOT NULL, kept bigint NOT NULL, rejected bigint NOT NULL, unknown bigint NOT NULL,
    tallied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, gate)
);

CREATE TABLE lead_assets.stage_runs (
    campaign_id text, asset text, run_id text NOT NULL,
    counts jsonb NOT NULL, finished_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, asset)
);

CREATE TABLE lead_assets.vectors (
    model text, text_hash text, vector vector NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, text_hash)
);

CREATE TABLE lead_assets.candidates (
    campaign_id text, reddit_id text,
    model text NOT NULL, text_hash text NOT NULL,
    cosine_similarity double precision NOT NULL, lexical double precision NOT NULL,
    intent_similarity double precision NOT NULL, asking_cue double precision NOT NULL,
    selling_cue double precision NOT NULL, keyword_hits bigint NOT NULL, score bigint,
    fused_score double precision NOT NULL, kept boolean NOT NULL, gate text, duplicate_of text,
    run_id text NOT NULL, ranked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, reddit_id), {DOCUMENT_KEY}
);

CREATE TABLE lead_assets.extractions (
    campaign_id text, reddit_id text, request_key text,
    text_hash text NOT NULL, extractor text NOT NULL, model text NOT NULL, status text NOT NULL,
    extraction jsonb, error text, removed_quotes bigint NOT NULL, removed_contacts bigint NOT NULL,
    attempts bigint NOT NULL, run_id text NOT NULL, extracted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, reddit_id, request_key), {DOCUMENT_KEY}
);

CREATE TABLE lead_assets.leads (
    campaign_id text, reddit_id text,
    embedding vector, reddit_url text NOT NULL, author text,
    extracted_data jsonb, relevance_score double precision,
    title text NOT NULL, subreddit text NOT NULL, posted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, reddit_id), {DOCUMENT_KEY}
);
CREATE INDEX leads_relevance ON lead_assets.leads (campaign_id, relevance_score DESC NULLS LAST);
"""

# A lead is read only while everything it rests on is current: its candidate is kept and was ranked on the text that
# is stored now, and the extraction it carries was made of that text.
VIEWS = """
CREATE VIEW lead_assets.qualified_leads AS
SELECT leads.*
FROM lead_assets.leads
JOIN lead_assets.documents USING (campaign_id, reddit_id)
JOIN lead_assets.candidates USING (campaign_id, reddit_id)
JOIN lead_assets.extractions
    ON extractions.campaign_id = leads.campaign_id AND extractions.reddit_id = leads.reddit_id
    AND extractions.request_key = leads.extracted_data ->> 'request_key'
WHERE candidates.kept
    AND candidates.duplicate_of IS NULL
    AND candidates.text_hash = documents.text_hash
    AND extractions.status = 'ok'
    AND extractions.text_hash = documents.text_hash
    AND (leads.extracted_data ->> 'is_lead')::boolean;

CREATE VIEW lead_assets.campaign_stats AS
WITH campaigns AS (
    SELECT campaign_id FROM lead_assets.stage_runs
    UNION SELECT campaign_id FROM lead_assets.documents
    UNION SELECT campaign_id FROM lead_assets.rejections
)
SELECT
    campaigns.campaign_id,
    (SELECT count(*) FROM lead_assets.documents d WHERE d.campaign_id = campaigns.campaign_id) AS documents,
    (SELECT coalesce(jsonb_object_agg(gate, rejected), '{}') FROM (
        SELECT gate, count(*) AS rejected FROM lead_assets.rejections r
        WHERE r.campaign_id = campaigns.campaign_id GROUP BY gate) gates) AS rejected_by_gate,
    (SELECT count(*) FROM lead_assets.candidates c WHERE c.campaign_id = campaigns.campaign_id) AS candidates,
    (SELECT count(*) FROM lead_assets.candidates c
        WHERE c.campaign_id = campaigns.campaign_id AND c.kept) AS kept_candidates,
    (SELECT count(*) FROM lead_assets.qualified_leads q WHERE q.campaign_id = campaigns.campaign_id) AS leads_found,
    last_run.run_id AS last_run_id,
    last_run.finished_at AS last_run_at
FROM campaigns
LEFT JOIN LATERAL (
    SELECT run_id, finished_at FROM lead_assets.stage_runs s
    WHERE s.campaign_id = campaigns.campaign_id ORDER BY finished_at DESC LIMIT 1
) last_run ON true;
"""


def upgrade() -> None:
    """Create everything; the schema itself and pgvector are there already."""
    op.execute(TABLES)
    op.execute(VIEWS)
