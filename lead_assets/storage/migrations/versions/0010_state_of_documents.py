"""Since when a document has been as it is stored: of two states of it the later one counts."""

from alembic import op

revision = "0010"
down_revision = "0007"


def upgrade() -> None:
    """Add it, unknown for what is stored: the next crawl's state counts."""
    op.execute("ALTER TABLE lead_assets.documents ADD COLUMN state_at timestamptz")
