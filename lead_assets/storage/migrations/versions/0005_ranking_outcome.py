"""What ranking a document came to, as one digest: what is as it was need not be written again."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add it; the next ranking fills it in."""
    op.execute("ALTER TABLE lead_assets.candidates ADD COLUMN outcome text")
