"""The live display of a run: one line a stage, fed by Dagster's own events."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from rich.console import RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

STAGES = (
    "crawled_documents",
    "typesense_index",
    "document_embeddings",
    "lead_stubs",
    "ranked_candidates",
    "extracted_leads",
    "leads",
    "announced_leads",
)


@dataclass
class _Stage:
    state: str = "waiting"
    note: str = ""
    rows: str = ""
    started: float | None = None
    seconds: float | None = None


class StageDisplay:
    """What each asset of a run is doing."""

    def __init__(self, campaign_id: str, stages: Sequence[str] = STAGES) -> None:
        """Nothing has started; ``stages`` are the assets that will."""
        self.warnings: list[str] = []
        self.failure: str | None = None
        self.interrupted = False
        self.counts: dict[str, dict[str, int]] = {}
        """The whole numbers that each asset has reported: what this run did."""
        self.note = ""
        self._campaign_id = campaign_id
        self._stages = {name: _Stage() for name in stages}
        self._spinner = Spinner("dots")

    def take(self, entry: dg.EventLogEntry) -> None:
        """Take one entry of the run's event log."""
        stage = self._stages.get(entry.step_key or "")
        event = entry.dagster_event
        if event is not None and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._take_check(event.asset_check_evaluation_data)
        elif event is not None and event.event_type == dg.DagsterEventType.RUN_FAILURE:
            self.failure = self.failure or event.message
        elif stage is None:
            return
        elif event is None:
            self._take_message(stage, entry)
        elif event.event_type == dg.DagsterEventType.STEP_START:
            stage.state, stage.started = "running", time.monotonic()
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            self._end(stage, "done")
        elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
            self._end(stage, "failed")
            self.failure = failure_sentence(event.event_specific_data)
            error = getattr(event.event_specific_data, "error", None)
            self.interrupted |= error is not None and error.cls_name == "DagsterExecutionInterruptedError"
        elif event.event_type == dg.DagsterEventType.STEP_SKIPPED:
            stage.state = "skipped"
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            metadata = event.step_materialization_data.materialization.metadata
            whole = {name: value.value for name, value in metadata.items() if type(value.value) is int}
            rows = whole.pop("dagster/row_count", None)
            stage.rows = f"{rows:,}" if rows is not None else ""
            self.counts[entry.step_key or ""] = whole

    def _take_check(self, check: dg.AssetCheckEvaluation) -> None:
        if not check.passed:
            self.warnings.append(f"{check.asset_key.to_user_string()}, {check.check_name}: {check.description}")

    def _take_message(self, stage: _Stage, entry: dg.EventLogEntry) -> None:
        if entry.user_message.startswith("Dependencies for step"):
            return  # Dagster's own words for what the failure says
        if int(entry.level) >= logging.WARNING:
            self.warnings.append(entry.user_message)
        else:
            stage.note = entry.user_message

    def _end(self, stage: _Stage, state: str) -> None:
        stage.state = state
        stage.seconds = time.monotonic() - stage.started if stage.started else None

    def __rich__(self) -> RenderableType:
        title = Text.assemble(f"Campaign {self._campaign_id} ", (self.note, "dim"))
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in ("", "asset", "rows", "seconds", ""):
            table.add_column(column, justify="right" if column in ("rows", "seconds") else "left")
        marks: dict[str, Any] = {"done": Text("✓", "green"), "failed": Text("✗", "red"), "running": self._spinner}
        for name, stage in self._stages.items():
            running = stage.state == "running" and stage.started
            seconds = time.monotonic() - stage.started if running and stage.started else stage.seconds
            table.add_row(
                marks.get(stage.state, "·"),
                name,
                stage.rows,
                f"{seconds:.1f}" if seconds is not None else "",
                Text(stage.note if running else "", "dim"),
            )
        return table


def failure_sentence(data: Any) -> str | None:
    """The sentence of a failure: its own description, else the error's last line."""
    failure = getattr(data, "user_failure_data", None)
    if failure is not None and failure.description:
        return failure.description
    error = getattr(data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip().splitlines()[-1] if error is not None else None
