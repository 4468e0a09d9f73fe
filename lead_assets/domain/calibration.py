"""Whether probabilities are honest, and whether a list of leads is any good: figures over labelled documents."""

from dataclasses import dataclass

import numpy as np

from lead_assets.domain.lead_features import Values

BINS = 10


@dataclass(frozen=True)
class ListFigures:
    """A list of leads: the share of the labelled leads that it shows, and of leads among what it shows
    (None: empty)."""

    recall: float
    precision: float | None


def list_figures(is_lead: Values, is_shown: "np.typing.NDArray[np.bool_]") -> ListFigures:
    """The figures of a list that shows ``is_shown`` of the documents; ``is_lead`` is 1 or 0, and 1 at least once."""
    found = float((is_lead * is_shown).sum())
    shown = int(is_shown.sum())
    return ListFigures(found / float(is_lead.sum()), found / shown if shown else None)


def calibration_error(probabilities: Values, is_lead: Values) -> float:
    """Mean of |mean probability - share of leads| over ten bins of equal mass, weighted by size.

    Source: Naeini and others 2015 (expected calibration error), with bins of equal mass.
    """
    order = np.argsort(probabilities, kind="stable")
    bins = [each for each in np.array_split(order, BINS) if len(each)]
    return sum(len(each) * abs(probabilities[each].mean() - is_lead[each].mean()) for each in bins) / len(order)


def bias(probabilities: Values, is_lead: Values) -> float:
    """|mean probability - share of leads|."""
    return float(abs(probabilities.mean() - is_lead.mean()))
