"""Candidates: documents with every component of their score, side by side and explainable."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.cues import asking_cue, selling_cue
from lead_assets.domain.document import own_texts
from lead_assets.domain.ranking import Weights, centroid, cosine, document_text, fuse, lexical, near_duplicates


@dataclass(frozen=True)
class Meaning:
    """What a campaign means, as unit vectors of shape (dimension,): its keywords, asking for them, telling of them."""

    keywords: NDArray[np.float32]
    asking: NDArray[np.float32]
    telling: NDArray[np.float32]


def meaning_of(keywords: NDArray[np.float32], asking: NDArray[np.float32], telling: NDArray[np.float32]) -> Meaning:
    """The centroids of a campaign's phrases, each given as vectors of shape (phrases, dimension)."""
    return Meaning(centroid(keywords), centroid(asking), centroid(telling))


def component_frame(
    frame: pd.DataFrame,
    vectors: Mapping[str, NDArray[np.float32]],
    matches: NDArray[np.float64],
    meaning: Meaning,
    campaign: Campaign,
    weights: Weights,
) -> pd.DataFrame:
    """``frame`` with a column per component and the fused score.

    ``frame`` has n documents; ``vectors`` has one for each text hash; ``matches`` is Typesense's text match of shape
    (n, keywords).
    """
    dimension = len(meaning.keywords)
    matrix = np.stack([vectors[digest] for digest in frame["text_hash"]]) if len(frame) else np.zeros((0, dimension))
    own_titles = frame["title"].where(frame["kind"] != "comment", "")
    texts = list(zip(own_titles, frame["body"], strict=True))
    tokens = np.array([len(keyword.replace('"', " ").split()) for keyword in campaign.keywords], dtype=float)
    components = frame.assign(
        cosine_similarity=cosine(matrix, meaning.keywords),
        lexical=lexical(matches, tokens),
        intent_similarity=cosine(matrix, meaning.asking) - cosine(matrix, meaning.telling),
        asking_cue=np.array([asking_cue(title, body) for title, body in texts], dtype=float),
        selling_cue=np.array([selling_cue(title, body) for title, body in texts], dtype=float),
        keyword_hits=np.array([len(campaign.matched_keywords(text)) for text in own_texts(frame)], dtype=float),
    )
    return components.assign(fused_score=fuse(components, weights))


EXCLUDED = "excluded"
"""Stands in place of a gate in candidates that the campaign's own lists leave out since they were crawled."""


def is_wanted(frame: pd.DataFrame, campaign: Campaign) -> "pd.Series[bool]":
    """Whether the campaign, as it is now, looks at each document: kind, subreddit, author and negative keywords."""
    named = zip(frame["kind"], frame["subreddit"], frame["author"], own_texts(frame), strict=True)
    wanted = [
        campaign.looks_at(kind, subreddit, author if isinstance(author, str) else None) and not campaign.rules_out(text)
        for kind, subreddit, author, text in named
    ]
    return pd.Series(wanted, index=frame.index, dtype=bool)


def duplicates_among_kept(frame: pd.DataFrame, kept: "pd.Series[bool]") -> pd.Series:
    """For each row the fullname of the kept document that it repeats, else None; the oldest stands for the others."""
    preferred = frame[kept].sort_values(["created_at", "reddit_id"], na_position="last")
    texts = [document_text(title, body) for title, body in zip(preferred["title"], preferred["body"], strict=True)]
    found = near_duplicates(
        preferred["reddit_id"],
        preferred["text_hash"],
        preferred["author"],
        pd.Series(texts, index=preferred.index, dtype=object),
    )
    return found.reindex(frame.index).astype(object).where(lambda column: column.notna(), None)
