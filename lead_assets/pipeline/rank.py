"""Rank: what a ranking changes is stored, counted and reported; ``ranking`` computes it."""

from typing import Any, NamedTuple

import pandas as pd

from lead_assets.domain.frames import to_rows
from lead_assets.domain.funnel import funnel_steps, rejection_examples
from lead_assets.domain.gate_catalog import RANK_GATES, REJUDGING_GATES
from lead_assets.domain.judging import offenders
from lead_assets.domain.lead_model import LeadModel
from lead_assets.domain.score_components import COMPONENTS
from lead_assets.domain.settings import Settings
from lead_assets.inbox.marks import read_marks
from lead_assets.pipeline.connect import opened_embedder
from lead_assets.pipeline.ranking import Ranking, rank, settings_for
from lead_assets.pipeline.step import GateReport, Step, StepContext, StepReport
from lead_assets.storage.candidates import ORDERED_BY, read_kept_among, write_ranked
from lead_assets.storage.corpus import read_excerpts
from lead_assets.storage.rejected import read_audits
from lead_assets.storage.rejection_csv import RejectionLog
from lead_assets.storage.schema import current_candidates
from lead_assets.storage.statistics import count_rows, read_funnel, write_gate_stats

MOST_SHOWN = 10


def run(context: StepContext) -> StepReport:
    """Rank the campaign's documents, and store what has changed."""
    session, run, stores = context.session, context.run, context.stores
    with opened_embedder(session.connection, run, stores.open_embedder) as embedder:
        settings = settings_for(run, embedder)
        with session.transaction() as connection:
            marks = read_marks(connection, context.campaign_id)
        ranking = rank(session, run, settings, embedder, stores.search_index, context.run_id, context.phases, marks)
    with context.phases.measured("store"), session.transaction() as connection:
        for changed, rejected in ranking.changes():
            write_ranked(connection, context.campaign_id, changed, rejected)
    with session.transaction() as connection:
        excerpts = read_excerpts(connection, context.campaign_id, [row["reddit_id"] for row in ranking.rejected])
    with RejectionLog(stores.rejection_logs, context.campaign_id, context.run_id) as log:
        log.add([{**row, "excerpt": excerpts.get(row["reddit_id"], "")} for row in ranking.rejected])
    return _report(context, ranking, settings, log)


STEP = Step("ranked_candidates", "rank", run)


class Drawn(NamedTuple):
    """What the pictures of a ranking show: the funnel's steps, every document's components, the thresholds."""

    funnel: list[dict[str, Any]]
    frame: pd.DataFrame
    settings: Settings


def _report(context: StepContext, ranking: Ranking, settings: Settings, log: RejectionLog) -> StepReport:
    with context.session.transaction() as connection:
        earlier = write_gate_stats(connection, context.campaign_id, context.run_id, ranking.stats)
        funnel = funnel_steps(read_funnel(connection, context.campaign_id))
        stored = read_kept_among(connection, context.campaign_id, ranking.frame["reddit_id"].tolist())
        row_count = count_rows(connection, current_candidates, context.campaign_id)
        audits = read_audits(connection, context.campaign_id)
    by = ORDERED_BY[settings.relevance]
    best = ranking.frame[ranking.frame["kept"]].nlargest(MOST_SHOWN, by)
    shown = ["lead_probability", "fused_score", "reddit_id", *(component.name for component in COMPONENTS)]
    changed = bool(ranking.frame["changed"].any())
    return StepReport(
        row_count=row_count,
        counts=ranking.counts(),
        details={
            "funnel": funnel,
            "best_candidates": to_rows(best[shown].round(4)),
            "rejected_examples": rejection_examples(ranking.rejected),
            "rejudged": {gate.name: ranking.outcomes.stats[gate.name].rejected for gate in REJUDGING_GATES},
            "model": ranking.model,
            "lead_model": _told_of(ranking.lead_model),
            "marks": ranking.posterior.told(),
            "weights": settings.weights.model_dump(),
            "rejection_log": log.path if not log.failure else log.state,
        },
        warnings=_warnings(ranking, log),
        gates=GateReport(
            RANK_GATES,
            ranking.stats,
            earlier,
            offenders(RANK_GATES, stored, settings, context.run.campaign.unknown),
            audits,
            settings,
        ),
        drawn=Drawn(funnel, ranking.frame, settings) if changed else None,
    )


def _warnings(ranking: Ranking, log: RejectionLog) -> list[str]:
    unranked = (
        (ranking.not_indexed, "not in Typesense as they are stored", "typesense_index"),
        (ranking.not_embedded, "without a vector", "document_embeddings"),
    )
    said = [
        f"{count} documents are {what} and were not ranked. Materialize {asset}."
        for count, what, asset in unranked
        if count
    ]
    said += ranking.warnings
    return [*said, f"The CSV file of rejections was {log.state}"] if log.failure else said


def _told_of(model: LeadModel) -> dict[str, Any]:
    """The lead model for a run's metadata."""
    return {"digest": model.digest, "reads": model.card.get("reads"), "left_out": model.card.get("left_out")}
