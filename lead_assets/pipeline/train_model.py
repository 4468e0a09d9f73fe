"""Train: a lead model from labelled campaigns, with a card that says what it is."""

from collections.abc import Sequence
from typing import Any

from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.lead_model import LeadModel
from lead_assets.domain.lead_training import LabelledCampaign, train
from lead_assets.domain.settings import Settings
from lead_assets.pipeline.golden_files import GoldenFile
from lead_assets.pipeline.leave_one_out import FEWEST_LEADS, judge_left_out, report

POPULATION = (
    "The probability that the author of a document is a lead (label 2), among documents as they were labelled: the "
    "best of several rankings and a random sample of what the keywords find, each campaign weighing the same."
)
LICENCE = (
    "Coefficients and counts only: no text of a post, no name and no id is in this file. The posts belong to their "
    "authors; the coefficients have the licence of this project (Apache-2.0)."
)


def trained_model(
    files: Sequence[GoldenFile], campaigns: Sequence[LabelledCampaign], embedder: str | None, settings: Settings
) -> LeadModel:
    """The model of all ``campaigns``; its card has the figures of leaving each out.

    Raises:
        InvalidInput: no document is a lead, or every one is.
    """
    try:
        return train(campaigns, embedder, _card(files, campaigns, embedder, settings))
    except ValueError as error:
        raise InvalidInput(f"These campaigns cannot be learned from: {error}.") from None


def _card(
    files: Sequence[GoldenFile], campaigns: Sequence[LabelledCampaign], embedder: str | None, settings: Settings
) -> dict[str, Any]:
    newest = max(each.frame["created_at"].max() for each in campaigns)
    counts = [
        {"campaign": each.name, "labelled": len(each.labels), "leads": int(each.is_lead.sum())} for each in campaigns
    ]
    return {
        "means": POPULATION,
        "reads": f"vectors and cosines of {embedder}" if embedder else "no vectors and no cosines",
        "language": "English",
        "newest_post": newest.date().isoformat(),
        "labelled": sum(len(each.labels) for each in campaigns),
        "leads": int(sum(each.is_lead.sum() for each in campaigns)),
        "campaigns": counts,
        "left_out": _left_out(files, campaigns, embedder, settings),
        "licence": LICENCE,
    }


def _left_out(
    files: Sequence[GoldenFile], campaigns: Sequence[LabelledCampaign], embedder: str | None, settings: Settings
) -> dict[str, Any] | None:
    """Figures of campaigns that were left out of training; None where there are too few to leave one out."""
    if sum(each.is_lead.sum() >= FEWEST_LEADS for each in campaigns) < 2:
        return None
    found = report(judge_left_out(files, campaigns, settings, embedder), settings, None)
    means, pooled = found["means"]["all"], found["pooled"]
    return {
        "campaigns": means["campaigns"],
        "ndcg@10": means["offline"]["probability"]["ndcg@10"],
        "average_precision": means["offline"]["probability"]["average_precision"],
        "calibration_error": round(pooled["calibration_error"], 4),
        "bias_per_campaign": means["bias"],
        "min_lead_probability": found["min_lead_probability"],
        "recall": means["offline"]["recall"],
        "precision": means["offline"]["precision"],
    }
