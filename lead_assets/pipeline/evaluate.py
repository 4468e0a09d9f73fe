"""Evaluate: a labelled campaign through the steps from crawl to rank, which leaves nothing behind.

The run is a campaign of its own, with an id that nobody else has.
"""

import contextlib
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from lead_assets.config.environment import Environment
from lead_assets.domain.calibration import list_figures
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document_text import text_hash
from lead_assets.domain.errors import EvaluationFailed, LeadAssetsError, RunInterrupted
from lead_assets.domain.evaluation import LEAD, Golden, Metrics, measure, recall_by_step
from lead_assets.domain.gate_catalog import METADATA_GATES, RANK_GATES
from lead_assets.domain.keywords import searches_of
from lead_assets.domain.scoring import asking_phrases, telling_phrases
from lead_assets.domain.settings import Layer, Settings, resolve
from lead_assets.pipeline import crawl, embed, rank
from lead_assets.pipeline import index as index_step
from lead_assets.pipeline.golden_files import GoldenFile
from lead_assets.pipeline.run_context import RunContext, parse_day
from lead_assets.pipeline.step import Stores, run_step
from lead_assets.search.typesense import SearchIndex
from lead_assets.sources.fixed_source import FixedSource
from lead_assets.storage import evaluations
from lead_assets.storage.candidates import ORDERED_BY, read_candidates, read_components
from lead_assets.storage.corpus import read_rejections, read_text_hashes
from lead_assets.storage.database import Database

STEPS_RUN = (crawl.STEP, index_step.STEP, embed.STEP, rank.STEP)
OPEN_AGE_GATE = {"REDDIT_MAX_POST_AGE_MONTHS": 1200, "RETENTION_DAYS": 0}
CRAWLED, RANKED = "crawled", "ranked"
STEPS = (CRAWLED, *(gate.name for gate in METADATA_GATES), RANKED, *(gate.name for gate in RANK_GATES))
"""Where a lead can be lost: not given, or without a keyword; at a gate; without a vector or a place in the index."""
RAW_COSINE_WEIGHT = 0.7


@dataclass(frozen=True)
class Conditions:
    """What an evaluation is made under: the day as of which ages are judged, and settings by name."""

    environment: Environment
    as_of: str | None
    settings: Mapping[str, Any]
    keep_vectors: bool = False
    on_step: Callable[[str], object] = lambda _: None


def evaluate(file: GoldenFile, campaign_id: str, conditions: Conditions, database: Database, index: SearchIndex) -> Any:
    """Run ``file`` through the graph as ``campaign_id`` and measure it; afterwards all its rows are gone.

    Returns metrics of our ranking and of reference rankings, and the recall of leads after each step, ready for JSON.

    Raises:
        EvaluationFailed: a step failed. RunInterrupted: the user ended it.
    """
    context = _context(file.golden, campaign_id, conditions)
    with (
        _terminated_like_interrupted(),
        _lent(campaign_id, _phrase_hashes(file.golden), database, index, conditions.keep_vectors),
        tempfile.TemporaryDirectory() as folder,
    ):
        _run(file, context, database, index, conditions, Path(folder))
        with database.connect() as connection:
            return _measured(file, campaign_id, connection, index, context.settings)


def remove_abandoned(database: Database, index: SearchIndex) -> list[str]:
    """Remove what killed evaluations left behind; returns their ids."""
    with database.connect() as connection:
        candidates = evaluations.begun(connection)
    removed: list[str] = []
    for campaign_id in candidates:
        with evaluations.held(database, campaign_id) as mine:
            if mine:
                _remove(campaign_id, database, index, keep_vectors=False)
                removed.append(campaign_id)
    return removed


@contextlib.contextmanager
def _lent(
    campaign_id: str, phrase_hashes: list[str], database: Database, index: SearchIndex, keep_vectors: bool
) -> Iterator[None]:
    """A campaign that is there for the block only."""
    with evaluations.held(database, campaign_id):
        with database.engine.begin() as connection:
            evaluations.begin(connection, campaign_id, phrase_hashes)
        try:
            yield
        except KeyboardInterrupt:
            raise RunInterrupted("Interrupted. Nothing of the evaluation stays.") from None
        finally:
            _remove(campaign_id, database, index, keep_vectors)


def _remove(campaign_id: str, database: Database, index: SearchIndex, keep_vectors: bool) -> None:
    """Remove a campaign from both stores; where one does not answer, the marker stays for the next evaluation."""
    try:
        with database.engine.begin() as connection:
            evaluations.remove(connection, campaign_id, keep_vectors=keep_vectors)
    finally:
        index.delete_campaign(campaign_id)
    with database.engine.begin() as connection:
        evaluations.end(connection, campaign_id)


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """A polite request to end (SIGTERM) cleans up like Ctrl-C."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt  # not the signal, which is ignored in what a shell runs in the background

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _context(golden: Golden, campaign_id: str, conditions: Conditions) -> RunContext:
    """The run's context: the golden campaign with the age gate open, under the settings of the environment."""
    campaign = Campaign(id=campaign_id, name=golden.campaign, product=golden.product, keywords=golden.keywords)
    layers = [
        Layer("environment", conditions.environment.settings),
        Layer(campaign_id, OPEN_AGE_GATE),
        Layer("run config", conditions.settings),
    ]
    as_of = parse_day(conditions.as_of) if conditions.as_of else None
    return RunContext(campaign, resolve(layers), "archive", None, as_of, conditions.environment)


def _run(
    file: GoldenFile, context: RunContext, database: Database, index: SearchIndex, conditions: Conditions, folder: Path
) -> None:
    stores = Stores(database, index, folder / "rejections", open_source=lambda *_: FixedSource(file.documents))
    run_id = str(uuid.uuid4())
    try:
        for step in STEPS_RUN:
            conditions.on_step(step.name)
            run_step(step, context, stores, run_id)
    except LeadAssetsError as error:
        raise EvaluationFailed(f"{file.path}: {error}") from error


def _measured(
    file: GoldenFile, campaign_id: str, connection: sa.Connection, index: SearchIndex, settings: Settings
) -> dict[str, Any]:
    labels = file.golden.labels
    candidates = read_candidates(connection, campaign_id, ORDERED_BY[settings.relevance])
    ours = candidates["reddit_id"].tolist()
    frame = read_components(connection, campaign_id)
    titles = {document.reddit_id: document.title or document.body[:100] for document in file.documents}
    steps = recall_by_step(file.golden.leads, STEPS, _lost_at(file, campaign_id, connection, frame))
    return {
        "campaign": file.golden.campaign,
        "file": file.path,
        "archive": file.archive,
        "documents": len(file.documents),
        "ranked": len(frame),
        "kept": len(ours),
        "labelled": len(labels),
        "leads": len(file.golden.leads),
        "matched": file.matched,
        "list": _list_of(labels, candidates, settings.min_lead_probability),
        "rankings": {"lead_assets": measure(labels, ours), **_references(file.golden, campaign_id, frame, index)},
        "steps": [
            asdict(step) | {"lost": [{"reddit_id": lost, "title": titles.get(lost)} for lost in step.lost]}
            for step in steps
        ],
    }


def _list_of(labels: Mapping[str, int], candidates: pd.DataFrame, threshold: float) -> dict[str, float | None]:
    """The share of leads that the list shows, and of leads among what of it is labelled, by the lead model alone."""
    shown = set(candidates.loc[candidates["lead_probability"] >= threshold, "reddit_id"])
    is_lead = np.array([label == LEAD for label in labels.values()], dtype=float)
    return asdict(list_figures(is_lead, np.array([reddit_id in shown for reddit_id in labels])))


def _references(golden: Golden, campaign_id: str, frame: pd.DataFrame, index: SearchIndex) -> dict[str, Metrics]:
    """Simple rankings of the same documents, before the ranking's gates; ties in the order of fullnames."""
    plain = searches_of(golden.keywords)
    ids = frame["reddit_id"].tolist()
    text_match = np.array([row[0] for row in index.text_match(campaign_id, ids, [" ".join(plain)])])
    cosine = frame["cosine_similarity"].to_numpy(dtype=float)
    scores = {
        "text match": text_match,
        "cosine": cosine,
        "fused score": frame["fused_score"].to_numpy(dtype=float),
        "log1p(text match) + 0.7 cosine": np.log1p(text_match) + RAW_COSINE_WEIGHT * cosine,
    }
    return {
        name: measure(golden.labels, [ids[row] for row in np.argsort(-values, kind="stable")])
        for name, values in scores.items()
    }


def _lost_at(file: GoldenFile, campaign_id: str, connection: sa.Connection, frame: pd.DataFrame) -> dict[str, str]:
    """The step at which each labelled lead was lost; those that were kept are left out."""
    rejected = read_rejections(connection, campaign_id)
    gates = dict(zip(rejected["reddit_id"], rejected["gate"], strict=True))
    stored, ranked = read_text_hashes(connection, campaign_id), set(frame["reddit_id"])
    lost: dict[str, str] = {}
    for lead in file.golden.leads:
        if lead in gates:
            lost[lead] = str(gates[lead])
        elif lead not in stored:
            lost[lead] = CRAWLED
        elif lead not in ranked:
            lost[lead] = RANKED
    return lost


def _phrase_hashes(golden: Golden) -> list[str]:
    """Hashes of the phrases that the ranking embeds for a campaign."""
    plain = searches_of(golden.keywords)
    phrases = [*plain, golden.product, *asking_phrases(plain, golden.product), *telling_phrases(plain, golden.product)]
    return [text_hash(phrase) for phrase in phrases]
