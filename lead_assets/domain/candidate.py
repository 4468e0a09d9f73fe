"""Candidates: documents with every component of their score, side by side and explainable."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.columns import COLUMNS, RANKED, of_kind
from lead_assets.domain.judging import GateOutcomes
from lead_assets.domain.keyword_places import KeywordPlaces, PlaceFinder
from lead_assets.domain.keywords import searches_of
from lead_assets.domain.reposts import find_reposts
from lead_assets.domain.score_components import Weights
from lead_assets.domain.scoring import centroid, cosine, fuse, lexical
from lead_assets.domain.text_features import FEATURES, text_features


@dataclass(frozen=True)
class Meaning:
    """What a campaign means, as unit vectors of shape (dimension,): its keywords, its product, asking for them, telling
    of them.

    ``coherence`` (0..1) is how near the keywords are to each other: the length of their vectors' mean.
    ``keyword_cosines`` are those of each keyword with the centroid.
    """

    keywords: NDArray[np.float32]
    product: NDArray[np.float32]
    asking: NDArray[np.float32]
    telling: NDArray[np.float32]
    coherence: float
    keyword_cosines: NDArray[np.float64]


def meaning_of(
    keywords: NDArray[np.float32],
    product: NDArray[np.float32],
    asking: NDArray[np.float32],
    telling: NDArray[np.float32],
) -> Meaning:
    """The centroids of a campaign's phrases, each given as vectors of shape (phrases, dimension)."""
    center = centroid(keywords)
    coherence = float(np.linalg.norm(keywords.astype(np.float64).mean(axis=0)))
    return Meaning(center, centroid(product), centroid(asking), centroid(telling), coherence, cosine(keywords, center))


MATCHES: tuple[str, ...] = ("keyword_hits", "ruled_out", *KeywordPlaces._fields)
"""What a campaign's keywords say of a text: how many occur, whether a negative one does, and where they occur."""


def text_frame(texts: pd.DataFrame, campaign: Campaign) -> pd.DataFrame:
    """What must be found out from the texts themselves: ``FEATURES``, ``MATCHES`` and ``matched_keywords``, indexed as
    ``texts``.

    ``texts`` has ``kind``, ``title`` and ``body``. What its author did not write of a comment, its title, is left out.
    """
    places = PlaceFinder(campaign.keywords)
    rows: list[tuple[object, ...]] = []
    for kind, title, body in zip(texts["kind"], texts["title"], texts["body"], strict=True):
        own = body if kind == "comment" else f"{title}\n\n{body}"
        own_title = "" if kind == "comment" else title
        matched = campaign.matched_keywords(own, own_title)
        is_ruled_out = not matched and campaign.rules_out(own, own_title)
        matches = (float(len(matched)), is_ruled_out, *places.find(own_title, own))
        rows.append((*text_features(own_title, body), *matches, matched))
    return pd.DataFrame(rows, index=texts.index, columns=[*FEATURES, *MATCHES, "matched_keywords"])


def component_frame(
    frame: pd.DataFrame,
    matrix: NDArray[np.float32],
    matches: NDArray[np.float64],
    meaning: Meaning,
    campaign: Campaign,
    weights: Weights,
) -> pd.DataFrame:
    """``frame`` with a column per component and the fused score.

    ``frame`` has n documents with their ``FEATURES`` and ``MATCHES``; ``matrix`` their vectors, of shape
    (n, dimension); ``matches`` is Typesense's text match of shape (n, searches), a column for each of the campaign's
    ``searches_of`` its keywords.
    """
    tokens = np.array([len(search.split()) for search in searches_of(campaign.keywords)], dtype=float)
    components = frame.assign(
        cosine_similarity=cosine(matrix, meaning.keywords),
        product_similarity=cosine(matrix, meaning.product),
        lexical=lexical(matches, tokens),
        intent_similarity=cosine(matrix, meaning.asking) - cosine(matrix, meaning.telling),
        keyword_coherence=meaning.coherence,
    )
    return components.assign(fused_score=fuse(components, weights))


def is_wanted(frame: pd.DataFrame, campaign: Campaign) -> "pd.Series[bool]":
    """Whether the campaign, as it is now, looks at each document: kind, subreddit, author and ``ruled_out``."""
    named = zip(*(frame[name].tolist() for name in ("kind", "subreddit", "author", "ruled_out")), strict=True)
    wanted = [
        not ruled_out and campaign.looks_at(kind, subreddit, author if isinstance(author, str) else None)
        for kind, subreddit, author, ruled_out in named
    ]
    return pd.Series(wanted, index=frame.index, dtype=bool)


_OF_OUTCOME: tuple[str, ...] = (
    *("text_hash", "kind", "source", "author", "score"),
    *(name for name in RANKED if not name.startswith("stored_")),
)
"""What can change in the rows of candidates and rejections, but for the run; the text hash stands for the title."""
_OUTCOME = {name: COLUMNS[name] for name in _OF_OUTCOME}
_TEXTS = of_kind(_OUTCOME, "text")
_NUMBERS = of_kind(_OUTCOME, "number", "integer", "flag")


def outcome_digests(frame: pd.DataFrame, outcomes: GateOutcomes) -> "pd.Series[str]":
    """A digest for each row of all that is stored of its ranking: what is as it was need not be written.

    Numbers count to 9 decimals: another machine's sums may differ in their last ones.
    """
    judged = outcomes.decisions[["observed", "threshold"]].join(outcomes.values.add_prefix("of_")).reindex(frame.index)
    # The same value has the same hash in the same type only, and which type a column has depends on its neighbours.
    numbers = frame[_NUMBERS].join(judged).astype("float64").round(9)
    texts = frame[_TEXTS].astype(object).fillna("")
    return pd.util.hash_pandas_object(texts.join(numbers), index=False).astype(str)


def duplicates_among_kept(frame: pd.DataFrame, kept: "pd.Series[bool]") -> pd.Series:
    """For each row the fullname of the kept document that it repeats, else None; the oldest stands for the others."""
    preferred = frame[kept].sort_values(["created_at", "reddit_id"], na_position="last")
    found = find_reposts(preferred)
    return found.reindex(frame.index).astype(object).where(lambda column: column.notna(), None)
