"""The lead model: the probability that the author of a document is a lead, and what speaks for and against it.

Logistic regression over ``lead_features`` and, for the embedder that it was trained with, the text's vector. The file
holds coefficients and a card, no text. How it is trained is in ``lead_training``, how marks teach it in ``lead_marks``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lead_assets.domain.lead_features import BY_NAME, MARKS, VECTOR, Values, feature_matrix

FORMAT = 1
MOST_LOG_ODDS = 12.0
READER_LOG_ODDS = 3.0
"""What a language model's reading moves the log-odds by: plus this times its confidence where it calls the document a
lead, minus this times its confidence in the contrary where it does not. Chosen, not fitted: no golden campaign has such
readings."""

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]


class Coefficient(BaseModel):
    """A feature is centred at ``mean``, divided by ``scale`` and weighs ``weight`` of log-odds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: Number
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    weight: Number


class LeadModel(BaseModel):
    """A trained model. ``embedder`` names whose vectors and cosines it reads; None: it reads none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)] = FORMAT
    embedder: str | None
    base_rate: Annotated[float, Field(gt=0, lt=1)]
    intercept: Number
    features: dict[str, Coefficient]
    vector_mean: list[Number] = []
    vector: list[Number] = []
    card: dict[str, Any]

    @model_validator(mode="after")
    def _is_complete(self) -> "LeadModel":
        unknown = sorted(self.features.keys() - BY_NAME.keys())
        if unknown:
            raise ValueError(f"there is no feature {unknown[0]!r}")
        if len(self.vector) != len(self.vector_mean):
            raise ValueError("vector and vector_mean have different lengths")
        if self.embedder is None and (self.vector or any(BY_NAME[name].reads_cosines for name in self.features)):
            raise ValueError("a model that reads vectors or cosines must name its embedder")
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features in the order of their coefficients."""
        return tuple(self.features)

    @cached_property
    def digest(self) -> str:
        """Hash of all that decides a probability."""
        decisive = self.model_dump(exclude={"card"})
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def _scaling(self) -> tuple[Values, Values]:
        """Centres of the features, and their weights divided by their scales."""
        each = list(self.features.values())
        return np.array([one.mean for one in each]), np.array([one.weight / one.scale for one in each])

    @property
    def base_log_odds(self) -> float:
        """Log-odds of the share of leads among documents drawn at random: what it says where it knows nothing."""
        return float(logit(self.base_rate))

    def terms(self, frame: pd.DataFrame, matrix: NDArray[np.floating]) -> Values:
        """What each of ``names`` and then the vector adds to the log-odds of n documents: shape (n, names + 1).

        ``frame`` has the columns that the features read, ``matrix`` the texts' vectors, of shape (n, dimension).
        """
        centre, weight = self._scaling
        added = (feature_matrix(frame, self.names) - centre) * weight
        if not self.vector:
            return np.column_stack([added, np.zeros(len(frame))])
        direction = np.array(self.vector)
        # By einsum: the sum of a row does not depend on the other rows (see scoring.cosine).
        read = np.einsum("ij,j->i", matrix, direction.astype(np.float32)).astype(np.float64)
        return np.column_stack([added, read - float(np.array(self.vector_mean) @ direction)])

    def judge(self, frame: pd.DataFrame, matrix: NDArray[np.floating]) -> "Judged":
        """The log-odds of each document of ``frame`` (see ``terms``).

        A document in another language than English (``is_foreign``) gets the base rate: the model has read none.
        """
        terms = self.terms(frame, matrix)
        known = ~frame["is_foreign"].to_numpy(dtype=bool)
        terms = np.where(known[:, None], terms, 0.0)
        start = np.where(known, self.intercept, self.base_log_odds)
        return Judged((*self.names, VECTOR), start, terms)


@dataclass(frozen=True)
class Judged:
    """What a model says of n documents: ``start`` (n,) and ``terms`` (n, names) sum to the log-odds."""

    names: tuple[str, ...]
    start: Values
    terms: Values

    @property
    def log_odds(self) -> Values:
        """Shape (n,)."""
        return self.start + self.terms.sum(axis=1)

    def of(self, places: NDArray[np.intp]) -> "Judged":
        """What it says of some of the documents."""
        return Judged(self.names, self.start[places], self.terms[places])

    def parts(self, least: float = 0.02) -> list[dict[str, float]]:
        """For each document what adds at least ``least`` to its log-odds, or takes that away, rounded."""
        shown = np.round(self.terms, 3)
        rows, places = np.nonzero(np.abs(shown) >= least)
        parts: list[dict[str, float]] = [{} for _ in shown]
        for row, place, added in zip(rows.tolist(), places.tolist(), shown[rows, places].tolist(), strict=True):
            parts[row][self.names[place]] = added
        return parts


def probability(log_odds: ArrayLike) -> Values:
    """The logistic function, within 0..1."""
    bounded = np.clip(np.asarray(log_odds, dtype=np.float64), -MOST_LOG_ODDS, MOST_LOG_ODDS)
    return 1.0 / (1.0 + np.exp(-bounded))


def logit(share: ArrayLike) -> Values:
    """The log-odds of probabilities; 0 and 1 count as nearly so."""
    bounded = np.clip(np.asarray(share, dtype=np.float64), 1e-6, 1 - 1e-6)
    return np.log(bounded / (1.0 - bounded))


def with_reading(lead_probability: float, is_lead: bool, confidence: float) -> float:
    """``lead_probability`` after a language model has read the document; see ``READER_LOG_ODDS``.

    ``confidence`` (0..1) is how sure the reader is that it is a lead. Where it decided that it is none, models use it
    either way: a high one then means that they are sure of that.
    """
    moved = READER_LOG_ODDS * (confidence if is_lead else -max(confidence, 1.0 - confidence))
    return float(probability(logit(lead_probability) + moved))


_IN_WORDS: Mapping[str, str] = {
    VECTOR: "what the text is about and how it is put",
    MARKS: "your marks of similar texts",
}


def described(name: str, added: float, model: LeadModel | None) -> str:
    """What a part of the log-odds is, in words; ``model`` tells whether a feature was stronger or weaker than usual."""
    if name not in BY_NAME:
        return _IN_WORDS.get(name, name)
    about = BY_NAME[name].about
    return f"less than usual: {about}" if is_weaker(name, added, model) else about


def is_weaker(name: str, added: float, model: LeadModel | None) -> bool:
    """Whether a part of the log-odds comes from a feature that is weaker than usual; False where nobody knows."""
    coefficient = None if model is None else model.features.get(name)
    return coefficient is not None and coefficient.weight * added < 0


def what_would_change(score: float, threshold: float) -> str:
    """How far a lead's probability is from the decision, and what moves it."""
    distance = abs(float(logit(score) - logit(threshold)))
    if score >= threshold:
        return (
            f"{score:.2f} is at least MIN_LEAD_PROBABILITY ({threshold:g}). It would be no lead at a threshold above "
            f"{score:.2f}, or if marks of similar texts as no lead took {distance:.1f} from the log-odds."
        )
    return (
        f"{score:.2f} is below MIN_LEAD_PROBABILITY ({threshold:g}). It would be a lead at a threshold of {score:.2f}, "
        f"or if marks of similar texts as leads added {distance:.1f} to the log-odds."
    )
