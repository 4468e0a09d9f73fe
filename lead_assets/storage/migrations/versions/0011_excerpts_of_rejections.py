"""How the text of a rejected document begins, so that what a gate rejects can be judged by people."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add it, empty for what is stored: the text of what was rejected before was not kept."""
    op.execute("ALTER TABLE lead_assets.rejections ADD COLUMN excerpt text NOT NULL DEFAULT ''")
