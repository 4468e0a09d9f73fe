"""Preview: which leads would go, and which would come, under other settings or lists. Nothing is stored.

It answers from what the last ranking and the readings stored, with the same gates and the same fusion. A document that
no run has read yet is counted apart: only a run can say what it is.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.candidate import is_wanted
from lead_assets.domain.changes import Changes
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.frames import to_rows
from lead_assets.domain.gate_catalog import GATES, RANK_GATES, REJUDGING_GATES
from lead_assets.domain.gates import EXCLUDED
from lead_assets.domain.judging import apply_gates
from lead_assets.domain.keywords import KeywordMatcher
from lead_assets.domain.lead_decision import decide
from lead_assets.domain.scoring import fuse
from lead_assets.domain.settings import Layer, Settings, resolve
from lead_assets.domain.thresholds import cosine_threshold_of
from lead_assets.pipeline.run_context import RunContext
from lead_assets.storage.previews import read_for_preview, read_own_texts

ANSWERED: frozenset[str] = frozenset(
    {gate.setting for gate in (*REJUDGING_GATES, *RANK_GATES)}
    | {"KEYWORD_HITS_COSINE", "WEIGHT_COSINE", "WEIGHT_PRODUCT", "WEIGHT_LEXICAL", "WEIGHT_INTENT"}
    | {"CUE_ASKING", "CUE_SELLING", "MIN_LEAD_PROBABILITY", "RELEVANCE"}
)
"""The settings whose effect can be told from the store. The others change what is fetched, embedded or read."""


@dataclass(frozen=True)
class Preview:
    """Leads that would go and come, nearest to the deciding threshold first, how many there are and would be, and how
    many documents a run would have to read."""

    gone: list[dict[str, Any]]
    come: list[dict[str, Any]]
    leads_now: int
    leads_then: int
    unread: int


def preview(connection: sa.Connection, run: RunContext, changes: Changes) -> Preview:
    """What ``changes`` would do to the leads of the run's campaign.

    Raises:
        InvalidInput, SettingInvalid: a setting or a list would not be valid, or its effect is not known from the store.
    """
    for name in changes.settings:
        if name not in ANSWERED and name in Settings.model_json_schema()["properties"]:
            raise InvalidInput(
                f"What {name} changes cannot be told from the store. Try it in a run: `lead-assets run "
                f"{run.campaign.id} --set {name}=…`."
            )
    own = Layer("preview", changes.settings)
    settings = resolve(
        [
            Layer("environment", run.environment.settings),
            Layer(f"campaign {run.campaign.id}", run.campaign.settings),
            own,
        ]
    ).settings
    campaign = changes.applied_to(run.campaign)
    frame = read_for_preview(connection, run.campaign.id)
    if frame.empty:
        return Preview([], [], 0, 0, 0)
    settings = settings.with_cosine_threshold(cosine_threshold_of(str(frame["model"].iloc[0])))
    frame = frame.assign(fused_score=fuse(frame, settings.weights))
    if changes.negative_keywords:
        frame = frame.assign(ruled_out=_ruled_out(connection, frame, campaign, changes))
    frame = _judged(frame, settings, campaign)
    frame = _decided(frame, settings)
    then = frame["readable_then"] & frame["lead_then"]
    unread = frame["readable_then"] & ~frame["is_read"].astype(bool)
    now = frame["is_lead_now"].astype(bool)
    return Preview(
        gone=_listed(frame[now & ~then]),
        come=_listed(frame[then & ~now]),
        leads_now=int(now.sum()),
        leads_then=int(then.sum()),
        unread=int(unread.sum()),
    )


def _decided(frame: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """``frame`` with ``lead_then``: whether each document that was read is a lead if it is kept.

    Where its probability decides and no gate does, ``observed`` and ``threshold`` are those of the decision.
    """
    is_read = frame["is_read"].astype(bool)
    names = ["lead_probability", "fused_score", "extractor", "read_as_lead", "confidence", "has_evidence"]
    decisions = [
        decide(
            settings,
            lead_probability=row["lead_probability"],
            fused_score=row["fused_score"],
            extractor=row["extractor"],
            is_lead=bool(row["read_as_lead"]),
            confidence=row["confidence"],
            has_evidence=bool(row["has_evidence"]),
        )
        for row in to_rows(frame.loc[is_read, names])
    ]
    score = pd.Series([decision.score for decision in decisions], frame.index[is_read], dtype=float)
    least = pd.Series([decision.threshold for decision in decisions], frame.index[is_read], dtype=float)
    lead = pd.Series([decision.qualifies for decision in decisions], frame.index[is_read], dtype=bool)
    deciding = frame["gate"].isna() & least.reindex(frame.index).notna()
    return frame.assign(
        lead_then=lead.reindex(frame.index, fill_value=False).astype(bool),
        observed=frame["observed"].where(~deciding, score.reindex(frame.index)),
        threshold=frame["threshold"].where(~deciding, least.reindex(frame.index)),
        gate=frame["gate"].where(~deciding, "lead_probability"),
    )


def _ruled_out(
    connection: sa.Connection, frame: pd.DataFrame, campaign: Campaign, changes: Changes
) -> "pd.Series[bool]":
    """``ruled_out`` with the new negative keywords, looked for in the leads of now: they can only take some away."""
    matcher = KeywordMatcher(list(changes.negative_keywords), [], [], campaign.language)
    ids = frame.loc[frame["is_lead_now"].astype(bool), "reddit_id"].tolist()
    hit = {
        reddit_id
        for reddit_id, (title, body) in read_own_texts(connection, campaign.id, ids).items()
        if matcher.matches(f"{title}\n\n{body}" if title else body, title)
    }
    return frame["ruled_out"] | frame["reddit_id"].isin(hit)


def _judged(frame: pd.DataFrame, settings: Settings, campaign: Campaign) -> pd.DataFrame:
    """``frame`` with the deciding ``gate``, its ``observed`` and ``threshold``, and ``readable_then``."""
    wanted = is_wanted(frame, campaign)
    outcomes = apply_gates(frame[wanted], (*REJUDGING_GATES, *RANK_GATES), settings, campaign.unknown)
    decisions = outcomes.decisions[["gate", "observed", "threshold"]].reindex(frame.index)
    kept = outcomes.kept.reindex(frame.index, fill_value=False).astype(bool)
    kept_ids = set(frame.loc[kept, "reddit_id"])
    # A repost stands for itself where what it repeats is not kept.
    repeats_kept = frame["duplicate_of"].isin(kept_ids)
    gate = decisions["gate"].astype(object).where(wanted, EXCLUDED)
    gate = gate.where(~(kept & repeats_kept), "repost")
    return frame.assign(
        gate=gate,
        observed=decisions["observed"],
        threshold=decisions["threshold"],
        readable_then=kept & ~repeats_kept & ~frame["author_left"].astype(bool),
    )


def _listed(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for people: those nearest to the threshold that decides first; without one, the best first."""
    scale = frame["threshold"].abs().clip(lower=1.0)
    distance = ((frame["observed"] - frame["threshold"]).abs() / scale).fillna(0.0)
    ordered = frame.assign(distance=distance, best=-frame["fused_score"])
    ordered = ordered.sort_values(["distance", "best", "reddit_id"])
    names = ("reddit_id", "title", "subreddit", "author", "url", "gate", "observed", "threshold", "fused_score")
    rows = to_rows(ordered[[*names, "relevance_score"]])
    settings = {gate.name: gate.setting for gate in GATES} | {"lead_probability": "MIN_LEAD_PROBABILITY"}
    return [row | {"setting": settings.get(row["gate"] or "")} for row in rows]
