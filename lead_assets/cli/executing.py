"""A run of a job in this process, with a live display."""

import uuid
from collections.abc import Mapping
from typing import Any

import dagster as dg
from rich.live import Live

from lead_assets.cli.progress import StageDisplay
from lead_assets.cli.state import errors
from lead_assets.defs.abandoned_runs import process_tag
from lead_assets.defs.dagster_private import execute_as_location
from lead_assets.defs.partitions import PARTITION_TAG

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Config of a run whose display says it better than its log."""


def execute_shown(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    campaign_id: str,
    config: Mapping[str, Any],
    display: StageDisplay,
    run_id: str | None = None,
) -> bool:
    """Run ``job`` for a campaign in this process while ``display`` shows how far it is; returns whether it succeeded.

    ``config`` is that of ``run_settings``.
    """
    run_id = run_id or str(uuid.uuid4())
    instance.add_event_listener(run_id, display.take)
    with Live(display, console=errors, refresh_per_second=4, transient=not errors.is_terminal) as live:
        result = execute_as_location(
            job,
            instance,
            run_id,
            config={"resources": {"run_settings": {"config": dict(config)}}, **QUIET},
            tags={PARTITION_TAG: campaign_id, "dagster/partition_set": f"{job.name}_partition_set", **process_tag()},
        )
        live.refresh()
    print_warnings(display)
    return result.success


def print_warnings(display: StageDisplay) -> None:
    """Print what a run has warned of."""
    for warning in display.warnings:
        errors.print(f"Warning: {warning}", style="yellow", soft_wrap=True)
