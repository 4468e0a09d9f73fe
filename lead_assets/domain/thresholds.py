"""Cosine thresholds of embedding models: cosines of different models do not compare."""

from collections.abc import Mapping

LOCAL_MODELS = "all-MiniLM-L6-v2-int8-"
"""How the names of the local embedder's models begin."""
COSINE_THRESHOLDS: Mapping[str, float] = {
    # Measured on fifteen labelled campaigns (docs/ranking.md): keeps 99 % of the leads.
    LOCAL_MODELS: 0.12,
    "text-embedding-3-small": 0.30,
}
"""By how a model's name begins."""
UNKNOWN_COSINE_THRESHOLD = 0.0
"""Of a model that nobody has measured: keeps what does not point away, until somebody sets COSINE_THRESHOLD."""


def cosine_threshold_of(model: str) -> float:
    """The default of the cosine gate for vectors of ``model``."""
    known = (limit for name, limit in COSINE_THRESHOLDS.items() if model.startswith(name))
    return next(known, UNKNOWN_COSINE_THRESHOLD)


COMMON_CENTRE: Mapping[str, float] = {LOCAL_MODELS: 0.58}
"""Coherence of a campaign's keywords (``candidate.Meaning``) below which no text is near their centroid, by model."""
FAR_FROM_CENTRE = 0.5
"""A keyword whose cosine with the centroid is lower lies apart from the others."""


def lacks_common_centre(model: str, coherence: float) -> bool:
    """Whether keywords of this coherence name too different things for one centroid; False for unmeasured models."""
    return any(model.startswith(name) and coherence < least for name, least in COMMON_CENTRE.items())
