"""The tabs that show what was left out: the funnel with its thresholds, and the rejected documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query
from starlette.responses import Response

from lead_assets.domain.ages import age
from lead_assets.domain.changes import Changes
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.funnel import funnel_steps
from lead_assets.domain.gate_catalog import GATES, RANK_GATES, REJUDGING_GATES
from lead_assets.domain.gates import Gate
from lead_assets.domain.settings import Settings
from lead_assets.inbox.cards import MOST_CONTEXT, excerpt_of, reddit_link, shown
from lead_assets.pipeline.preview import Preview, preview
from lead_assets.pipeline.run_context import RunContext, resolve_run, settings_of_ranking
from lead_assets.storage.inbox_leads import read_tab
from lead_assets.storage.rejected import READING, Nearness, ranking_model, read_audits, read_rejected, read_sample
from lead_assets.storage.statistics import read_funnel
from lead_assets.web.campaign_head import read_head
from lead_assets.web.rendering import PageRoute, Visit, Visiting
from lead_assets.web.views import PAGE, View

tuning = APIRouter(route_class=PageRoute)
MOST_SHOWN = 20


@dataclass(frozen=True)
class Threshold:
    """A threshold that can be moved: its setting, what it keeps, its value now and as it is tried, and its range."""

    setting: str
    gate: str
    claim: str
    now: float
    tried: str
    low: str
    high: str
    step: str
    rejected: int


_RANGES: Mapping[str, tuple[str, str, str]] = {
    "REDDIT_MAX_POST_AGE_MONTHS": ("0.1", "240", "0.1"),
    "REDDIT_MIN_UPVOTE_RATIO": ("0", "1", "0.01"),
    "REDDIT_MIN_SUB_SUBSCRIBERS": ("0", "1000000", "1"),
    "REDDIT_MIN_AUTHOR_KARMA": ("-100", "100000", "1"),
    "COSINE_THRESHOLD": ("-1", "1", "0.01"),
    "MIN_ENGAGEMENT_SCORE": ("-100", "10000", "1"),
    "MIN_KEYWORD_HITS": ("0", "20", "1"),
    "MIN_FUSED_SCORE_THRESHOLD": ("0", "1", "0.01"),
    "MIN_LEAD_PROBABILITY": ("0", "1", "0.01"),
}
"""Of the thresholds that can be moved on the page: lowest, highest and step."""


@tuning.get("/c/{campaign_id}/funnel")
def funnel(visit: Visiting, campaign_id: str, said: str = Query(default="", max_length=40)) -> Response:
    """The funnel; thresholds and rules in the address are tried out, and nothing is changed."""
    given = {name: value for name, value in visit.request.query_params.items() if name in _RANGES and value.strip()}
    rules = {name: visit.request.query_params.get(name, "").strip()[:200] for name in _RULES}
    with visit.services.database.connect() as connection:
        head = read_head(visit, connection, campaign_id)
        stored = read_funnel(connection, campaign_id)
        in_force = settings_of_ranking(head.run, ranking_model(connection, campaign_id))
        changed, problem = _read_changes(head.run, in_force, given)
        tried, told = None, problem
        if (changed or any(rules.values())) and not problem:
            tried, told = _tried(connection, head.run, changed, rules)
        return visit.render(
            "funnel.html",
            head=head,
            tab="funnel",
            counts=_counts(connection, campaign_id),
            steps=_bars(stored),
            thresholds=[
                _least_probability(in_force, given),
                *(_threshold(gate, in_force, given, stored["rejected"]) for gate in _movable()),
            ],
            rules=rules,
            tried=tried,
            changed=changed,
            problem=told,
            most_shown=MOST_SHOWN,
            said=said,
        )


_RULES = ("negative_keyword", "exclude_subreddit", "exclude_author")


def _movable() -> list[Gate]:
    return [gate for gate in (*REJUDGING_GATES, *RANK_GATES) if gate.setting in _RANGES]


def _counts(connection: sa.Connection, campaign_id: str) -> dict[str, int]:
    return read_tab(connection, campaign_id, "new", View().filters("UTC", datetime.now(UTC)), limit=1).counts


def _threshold(gate: Gate, settings: Settings, given: Mapping[str, str], rejected: Mapping[str, int]) -> Threshold:
    now = float(gate.threshold(settings))
    tried = given.get(gate.setting, f"{now:g}")
    return Threshold(
        gate.setting, gate.name, gate.claim, now, tried[:20], *_RANGES[gate.setting], rejected.get(gate.name, 0)
    )


def _least_probability(settings: Settings, given: Mapping[str, str]) -> Threshold:
    """The threshold of the decision itself, which is no gate: all that are kept are read before it."""
    name, now = "MIN_LEAD_PROBABILITY", settings.min_lead_probability
    tried = given.get(name, f"{now:g}")
    return Threshold(name, "", "is a lead with at least this probability", now, tried[:20], *_RANGES[name], 0)


def changed_settings(
    visit: Visit, connection: sa.Connection, campaign_id: str, given: Mapping[str, str]
) -> dict[str, Any]:
    """Those of ``given`` that are other than what is in force.

    Raises:
        InvalidInput: one is not a number.
    """
    run = resolve_run(visit.services.environment, campaign_id)
    changed, problem = _read_changes(run, settings_of_ranking(run, ranking_model(connection, campaign_id)), given)
    if problem:
        raise InvalidInput(problem)
    return changed


def _read_changes(run: RunContext, in_force: Settings, given: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The changed settings as numbers, and what is wrong with one of them."""
    changed: dict[str, Any] = {}
    for name, text in given.items():
        try:
            value = float(text)
        except ValueError:
            return {}, f"{name}: {text[:20]!r} is not a number."
        now = getattr(in_force, name.lower())
        if abs(value - float(now)) > 1e-9:
            whole = isinstance(now, int) and value.is_integer()
            changed[name] = int(value) if whole else value
    return changed, ""


def _tried(
    connection: sa.Connection, run: RunContext, changed: Mapping[str, Any], rules: Mapping[str, str]
) -> tuple[Preview | None, str]:
    one = {name: [value] if value else [] for name, value in rules.items()}
    changes = Changes(changed, one["negative_keyword"], one["exclude_subreddit"], one["exclude_author"])
    try:
        found = preview(connection, run, changes)
    except InvalidInput as error:
        return None, str(error)
    for row in (*found.gone, *found.come):
        row["title"] = shown(row["title"]) or row["reddit_id"]
    return found, ""


def _bars(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The funnel's steps, with the gate that each step of rejects is about."""
    names = {gate.name for gate in GATES}
    most = max(1, stored["crawled"])
    steps: list[dict[str, Any]] = []
    for step in funnel_steps(stored):
        gate = step["step"].removeprefix("  rejected by ")
        label = f"rejected by {gate}" if gate in names else step["step"].strip()
        steps.append(
            {
                "label": label,
                "count": step["stored"],
                "share": step["stored"] / most,
                "gate": gate if gate in names else "",
                "is_part": step["step"].startswith(" "),
            }
        )
    return steps


@tuning.get("/c/{campaign_id}/rejected")
def rejected(
    visit: Visiting,
    campaign_id: str,
    gate: str = Query(default="", max_length=40),
    q: str = Query(default="", max_length=200),
    after: str = Query(default="", max_length=80),
    sample: Literal["", "1"] = "",
) -> Response:
    """What gates rejected, or what was read and is no lead: nearest to the threshold first, or a random sample."""
    now = datetime.now(UTC)
    with visit.services.database.connect() as connection:
        head = read_head(visit, connection, campaign_id)
        if sample:
            rows, audits = read_sample(connection, campaign_id, gate), read_audits(connection, campaign_id)
        else:
            found = read_rejected(connection, campaign_id, gate=gate, text=q, limit=PAGE + 1, after=_nearness(after))
            rows, audits = found, {}
        stored = read_funnel(connection, campaign_id)["rejected"]
        counts = _counts(connection, campaign_id)
    last = rows[PAGE - 1] if len(rows) > PAGE and not sample else None
    return visit.render(
        "rejected.html",
        head=head,
        tab="rejected",
        counts=counts,
        rows=[_shown(row, now) for row in (rows if sample else rows[:PAGE])],
        sample=sample,
        audits={name: audit.told() for name, audit in audits.items() if gate in ("", name)},
        gates=[(each.name, stored.get(each.name, 0)) for each in GATES],
        gate=gate,
        reading=READING,
        q=q,
        older=f"{last['distance']!r} {last['reddit_id']}" if last else "",
    )


def _nearness(text: str) -> Nearness | None:
    distance, _, reddit_id = text.partition(" ")
    try:
        return Nearness(float(distance), reddit_id) if reddit_id and "\0" not in text else None
    except ValueError:
        return None


def _shown(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    excerpt = excerpt_of(shown(row["body"]), [])
    return {
        **row,
        "title": shown(row["title"]),
        "author": shown(row["author"]),
        "subreddit": shown(row["subreddit"]),
        "text": excerpt.after[: 2 * MOST_CONTEXT],
        "link": reddit_link(row["url"]),
        "age": age(row["posted_at"], now),
    }
