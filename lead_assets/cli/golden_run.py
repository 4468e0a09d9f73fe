"""One evaluation: a labelled campaign through the graph from crawl to rank, which leaves nothing behind.

The run is a campaign of its own, with an id that nobody else has, in an ephemeral Dagster instance.
"""

import contextlib
import json
import os
import signal
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import sqlalchemy as sa

from lead_assets.cli.golden_files import GoldenFile
from lead_assets.cli.progress import StageDisplay
from lead_assets.cli.running import RunFailed, RunInterrupted, execute_shown, typed_config
from lead_assets.cli.state import CAMPAIGNS_VARIABLE
from lead_assets.definitions import build_defs
from lead_assets.defs.partitions import campaigns
from lead_assets.defs.resources import RunSettings
from lead_assets.domain.evaluation import Golden, Metrics, measure, recall_by_step
from lead_assets.domain.gates import METADATA_GATES, RANK_GATES
from lead_assets.domain.keywords import searches_of
from lead_assets.domain.ranking import asking_phrases, telling_phrases, text_hash
from lead_assets.search.typesense import SearchIndex
from lead_assets.sources.fixed_source import GivenSource
from lead_assets.storage import evaluations
from lead_assets.storage.candidates import read_candidates, read_components
from lead_assets.storage.corpus import read_rejections, read_text_hashes
from lead_assets.storage.database import Database

STAGES = ("crawled_documents", "typesense_index", "document_embeddings", "ranked_candidates")
OPEN_AGE_GATE = {"REDDIT_MAX_POST_AGE_MONTHS": 1200}
CRAWLED, RANKED = "crawled", "ranked"
STEPS = (CRAWLED, *(gate.name for gate in METADATA_GATES), RANKED, *(gate.name for gate in RANK_GATES))
"""Where a lead can be lost: not given, or without a keyword; at a gate; without a vector or a place in the index."""
RAW_COSINE_WEIGHT = 0.7


@dataclass(frozen=True)
class Conditions:
    """What an evaluation is made under: the day as of which ages are judged, and settings by name."""

    as_of: str | None
    settings: Mapping[str, Any]
    keep_vectors: bool = False


def evaluate(file: GoldenFile, campaign_id: str, conditions: Conditions, database: Database, index: SearchIndex) -> Any:
    """Run ``file`` through the graph as ``campaign_id`` and measure it; afterwards all its rows are gone.

    Returns metrics of our ranking and of reference rankings, and the recall of leads after each step, ready for JSON.

    Raises:
        RunFailed: an asset failed. RunInterrupted: the user ended it.
    """
    with (
        _terminated_like_interrupted(),
        _lent(campaign_id, _phrase_hashes(file.golden), database, index, conditions.keep_vectors),
        tempfile.TemporaryDirectory() as folder,
        _campaign_file(file, campaign_id, Path(folder)),
    ):
        _run(file, campaign_id, conditions, Path(folder))
        with database.connect() as connection:
            return _measured(file, campaign_id, connection, index)


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
            raise RunInterrupted("Interrupted; nothing of the evaluation stays.") from None
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
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _campaign_file(file: GoldenFile, campaign_id: str, folder: Path) -> Iterator[None]:
    """The golden campaign as the only file of the campaign folder, for the block."""
    content = {
        "name": file.golden.campaign,
        "product": file.golden.product,
        "keywords": file.golden.keywords,
        "source": "archive",
        "archive": {"path": str(file.archive.absolute())},
        "settings": OPEN_AGE_GATE,
    }
    (folder / f"{campaign_id}.yaml").write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    before = os.environ.get(CAMPAIGNS_VARIABLE)
    os.environ[CAMPAIGNS_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CAMPAIGNS_VARIABLE]
        else:
            os.environ[CAMPAIGNS_VARIABLE] = before


def _run(file: GoldenFile, campaign_id: str, conditions: Conditions, folder: Path) -> None:
    given = typed_config({**conditions.settings, **({"as_of": conditions.as_of} if conditions.as_of else {})})
    RunSettings(**given).brief(campaign_id)  # wrong settings are told before anything runs
    overrides = {
        "rejection_logs": dg.ResourceDefinition.hardcoded_resource(folder / "rejections"),
        "source_opener": dg.ResourceDefinition.hardcoded_resource(lambda *_: GivenSource(file.documents)),
    }
    job = dg.define_asset_job("evaluation", dg.AssetSelection.assets(*STAGES), executor_def=dg.in_process_executor)
    built = dg.Definitions.merge(build_defs(overrides), dg.Definitions(jobs=[job]))
    display = StageDisplay(file.golden.campaign, STAGES)
    assert campaigns.name is not None
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(campaigns.name, [campaign_id])
        resolved = built.resolve_job_def("evaluation")
        result = execute_shown(resolved, instance, campaign_id, given, display, str(uuid.uuid4()))
    if display.interrupted:
        raise RunInterrupted("Interrupted; nothing of the evaluation stays.")
    if not result.success:
        raise RunFailed(f"{file.path}: {display.failure or 'the run failed.'}")


def _measured(file: GoldenFile, campaign_id: str, connection: sa.Connection, index: SearchIndex) -> dict[str, Any]:
    labels = file.golden.labels
    ours = read_candidates(connection, campaign_id)["reddit_id"].tolist()
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
        "rankings": {"lead_assets": measure(labels, ours), **_references(file.golden, campaign_id, frame, index)},
        "steps": [
            asdict(step) | {"lost": [{"reddit_id": lost, "title": titles.get(lost)} for lost in step.lost]}
            for step in steps
        ],
    }


def _references(golden: Golden, campaign_id: str, frame: pd.DataFrame, index: SearchIndex) -> dict[str, Metrics]:
    """Simple rankings of the same documents, before the ranking's gates; ties in the order of fullnames."""
    plain = searches_of(golden.keywords)
    ids = frame["reddit_id"].tolist()
    text_match = index.text_match(campaign_id, ids, [" ".join(plain)])[:, 0]
    cosine = frame["cosine_similarity"].to_numpy(dtype=float)
    scores = {
        "text match": text_match,
        "cosine": cosine,
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
