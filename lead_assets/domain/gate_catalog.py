"""The gates: each one rule that keeps or rejects documents, declared once and in the order documents meet them."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lead_assets.domain.gates import Gate, Threshold, UnknownPolicy
from lead_assets.domain.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

MONTH_SECONDS = 365.25 / 12 * 86_400
_FIRST_POST = datetime(2005, 6, 23, tzinfo=UTC)


def _at_least(observed: "pd.Series[float]", limit: float) -> "pd.Series[bool]":
    return observed >= limit


def _age_months(frame: "pd.DataFrame") -> "pd.Series[float]":
    return (frame["judged_as_of"] - frame["created_at"]).dt.total_seconds() / MONTH_SECONDS


def _activity(frame: "pd.DataFrame") -> "pd.Series[float]":
    """Subscribers for each hot post; a subreddit without hot posts has no ratio."""
    hot_posts = frame["subreddit_hot_posts"]
    return frame["subreddit_subscribers"] / hot_posts.where(hot_posts > 0)


def _nsfw(frame: "pd.DataFrame") -> "pd.Series[float]":
    return frame["over_18"].astype("Float64").astype("float64")


def _is_post(frame: "pd.DataFrame") -> "pd.Series[bool]":
    return frame["kind"] == "post"


def _is_of_reddit(frame: "pd.DataFrame") -> "pd.Series[bool]":
    """Karma and hot posts are Reddit's own to tell; archives do not know them."""
    return frame["source"] == "reddit"


def _is_post_or_live(frame: "pd.DataFrame") -> "pd.Series[bool]":
    """Comments in archives say nothing of their subreddit."""
    return _is_post(frame) | (frame["source"] != "archive")


DEDUPLICATION = Gate(
    name="deduplication",
    stage="crawl",
    setting="REDDIT_DEDUP_TTL_SECONDS",
    claim="was not judged under the same gate settings within so many seconds",
    observe=lambda frame: frame["sighting_age_seconds"],
    keep=lambda observed, _, settings: observed.isna() | _at_least(observed, settings.reddit_dedup_ttl_seconds),
    threshold=lambda settings: settings.reddit_dedup_ttl_seconds,
    off=lambda settings: settings.reddit_dedup_ttl_seconds == 0,
    can_be_unknown=False,
)

METADATA_GATES: tuple[Gate, ...] = (
    DEDUPLICATION,
    Gate(
        name="post_age",
        stage="crawl",
        setting="REDDIT_MAX_POST_AGE_MONTHS",
        claim="is at most so many months old when it is crawled",
        observe=_age_months,
        keep=lambda observed, _, settings: observed <= settings.reddit_max_post_age_months,
        threshold=lambda settings: settings.reddit_max_post_age_months,
        off=lambda settings: False,
    ),
    Gate(
        name="upvote_ratio",
        stage="crawl",
        setting="REDDIT_MIN_UPVOTE_RATIO",
        claim="has at least this share of upvotes",
        observe=lambda frame: frame["upvote_ratio"].where(_is_post(frame)),
        keep=lambda observed, _, settings: _at_least(observed, settings.reddit_min_upvote_ratio),
        threshold=lambda settings: settings.reddit_min_upvote_ratio,
        off=lambda settings: settings.reddit_min_upvote_ratio == 0,
        carries=_is_post,
    ),
    Gate(
        name="nsfw",
        stage="crawl",
        setting="REDDIT_SKIP_NSFW",
        claim="is not marked over 18",
        observe=_nsfw,
        keep=lambda observed, _, settings: observed == 0,
        threshold=lambda settings: settings.reddit_skip_nsfw,
        off=lambda settings: not settings.reddit_skip_nsfw,
        carries=_is_post_or_live,
    ),
    Gate(
        name="subreddit_subscribers",
        stage="crawl",
        setting="REDDIT_MIN_SUB_SUBSCRIBERS",
        claim="is in a subreddit with at least so many subscribers",
        observe=lambda frame: frame["subreddit_subscribers"],
        keep=lambda observed, _, settings: _at_least(observed, settings.reddit_min_sub_subscribers),
        threshold=lambda settings: settings.reddit_min_sub_subscribers,
        off=lambda settings: settings.reddit_min_sub_subscribers == 0,
        looks_up="subreddit",
        carries=_is_post_or_live,
    ),
    Gate(
        name="subreddit_activity",
        stage="crawl",
        setting="REDDIT_MIN_SUB_RATIO",
        claim="is in a subreddit with at least so many subscribers for each hot post",
        observe=_activity,
        keep=lambda observed, _, settings: _at_least(observed, settings.reddit_min_sub_ratio),
        threshold=lambda settings: settings.reddit_min_sub_ratio,
        off=lambda settings: settings.reddit_min_sub_ratio == 0,
        looks_up="subreddit",
        carries=_is_of_reddit,
    ),
    Gate(
        name="author_karma",
        stage="crawl",
        setting="REDDIT_MIN_AUTHOR_KARMA",
        claim="is by an author with at least this link plus comment karma",
        observe=lambda frame: frame["author_karma"].where(frame["author"].notna()),
        keep=lambda observed, _, settings: _at_least(observed, settings.reddit_min_author_karma),
        threshold=lambda settings: settings.reddit_min_author_karma,
        off=lambda settings: False,
        looks_up="author",
        carries=_is_of_reddit,
    ),
)
"""Gates of ``crawled_documents``, in order. Those that need a look-up come last."""

RANK_GATES: tuple[Gate, ...] = (
    Gate(
        name="cosine_similarity",
        stage="rank",
        setting="COSINE_THRESHOLD",
        claim="is at least this close in meaning to the campaign's keywords",
        observe=lambda frame: frame["cosine_similarity"],
        keep=lambda observed, _, settings: _at_least(observed, _cosine_threshold(settings)),
        threshold=lambda settings: _cosine_threshold(settings),
        off=lambda settings: False,
        can_be_unknown=False,
    ),
    Gate(
        name="engagement",
        stage="rank",
        setting="MIN_ENGAGEMENT_SCORE",
        claim="has at least this score",
        observe=lambda frame: frame["score"],
        keep=lambda observed, _, settings: _at_least(observed, settings.min_engagement_score),
        threshold=lambda settings: settings.min_engagement_score,
        off=lambda settings: False,
    ),
    Gate(
        name="keyword_hits",
        stage="rank",
        setting="MIN_KEYWORD_HITS",
        claim="has at least so many different keywords, or a cosine of at least KEYWORD_HITS_COSINE",
        observe=lambda frame: frame["keyword_hits"],
        keep=lambda observed, frame, settings: (
            _at_least(observed, settings.min_keyword_hits)
            | _at_least(frame["cosine_similarity"], settings.keyword_hits_cosine)
        ),
        threshold=lambda settings: settings.min_keyword_hits,
        off=lambda settings: settings.min_keyword_hits == 0,
        can_be_unknown=False,
    ),
    Gate(
        name="fused_score",
        stage="rank",
        setting="MIN_FUSED_SCORE_THRESHOLD",
        claim="has at least this fused score",
        observe=lambda frame: frame["fused_score"],
        keep=lambda observed, _, settings: _at_least(observed, settings.min_fused_score_threshold),
        threshold=lambda settings: settings.min_fused_score_threshold,
        off=lambda settings: settings.min_fused_score_threshold == 0,
        can_be_unknown=False,
    ),
)
"""Gates of ``ranked_candidates``, in order."""

GATES: tuple[Gate, ...] = METADATA_GATES + RANK_GATES
CHEAP_GATES: tuple[Gate, ...] = tuple(gate for gate in METADATA_GATES if gate.looks_up is None)
SUBREDDIT_GATES: tuple[Gate, ...] = tuple(gate for gate in METADATA_GATES if gate.looks_up == "subreddit")
AUTHOR_GATES: tuple[Gate, ...] = tuple(gate for gate in METADATA_GATES if gate.looks_up == "author")
REJUDGING_GATES: tuple[Gate, ...] = tuple(gate for gate in METADATA_GATES if gate is not DEDUPLICATION)
"""The metadata gates by which stored documents are judged again."""


def _cosine_threshold(settings: Settings) -> float:
    if settings.cosine_threshold is None:
        raise ValueError("COSINE_THRESHOLD is unset: lay the embedding model's own under the settings first")
    return settings.cosine_threshold


def gate_digest(settings: Settings, unknown_policy: UnknownPolicy, as_of: datetime | None = None) -> str:
    """Hash of what the metadata gates decide by: their settings, and the day as of which they judge where one is given.

    The de-duplication TTL is no part of it: it says when a document is judged again, not how.
    """
    rules: dict[str, Threshold | str | None] = {
        gate.setting: gate.threshold(settings) for gate in METADATA_GATES if gate is not DEDUPLICATION
    }
    rules["as_of"] = as_of.isoformat() if as_of else None
    names = [gate.name for gate in METADATA_GATES]
    unknown = {name: policy for name, policy in unknown_policy.items() if policy == "reject" and name in names}
    return hashlib.sha256(json.dumps([rules, unknown], sort_keys=True).encode()).hexdigest()[:16]


def oldest_kept(as_of: datetime, settings: Settings) -> datetime:
    """When the oldest document that ``post_age`` keeps may have been posted."""
    seconds = min(settings.reddit_max_post_age_months * MONTH_SECONDS, (as_of - _FIRST_POST).total_seconds())
    return as_of - timedelta(seconds=seconds)
