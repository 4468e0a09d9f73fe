"""What the extractor would be asked now, beside each candidate: an answer is current while its key is accepted."""

from alembic import op

revision = "0007"
down_revision = "0006"

CHANGES = """
ALTER TABLE lead_assets.candidates
    ADD COLUMN request_key text,
    ADD COLUMN accepted_keys text[] NOT NULL DEFAULT '{}',
    ADD COLUMN request_basis text;
"""


def upgrade() -> None:
    """Add them. The next run makes the keys; until then the newest good answers count, as stale ones."""
    op.execute(CHANGES)
