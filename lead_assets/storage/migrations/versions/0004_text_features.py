"""What texts say by themselves, kept for all campaigns, and what candidates' keyword hits were found by; the closeness
to the product as a component of the score."""

from alembic import op

revision = "0004"
down_revision = "0003"

CHANGES = """
CREATE TABLE lead_assets.text_features (
    version text, text_hash text, kind text,
    asking_cue double precision NOT NULL, selling_cue double precision NOT NULL,
    title_key text NOT NULL, body_key text NOT NULL,
    characters bigint NOT NULL, body_characters bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version, text_hash, kind)
);
CREATE INDEX text_features_text_hash ON lead_assets.text_features (text_hash);

ALTER TABLE lead_assets.candidates
    ADD COLUMN keywords_digest text,
    ADD COLUMN ruled_out boolean,
    ADD COLUMN product_similarity double precision NOT NULL DEFAULT 0;
ALTER TABLE lead_assets.candidates ALTER COLUMN product_similarity DROP DEFAULT;
"""


def upgrade() -> None:
    """Add them; the next ranking fills them in."""
    op.execute(CHANGES)
