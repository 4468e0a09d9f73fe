"""A run of a job with a live display: in this process, or in the Dagster that serves this home."""

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from rich.live import Live

from lead_assets.cli import dev_server
from lead_assets.cli.progress import StageDisplay
from lead_assets.cli.state import errors
from lead_assets.config.environment import Environment
from lead_assets.dagster_client.operations import daemons_healthy, launch_run, terminate_run
from lead_assets.dagster_client.service import DagsterService
from lead_assets.defs.abandoned_runs import process_tag
from lead_assets.defs.dagster_private import execute_as_location
from lead_assets.defs.partitions import PARTITION_TAG, job_name
from lead_assets.domain.errors import DagsterRefused, DagsterUnavailable, RunFailed, RunInterrupted

FOLLOW_SECONDS = 0.5
END_SECONDS = 60.0
SILENCE_SECONDS = 60.0
"""After which a run is given up whose server is gone: longer than it takes to end the runs of a server that stops."""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Config of a run whose display says it better than its log."""
FIRST_IN_QUEUE = {"dagster/priority": "10"}


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


def hand_over(
    environment: Environment,
    instance: dg.DagsterInstance,
    campaign_id: str,
    config: Mapping[str, Any],
    display: StageDisplay,
) -> dg.DagsterRun | None:
    """Run a campaign in the `lead-assets dev` that serves this home in the same environment, and follow it to its end.

    Returns None where there is none that can; a run in this process does the same.

    Raises:
        SettingInvalid: the config is wrong.
        RunInterrupted: the user ended the run.
        RunFailed: the server is gone.
    """
    server = dev_server.find(environment.home)
    if server is None:
        return None
    if server.environment != dev_server.environment_digest(environment):
        errors.print(
            f"`lead-assets dev` at {server.url} works in another environment: this run does not go through it.",
            style="dim",
            soft_wrap=True,
        )
        return None
    with DagsterService(server.url) as service:
        try:
            if not daemons_healthy(service, "QUEUED_RUN_COORDINATOR"):
                return None  # it has only just started
            run_id = launch_run(service, campaign_id, config, FIRST_IN_QUEUE, job=job_name(environment.executor))
        except (DagsterUnavailable, DagsterRefused) as error:
            errors.print(f"{error} This run does not go through it.", style="dim", soft_wrap=True)
            return None
        display.note = f"in Dagster: {service.run_link(run_id)}"
        with Live(display, console=errors, refresh_per_second=4, transient=not errors.is_terminal) as live:
            try:
                run = follow(instance, run_id, display, lambda: dev_server.find(environment.home) is not None)
            except KeyboardInterrupt:
                _end(service, instance, run_id)
                raise RunInterrupted("Interrupted; what was committed stays. Run again to continue.") from None
            live.refresh()
    print_warnings(display)
    return run


def _end(service: DagsterService, instance: dg.DagsterInstance, run_id: str) -> None:
    """Ask for the run's end until it has ended: one that is only just starting cannot be ended yet."""
    deadline, ended = time.monotonic() + END_SECONDS, False
    with contextlib.suppress(DagsterUnavailable, KeyboardInterrupt):
        while not ended and time.monotonic() < deadline:
            with contextlib.suppress(DagsterRefused):
                terminate_run(service, run_id)
            time.sleep(FOLLOW_SECONDS)
            ended = (run := instance.get_run_by_id(run_id)) is None or run.is_finished
    if not ended:
        errors.print(f"Dagster is still ending the run: {service.run_link(run_id)}", soft_wrap=True)


def follow(
    instance: dg.DagsterInstance, run_id: str, display: StageDisplay, is_served: Callable[[], bool]
) -> dg.DagsterRun:
    """Show a run that goes on elsewhere, from the events that it stores, until it has ended.

    Raises:
        RunFailed: nothing has happened for long, and nobody serves it any more.
    """
    cursor, heard = None, time.monotonic()
    while True:
        run = instance.get_run_by_id(run_id)  # before its events, so that none of an ended run is missed
        page = instance.get_records_for_run(run_id, cursor)
        for record in page.records:
            display.take(record.event_log_entry)
        cursor = page.cursor
        if run is not None and run.is_finished:
            return run
        if page.records or is_served():
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise RunFailed(f"`lead-assets dev` stopped before run {run_id} ended. Run again to continue.")
        time.sleep(FOLLOW_SECONDS)


def print_warnings(display: StageDisplay) -> None:
    """Print what a run has warned of."""
    for warning in display.warnings:
        errors.print(f"Warning: {warning}", style="yellow", soft_wrap=True)
