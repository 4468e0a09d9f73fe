"""Training: a ridge-penalised logistic regression over labelled campaigns, each of which weighs the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.domain.evaluation import LEAD
from lead_assets.domain.lead_features import FEATURES, Values, feature_matrix
from lead_assets.domain.lead_model import Coefficient, LeadModel, probability

FEATURE_PENALTY = 10.0
"""Ridge penalty of a standardised feature, where a document weighs 1 on average."""
VECTOR_PENALTY = 100.0 / 30.0
"""Ridge penalty of a component of the vector."""
FEWEST_RANDOM_LEADS = 10
_STEPS = 30
_DIGITS = 5
_SMALL = 1e-6


@dataclass(frozen=True)
class LabelledCampaign:
    """A campaign's labelled documents: their frame as ``LeadModel`` takes it, vectors (n, d), labels 0, 1 or 2, and
    whether each was drawn at random."""

    name: str
    frame: pd.DataFrame
    matrix: NDArray[np.float32]
    labels: NDArray[np.int64]
    is_random: NDArray[np.bool_]

    @property
    def is_lead(self) -> Values:
        """1 for a lead, 0 for all others: a weak one is none."""
        return (self.labels == LEAD).astype(np.float64)


def train(
    campaigns: Sequence[LabelledCampaign],
    embedder: str | None,
    card: dict[str, Any],
    names: Sequence[str] | None = None,
    *,
    with_vector: bool = True,
) -> LeadModel:
    """The model of ``campaigns``; the same campaigns give the same model.

    Without ``embedder`` it reads neither vectors nor cosines. ``names`` are its features (default: all that it can
    read). Coefficients are rounded, so that the last digits of another machine's sums do not show.

    Raises:
        ValueError: there are no leads, or nothing but leads.
    """
    chosen = tuple(
        feature.name
        for feature in FEATURES
        if (names is None or feature.name in names) and not (embedder is None and feature.reads_cosines)
    )
    target = np.concatenate([each.is_lead for each in campaigns])
    if not 0 < target.sum() < len(target):
        raise ValueError("training needs documents that are leads and documents that are none")
    weights = np.concatenate([np.full(len(each.labels), 1.0 / len(each.labels)) for each in campaigns])
    weights *= len(weights) / weights.sum()
    values = np.vstack([feature_matrix(each.frame, chosen) for each in campaigns])
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale < _SMALL, 1.0, scale)
    columns, penalties = [(values - mean) / scale], [np.full(len(chosen), FEATURE_PENALTY)]
    vector_mean = np.zeros(0)
    if embedder is not None and with_vector:
        vectors = np.vstack([each.matrix for each in campaigns]).astype(np.float64)
        vector_mean = vectors.mean(axis=0)
        columns.append(vectors - vector_mean)
        penalties.append(np.full(vectors.shape[1], VECTOR_PENALTY))
    design = np.hstack([*columns, np.ones((len(target), 1))])
    found = _fitted(design, target, weights, np.concatenate([*penalties, [0.0]]))
    each = zip(chosen, mean, scale, found, strict=False)
    return LeadModel(
        embedder=embedder,
        base_rate=_rounded(_base_rate(campaigns)),
        intercept=_rounded(found[-1]),
        features={
            name: Coefficient(mean=_rounded(middle), scale=_rounded(spread), weight=_rounded(weight))
            for name, middle, spread, weight in each
        },
        vector_mean=[_rounded(value) for value in vector_mean],
        vector=[_rounded(value) for value in found[len(chosen) : -1]],
        card=card,
    )


def _base_rate(campaigns: Sequence[LabelledCampaign]) -> float:
    """The share of leads among documents that were drawn at random; where there are too few, among all."""
    is_lead = np.concatenate([each.is_lead for each in campaigns])
    drawn = np.concatenate([each.is_random for each in campaigns])
    of_drawn = is_lead[drawn]
    return float(of_drawn.mean() if of_drawn.sum() >= FEWEST_RANDOM_LEADS else is_lead.mean())


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


def _fitted(design: Values, target: Values, weights: Values, penalties: Values) -> Values:
    """Newton's method on the penalised log-likelihood; it is strictly convex but for the free intercept."""
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        likely = probability(design @ found)
        gradient = design.T @ (weights * (likely - target)) + penalties * found
        curvature = (design * (weights * likely * (1.0 - likely))[:, None]).T @ design + np.diag(penalties + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    return found
