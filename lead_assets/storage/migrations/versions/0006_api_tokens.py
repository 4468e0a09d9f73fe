"""Who may use the HTTP API."""

from alembic import op

revision = "0006"
down_revision = "0005"

CHANGES = """
CREATE TABLE lead_assets.api_tokens (
    name text PRIMARY KEY,
    token_hash text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
"""


def upgrade() -> None:
    """Add the table; without a row in it the API is for this machine only."""
    op.execute(CHANGES)
