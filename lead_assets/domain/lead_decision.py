"""Whether a document that was read is a lead, and how relevant it is: by its probability, or as its reader says."""

from typing import NamedTuple

from lead_assets.domain.extraction import RULES
from lead_assets.domain.lead_model import with_reading
from lead_assets.domain.scoring import relevance
from lead_assets.domain.settings import Settings


class Decision(NamedTuple):
    """``score`` is what people see, 0 to 1; ``threshold`` is what it must reach, None where the reader decides."""

    score: float
    qualifies: bool
    threshold: float | None


def decide(
    settings: Settings,
    *,
    lead_probability: float | None,
    fused_score: float,
    extractor: str,
    is_lead: bool,
    confidence: float,
    has_evidence: bool,
) -> Decision:
    """The decision about one document by RELEVANCE.

    ``lead_probability`` is the ranking's, None where it was ranked before there was one. ``extractor`` said ``is_lead``
    with ``confidence``: rules only quote, a language model's reading moves the probability. What a model quotes and the
    document does not say is removed: without evidence left it is not a lead.
    """
    if settings.relevance == "fused" or lead_probability is None:
        return Decision(round(float(relevance(fused_score, confidence)), 6), is_lead, None)
    by_model = extractor != RULES
    likely = with_reading(lead_probability, is_lead, confidence) if by_model else lead_probability
    qualifies = likely >= settings.min_lead_probability and (has_evidence or not by_model)
    return Decision(round(likely, 6), qualifies, settings.min_lead_probability)
