"""Gates: each from both sides of its threshold, at it, for unknown values and switched off; and how they are sifted."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from lead_assets.domain.document import from_reddit
from lead_assets.domain.frames import to_frame
from lead_assets.domain.gate_catalog import (
    AUTHOR_GATES,
    CHEAP_GATES,
    GATES,
    METADATA_GATES,
    MONTH_SECONDS,
    RANK_GATES,
    REJUDGING_GATES,
    SUBREDDIT_GATES,
    gate_digest,
)
from lead_assets.domain.gates import MAX_EXAMPLES, Gate, GateStats
from lead_assets.domain.judging import GateOutcomes, apply_gates, join_outcomes, judge
from lead_assets.domain.rejections import rejection_frame
from lead_assets.domain.settings import Settings

AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
UNKNOWN = math.nan
MODEL_THRESHOLD = 0.30
"""The local embedding model's own cosine threshold, which the ranking lays under the settings."""

# DESIGN section 3: asset, name, environment name, default, whether a value can be unknown.
TABLE = [
    ("crawl", "deduplication", "REDDIT_DEDUP_TTL_SECONDS", 604_800, False),
    ("crawl", "post_age", "REDDIT_MAX_POST_AGE_MONTHS", 18.0, True),
    ("crawl", "upvote_ratio", "REDDIT_MIN_UPVOTE_RATIO", 0.40, True),
    ("crawl", "nsfw", "REDDIT_SKIP_NSFW", True, True),
    ("crawl", "subreddit_subscribers", "REDDIT_MIN_SUB_SUBSCRIBERS", 1000, True),
    ("crawl", "subreddit_activity", "REDDIT_MIN_SUB_RATIO", 0.0, True),
    ("crawl", "author_karma", "REDDIT_MIN_AUTHOR_KARMA", 15, True),
    ("rank", "cosine_similarity", "COSINE_THRESHOLD", 0.30, False),
    ("rank", "engagement", "MIN_ENGAGEMENT_SCORE", 1, True),
    ("rank", "keyword_hits", "MIN_KEYWORD_HITS", 1, False),
    ("rank", "fused_score", "MIN_FUSED_SCORE_THRESHOLD", 0.10, False),
]
NAMES = [name for _, name, *_ in TABLE]
BY_NAME: dict[str, Gate] = {gate.name: gate for gate in GATES}


def settings(**changed: Any) -> Settings:
    return Settings.model_validate({"COSINE_THRESHOLD": MODEL_THRESHOLD, **changed})


def row(**changed: Any) -> dict[str, Any]:
    """A document that every gate keeps, with the columns that gates look at."""
    kept = {
        "reddit_id": "t3_a",
        "kind": "post",
        "source": "reddit",
        "subreddit": "smallbusiness",
        "author": "ada",
        "title": "Which CRM?",
        "url": "https://www.reddit.com/comments/a/",
        "created_at": AS_OF - timedelta(days=1),
        "judged_as_of": AS_OF,
        "sighting_age_seconds": UNKNOWN,
        "upvote_ratio": 0.9,
        "over_18": False,
        "subreddit_subscribers": 50_000.0,
        "subreddit_hot_posts": 100.0,
        "author_karma": 500.0,
        "score": 10.0,
        "cosine_similarity": 0.6,
        "keyword_hits": 2.0,
        "fused_score": 0.7,
        "campaign_id": "shop",
        "run_id": "run-1",
    }
    assert set(changed) <= set(kept)
    return kept | changed


def frame_of(*rows: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(row()))
    numbers = ("sighting_age_seconds", "upvote_ratio", "subreddit_subscribers", "subreddit_hot_posts", "author_karma")
    numbers += ("score", "cosine_similarity", "keyword_hits", "fused_score")
    frame = frame.astype(dict.fromkeys(numbers, "float64") | {"over_18": "boolean"})
    for column in ("created_at", "judged_as_of"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame


def aged(months: float) -> datetime:
    return AS_OF - timedelta(seconds=months * MONTH_SECONDS)


def is_kept(gate: str, document: dict[str, Any], in_force: Settings, unknown: dict[str, str] | None = None) -> bool:
    return bool(judge(BY_NAME[gate], frame_of(document), in_force, unknown or {}).kept.iloc[0])


# Gate, what differs from a document that all keep, whether the gate keeps it at the defaults.
SIDES: list[tuple[str, dict[str, Any], bool]] = [
    ("deduplication", {"sighting_age_seconds": 0.0}, False),
    ("deduplication", {"sighting_age_seconds": 604_799.9}, False),
    ("deduplication", {"sighting_age_seconds": 604_800.0}, True),
    ("deduplication", {"sighting_age_seconds": 604_800.1}, True),
    ("post_age", {"created_at": aged(17.999)}, True),
    ("post_age", {"created_at": aged(18)}, True),
    ("post_age", {"created_at": aged(18) - timedelta(seconds=1)}, False),
    ("post_age", {"created_at": AS_OF + timedelta(days=400)}, True),
    ("upvote_ratio", {"upvote_ratio": 0.39}, False),
    ("upvote_ratio", {"upvote_ratio": 0.40}, True),
    ("upvote_ratio", {"upvote_ratio": 0.41}, True),
    ("upvote_ratio", {"upvote_ratio": 0.0}, False),
    ("nsfw", {"over_18": False}, True),
    ("nsfw", {"over_18": True}, False),
    ("subreddit_subscribers", {"subreddit_subscribers": 999.0}, False),
    ("subreddit_subscribers", {"subreddit_subscribers": 1000.0}, True),
    ("subreddit_subscribers", {"subreddit_subscribers": 1001.0}, True),
    ("subreddit_subscribers", {"subreddit_subscribers": 0.0}, False),
    ("author_karma", {"author_karma": 14.0}, False),
    ("author_karma", {"author_karma": 15.0}, True),
    ("author_karma", {"author_karma": 16.0}, True),
    ("author_karma", {"author_karma": -100.0}, False),
    ("cosine_similarity", {"cosine_similarity": 0.2999}, False),
    ("cosine_similarity", {"cosine_similarity": 0.30}, True),
    ("cosine_similarity", {"cosine_similarity": 0.3001}, True),
    ("cosine_similarity", {"cosine_similarity": -1.0}, False),
    ("engagement", {"score": 0.0}, False),
    ("engagement", {"score": 1.0}, True),
    ("engagement", {"score": 2.0}, True),
    ("engagement", {"score": -7.0}, False),
    ("keyword_hits", {"keyword_hits": 0.0, "cosine_similarity": 0.2999}, False),
    ("keyword_hits", {"keyword_hits": 0.0, "cosine_similarity": 0.30}, True),
    ("keyword_hits", {"keyword_hits": 0.0, "cosine_similarity": 0.3001}, True),
    ("keyword_hits", {"keyword_hits": 1.0, "cosine_similarity": -1.0}, True),
    ("keyword_hits", {"keyword_hits": 2.0, "cosine_similarity": -1.0}, True),
    ("fused_score", {"fused_score": 0.0999}, False),
    ("fused_score", {"fused_score": 0.10}, True),
    ("fused_score", {"fused_score": 0.1001}, True),
    ("fused_score", {"fused_score": 0.0}, False),
]

# Gate, a setting other than the default, the document, whether the gate keeps it.
MOVED: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("deduplication", {"REDDIT_DEDUP_TTL_SECONDS": 60}, {"sighting_age_seconds": 59.0}, False),
    ("deduplication", {"REDDIT_DEDUP_TTL_SECONDS": 60}, {"sighting_age_seconds": 60.0}, True),
    ("post_age", {"REDDIT_MAX_POST_AGE_MONTHS": 0.5}, {"created_at": aged(0.5)}, True),
    ("post_age", {"REDDIT_MAX_POST_AGE_MONTHS": 0.5}, {"created_at": aged(0.51)}, False),
    ("upvote_ratio", {"REDDIT_MIN_UPVOTE_RATIO": 1.0}, {"upvote_ratio": 0.99}, False),
    ("upvote_ratio", {"REDDIT_MIN_UPVOTE_RATIO": 1.0}, {"upvote_ratio": 1.0}, True),
    ("subreddit_subscribers", {"REDDIT_MIN_SUB_SUBSCRIBERS": 1}, {"subreddit_subscribers": 0.0}, False),
    ("subreddit_subscribers", {"REDDIT_MIN_SUB_SUBSCRIBERS": 1}, {"subreddit_subscribers": 1.0}, True),
    ("subreddit_activity", {"REDDIT_MIN_SUB_RATIO": 500}, {"subreddit_hot_posts": 100.0}, True),
    ("subreddit_activity", {"REDDIT_MIN_SUB_RATIO": 500}, {"subreddit_hot_posts": 101.0}, False),
    ("subreddit_activity", {"REDDIT_MIN_SUB_RATIO": 500}, {"subreddit_hot_posts": 99.0}, True),
    ("author_karma", {"REDDIT_MIN_AUTHOR_KARMA": -5}, {"author_karma": -5.0}, True),
    ("author_karma", {"REDDIT_MIN_AUTHOR_KARMA": -5}, {"author_karma": -6.0}, False),
    ("author_karma", {"REDDIT_MIN_AUTHOR_KARMA": 0}, {"author_karma": -1.0}, False),
    ("cosine_similarity", {"COSINE_THRESHOLD": 0.15}, {"cosine_similarity": 0.15}, True),
    ("cosine_similarity", {"COSINE_THRESHOLD": 0.15}, {"cosine_similarity": 0.149}, False),
    ("cosine_similarity", {"COSINE_THRESHOLD": 0}, {"cosine_similarity": -0.01}, False),
    ("engagement", {"MIN_ENGAGEMENT_SCORE": 0}, {"score": 0.0}, True),
    ("engagement", {"MIN_ENGAGEMENT_SCORE": 0}, {"score": -1.0}, False),
    ("keyword_hits", {"MIN_KEYWORD_HITS": 2}, {"keyword_hits": 1.0, "cosine_similarity": 0.2}, False),
    ("keyword_hits", {"MIN_KEYWORD_HITS": 2}, {"keyword_hits": 2.0, "cosine_similarity": 0.2}, True),
    ("keyword_hits", {"KEYWORD_HITS_COSINE": 0.5}, {"keyword_hits": 0.0, "cosine_similarity": 0.49}, False),
    ("keyword_hits", {"KEYWORD_HITS_COSINE": 0.5}, {"keyword_hits": 0.0, "cosine_similarity": 0.5}, True),
    ("fused_score", {"MIN_FUSED_SCORE_THRESHOLD": 1}, {"fused_score": 0.999}, False),
    ("fused_score", {"MIN_FUSED_SCORE_THRESHOLD": 1}, {"fused_score": 1.0}, True),
]

# Gate, what makes its value unknown, a setting that would reject all known values.
UNKNOWNS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("post_age", {"created_at": None}, {"REDDIT_MAX_POST_AGE_MONTHS": 0.001}),
    ("upvote_ratio", {"upvote_ratio": UNKNOWN}, {"REDDIT_MIN_UPVOTE_RATIO": 1}),
    ("upvote_ratio", {"kind": "comment", "upvote_ratio": UNKNOWN}, {"REDDIT_MIN_UPVOTE_RATIO": 1}),
    ("upvote_ratio", {"kind": "comment", "upvote_ratio": 0.1}, {"REDDIT_MIN_UPVOTE_RATIO": 1}),
    ("nsfw", {"over_18": None}, {"REDDIT_SKIP_NSFW": True}),
    ("subreddit_subscribers", {"subreddit_subscribers": UNKNOWN}, {"REDDIT_MIN_SUB_SUBSCRIBERS": 10**12}),
    ("subreddit_activity", {"subreddit_subscribers": UNKNOWN}, {"REDDIT_MIN_SUB_RATIO": 10**12}),
    ("subreddit_activity", {"subreddit_hot_posts": UNKNOWN}, {"REDDIT_MIN_SUB_RATIO": 10**12}),
    ("subreddit_activity", {"subreddit_hot_posts": 0.0}, {"REDDIT_MIN_SUB_RATIO": 10**12}),
    ("author_karma", {"author_karma": UNKNOWN}, {"REDDIT_MIN_AUTHOR_KARMA": 10**12}),
    ("author_karma", {"author": None, "author_karma": 3.0}, {"REDDIT_MIN_AUTHOR_KARMA": 10**12}),
    ("engagement", {"score": UNKNOWN}, {"MIN_ENGAGEMENT_SCORE": 10**12}),
]

# Gate, the setting that turns it off, a document that it would otherwise reject.
OFF: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("deduplication", {"REDDIT_DEDUP_TTL_SECONDS": 0}, {"sighting_age_seconds": 0.0}),
    ("upvote_ratio", {"REDDIT_MIN_UPVOTE_RATIO": 0}, {"upvote_ratio": 0.0}),
    ("nsfw", {"REDDIT_SKIP_NSFW": False}, {"over_18": True}),
    ("subreddit_subscribers", {"REDDIT_MIN_SUB_SUBSCRIBERS": 0}, {"subreddit_subscribers": 0.0}),
    ("subreddit_activity", {"REDDIT_MIN_SUB_RATIO": 0}, {"subreddit_subscribers": 0.0}),
    ("keyword_hits", {"MIN_KEYWORD_HITS": 0}, {"keyword_hits": 0.0, "cosine_similarity": -1.0}),
    ("fused_score", {"MIN_FUSED_SCORE_THRESHOLD": 0}, {"fused_score": 0.0}),
]


def test_the_gates_are_those_of_the_design_in_their_order() -> None:
    in_force = settings()
    declared = [
        (gate.stage, gate.name, gate.setting, gate.threshold(in_force), gate.can_be_unknown)
        for gate in METADATA_GATES + RANK_GATES
    ]

    assert declared == TABLE
    assert GATES == METADATA_GATES + RANK_GATES


def test_thresholds_follow_their_settings() -> None:
    in_force = settings(REDDIT_DEDUP_TTL_SECONDS=1, REDDIT_MAX_POST_AGE_MONTHS=2, REDDIT_MIN_UPVOTE_RATIO=0.3)

    assert [BY_NAME[name].threshold(in_force) for name in NAMES[:3]] == [1, 2.0, 0.3]


def test_gates_that_need_a_look_up_come_last_of_the_metadata_gates() -> None:
    assert CHEAP_GATES + SUBREDDIT_GATES + AUTHOR_GATES == METADATA_GATES
    assert [gate.name for gate in SUBREDDIT_GATES] == ["subreddit_subscribers", "subreddit_activity"]
    assert [gate.name for gate in AUTHOR_GATES] == ["author_karma"]


def test_stored_documents_are_judged_again_by_all_metadata_gates_but_deduplication() -> None:
    assert [gate.name for gate in REJUDGING_GATES] == NAMES[1:7]


def test_a_month_is_a_twelfth_of_a_year() -> None:
    assert timedelta(seconds=12 * MONTH_SECONDS) == timedelta(days=365.25)


@pytest.mark.parametrize(("gate", "changed", "kept"), SIDES)
def test_a_gate_decides_on_both_sides_of_its_default_and_at_it(gate: str, changed: dict[str, Any], kept: bool) -> None:
    assert is_kept(gate, row(**changed), settings()) is kept


@pytest.mark.parametrize(("gate", "in_force", "changed", "kept"), MOVED)
def test_a_gate_follows_its_setting(gate: str, in_force: dict[str, Any], changed: dict[str, Any], kept: bool) -> None:
    assert is_kept(gate, row(**changed), settings(**in_force)) is kept


def test_every_gate_is_met_from_both_sides_here() -> None:
    sides = {(gate, kept) for gate, _, kept in SIDES} | {(gate, kept) for gate, _, _, kept in MOVED}

    assert sides == {(name, kept) for name in NAMES for kept in (True, False)}


def test_a_document_without_a_sighting_is_new() -> None:
    verdict = judge(BY_NAME["deduplication"], frame_of(row(sighting_age_seconds=UNKNOWN)), settings(), {})

    assert verdict.kept.tolist() == [True]
    assert verdict.unknown.tolist() == [False]


@pytest.mark.parametrize(("gate", "changed", "in_force"), UNKNOWNS)
def test_an_unknown_value_is_kept_and_counted(gate: str, changed: dict[str, Any], in_force: dict[str, Any]) -> None:
    frame = frame_of(row(**changed), row(reddit_id="t3_b"))
    strict = settings(**in_force)

    tally = apply_gates(frame, [BY_NAME[gate]], strict, {}).stats[gate]

    assert is_kept(gate, row(**changed), strict)
    assert (tally.evaluated, tally.unknown) == (2, 1)


@pytest.mark.parametrize(("gate", "changed", "in_force"), UNKNOWNS)
def test_a_campaign_may_reject_unknown_values(gate: str, changed: dict[str, Any], in_force: dict[str, Any]) -> None:
    frame = frame_of(row(), row(**changed))

    sifted = apply_gates(frame, [BY_NAME[gate]], settings(), {gate: "reject"})

    assert sifted.kept.tolist() == [True, gate == "subreddit_activity"]  # which is off by default
    strict = apply_gates(frame, [BY_NAME[gate]], settings(**in_force), {gate: "reject"})
    assert strict.decisions["gate"].iloc[1] == gate
    assert math.isnan(strict.decisions["observed"].iloc[1])
    assert strict.stats[gate].unknown == 1
    assert strict.stats[gate].examples[-1]["observed"] is None


@pytest.mark.parametrize(("gate", "changed", "in_force"), UNKNOWNS)
def test_unknown_values_are_kept_unless_this_gate_is_told_to_reject_them(
    gate: str, changed: dict[str, Any], in_force: dict[str, Any]
) -> None:
    only_others_reject = {name: "reject" for name in NAMES if name != gate}

    assert is_kept(gate, row(**changed), settings(**in_force), only_others_reject)
    assert is_kept(gate, row(**changed), settings(**in_force), {gate: "keep"})


def test_every_gate_that_can_meet_an_unknown_value_does_so_here() -> None:
    assert {gate for gate, _, _ in UNKNOWNS} == {name for _, name, _, _, can_be_unknown in TABLE if can_be_unknown}


@pytest.mark.parametrize("gate", [name for _, name, _, _, can_be_unknown in TABLE if not can_be_unknown])
def test_some_gates_never_meet_an_unknown_value(gate: str) -> None:
    absent = row(sighting_age_seconds=UNKNOWN, cosine_similarity=UNKNOWN, keyword_hits=UNKNOWN, fused_score=UNKNOWN)

    kept_by_default = is_kept(gate, absent, settings())

    verdict = judge(BY_NAME[gate], frame_of(absent), settings(), {gate: "reject"})
    assert verdict.unknown.tolist() == [False]
    assert verdict.kept.tolist() == [kept_by_default]
    assert kept_by_default is (gate == "deduplication")


@pytest.mark.parametrize(("gate", "in_force", "changed"), OFF)
def test_a_gate_that_is_off_keeps_everything(gate: str, in_force: dict[str, Any], changed: dict[str, Any]) -> None:
    off = settings(**in_force)

    assert BY_NAME[gate].off(off)
    assert is_kept(gate, row(**changed), off)


@pytest.mark.parametrize(
    ("gate", "in_force", "unknown"),
    [
        ("upvote_ratio", {"REDDIT_MIN_UPVOTE_RATIO": 0}, {"upvote_ratio": UNKNOWN}),
        ("nsfw", {"REDDIT_SKIP_NSFW": False}, {"over_18": None}),
        ("subreddit_subscribers", {"REDDIT_MIN_SUB_SUBSCRIBERS": 0}, {"subreddit_subscribers": UNKNOWN}),
        ("subreddit_activity", {"REDDIT_MIN_SUB_RATIO": 0}, {"subreddit_hot_posts": UNKNOWN}),
    ],
)
def test_a_gate_that_is_off_keeps_unknown_values_whatever_the_campaign_says(
    gate: str, in_force: dict[str, Any], unknown: dict[str, Any]
) -> None:
    assert is_kept(gate, row(**unknown), settings(**in_force), {gate: "reject"})


@pytest.mark.parametrize("gate", [name for name in NAMES if name not in {"subreddit_activity"}])
def test_only_subreddit_activity_is_off_by_default(gate: str) -> None:
    assert not BY_NAME[gate].off(settings())
    assert BY_NAME["subreddit_activity"].off(settings())


def test_negative_limits_do_not_turn_a_gate_off() -> None:
    in_force = settings(REDDIT_MIN_AUTHOR_KARMA=0, MIN_ENGAGEMENT_SCORE=0)

    assert not BY_NAME["author_karma"].off(in_force)
    assert not BY_NAME["engagement"].off(in_force)


def test_the_cosine_gate_refuses_to_judge_without_a_threshold() -> None:
    with pytest.raises(ValueError, match="COSINE_THRESHOLD is unset"):
        judge(BY_NAME["cosine_similarity"], frame_of(row()), Settings(), {})


# --- sift ------------------------------------------------------------------------------------------------------------

REJECTED_BY: dict[str, dict[str, Any]] = {
    "deduplication": {"sighting_age_seconds": 5.0},
    "post_age": {"created_at": aged(30)},
    "upvote_ratio": {"upvote_ratio": 0.2},
    "nsfw": {"over_18": True},
    "subreddit_subscribers": {"subreddit_subscribers": 600.0},
    "subreddit_activity": {"subreddit_hot_posts": 25_000.0},
    "author_karma": {"author_karma": 2.0},
    "cosine_similarity": {"cosine_similarity": 0.1},
    "engagement": {"score": 0.0},
    "keyword_hits": {"keyword_hits": 0.0, "cosine_similarity": 0.31},
    "fused_score": {"fused_score": 0.05},
}
ALL_ON = settings(REDDIT_MIN_SUB_RATIO=5, KEYWORD_HITS_COSINE=0.5)


def one_for_each_gate() -> pd.DataFrame:
    """A document per gate that only this gate rejects, and one that all keep."""
    documents = [row(reddit_id=f"t3_{name}", **changed) for name, changed in REJECTED_BY.items()]
    return frame_of(*documents, row(reddit_id="t3_kept"))


def test_each_document_is_rejected_by_its_own_gate() -> None:
    sifted = apply_gates(one_for_each_gate(), GATES, ALL_ON, {})

    assert sifted.decisions["gate"].tolist() == [*NAMES, None]
    assert sifted.decisions["setting"].tolist() == [*(setting for _, _, setting, _, _ in TABLE), None]
    assert sifted.kept.tolist() == [False] * len(NAMES) + [True]


def test_a_decision_has_the_observed_value_and_the_threshold() -> None:
    decisions = apply_gates(one_for_each_gate(), GATES, ALL_ON, {}).decisions.set_index("gate")

    assert decisions.at["post_age", "observed"] == pytest.approx(30)
    assert decisions.at["subreddit_activity", "observed"] == 2.0
    assert decisions.at["deduplication", "observed"] == 5.0
    assert decisions.at["nsfw", "observed"] == 1.0
    assert decisions.at["keyword_hits", "observed"] == 0.0
    assert decisions.at["engagement", "observed"] == 0.0
    assert decisions.at["deduplication", "threshold"] == 604_800
    assert decisions.at["subreddit_activity", "threshold"] == 5.0
    assert decisions.at["nsfw", "threshold"] == 1.0
    assert decisions.at["cosine_similarity", "threshold"] == MODEL_THRESHOLD


def test_the_first_gate_that_rejects_decides() -> None:
    rejected_by_all = row(**{key: value for changed in REJECTED_BY.values() for key, value in changed.items()})

    for first, gate in enumerate(GATES):
        sifted = apply_gates(frame_of(rejected_by_all | REJECTED_BY[gate.name]), GATES[first:], ALL_ON, {})
        assert sifted.decisions["gate"].tolist() == [gate.name]


def test_later_gates_do_not_see_a_rejected_document() -> None:
    sifted = apply_gates(one_for_each_gate(), GATES, ALL_ON, {})

    tallies = [sifted.stats[name] for name in NAMES]
    assert [tally.evaluated for tally in tallies] == list(range(len(NAMES) + 1, 1, -1))
    assert [tally.rejected for tally in tallies] == [1] * len(NAMES)
    assert [tally.kept for tally in tallies[:-1]] == [tally.evaluated for tally in tallies[1:]]
    for place, name in enumerate(NAMES):
        reached = sifted.values[name].notna() | (name == "deduplication")
        assert not reached.iloc[:place].any()
        assert reached.iloc[place:].all()


def test_a_rejected_example_has_id_link_and_observed_value_and_no_text() -> None:
    sifted = apply_gates(frame_of(row(author_karma=3.0)), METADATA_GATES, settings(), {})

    assert sifted.stats["author_karma"].examples == [
        {"observed": 3.0, "reddit_id": "t3_a", "link": "https://redd.it/a"}
    ]
    assert sifted.stats["nsfw"].examples == []


def test_examples_are_the_first_fifty() -> None:
    frame = frame_of(*(row(reddit_id=f"t3_{number}", score=0.0) for number in range(MAX_EXAMPLES + 5)))

    tally = apply_gates(frame, RANK_GATES, settings(), {}).stats["engagement"]

    assert tally.rejected == 55
    assert [example["reddit_id"] for example in tally.examples] == [f"t3_{number}" for number in range(50)]


def test_the_rows_may_have_any_index() -> None:
    frame = one_for_each_gate()
    frame.index = pd.Index([f"row {number}" for number in range(len(frame), 0, -1)])

    sifted = apply_gates(frame, GATES, ALL_ON, {})

    assert sifted.decisions.index.equals(frame.index)
    assert sifted.decisions["gate"].tolist() == [*NAMES, None]


@pytest.mark.parametrize("gates", [METADATA_GATES, RANK_GATES, GATES])
def test_an_empty_frame_is_sifted_into_nothing(gates: tuple[Gate, ...]) -> None:
    sifted = apply_gates(frame_of(), gates, settings(), {})

    assert len(sifted.decisions) == 0
    assert sifted.kept.tolist() == []
    assert list(sifted.stats) == [gate.name for gate in gates]
    assert all(tally == GateStats() for tally in sifted.stats.values())


def test_an_empty_frame_of_documents_is_sifted_too() -> None:
    frame = to_frame([]).assign(sighting_age_seconds=pd.Series(dtype="float64"), judged_as_of=pd.Timestamp(AS_OF))

    assert apply_gates(frame, METADATA_GATES, settings(), {}).kept.tolist() == []


def test_without_gates_everything_is_kept() -> None:
    assert apply_gates(one_for_each_gate(), [], settings(), {}).kept.all()


def test_documents_from_reddit_fit_the_gates() -> None:
    full = {"id": "a", "title": "CRM?", "author": "ada", "created_utc": AS_OF.timestamp(), "over_18": True, "score": 1}
    frame = to_frame([from_reddit(full, "archive"), from_reddit({"id": "b", "body": "CRM!"}, "archive")])

    sifted = apply_gates(
        frame.assign(sighting_age_seconds=UNKNOWN, judged_as_of=pd.Timestamp(AS_OF)), METADATA_GATES, settings(), {}
    )

    assert sifted.decisions["gate"].tolist() == ["nsfw", None]
    assert sifted.stats["nsfw"].unknown == 1


@pytest.mark.parametrize(
    ("gate", "carrying"),
    [
        ("post_age", ["post reddit", "post archive", "comment reddit", "comment archive"]),
        ("upvote_ratio", ["post reddit", "post archive"]),
        ("nsfw", ["post reddit", "post archive", "comment reddit"]),
        ("subreddit_subscribers", ["post reddit", "post archive", "comment reddit"]),
        ("subreddit_activity", ["post reddit", "comment reddit"]),
        ("author_karma", ["post reddit", "comment reddit"]),
        ("engagement", ["post reddit", "post archive", "comment reddit", "comment archive"]),
    ],
)
def test_unknown_values_count_against_a_gate_only_where_source_and_kind_can_carry_them(
    gate: str, carrying: list[str]
) -> None:
    nothing_known: dict[str, Any] = {
        "created_at": None,
        "upvote_ratio": UNKNOWN,
        "over_18": None,
        "subreddit_subscribers": UNKNOWN,
        "author_karma": UNKNOWN,
        "score": UNKNOWN,
    }
    for kind in ("post", "comment"):
        for source in ("reddit", "archive"):
            frame = frame_of(row(kind=kind, source=source, **nothing_known), row(kind=kind, source=source))
            tally = apply_gates(frame, [BY_NAME[gate]], settings(), {}).stats[gate]
            carries = f"{kind} {source}" in carrying
            unknown = 2 if (gate, kind) == ("upvote_ratio", "comment") else 1
            assert (tally.unknown, tally.carriers, tally.carriers_unknown) == (unknown, 2 * carries, int(carries))


def test_tallies_of_batches_add_up() -> None:
    frame = frame_of(*(row(reddit_id=f"t3_{number}", score=float(number % 3)) for number in range(180)))
    whole = apply_gates(frame, RANK_GATES, settings(), {}).stats["engagement"]

    summed = GateStats()
    for start in range(0, 180, 30):
        summed.add(apply_gates(frame.iloc[start : start + 30], RANK_GATES, settings(), {}).stats["engagement"])

    assert summed == whole
    assert (summed.evaluated, summed.rejected, summed.kept, len(summed.examples)) == (180, 60, 120, 50)
    assert summed.rejection_rate == pytest.approx(1 / 3)


def test_the_rejection_rate_of_nothing_is_zero() -> None:
    assert GateStats().rejection_rate == 0.0


# --- join_outcomes and rejection_frame -------------------------------------------------------------------------------


def sift_in_two_steps(frame: pd.DataFrame, first: tuple[Gate, ...], second: tuple[Gate, ...]) -> GateOutcomes:
    cheap = apply_gates(frame, first, ALL_ON, {})
    return join_outcomes(cheap, apply_gates(frame[cheap.kept], second, ALL_ON, {}))


def test_sifting_in_two_steps_is_the_same_as_in_one() -> None:
    frame = one_for_each_gate()

    joined = sift_in_two_steps(frame, CHEAP_GATES, SUBREDDIT_GATES + AUTHOR_GATES + RANK_GATES)

    whole = apply_gates(frame, GATES, ALL_ON, {})
    assert_frame_equal(joined.decisions, whole.decisions)
    assert_frame_equal(joined.values, whole.values)
    assert joined.stats == whole.stats
    assert joined.kept.equals(whole.kept)


def test_joining_changes_neither_part() -> None:
    frame = one_for_each_gate()
    cheap = apply_gates(frame, CHEAP_GATES, ALL_ON, {})
    before = cheap.decisions.copy()

    join_outcomes(cheap, apply_gates(frame[cheap.kept], SUBREDDIT_GATES + AUTHOR_GATES, ALL_ON, {}))

    assert_frame_equal(cheap.decisions, before)


def test_joining_works_where_the_first_step_rejects_all() -> None:
    frame = frame_of(row(over_18=True), row(reddit_id="t3_b", upvote_ratio=0.0))

    joined = sift_in_two_steps(frame, CHEAP_GATES, SUBREDDIT_GATES + AUTHOR_GATES)

    assert joined.decisions["gate"].tolist() == ["nsfw", "upvote_ratio"]
    assert joined.stats["author_karma"] == GateStats()


def test_joining_works_on_nothing() -> None:
    joined = sift_in_two_steps(frame_of(), CHEAP_GATES, SUBREDDIT_GATES + AUTHOR_GATES)

    assert len(joined.decisions) == 0
    assert list(joined.stats) == NAMES[:7]


def test_rejections_have_who_by_what_and_against_which_threshold() -> None:
    frame = frame_of(row(reddit_id="t3_kept"), row(reddit_id="t3_gone", author_karma=3.0))

    rejections = rejection_frame(frame, apply_gates(frame, METADATA_GATES, settings(), {}))

    assert rejections.index.tolist() == [1]
    found = rejections.iloc[0].to_dict()
    observed_values = found.pop("observed_values")
    assert found == {
        "campaign_id": "shop",
        "reddit_id": "t3_gone",
        "stage": "crawl",
        "gate": "author_karma",
        "setting": "REDDIT_MIN_AUTHOR_KARMA",
        "observed": 3.0,
        "threshold": 15.0,
        "kind": "post",
        "source": "reddit",
        "subreddit": "smallbusiness",
        "author": "ada",
        "title": "Which CRM?",
        "url": "https://www.reddit.com/comments/a/",
        "posted_at": pd.Timestamp(AS_OF - timedelta(days=1)),
        "run_id": "run-1",
    }
    assert list(observed_values) == NAMES[:7]


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_observed_values_hold_the_gates_met_and_no_later_ones(place: int) -> None:
    frame = one_for_each_gate()

    rejections = rejection_frame(frame, apply_gates(frame, GATES, ALL_ON, {})).set_index("gate")

    values = rejections.at[NAMES[place], "observed_values"]
    assert list(values) == NAMES[: place + 1]
    assert values["deduplication"] == (5.0 if place == 0 else None)
    assert values[NAMES[place]] == pytest.approx(rejections.at[NAMES[place], "observed"])


def test_an_unknown_value_is_none_among_the_observed_values() -> None:
    frame = frame_of(row(upvote_ratio=UNKNOWN, over_18=None, author_karma=1.0))

    rejections = rejection_frame(frame, apply_gates(frame, METADATA_GATES, settings(), {}))

    values = rejections["observed_values"].iloc[0]
    assert (values["upvote_ratio"], values["nsfw"], values["author_karma"]) == (None, None, 1.0)
    assert values["subreddit_subscribers"] == 50_000.0


def test_a_rejection_in_the_ranking_is_of_stage_rank_and_has_the_values_of_both_stages() -> None:
    frame = frame_of(row(score=0.0))

    rejections = rejection_frame(frame, apply_gates(frame, REJUDGING_GATES + RANK_GATES, settings(), {}))

    assert rejections["stage"].tolist() == ["rank"]
    assert list(rejections["observed_values"].iloc[0]) == NAMES[1:9]


@pytest.mark.parametrize("frame", [frame_of(), frame_of(row())])
def test_where_nothing_is_rejected_there_are_no_rejections(frame: pd.DataFrame) -> None:
    rejections = rejection_frame(frame, apply_gates(frame, GATES, settings(), {}))

    assert len(rejections) == 0
    assert "observed_values" in rejections.columns


# --- gate_digest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"REDDIT_MAX_POST_AGE_MONTHS": 18.5},
        {"REDDIT_MIN_UPVOTE_RATIO": 0.41},
        {"REDDIT_SKIP_NSFW": False},
        {"REDDIT_MIN_SUB_SUBSCRIBERS": 1001},
        {"REDDIT_MIN_SUB_RATIO": 0.1},
        {"REDDIT_MIN_AUTHOR_KARMA": 16},
    ],
)
def test_the_digest_changes_with_each_metadata_gates_setting(changed: dict[str, Any]) -> None:
    assert gate_digest(settings(**changed), {}) != gate_digest(settings(), {})


@pytest.mark.parametrize(
    "changed",
    [
        {"REDDIT_DEDUP_TTL_SECONDS": 0},
        {"COSINE_THRESHOLD": None},
        {"COSINE_THRESHOLD": 0.5},
        {"MIN_ENGAGEMENT_SCORE": 9},
        {"MIN_KEYWORD_HITS": 9},
        {"KEYWORD_HITS_COSINE": 0.9},
        {"MIN_FUSED_SCORE_THRESHOLD": 0.9},
        {"WEIGHT_COSINE": 0.5, "WEIGHT_PRODUCT": 0.0, "WEIGHT_LEXICAL": 0.5, "WEIGHT_INTENT": 0.0},
        {"CUE_ASKING": 0.5},
        {"CUE_SELLING": 0.5},
        {"GATE_WARN_REJECTION_RATE": 0.5},
    ],
)
def test_the_digest_stays_with_the_ttl_and_what_ranks(changed: dict[str, Any]) -> None:
    assert gate_digest(settings(**changed), {}) == gate_digest(settings(), {})


@pytest.mark.parametrize("gate", [gate.name for gate in REJUDGING_GATES])
def test_the_digest_changes_with_what_a_campaign_does_with_unknown_values(gate: str) -> None:
    assert gate_digest(settings(), {gate: "reject"}) != gate_digest(settings(), {})
    assert gate_digest(settings(), {gate: "keep"}) == gate_digest(settings(), {})


def test_the_digest_stays_with_what_a_campaign_does_with_unknown_scores() -> None:
    # Engagement judges in the ranking: what the crawl decided is the same, so nothing has to be crawled again.
    assert gate_digest(settings(), {"engagement": "reject"}) == gate_digest(settings(), {})


def test_the_digest_does_not_look_at_the_order_of_the_campaign_file() -> None:
    first, second = {"nsfw": "reject", "post_age": "reject"}, {"post_age": "reject", "nsfw": "reject"}

    assert gate_digest(settings(), first) == gate_digest(settings(), second)


# --- laws ------------------------------------------------------------------------------------------------------------

maybe_number = st.one_of(st.just(UNKNOWN), st.floats(-10, 2000, allow_nan=False))
documents = st.builds(
    row,
    kind=st.sampled_from(["post", "comment"]),
    source=st.sampled_from(["reddit", "archive"]),
    author=st.sampled_from(["ada", None]),
    created_at=st.one_of(st.none(), st.floats(0, 40).map(aged)),
    sighting_age_seconds=st.one_of(st.just(UNKNOWN), st.floats(0, 10**6)),
    upvote_ratio=st.one_of(st.just(UNKNOWN), st.floats(0, 1)),
    over_18=st.sampled_from([True, False, None]),
    subreddit_subscribers=maybe_number,
    subreddit_hot_posts=maybe_number,
    author_karma=maybe_number,
    score=maybe_number,
    cosine_similarity=st.floats(-1, 1),
    keyword_hits=st.integers(0, 4).map(float),
    fused_score=st.floats(0, 1),
)
frames = st.lists(documents, max_size=6).map(
    lambda rows: frame_of(*(document | {"reddit_id": f"t3_{place}"} for place, document in enumerate(rows)))
)
policies = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["keep", "reject"]))
in_forces = st.sampled_from([settings(), ALL_ON, settings(REDDIT_SKIP_NSFW=False, REDDIT_MIN_UPVOTE_RATIO=0)])


def laws(claim: Callable[..., None]) -> Callable[..., None]:
    """``claim`` tried on frames of any documents, under any unknown policy."""
    fewer = hypothesis_settings(max_examples=hypothesis_settings.default.max_examples // 2)  # each is many frames
    return fewer(given(frame=frames, in_force=in_forces, policy=policies)(claim))


@laws
def test_what_is_kept_and_what_is_rejected_is_all_there_is(
    frame: pd.DataFrame, in_force: Settings, policy: dict[str, str]
) -> None:
    sifted = apply_gates(frame, GATES, in_force, policy)

    tallies = [sifted.stats[name] for name in NAMES]
    assert tallies[0].evaluated == len(frame)
    for tally, following in zip(tallies, [*tallies[1:], None], strict=True):
        assert tally.kept + tally.rejected == tally.evaluated
        assert tally.kept == (following.evaluated if following else int(sifted.kept.sum()))
        assert tally.unknown <= tally.evaluated
        assert tally.carriers_unknown <= min(tally.carriers, tally.unknown)
    assert sum(tally.rejected for tally in tallies) == len(rejection_frame(frame, sifted))


@laws
def test_sifting_keeps_the_order_and_does_not_touch_its_input(
    frame: pd.DataFrame, in_force: Settings, policy: dict[str, str]
) -> None:
    before = frame.copy(deep=True)

    sifted = apply_gates(frame, GATES, in_force, policy)

    assert_frame_equal(frame, before)
    assert sifted.decisions.index.equals(frame.index)
    rejected = rejection_frame(frame, sifted)
    assert rejected["reddit_id"].tolist() == frame.loc[~sifted.kept, "reddit_id"].tolist()
    assert_frame_equal(frame, before)


@laws
def test_a_document_is_judged_the_same_alone_and_among_others(
    frame: pd.DataFrame, in_force: Settings, policy: dict[str, str]
) -> None:
    together = apply_gates(frame, GATES, in_force, policy).decisions

    for place in range(len(frame)):
        alone = apply_gates(frame.iloc[[place]], GATES, in_force, policy).decisions
        assert_frame_equal(alone, together.iloc[[place]])


@laws
def test_a_kept_document_meets_no_gate_that_rejects_it(
    frame: pd.DataFrame, in_force: Settings, policy: dict[str, str]
) -> None:
    kept = frame[apply_gates(frame, GATES, in_force, policy).kept]

    assert all(judge(gate, kept, in_force, policy).kept.all() for gate in GATES)
