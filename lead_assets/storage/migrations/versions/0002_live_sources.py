"""Live sources: facts about subreddits and authors, the request budget, how far queries were read, and deletions."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
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
"""


def upgrade() -> None:
    """Add the tables."""
    op.execute(TABLES)
