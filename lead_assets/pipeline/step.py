"""A step of the pipeline: what it is given, what it reports, and how it is run. Assets, commands and benchmarks call
``run_step`` alike: it holds the campaign's lock and remembers what the step did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lead_assets.domain.audit import Audit
from lead_assets.domain.gates import Gate, GateStats
from lead_assets.domain.settings import Settings
from lead_assets.pipeline.connect import (
    EmbedderOpener,
    ExtractorOpener,
    SourceOpener,
    make_embedder,
    make_extractor,
    open_source,
)
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.timing import Phases, Progress
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.planner import refresh_statistics
from lead_assets.storage.statistics import write_stage_run


@dataclass(frozen=True)
class Stores:
    """Where a run's data is, and how what it works with is opened."""

    database: Database
    search_index: SearchIndex
    rejection_logs: Path
    open_source: SourceOpener = open_source
    open_embedder: EmbedderOpener = make_embedder
    open_extractor: ExtractorOpener = make_extractor


@dataclass(frozen=True)
class StepContext:
    """What a step is given. ``session`` holds the campaign's lock; ``progress`` says how far the step is."""

    run: RunContext
    run_id: str
    stores: Stores
    session: CampaignSession
    phases: Phases
    progress: Progress

    @property
    def campaign_id(self) -> str:
        """The campaign's id."""
        return self.run.campaign.id


@dataclass(frozen=True)
class GateReport:
    """What a step's gates did in this run, for their checks.

    ``earlier`` has the last stats that were not empty, of gates that met nothing now; ``offending`` the kept documents,
    as read back from the store, that a gate rejects; ``audits`` what people's marks say of the rejects.
    """

    gates: Sequence[Gate]
    stats: Mapping[str, GateStats]
    earlier: Mapping[str, GateStats]
    offending: Mapping[str, list[str]]
    audits: Mapping[str, Audit]
    settings: Settings


@dataclass(frozen=True)
class StepReport:
    """What a step did: rows stored now, this run's counts, what else is worth showing, and what is worth a warning.

    ``details`` are plain values, most telling first: numbers, texts, paths, lists of rows, mappings. ``incomplete``
    says what a source could not give. ``drawn`` is what pictures are made of; None where nothing changed.
    """

    row_count: int
    counts: Mapping[str, int]
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    gates: GateReport | None = None
    incomplete: Sequence[str] | None = None
    drawn: Any = None


@dataclass(frozen=True)
class Step:
    """A step by its name, which is its asset's, its stage, which is its queue's, and what it does.

    ``shares_lock``: it only adds to stores of its own, so that another such step of the campaign may run beside it.
    ``version`` is to be raised when the same input would give something else.
    """

    name: str
    stage: str
    run: Callable[[StepContext], StepReport]
    shares_lock: bool = False
    version: str = "1"


def run_step(
    step: Step, run: RunContext, stores: Stores, run_id: str, on_message: Callable[[str], object] = lambda _: None
) -> tuple[StepReport, Phases]:
    """Run ``step`` for the campaign of ``run`` under its lock; returns its report and the seconds of its phases.

    Raises:
        LeadAssetsError: it failed; what it committed stays, and the next run continues there.
    """
    phases = Phases()
    beside = step.name if step.shares_lock else None
    with (
        phases.measured("total"),
        stores.database.campaign(run.campaign.id, on_message, beside=beside) as session,
    ):
        report = step.run(StepContext(run, run_id, stores, session, phases, Progress(on_message)))
        with session.transaction() as connection:
            write_stage_run(connection, run.campaign.id, step.name, run_id, report.counts)
        refresh_statistics(session)
    return report, phases
