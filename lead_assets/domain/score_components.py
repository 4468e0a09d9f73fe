"""The components of the fused score, declared once, and how much each weighs.

What belongs here: declarations, which commands and settings read without a frame. What does not: arithmetic
(``scoring``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import pandas as pd

INTENT_RANGE = 0.20
"""``intent_similarity`` from minus to plus this is mapped to 0..1: the two centroids share their topic, so that the
difference of the two cosines hardly ever leaves this range."""


class Weights(BaseModel):
    """How much each component moves the fused score. The four positive ones sum to 1; cues add and subtract.

    The defaults are round numbers from the middle of what does well on all three golden campaigns, not the best point.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cosine: float = Field(default=0.55, ge=0, le=1)
    product: float = Field(default=0.25, ge=0, le=1)
    lexical: float = Field(default=0.10, ge=0, le=1)
    intent: float = Field(default=0.10, ge=0, le=1)
    asking: float = Field(default=0.15, ge=0, le=1)
    selling: float = Field(default=0.15, ge=0, le=1)

    @model_validator(mode="after")
    def _positive_weights_sum_to_one(self) -> "Weights":
        total = self.cosine + self.product + self.lexical + self.intent
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights of cosine, product, lexical and intent must sum to 1, not {total:g}")
        return self


@dataclass(frozen=True)
class Component:
    """One part of the fused score: a column of frames and of the table ``candidates``.

    ``scaled`` maps the column's values to 0..1; ``weight`` says how much of that is added, which may be less than 0.
    """

    name: str
    label: str
    scaled: Callable[["pd.Series[float]"], "pd.Series[float]"]
    weight: Callable[[Weights], float]


def _clipped(values: "pd.Series[float]") -> "pd.Series[float]":
    """Within 0..1: a negative cosine counts as 0."""
    return values.clip(0.0, 1.0)


def _intent_scaled(values: "pd.Series[float]") -> "pd.Series[float]":
    """From ±``INTENT_RANGE`` to 0..1."""
    return (values / (2 * INTENT_RANGE) + 0.5).clip(0.0, 1.0)


COMPONENTS: tuple[Component, ...] = (
    Component("cosine_similarity", "cosine", _clipped, lambda weights: weights.cosine),
    Component("product_similarity", "product", _clipped, lambda weights: weights.product),
    Component("lexical", "lexical", _clipped, lambda weights: weights.lexical),
    Component("intent_similarity", "intent", _intent_scaled, lambda weights: weights.intent),
    Component("asking_cue", "asks", _clipped, lambda weights: weights.asking),
    Component("selling_cue", "sells", _clipped, lambda weights: -weights.selling),
)
"""The components, declared once: what computes, stores, shows and explains them goes through this table."""
