"""Stale readings: what the next run will read again, because the instructions, the model or the product changed."""

from dataclasses import dataclass

import sqlalchemy as sa

from lead_assets.models.openai.prompt import RequestKeys
from lead_assets.pipeline.run_context import RunContext
from lead_assets.storage.extractions import read_outdated


@dataclass(frozen=True)
class StaleReadings:
    """How many answers of a model count only until they are read again, and what that costs, in US dollars.

    ``cost_usd`` is by the mean of the campaign's stored readings; None where none of them has a known cost.
    """

    count: int
    cost_usd: float | None


def stale_readings(connection: sa.Connection, run: RunContext) -> StaleReadings:
    """What the run would read again of what a model has read; nothing where it would ask no model."""
    settings = run.settings
    if run.environment.endpoint("LLM", settings.extractor, "EXTRACTOR") is None:
        return StaleReadings(0, 0.0)
    basis = RequestKeys(settings.llm_model, settings.llm_max_document_tokens).basis(run.campaign.product)
    count, mean_cost = read_outdated(connection, run.campaign.id, basis)
    return StaleReadings(count, None if mean_cost is None else count * mean_cost)
