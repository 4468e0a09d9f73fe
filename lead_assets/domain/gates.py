"""The gates: each one rule that keeps or rejects documents, declared once and in the order documents meet them.

A gate is data plus pure, vectorised functions over a frame. The same declaration sifts rows while an asset computes,
judges stored rows again, becomes an asset check, and explains one document.
"""

import hashlib
import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import pandas as pd

from lead_assets.domain.document import short_url
from lead_assets.domain.settings import Settings

Stage = Literal["crawl", "rank"]
LookUp = Literal["subreddit", "author"]
Threshold = float | bool
UnknownPolicy = Mapping[str, str]
"""Gate name to ``keep`` or ``reject``: what a campaign does with unknown values; ``keep`` where it says nothing."""

MONTH_SECONDS = 365.25 / 12 * 86_400
_FIRST_POST = datetime(2005, 6, 23, tzinfo=UTC)
MAX_EXAMPLES = 50


@dataclass(frozen=True)
class Gate:
    """One rule.

    ``observe`` gives one float a row, NaN where unknown; ``keep`` says for known values whether the row stays.
    ``carries`` tells which rows' source and kind can have the value at all.
    """

    name: str
    stage: Stage
    setting: str
    claim: str
    observe: Callable[[pd.DataFrame], "pd.Series[float]"]
    keep: Callable[["pd.Series[float]", pd.DataFrame, Settings], "pd.Series[bool]"]
    threshold: Callable[[Settings], Threshold]
    off: Callable[[Settings], bool]
    can_be_unknown: bool = True
    looks_up: LookUp | None = None
    carries: Callable[[pd.DataFrame], "pd.Series[bool]"] = lambda frame: pd.Series(True, index=frame.index)


@dataclass(frozen=True)
class Verdict:
    """One gate's judgement of a frame, row by row: the observed value, whether it is unknown, whether the row stays."""

    observed: "pd.Series[float]"
    unknown: "pd.Series[bool]"
    kept: "pd.Series[bool]"


@dataclass
class Tally:
    """What one gate did: counts of rows, and up to ``MAX_EXAMPLES`` rejected ones."""

    evaluated: int = 0
    kept: int = 0
    rejected: int = 0
    unknown: int = 0
    carriers: int = 0
    carriers_unknown: int = 0
    examples: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def add(self, other: "Tally") -> None:
        """Add the counts and examples of another batch."""
        self.evaluated += other.evaluated
        self.kept += other.kept
        self.rejected += other.rejected
        self.unknown += other.unknown
        self.carriers += other.carriers
        self.carriers_unknown += other.carriers_unknown
        self.examples = (self.examples + other.examples)[:MAX_EXAMPLES]

    @property
    def rejection_rate(self) -> float:
        """Share of evaluated rows that were rejected; 0 where none were."""
        return self.rejected / self.evaluated if self.evaluated else 0.0


@dataclass(frozen=True)
class Sifted:
    """A frame after some gates.

    ``decisions`` has a row per input row: ``gate`` (None where kept), ``observed``, ``threshold``, ``setting`` of the
    deciding gate. ``values`` has a column per gate: what it observed in the rows that reached it, NaN elsewhere.
    """

    decisions: pd.DataFrame
    values: pd.DataFrame
    tallies: Mapping[str, Tally]

    @property
    def kept(self) -> "pd.Series[bool]":
        """Whether each row passed all gates."""
        return self.decisions["gate"].isna()


def judge(gate: Gate, frame: pd.DataFrame, settings: Settings, unknown_policy: UnknownPolicy) -> Verdict:
    """What ``gate`` says of every row of ``frame``."""
    observed = gate.observe(frame).astype("float64")
    unknown = observed.isna() if gate.can_be_unknown else pd.Series(False, index=frame.index)
    if gate.off(settings):
        return Verdict(observed, unknown, pd.Series(True, index=frame.index))
    kept = gate.keep(observed, frame, settings).astype(bool)
    return Verdict(observed, unknown, kept.where(~unknown, unknown_policy.get(gate.name) != "reject"))


def sift(frame: pd.DataFrame, gates: Sequence[Gate], settings: Settings, unknown_policy: UnknownPolicy) -> Sifted:
    """Let ``frame``'s rows meet ``gates`` in order; the first that rejects a row decides, later ones do not see it."""
    decisions = pd.DataFrame(
        {"gate": None, "observed": float("nan"), "threshold": float("nan"), "setting": None}, index=frame.index
    ).astype({"gate": object, "setting": object})
    values = pd.DataFrame(index=frame.index)
    tallies: dict[str, Tally] = {}
    reaching = frame
    for gate in gates:
        verdict = judge(gate, reaching, settings, unknown_policy)
        rejected = reaching.index[~verdict.kept]
        values[gate.name] = verdict.observed.reindex(frame.index)
        decisions.loc[rejected, "gate"] = gate.name
        decisions.loc[rejected, "setting"] = gate.setting
        decisions.loc[rejected, "observed"] = verdict.observed.loc[rejected]
        decisions.loc[rejected, "threshold"] = float(gate.threshold(settings))
        tallies[gate.name] = _tally(gate, reaching, verdict)
        reaching = reaching.drop(index=rejected)
    return Sifted(decisions, values, tallies)


def join_sifted(first: Sifted, second: Sifted) -> Sifted:
    """The outcome of ``first`` and then, for the rows that it kept, of ``second``; their gates are different ones."""
    decisions = first.decisions.copy()
    decisions.loc[second.decisions.index] = second.decisions
    values = first.values.join(second.values)
    return Sifted(decisions, values, {**first.tallies, **second.tallies})


def rejection_frame(frame: pd.DataFrame, sifted: Sifted) -> pd.DataFrame:
    """The rejected rows of ``frame`` as rows of the table ``rejections``, indexed as ``frame``.

    ``frame`` has the columns of documents, ``campaign_id`` and ``run_id``; it may be a part of what was sifted.
    """
    rejected = frame[~sifted.kept.loc[frame.index]]
    decisions = sifted.decisions.loc[rejected.index]
    stages = {gate.name: gate.stage for gate in GATES}
    values = sifted.values.loc[rejected.index]
    met = [_met_values(row, str(gate)) for row, gate in zip(values.to_dict("records"), decisions["gate"], strict=True)]
    return pd.DataFrame(
        {
            "campaign_id": rejected["campaign_id"],
            "reddit_id": rejected["reddit_id"],
            "stage": decisions["gate"].map(stages),
            "gate": decisions["gate"],
            "setting": decisions["setting"],
            "observed": decisions["observed"],
            "threshold": decisions["threshold"],
            "observed_values": pd.Series(met, index=rejected.index, dtype=object),
            "kind": rejected["kind"],
            "source": rejected["source"],
            "subreddit": rejected["subreddit"],
            "author": rejected["author"],
            # A comment's title is its post's, which may be deleted one day when nothing points there from here.
            "title": rejected["title"].where(rejected["kind"] != "comment", ""),
            "url": rejected["url"],
            "posted_at": rejected["created_at"],
            "run_id": rejected["run_id"],
        },
        index=rejected.index,
    )


def _met_values(values: Mapping[Hashable, float], deciding: str) -> dict[str, float | None]:
    """What the gates up to the deciding one observed; None where unknown."""
    order = [gate.name for gate in GATES]
    met = order[: order.index(deciding) + 1]
    return {name: None if pd.isna(value) else float(value) for name in met if (value := values.get(name)) is not None}


def _tally(gate: Gate, frame: pd.DataFrame, verdict: Verdict) -> Tally:
    carriers = gate.carries(frame).astype(bool)
    shown = frame.assign(observed=verdict.observed)[~verdict.kept].head(MAX_EXAMPLES)
    return Tally(
        evaluated=len(frame),
        kept=int(verdict.kept.sum()),
        rejected=int((~verdict.kept).sum()),
        unknown=int(verdict.unknown.sum()),
        carriers=int(carriers.sum()),
        carriers_unknown=int((carriers & verdict.unknown).sum()),
        examples=[
            {
                "observed": None if math.isnan(observed) else observed,
                "reddit_id": reddit_id,
                "link": short_url(reddit_id, url),
            }
            for reddit_id, url, observed in zip(
                shown["reddit_id"].tolist(), shown["url"].tolist(), shown["observed"].tolist(), strict=True
            )
        ],
    )


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


def _at_least(observed: "pd.Series[float]", limit: float) -> "pd.Series[bool]":
    return observed >= limit


def _age_months(frame: pd.DataFrame) -> "pd.Series[float]":
    return (frame["judged_as_of"] - frame["created_at"]).dt.total_seconds() / MONTH_SECONDS


def _activity(frame: pd.DataFrame) -> "pd.Series[float]":
    """Subscribers for each hot post; a subreddit without hot posts has no ratio."""
    hot_posts = frame["subreddit_hot_posts"]
    return frame["subreddit_subscribers"] / hot_posts.where(hot_posts > 0)


def _nsfw(frame: pd.DataFrame) -> "pd.Series[float]":
    return frame["over_18"].astype("Float64").astype("float64")


def _is_post(frame: pd.DataFrame) -> "pd.Series[bool]":
    return frame["kind"] == "post"


def _is_of_reddit(frame: pd.DataFrame) -> "pd.Series[bool]":
    """Karma and hot posts are Reddit's own to tell; archives do not know them."""
    return frame["source"] == "reddit"


def _is_post_or_live(frame: pd.DataFrame) -> "pd.Series[bool]":
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
