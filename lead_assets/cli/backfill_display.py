"""How a backfill is shown while it goes on: a live picture in a terminal, a line for each change elsewhere."""

import time
from collections import Counter
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lead_assets.domain.backfill import ENDED, State
from lead_assets.services.dagster_backfills import Backfill, CampaignRun

ORDER: tuple[State, ...] = ("waiting", "queued", "running", "done", "failed", "canceled")
STYLES: dict[State, str] = {"running": "cyan", "done": "green", "failed": "red", "canceled": "yellow"}
MOST_LINES = 12


class Display(Protocol):
    """What is told how far a backfill is."""

    def show(self, backfill: Backfill) -> None:
        """The backfill is so far now."""
        ...

    def lost(self, sentence: str) -> None:
        """Dagster does not answer; the last picture stays."""
        ...


def counts(backfill: Backfill) -> str:
    """How many campaigns are in which state, such as ``3 queued, 4 running, 13 done``."""
    found = Counter(run.state for run in backfill.campaigns.values())
    return ", ".join(f"{found[state]} {state}" for state in ORDER if found[state]) or "no campaigns yet"


def seconds_of(run: CampaignRun, now: float) -> float | None:
    """For how long a campaign's run goes on, or went on; None before its start."""
    return max(0.0, (run.ended or now) - run.started) if run.started else None


class LivePicture:
    """A picture that changes in place: counts, a bar, and the running and failed campaigns."""

    def __init__(self, live: Live) -> None:
        """Nothing is known yet."""
        self._live = live
        self._spinner = Spinner("dots")
        self._backfill: Backfill | None = None
        self._note = ""
        live.update(self)  # pyright: ignore[reportArgumentType]  rich takes what has __rich__

    def show(self, backfill: Backfill) -> None:
        """The backfill is so far now."""
        self._backfill, self._note = backfill, ""
        self._live.refresh()

    def lost(self, sentence: str) -> None:
        """Dagster does not answer; the last picture stays."""
        self._note = sentence
        self._live.refresh()

    def __rich__(self) -> RenderableType:
        if self._backfill is None:
            return Group(self._spinner, Text(self._note, "yellow"))
        return Group(
            Text(f"Backfill {self._backfill.id}: {counts(self._backfill)}"),
            _bar(self._backfill),
            self._rows(self._backfill, time.time()),
            Text(self._note, "yellow"),
        )

    def _rows(self, backfill: Backfill, now: float) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        running, failed = backfill.of_state("running"), backfill.of_state("failed")
        for campaign_id in [*running, *failed][:MOST_LINES]:
            run = backfill.campaigns[campaign_id]
            seconds = seconds_of(run, now)
            table.add_row(
                self._spinner if run.state == "running" else Text("✗", "red"),
                campaign_id,
                f"{seconds:.0f} s" if seconds is not None else "",
                Text(run.step or "", "dim"),
            )
        if (more := len(running) + len(failed) - MOST_LINES) > 0:
            table.add_row("", f"and {more} more")
        return table


def _bar(backfill: Backfill) -> RenderableType:
    row = Table.grid()  # a bar alone does not end its line
    row.add_row(ProgressBar(total=max(1, len(backfill.campaigns)), completed=len(backfill.of_state(*ENDED)), width=40))
    return row


class Lines:
    """A line for each campaign that has come into another state, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        """Nothing is known yet."""
        self._console = console
        self._states: dict[str, State] = {}
        self._lost = False

    def show(self, backfill: Backfill) -> None:
        """The backfill is so far now."""
        if self._lost:
            self._say("Dagster answers again.")
        self._lost = False
        changed = {one: run for one, run in backfill.campaigns.items() if self._states.get(one) != run.state}
        self._states |= {one: run.state for one, run in changed.items()}
        told = [self._line(one, run) for one, run in changed.items() if run.state not in ("waiting", "queued")]
        if changed:
            *others, last = told or [f"Backfill {backfill.id}"]
            for line in [*others, f"{last} ({counts(backfill)})"]:
                self._say(line)

    def _line(self, campaign_id: str, run: CampaignRun) -> str:
        seconds = seconds_of(run, time.time()) if run.state in ENDED else None
        return f"{campaign_id}: {run.state}" + (f" after {seconds:.0f} s" if seconds is not None else "")

    def lost(self, sentence: str) -> None:
        """Dagster does not answer: said once."""
        if not self._lost:
            self._say(sentence)
        self._lost = True

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)
