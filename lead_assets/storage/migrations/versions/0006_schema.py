"""The schema as the first version in use had it: earlier migrations are squashed into this one."""

from alembic import op

revision = "0006"
down_revision = None

DOCUMENT_KEY = "FOREIGN KEY (campaign_id, reddit_id) REFERENCES lead_assets.documents ON DELETE CASCADE"

CORPUS = f"""
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
    truncated boolean NOT NULL DEFAULT false,
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
    keywords_digest text, ruled_out boolean, product_similarity double precision NOT NULL, outcome text,
    PRIMARY KEY (campaign_id, reddit_id), {DOCUMENT_KEY}
);

CREATE TABLE lead_assets.extractions (
    campaign_id text, reddit_id text, request_key text,
    text_hash text NOT NULL, extractor text NOT NULL, model text NOT NULL, status text NOT NULL,
    extraction jsonb, error text, removed_quotes bigint NOT NULL, removed_contacts bigint NOT NULL,
    attempts bigint NOT NULL, run_id text NOT NULL, extracted_at timestamptz NOT NULL DEFAULT now(),
    raw_answer text, input_tokens bigint, output_tokens bigint, cost_usd double precision,
    PRIMARY KEY (campaign_id, reddit_id, request_key), {DOCUMENT_KEY}
);
CREATE INDEX extractions_request_key ON lead_assets.extractions (request_key);

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

# Shared by all campaigns: what texts say by themselves, what could not be embedded, facts, the request budget.
SHARED = """
CREATE TABLE lead_assets.text_features (
    version text, text_hash text, kind text,
    asking_cue double precision NOT NULL, selling_cue double precision NOT NULL,
    title_key text NOT NULL, body_key text NOT NULL,
    characters bigint NOT NULL, body_characters bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version, text_hash, kind)
);
CREATE INDEX text_features_text_hash ON lead_assets.text_features (text_hash);

CREATE TABLE lead_assets.failed_embeddings (
    model text, text_hash text,
    error text NOT NULL, attempts bigint NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, text_hash)
);

CREATE TABLE lead_assets.subreddits (
    name text PRIMARY KEY,
    reachable boolean NOT NULL,
    subscribers bigint, over_18 boolean,
    looked_up_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lead_assets.subreddit_activity (
    name text PRIMARY KEY,
    hot_posts bigint NOT NULL,
    looked_up_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lead_assets.authors (
    author_id text PRIMARY KEY,
    karma bigint,
    looked_up_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lead_assets.request_budget (
    client text PRIMARY KEY,
    blocked_until timestamptz,
    remaining double precision,
    reset_at timestamptz
);

CREATE TABLE lead_assets.request_grants (
    client text, second bigint,
    requests bigint NOT NULL,
    PRIMARY KEY (client, second)
);

CREATE TABLE lead_assets.crawl_queries (
    campaign_id text, query text,
    label text NOT NULL,
    after text,
    newest_at timestamptz, reading_newest_at timestamptz,
    read_to_end boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, query)
);

CREATE TABLE lead_assets.comment_trees (
    campaign_id text, post_id text,
    num_comments bigint NOT NULL,
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, post_id)
);

CREATE TABLE lead_assets.deleted_documents (
    reddit_id text PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX documents_reddit_id ON lead_assets.documents (reddit_id);
CREATE INDEX documents_post ON lead_assets.documents (post_id) WHERE kind = 'comment';

CREATE TABLE lead_assets.api_tokens (
    name text PRIMARY KEY,
    token_hash text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
"""


def upgrade() -> None:
    """Create the tables. The schema and pgvector exist already; the views are in ``storage/views.sql``."""
    op.execute(CORPUS)
    op.execute(SHARED)
