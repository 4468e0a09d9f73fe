"""How a backfill is shown while it runs."""

from collections import Counter

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lead_assets.dagster_client.backfills import Backfill
from lead_assets.domain.backfill import IN_FLIGHT, State

ORDER: tuple[State, ...] = (*IN_FLIGHT, "done", "failed", "canceled")
MOST_LINES = 12
_SPINNER = Spinner("dots")


def counts(backfill: Backfill) -> str:
    """How many campaigns are in which state, such as ``Backfill abc: 3 queued, 4 running, 13 done``."""
    found = Counter(run.state for run in backfill.campaigns.values())
    states = ", ".join(f"{found[state]} {state}" for state in ORDER if found[state])
    return f"Backfill {backfill.id}: {states or 'no campaigns yet'}"


def picture(backfill: Backfill) -> RenderableType:
    """The counts, a bar, and the running and failed campaigns."""
    bar = Table.grid()  # a bar alone does not end its line
    ended = len(backfill.of_state("done", "failed", "canceled"))
    bar.add_row(ProgressBar(total=max(1, len(backfill.campaigns)), completed=ended, width=40))
    table = Table(box=None, pad_edge=False, show_header=False)
    shown = backfill.of_state("running") + backfill.of_state("failed")
    for campaign_id in shown[:MOST_LINES]:
        run = backfill.campaigns[campaign_id]
        mark = _SPINNER if run.state == "running" else Text("✗", "red")
        table.add_row(mark, campaign_id, f"{run.seconds or 0:.0f} s", Text(run.step or "", "dim"))
    if len(shown) > MOST_LINES:
        table.add_row("", f"and {len(shown) - MOST_LINES} more")
    return Group(Text(counts(backfill)), bar, table)
