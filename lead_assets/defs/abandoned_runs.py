"""Runs in a process of their own, such as those of `lead-assets run`, whose process is gone.

Dagster notices the end of the processes that it has started itself. Any other run would stay started for ever, and hold
up its campaign: the queue, the sensors and the API wait for the end of a campaign's run.
"""

import os
import socket

import dagster as dg
import psutil

from lead_assets.defs.partitions import IN_FLIGHT

PROCESS_TAG = "lead_assets/process"


def process_tag() -> dict[str, str]:
    """The tags of a run that this process executes: who it is, and that nobody starts it again unasked."""
    process = psutil.Process(os.getpid())
    return {PROCESS_TAG: f"{socket.gethostname()} {process.pid} {process.create_time()}", "dagster/max_retries": "0"}


def end_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report runs as failed whose process ran on this machine and is gone; returns their ids."""
    in_flight = instance.get_runs(dg.RunsFilter(statuses=[*IN_FLIGHT]))
    abandoned = [run for run in in_flight if PROCESS_TAG in run.tags and _is_gone(run.tags[PROCESS_TAG])]
    for run in abandoned:
        instance.report_run_failed(run, "The process of this run has ended. What it committed stays.")
    return [run.run_id for run in abandoned]


def _is_gone(process: str) -> bool:
    host, pid, created = process.rsplit(" ", 2)
    if host != socket.gethostname():
        return False
    try:
        # An adjusted clock moves it a little.
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > 3
    except psutil.NoSuchProcess:
        return True
