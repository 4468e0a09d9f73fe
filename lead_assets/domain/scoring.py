"""Scoring: the components of a document's score, and how they are fused.

What belongs here: arithmetic over vectors and columns, and the phrasings that are embedded. What does not: embedding
itself (``models``), text search (``search``), reposts (``reposts``) and gates (``gates``).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lead_assets.domain.score_components import COMPONENTS, Weights

ASKING: tuple[str, ...] = (
    "Can anyone recommend a good {topic}?",
    "I am looking for {topic}. Any suggestions?",
    "What do you use for {topic}?",
    "I want to hire somebody: {topic}.",
    "I need help choosing {topic} for my small business.",
)
"""How somebody asks who may buy; ``{topic}`` is a keyword or the product."""

TELLING: tuple[str, ...] = (
    "I made this, check out my {topic}.",
    "We just launched {topic}.",
    "How I learned {topic}: a tutorial.",
    "Job opening: experienced with {topic}.",
)
"""How somebody tells: makers, sellers, teachers, employers."""

TEXT_MATCH_TOKEN = 2.0**59
"""Typesense packs the number of matched tokens into bits 59 to 62 of ``text_match``."""

FUSED_SHARE = 0.75
"""The fused score's exponent in ``relevance``; the extractor's confidence has the rest."""


def asking_phrases(keywords: Sequence[str], product: str) -> list[str]:
    """Sentences of somebody asking for what the keywords and the product name; embed them for the asking centroid."""
    return _phrases(ASKING, keywords, product)


def telling_phrases(keywords: Sequence[str], product: str) -> list[str]:
    """Sentences of somebody telling about the same; embed them for the telling centroid."""
    return _phrases(TELLING, keywords, product)


def _phrases(phrasings: Sequence[str], keywords: Sequence[str], product: str) -> list[str]:
    topics = [*(keyword.replace('"', "") for keyword in keywords), product.strip().rstrip(".")]
    return [phrasing.format(topic=topic) for topic in topics for phrasing in phrasings]


def centroid(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """The mean of ``vectors`` (k, d) scaled to unit length: (d,).

    Raises:
        ValueError: if there is no vector, or they cancel out and so have no direction.
    """
    if vectors.ndim != 2 or not len(vectors):
        raise ValueError("a centroid needs at least one vector")
    mean = vectors.astype(np.float64).mean(axis=0)
    length = float(np.linalg.norm(mean))
    if not np.isfinite(length) or length < 1e-9:
        raise ValueError("the vectors have no common direction")
    return (mean / length).astype(np.float32)


def cosine(matrix: NDArray[np.floating], center: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine of each unit row of ``matrix`` (n, d) with the unit vector ``center`` (d,): (n,), within -1..1."""
    # In single precision, as the vectors are stored: to widen them first takes twenty times as long.
    # By einsum, whose sum of a row does not depend on the other rows: a matrix product blocks them, and a document
    # that came to the same score would seem to have changed with every new neighbour.
    cosines: NDArray[np.float64] = np.einsum("ij,j->i", matrix, center).astype(np.float64)
    return cosines.clip(-1.0, 1.0)


def lexical(matches: ArrayLike, tokens: ArrayLike) -> NDArray[np.float64]:
    """How much of the best keyword a document holds: (n,), within 0..1.

    ``matches`` (n, k) is Typesense's ``text_match`` of each document for each keyword, 0 where it was not found;
    ``tokens`` (k,) is the number of words of each keyword. ``text_match / 2**59`` is the number of matched words and a
    fraction, so that ``log1p(text_match / 2**59) / log1p(tokens)`` is 1 where all words are there.
    """
    matched: NDArray[np.float64] = np.asarray(matches, dtype=np.float64) / TEXT_MATCH_TOKEN
    if not matched.size:
        return np.zeros(len(matched))
    full: NDArray[np.float64] = np.log1p(np.maximum(np.asarray(tokens, dtype=np.float64), 1.0))
    best: NDArray[np.float64] = (np.log1p(matched) / full).max(axis=1)
    return np.clip(best, 0.0, 1.0)


def contributions(frame: pd.DataFrame, weights: Weights) -> pd.DataFrame:
    """What each component adds to the fused score before clipping: one column per component, rows as in ``frame``.

    An unknown component (NaN) makes its contribution NaN.
    """
    added = {each.name: each.weight(weights) * each.scaled(frame[each.name]) for each in COMPONENTS}
    return pd.DataFrame(added, index=frame.index)


def fuse(frame: pd.DataFrame, weights: Weights) -> pd.Series:
    """The fused score within 0..1, ``clip(sum of contributions, 0, 1)``, indexed as ``frame`` (see ``contributions``).

    A row with an unknown component has an unknown score.
    """
    return contributions(frame, weights).sum(axis=1, skipna=False).clip(0.0, 1.0).rename("fused_score")


def relevance(fused: ArrayLike, confidence: ArrayLike) -> NDArray[np.float64]:
    """The relevance of leads, within 0..1: ``fused**0.75 * confidence**0.25``; shapes broadcast, NaN stays NaN.

    A weighted geometric mean lets neither outvote a zero of the other. The fused score weighs three times as much,
    because it ranks better than either the rules' confidence or an even mean does on the golden campaigns.
    """
    scores, sureness = np.asarray(fused, dtype=np.float64), np.asarray(confidence, dtype=np.float64)
    return np.clip(scores, 0.0, 1.0) ** FUSED_SHARE * np.clip(sureness, 0.0, 1.0) ** (1.0 - FUSED_SHARE)
