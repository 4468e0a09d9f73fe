"""What the lead model looks at, declared once: a feature is a name, what it says, a group and a pure function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.domain.wording import WORDING

Group = Literal["meaning", "keywords", "cues", "wording", "together"]
Values = NDArray[np.float64]
MANY_HITS = 4
"""So many different keywords are as good as it gets."""
VECTOR = "vector"
"""Stands for all that the model reads off the text's vector, in one sum."""
MARKS = "marks"
"""Stands for what the campaign's marks add."""
LONG = 9.0
"""Logarithm of the characters (8,100) of a long text: ``length`` is about 1 there."""


@dataclass(frozen=True)
class Feature:
    """``value`` gives a number for each row of a frame as ``LeadModel`` takes it.

    ``reads_cosines``: it depends on the embedder, whose cosines do not compare with another's.
    """

    name: str
    about: str
    group: Group
    value: Callable[[pd.DataFrame], Values]
    reads_cosines: bool = False


def _column(name: str, frame: pd.DataFrame) -> Values:
    return frame[name].to_numpy(dtype=np.float64)


def _hits(frame: pd.DataFrame) -> Values:
    return np.minimum(_column("keyword_words", frame), MANY_HITS) / MANY_HITS


def _length(frame: pd.DataFrame) -> Values:
    return np.log1p(_column("body_characters", frame)) / LONG


def _without_body(frame: pd.DataFrame) -> Values:
    return (_column("body_characters", frame) == 0).astype(np.float64)


def _worded(place: int, frame: pd.DataFrame) -> Values:
    return np.fromiter(map(itemgetter(place), frame["wording"]), dtype=np.float64, count=len(frame))


def _product(
    one: Callable[[pd.DataFrame], Values], other: Callable[[pd.DataFrame], Values]
) -> Callable[[pd.DataFrame], Values]:
    def multiplied(frame: pd.DataFrame) -> Values:
        return one(frame) * other(frame)

    return multiplied


_COSINE, _TO_PRODUCT, _INTENT = (
    partial(_column, name) for name in ("cosine_similarity", "product_similarity", "intent_similarity")
)
_ASKING, _IN_TITLE = partial(_column, "asking_cue"), partial(_column, "keyword_in_title")
_QUESTION = partial(_worded, [each.name for each in WORDING].index("head_question"))

FEATURES: tuple[Feature, ...] = (
    Feature("cosine_similarity", "near the keywords in meaning", "meaning", _COSINE, True),
    Feature("product_similarity", "near the product in meaning", "meaning", _TO_PRODUCT, True),
    Feature("intent_similarity", "sounds like asking rather than telling", "meaning", _INTENT, True),
    Feature(
        "keyword_coherence",
        "the campaign's keywords are near each other",
        "meaning",
        partial(_column, "keyword_coherence"),
        True,
    ),
    Feature("keyword_words", "the words of several keywords occur", "keywords", _hits),
    Feature("keyword_in_title", "a keyword is in the title", "keywords", _IN_TITLE),
    Feature(
        "keyword_place", "the first keyword comes late, or none does", "keywords", partial(_column, "keyword_place")
    ),
    Feature("asking_cue", "words of asking", "cues", _ASKING),
    Feature("selling_cue", "words of selling, showing or teaching", "cues", partial(_column, "selling_cue")),
    *(Feature(each.name, each.about, "wording", partial(_worded, place)) for place, each in enumerate(WORDING)),
    Feature("length", "a long text", "wording", _length),
    Feature("without_body", "nothing but a title", "wording", _without_body),
    Feature("asks_near_product", "asks, near the product", "together", _product(_TO_PRODUCT, _ASKING), True),
    Feature("asks_near_keywords", "asks, near the keywords", "together", _product(_COSINE, _ASKING), True),
    Feature(
        "intent_near_product", "sounds like asking, near the product", "together", _product(_TO_PRODUCT, _INTENT), True
    ),
    Feature(
        "title_near_product",
        "a keyword in the title, near the product",
        "together",
        _product(_IN_TITLE, _TO_PRODUCT),
        True,
    ),
    Feature("title_asks", "a keyword in the title, and words of asking", "together", _product(_IN_TITLE, _ASKING)),
    Feature(
        "title_questions", "a keyword and a question mark in the title", "together", _product(_IN_TITLE, _QUESTION)
    ),
    Feature("hits_ask", "several keywords, and words of asking", "together", _product(_hits, _ASKING)),
)
"""Everything but the vector; a new feature is one row and its test."""
BY_NAME: Mapping[str, Feature] = {feature.name: feature for feature in FEATURES}


def feature_matrix(frame: pd.DataFrame, names: tuple[str, ...]) -> Values:
    """The features ``names`` of n documents: shape (n, names)."""
    if not names:
        return np.zeros((len(frame), 0))
    return np.column_stack([BY_NAME[name].value(frame) for name in names])
