"""Of documents, whether their author has left, and since when each is as it is stored: the later state counts."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add them, unknown for what is stored: the next crawl's state counts."""
    op.execute(
        "ALTER TABLE lead_assets.documents ADD COLUMN author_left boolean NOT NULL DEFAULT false, "
        "ADD COLUMN state_at timestamptz"
    )
