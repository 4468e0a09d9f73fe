"""What models cost: tokens and dollars of extractions, answers that were none, and texts that could not be embedded."""

from alembic import op

revision = "0003"
down_revision = "0002"

CHANGES = """
ALTER TABLE lead_assets.extractions
    ADD COLUMN raw_answer text,
    ADD COLUMN input_tokens bigint,
    ADD COLUMN output_tokens bigint,
    ADD COLUMN cost_usd double precision;
CREATE INDEX extractions_request_key ON lead_assets.extractions (request_key);

ALTER TABLE lead_assets.vectors ADD COLUMN truncated boolean NOT NULL DEFAULT false;

CREATE TABLE lead_assets.failed_embeddings (
    model text, text_hash text,
    error text NOT NULL, attempts bigint NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, text_hash)
);
"""


def upgrade() -> None:
    """Add them; what is stored stays as it is."""
    op.execute(CHANGES)
