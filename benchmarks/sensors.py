"""How long definitions take to load, and sensors to tick, with 1, 100 and 1,000 scheduled campaigns.

Run: .venv/bin/python benchmarks/sensors.py
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from lead_assets.config import campaign_files
from lead_assets.definitions import build_defs
from lead_assets.defs.sensors import build_sensors, campaign_registry, tick_of_all, tick_of_one

COUNTS = (1, 100, 1_000)
CAMPAIGN = """\
name: Campaign {number}
product: A simple CRM for small businesses and freelancers.
keywords: [crm, track clients, '"follow up with customers"']
negative_keywords: [hiring]
subreddits: {{include: [smallbusiness, sales], exclude: [forhire]}}
source: reddit
schedule: "*/5 * * * *"
timezone: Europe/Berlin
"""
NOW = datetime(2026, 5, 1, 6, 0, 10, tzinfo=UTC)


def seconds(action: Callable[[], object]) -> float:
    """How long ``action`` takes, the best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


def forget_files() -> None:
    """As in a process that has just started."""
    campaign_files._known.clear()


def measured(count: int, folder: Path) -> tuple[str, ...]:
    """A row of the table: how many sensors there are, and what loading and ticking cost, in seconds."""
    ids = [f"campaign{number}" for number in range(count)]
    for number, campaign_id in enumerate(ids):
        (folder / f"{campaign_id}.yaml").write_text(CAMPAIGN.format(number=number), encoding="utf-8")
    os.environ["LEAD_ASSETS_CAMPAIGNS"] = str(folder)
    loading = seconds(lambda: (forget_files(), build_sensors()))
    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as instance:
        instance.add_dynamic_partitions("campaigns", ids)
        definitions = build_defs()

        def context(cursor: str) -> dg.SensorEvaluationContext:
            return dg.build_sensor_context(
                instance, cursor=cursor, instance_ref=instance.get_ref(), definitions=definitions
            )

        due = (NOW - timedelta(minutes=6)).isoformat()
        quiet = NOW.isoformat()
        one_due, one_quiet = context(due), context(quiet)
        all_due, all_quiet = (
            context(json.dumps(dict.fromkeys(ids, due))),
            context(json.dumps(dict.fromkeys(ids, quiet))),
        )
        registry = context(json.dumps(ids))
        times = (
            loading,
            seconds(lambda: tick_of_one(one_quiet, ids[0], NOW)),
            seconds(lambda: tick_of_one(one_due, ids[0], NOW)),
            seconds(lambda: tick_of_all(all_quiet, NOW)),
            seconds(lambda: tick_of_all(all_due, NOW)),
            seconds(lambda: campaign_registry.evaluate_tick(registry)),
        )
    return (f"{count:,}", str(len(build_sensors())), *(f"{value:.4f}" for value in times))


def main() -> None:
    """Print the table."""
    table = Table(title="Seconds, the best of three")
    for column in ("campaigns", "sensors", "reading the folder", "tick of one, quiet", "tick of one, due",
                   "tick of all, quiet", "tick of all, all due", "tick of the registry"):  # fmt: skip
        table.add_column(column, justify="right")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            table.add_row(*measured(count, Path(folder)))
    Console().print(table)


if __name__ == "__main__":
    main()
