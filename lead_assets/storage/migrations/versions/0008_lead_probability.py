"""The lead model's probability beside each candidate, what its texts say to it, and whether a lead qualifies."""

from alembic import op

revision = "0008"
down_revision = "0007"

CHANGES = """
ALTER TABLE lead_assets.text_features
    ADD COLUMN wording double precision[] NOT NULL DEFAULT '{}',
    ADD COLUMN is_foreign boolean NOT NULL DEFAULT false;
ALTER TABLE lead_assets.candidates
    ADD COLUMN lead_probability double precision,
    ADD COLUMN lead_parts jsonb,
    ADD COLUMN lead_model text,
    ADD COLUMN keyword_in_title double precision,
    ADD COLUMN keyword_words double precision,
    ADD COLUMN keyword_place double precision;
ALTER TABLE lead_assets.leads ADD COLUMN qualifies boolean;
UPDATE lead_assets.leads SET qualifies = (extracted_data ->> 'is_lead')::boolean WHERE extracted_data IS NOT NULL;
"""


def upgrade() -> None:
    """Add them. Leads stay what their reader said until the next run decides by the probability."""
    op.execute(CHANGES)
