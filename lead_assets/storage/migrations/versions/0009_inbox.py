"""The inbox: what became of leads as events, the outbox of alerts, sessions of the page, kinds of tokens."""

from alembic import op

revision = "0009"
down_revision = "0008"

CHANGES = """
CREATE TABLE lead_assets.lead_events (
    campaign_id text NOT NULL,
    event_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    reddit_id text NOT NULL,
    event text NOT NULL,
    value text,
    reason text,
    until timestamptz,
    actor text NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT now(),
    undoes bigint,
    PRIMARY KEY (campaign_id, event_id)
);
CREATE INDEX lead_events_of_lead ON lead_assets.lead_events (campaign_id, reddit_id, event_id);
CREATE INDEX lead_events_reddit_id ON lead_assets.lead_events (reddit_id);
CREATE INDEX lead_events_actor ON lead_assets.lead_events (campaign_id, actor, event_id);
CREATE UNIQUE INDEX lead_events_found ON lead_assets.lead_events (campaign_id, reddit_id) WHERE event = 'found';
CREATE UNIQUE INDEX lead_events_announced ON lead_assets.lead_events (campaign_id, reddit_id, value)
    WHERE event = 'announced';
CREATE INDEX lead_events_status ON lead_assets.lead_events (campaign_id, reddit_id, event_id)
    WHERE event = 'status';
CREATE INDEX lead_events_mark ON lead_assets.lead_events (campaign_id, reddit_id, event_id) WHERE event = 'mark';

CREATE TABLE lead_assets.notify_channels (
    campaign_id text NOT NULL,
    channel text NOT NULL,
    label text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    failing_since timestamptz,
    switched_off_at timestamptz,
    switched_off_because text,
    PRIMARY KEY (campaign_id, channel)
);

CREATE TABLE lead_assets.outbox (
    campaign_id text NOT NULL,
    channel text NOT NULL,
    subject text NOT NULL,
    kind text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    message_id text,
    queued_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts bigint NOT NULL DEFAULT 0,
    first_attempt_at timestamptz,
    last_error text,
    ended_at timestamptz,
    outcome text,
    PRIMARY KEY (campaign_id, channel, subject)
);
CREATE INDEX outbox_waiting ON lead_assets.outbox (due_at) WHERE ended_at IS NULL;

CREATE TABLE lead_assets.page_sessions (
    session_hash text NOT NULL PRIMARY KEY,
    token_name text NOT NULL,
    expires_at timestamptz NOT NULL
);

ALTER TABLE lead_assets.api_tokens ADD COLUMN kind text NOT NULL DEFAULT 'work';
"""

SEED = """
INSERT INTO lead_assets.lead_events (campaign_id, reddit_id, event, actor, happened_at)
SELECT campaign_id, reddit_id, 'found', 'upgrade',
    updated_at + coalesce(relevance_score, 0) * interval '1 millisecond'  -- the best as the last
FROM lead_assets.leads
WHERE (extracted_data ->> 'is_lead')::boolean;
"""


def upgrade() -> None:
    """Add them. What is a lead already counts as found when it was stored; nobody is alerted of it."""
    op.execute(CHANGES)
    op.execute(SEED)
