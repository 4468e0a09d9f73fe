"""Evaluation: how good a ranking is, measured against documents that people have labelled.

What belongs here: labelled campaigns as they are written in golden files, the metrics of a ranking, and which step
loses which lead. What does not: making rankings.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lead_assets.domain.campaign import KeywordText, Text

LEAD = 2
"""The label of a lead; 1 is a weak one, 0 is none."""
Fullname = Annotated[str, Field(pattern=r"^t[13]_[0-9a-z]{1,13}$")]
Metrics = dict[str, float]
METRICS = ("ndcg@10", "ndcg@20", "precision@10", "precision@20", "average_precision", "lead_recall")
_DIGITS = 4


class Golden(BaseModel):
    """A labelled campaign: what is sold, its keywords, the documents that were looked through, and their labels.

    An empty ``crawl`` means all documents of the archive. ``random_sample`` are labelled documents that were drawn from
    them at random. Other keys of a golden file are passed over.
    """

    model_config = ConfigDict(frozen=True)

    campaign: Text
    product: Text
    keywords: Annotated[list[KeywordText], Field(min_length=1, max_length=100)]
    crawl: list[Fullname] = []
    random_sample: list[Fullname] = []
    labels: dict[Fullname, Literal[0, 1, 2]]

    @field_validator("labels")
    @classmethod
    def _has_a_lead(cls, labels: dict[str, int]) -> dict[str, int]:
        if not labels:
            raise ValueError("there are no labels. Label documents with 2 (lead), 1 (weak) or 0")
        if LEAD not in labels.values():
            raise ValueError("no document is labelled 2, so that there is no lead to find")
        return labels

    @property
    def leads(self) -> list[str]:
        """Fullnames of the labelled leads."""
        return [reddit_id for reddit_id, label in self.labels.items() if label == LEAD]


def measure(labels: Mapping[str, int], ranking: Iterable[str]) -> Metrics:
    """The ``METRICS`` of ``ranking`` (fullnames, best first), each within 0..1, rounded to 4 digits.

    Documents without a label are passed over and repeats count once; a lead that is not in the ranking was never found.
    nDCG has the gain ``2**label - 1`` and the discount ``log2(rank + 1)``; precision counts leads and divides by 10 or
    20; average precision and recall divide by all labelled leads, of which there must be one.
    Source: Järvelin and Kekäläinen 2002 (nDCG), on a condensed list (Sakai 2007).
    """
    ranked = [labels[reddit_id] for reddit_id in dict.fromkeys(ranking) if reddit_id in labels]
    ideal = sorted(labels.values(), reverse=True)
    leads = ideal.count(LEAD)
    places = [place for place, label in enumerate(ranked, start=1) if label == LEAD]
    found = {
        "ndcg@10": _gain(ranked[:10]) / _gain(ideal[:10]),
        "ndcg@20": _gain(ranked[:20]) / _gain(ideal[:20]),
        "precision@10": ranked[:10].count(LEAD) / 10,
        "precision@20": ranked[:20].count(LEAD) / 20,
        "average_precision": sum(hits / place for hits, place in enumerate(places, start=1)) / leads,
        "lead_recall": len(places) / leads,
    }
    return {name: round(value, _DIGITS) for name, value in found.items()}


def _gain(labels: Sequence[int]) -> float:
    return sum((2**label - 1) / math.log2(rank + 2) for rank, label in enumerate(labels))


def mean(measured: Sequence[Metrics]) -> Metrics:
    """The mean of each metric over campaigns, of which there is at least one."""
    return {name: round(sum(each[name] for each in measured) / len(measured), _DIGITS) for name in measured[0]}


@dataclass(frozen=True)
class Step:
    """What is left of the labelled leads after one step, 0..1, and the fullnames of those that it lost."""

    name: str
    lead_recall: float
    lost: tuple[str, ...]


def recall_by_step(leads: Sequence[str], steps: Sequence[str], lost_at: Mapping[str, str]) -> list[Step]:
    """The recall of ``leads`` after each of ``steps``, in their order.

    ``lost_at`` names the step that lost a lead; those that are not in it are found in the end.
    """
    left, found = len(leads), list[Step]()
    for name in steps:
        lost = tuple(reddit_id for reddit_id in leads if lost_at.get(reddit_id) == name)
        left -= len(lost)
        found.append(Step(name, round(left / len(leads), _DIGITS), lost))
    return found
