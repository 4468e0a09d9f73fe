"""Runs: asked of Dagster, over GraphQL, and started there."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lead_assets.api.errors import RunInFlight, RunUnknown, clean
from lead_assets.api.models import Run, Started
from lead_assets.dagster_client.operations import failure_of, launch_run
from lead_assets.dagster_client.service import DagsterService, expected
from lead_assets.defs.partitions import IN_FLIGHT, PARTITION_TAG
from lead_assets.domain.errors import CampaignBusy
from lead_assets.storage.database import Database

PATIENCE_SECONDS = 10.0
"""All requests share the threads that wait for another to start the same campaign."""
_IN_FLIGHT = """
query InFlight($filter: RunsFilter!) {
  runsOrError(filter: $filter, limit: 1) {
    __typename
    ... on Runs { results { runId } }
    ... on Error { message }
  }
}"""
_RUN = """
query Run($id: ID!) {
  runOrError(runId: $id) {
    __typename
    ... on Run { runId jobName status creationTime startTime endTime tags { key value } }
    ... on Error { message }
  }
}"""


class RunStarter:
    """Starts runs, never a second one of a campaign. Shared by threads; other processes meet in PostgreSQL."""

    def __init__(self, dagster: DagsterService, database: Database, job: str) -> None:
        """Nothing is asked yet; ``job`` is what runs a campaign."""
        self._dagster, self._job = dagster, job
        self._database = database
        # Of callers in this process one waits in PostgreSQL, so that the others do not use up its connections.
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def start(self, campaign_id: str, settings: Mapping[str, Any]) -> Started:
        """Have Dagster queue a run of the campaign, whose file has been read, with ``settings`` of its own.

        Raises:
            RunInFlight: one has not ended.
            CampaignBusy: others who are starting one do not get on.
            SettingInvalid, DagsterUnavailable, DagsterRefused, DatabaseUnavailable: it was not started.
        """
        lock = self._locks[campaign_id]
        if not lock.acquire(timeout=PATIENCE_SECONDS):
            raise CampaignBusy(f"Other requests have kept starting a run of {campaign_id} for long. Ask again later.")
        try:
            with self._database.starting(campaign_id):
                if (running := run_in_flight(self._dagster, campaign_id)) is not None:
                    raise RunInFlight(campaign_id, running, self._dagster.run_link(running))
                run_id = launch_run(self._dagster, campaign_id, settings, job=self._job)
        finally:
            lock.release()
        return Started(run_id=run_id, url=self._dagster.run_link(run_id), campaign=campaign_id)


def run_in_flight(dagster: DagsterService, campaign_id: str) -> str | None:
    """The id of a run of the campaign that has not ended; None where there is none.

    Raises:
        DagsterUnavailable, DagsterRefused: it does not say.
    """
    of_campaign = {
        "tags": [{"key": PARTITION_TAG, "value": campaign_id}],
        "statuses": [status.value for status in IN_FLIGHT],
    }
    answer = expected(dagster.ask(_IN_FLIGHT, {"filter": of_campaign})["runsOrError"], "Runs")
    return next((run["runId"] for run in answer["results"]), None)


def read_run(dagster: DagsterService, run_id: str) -> Run:
    """A run as it is now.

    Raises:
        RunUnknown: there is none of this id.
        DagsterUnavailable, DagsterRefused: it does not say.
    """
    answer = dagster.ask(_RUN, {"id": run_id})["runOrError"]
    if answer["__typename"] == "RunNotFoundError":
        raise RunUnknown(f"Dagster knows no run {run_id}.")
    answer = expected(answer, "Run")
    return Run(
        run_id=run_id,
        job=answer["jobName"],
        campaign=next((tag["value"] for tag in answer["tags"] if tag["key"] == PARTITION_TAG), None),
        status=answer["status"],
        created=_moment(answer["creationTime"]),
        started=_moment(answer["startTime"]),
        ended=_moment(answer["endTime"]),
        url=dagster.run_link(run_id),
        failure=clean(failure_of(dagster, run_id)) if answer["status"] == "FAILURE" else None,
    )


def _moment(seconds: float | None) -> Any:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
