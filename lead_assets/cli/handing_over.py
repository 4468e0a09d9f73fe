"""A run in the Dagster that serves this home, with a live display."""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from rich.live import Live

from lead_assets.cli import dev_server
from lead_assets.cli.dev_server import DevServer
from lead_assets.cli.executing import print_warnings
from lead_assets.cli.progress import StageDisplay
from lead_assets.cli.state import errors
from lead_assets.config.environment import Environment
from lead_assets.dagster_client.operations import daemons_healthy, launch_run, terminate_run
from lead_assets.dagster_client.service import DagsterService
from lead_assets.defs.partitions import job_name
from lead_assets.domain.errors import DagsterRefused, DagsterUnavailable, RunFailed, RunInterrupted

FOLLOW_SECONDS = 0.5
END_SECONDS = 60.0
SILENCE_SECONDS = 60.0
"""After which a run is given up whose server is gone: longer than it takes to end the runs of a server that stops."""
FIRST_IN_QUEUE = {"dagster/priority": "10"}


def hand_over(
    server: DevServer,
    environment: Environment,
    instance: dg.DagsterInstance,
    campaign_id: str,
    config: Mapping[str, Any],
    display: StageDisplay,
) -> dg.DagsterRun | None:
    """Run a campaign in ``server``, the `lead-assets dev` of this home, and follow it to its end.

    Returns None where it cannot, for example in another environment; a run in this process does the same.

    Raises:
        SettingInvalid: the config is wrong.
        RunInterrupted: the user ended the run.
        RunFailed: the server is gone.
    """
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
                raise RunInterrupted("Interrupted. What was committed stays. Run again to continue.") from None
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
