"""Views that join by keys alone: PostgreSQL expected a single row, and took quadratic time."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Nothing but the views has changed, which are made anew with every new revision."""
