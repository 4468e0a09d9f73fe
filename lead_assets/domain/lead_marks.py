"""Marks: what a campaign's user said of some documents moves the probabilities of all of its documents.

The posterior has the model's log-odds as its prior mean. Marks are a Gaussian process over the texts' vectors with the
kernel ``BIAS + SHARE * cosine``, which is the same as a Gaussian prior around the model's vector weights (MAP): a text
gains by its closeness to marked leads and loses by that to marked non-leads. Source: Rasmussen and Williams, Gaussian
Processes for Machine Learning, 3.4 (Laplace's method) and 5.4.2 (leaving one out).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.domain.lead_features import Values
from lead_assets.domain.lead_model import probability

BIAS, SHARE = 0.5, 2.0
"""Prior variances of the campaign's base rate and of its direction among the vectors."""
CAUTION = 2
"""So many marks count half: their weight is ``marks / (marks + CAUTION)``."""
MOST_MARKS = 150
"""The newest so many of the documents are fitted; time grows with their cube."""
FEWEST = 4
"""Fewer marks teach nothing."""
_STEPS = 30
Learned = Literal["nothing", "share of leads", "texts"]


@dataclass(frozen=True)
class Posterior:
    """What marks changed: ``added`` (n,) to the log-odds of all documents.

    ``learned`` says what of the marks is believed: the texts that they speak of, only the campaign's share of leads, or
    nothing. ``loss_before`` and ``loss_after`` are the mean log-losses of the marks, each judged without itself, by the
    model alone and with what was learned; None where there are too few marks.
    """

    marks: int
    learned: Learned
    weight: float
    loss_before: float | None
    loss_after: float | None
    added: Values

    def told(self) -> dict[str, object]:
        """For a run's metadata."""
        return {
            "marks": self.marks,
            "learned": self.learned,
            "weight": round(self.weight, 3),
            "log_loss_without_marks": None if self.loss_before is None else round(self.loss_before, 4),
            "log_loss_with_marks": None if self.loss_after is None else round(self.loss_after, 4),
        }


def no_marks() -> pd.DataFrame:
    """A frame of marks without a row: ``reddit_id`` and ``is_lead``."""
    return pd.DataFrame({"reddit_id": pd.Series(dtype=object), "is_lead": pd.Series(dtype=bool)})


def fit_posterior(
    log_odds: Values, matrix: NDArray[np.floating], places: NDArray[np.intp], is_lead: Values
) -> Posterior:
    """Learn from marks, no more than foretells them.

    ``log_odds`` (n,) and ``matrix`` (n, d), unit rows, are of all documents; ``places`` are the marked ones among them,
    ``is_lead`` 1 or 0 for each of those. What is learned must judge each mark without itself better than the model
    alone, and texts must do so better than a share of leads: where nearly all marks agree, directions are chance.
    """
    places, is_lead = places[-MOST_MARKS:], is_lead[-MOST_MARKS:]
    count = len(places)
    nothing = np.zeros(len(log_odds))
    if count < FEWEST:
        return Posterior(count, "nothing", 0.0, None, None, nothing)
    marked, prior = matrix[places].astype(np.float64), log_odds[places]
    weight = count / (count + CAUTION)
    before = _log_loss(prior, is_lead)
    lowest, best = before, Posterior(count, "nothing", 0.0, before, before, nothing)
    attempts: tuple[tuple[Learned, float], ...] = (("share of leads", 0.0), ("texts", SHARE))
    for learned, share in attempts:
        working, inverse, pulls = _mode(BIAS + share * (marked @ marked.T), prior, is_lead)
        after = _log_loss(prior + weight * (working - pulls / np.diag(inverse) - prior), is_lead)
        if after < lowest:
            direction = (share * (pulls @ marked)).astype(matrix.dtype)
            added = weight * (BIAS * pulls.sum() + np.einsum("ij,j->i", matrix, direction).astype(np.float64))
            lowest, best = after, Posterior(count, learned, weight, before, after, added)
    return best


def _mode(kernel: Values, prior: Values, is_lead: Values) -> tuple[Values, Values, Values]:
    """Laplace's method: the working responses at the posterior's mode, the inverse of their covariance, and what each
    mark pulls with."""
    scores = prior
    step = 0
    while True:
        step += 1
        likely = probability(scores)
        certainty = np.maximum(likely * (1.0 - likely), 1e-6)
        working = scores + (is_lead - likely) / certainty
        inverse = np.linalg.inv(kernel + np.diag(1.0 / certainty)).astype(np.float64)
        pulls = inverse @ (working - prior)
        moved = prior + kernel @ pulls
        if step == _STEPS or np.abs(moved - scores).max() < 1e-7:
            return working, inverse, pulls
        scores = moved


def _log_loss(scores: Values, is_lead: Values) -> float:
    return float(np.logaddexp(0.0, np.where(is_lead > 0, -scores, scores)).mean())


def places_of(marks: pd.DataFrame, reddit_ids: "pd.Series[str]") -> tuple[NDArray[np.intp], Values]:
    """Where the marked documents are among ``reddit_ids``, and their labels; marks of other documents are left out."""
    known = pd.Series(np.arange(len(reddit_ids)), index=reddit_ids.to_numpy())
    found = marks[marks["reddit_id"].isin(known.index)]
    return known.loc[found["reddit_id"]].to_numpy(dtype=np.intp), found["is_lead"].to_numpy(dtype=np.float64)
