"""Backfills: what campaigns have done, launching a backfill, and how far it is. ``domain/backfill.py`` decides."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lead_assets.dagster_client.operations import REPOSITORY_SELECTOR, add_partitions
from lead_assets.dagster_client.service import DagsterService, expected
from lead_assets.defs.partitions import PARTITION_TAG
from lead_assets.domain.backfill import IN_FLIGHT, State
from lead_assets.domain.errors import DagsterRefused, InvalidInput

STATES: Mapping[str, State] = {
    **dict.fromkeys(("NOT_STARTED", "QUEUED", "MANAGED"), "queued"),
    **{"SUCCESS": "done", "FAILURE": "failed", "CANCELED": "canceled"},
}
"""By Dagster's status of a run; all others are running."""
OVER = ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")
"""Statuses of a backfill that launches nothing more."""

_RUN = "runId status startTime endTime tags { key value }"
_ASSET = """query($asset: [String!]!) { assetNodeOrError(assetKey: {path: $asset}) {
  __typename ... on AssetNode {
    assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions failedPartitions } }
  } ... on Error { message }
} }"""
_UNFINISHED = """{ partitionBackfillsOrError(status: REQUESTED, limit: 100) {
  __typename ... on PartitionBackfills { results { id } } ... on Error { message }
} }"""
# The steps are those of as many running campaigns as fit a terminal.
_BACKFILL = """query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill {
      id status partitionNames tags { key value } error { message }
      runs(limit: 100000) { runId status startTime endTime tags { key value } }
    }
    ... on Error { message }
  }
  started: runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}], statuses: [STARTED]}, limit: 20) {
    ... on Runs { results { runId stepStats { stepKey status } } }
  }
}"""
_LAUNCH = f"""mutation($set: String!, $keys: [String!], $config: RunConfigData, $tags: [ExecutionTag!]) {{
  launchPartitionBackfill(backfillParams: {{
    selector: {{partitionSetName: $set, repositorySelector: {REPOSITORY_SELECTOR}}},
    partitionNames: $keys, runConfigData: $config, tags: $tags, title: "lead-assets backfill"
  }}) {{ __typename ... on LaunchBackfillSuccess {{ backfillId }} ... on Error {{ message }} }}
}}"""
_CANCEL = "mutation($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename ... on Error { message } } }"


@dataclass(frozen=True)
class CampaignRun:
    """A campaign's newest run, if it has one yet: for how long it runs or ran, and the step that it is at."""

    state: State = "waiting"
    run_id: str | None = None
    seconds: float | None = None
    step: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Backfill:
    """A backfill as Dagster knows it, with each of its campaigns."""

    id: str
    status: str
    error: str | None
    tags: Mapping[str, str]
    campaigns: Mapping[str, CampaignRun]

    @property
    def over(self) -> bool:
        """Whether nothing more will happen. Dagster itself notices up to half a minute later."""
        return not self.of_state(*IN_FLIGHT) and (bool(self.campaigns) or self.status in OVER)

    def of_state(self, *states: State) -> list[str]:
        """The campaigns that are in one of ``states``."""
        return [campaign_id for campaign_id, one in self.campaigns.items() if one.state in states]


def materialized(service: DagsterService, asset: str) -> set[str]:
    """The campaigns whose newest try of ``asset`` has succeeded."""
    answer = service.ask(_ASSET, {"asset": [asset]})["assetNodeOrError"]
    if answer["__typename"] == "AssetNotFoundError":
        raise DagsterRefused(f"Dagster at {service.url} has not loaded this project. {service.url}/locations says why.")
    found = expected(answer, "AssetNode")["assetPartitionStatuses"]
    return {*found["materializedPartitions"]} - {*found["failedPartitions"]}


def newest_runs(
    service: DagsterService, campaign_ids: Sequence[str], tags: Mapping[str, str] | None = None
) -> dict[str, CampaignRun]:
    """The newest run of each campaign that has one, of those with ``tags``."""
    more = "".join(f", {{key: {json.dumps(key)}, value: {json.dumps(value)}}}" for key, value in (tags or {}).items())
    of_key = f'runsOrError(filter: {{tags: [{{key: "{PARTITION_TAG}", value: $key}}{more}]}}, limit: 1)'
    part = f"{of_key} {{ __typename ... on Runs {{ results {{ {_RUN} }} }} ... on Error {{ message }} }}"
    answers = service.ask_each("query", part, campaign_ids)
    runs = {one: expected(answer, "Runs")["results"] for one, answer in answers.items()}
    return {one: _campaign_run(found[0]) for one, found in runs.items() if found}


def unfinished(service: DagsterService) -> list[Backfill]:
    """The backfills that may launch more runs, whoever started them."""
    answer = expected(service.ask(_UNFINISHED)["partitionBackfillsOrError"], "PartitionBackfills")
    return [look(service, one["id"]) for one in answer["results"]]


def launch(
    service: DagsterService, job: str, campaign_ids: Sequence[str], config: Mapping[str, Any], tags: Mapping[str, str]
) -> str:
    """Start a backfill of ``job``, a run for each campaign; returns its id. ``config`` is that of ``run_settings``."""
    add_partitions(service, campaign_ids)
    variables = {
        "set": f"{job}_partition_set",
        "keys": [*campaign_ids],
        "config": {"resources": {"run_settings": {"config": dict(config)}}} if config else {},
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    answer = service.ask(_LAUNCH, variables)["launchPartitionBackfill"]
    if answer["__typename"] == "PartitionSetNotFoundError":
        raise DagsterRefused(f"Dagster runs an older version, without the job {job}. Restart `lead-assets dev`.")
    return expected(answer, "LaunchBackfillSuccess")["backfillId"]


def cancel(service: DagsterService, backfill_id: str) -> None:
    """Ask for a backfill's end: its runs are ended, and no more are started. One that is over stays as it ended."""
    if not look(service, backfill_id).over:
        expected(service.ask(_CANCEL, {"id": backfill_id})["cancelPartitionBackfill"], "CancelBackfillSuccess")


def look(service: DagsterService, backfill_id: str) -> Backfill:
    """How far a backfill is, also one that was started elsewhere. InvalidInput where there is none of this id."""
    answers = service.ask(_BACKFILL, {"id": backfill_id})
    answer = answers["partitionBackfillOrError"]
    if answer["__typename"] == "BackfillNotFoundError":
        raise InvalidInput(f"Dagster at {service.url} has no backfill {backfill_id!r}.")
    expected(answer, "PartitionBackfill")
    steps = {run["runId"]: _step(run["stepStats"]) for run in answers["started"].get("results", [])}
    # A campaign without a run gets none any more where Dagster has ended the backfill.
    campaigns = dict.fromkeys(
        answer["partitionNames"] or [], CampaignRun("canceled" if answer["status"] in OVER else "waiting")
    )
    for run in reversed(answer["runs"]):  # newest first: a run that was started again stands for the campaign
        found = _campaign_run(run, steps.get(run["runId"]))
        if PARTITION_TAG in found.tags:
            campaigns[found.tags[PARTITION_TAG]] = found
    error = answer["error"] and (answer["error"]["message"].strip().splitlines() or ["no reason was recorded"])[0]
    return Backfill(answer["id"], answer["status"], error, _tags(answer), campaigns)


def _tags(part: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in part["tags"]}


def _campaign_run(run: Mapping[str, Any], step: str | None = None) -> CampaignRun:
    tags, state = _tags(run), STATES.get(run["status"], "running")
    if state == "failed" and tags.get("dagster/will_retry") == "true" and "dagster/auto_retry_run_id" not in tags:
        state = "queued"  # its process died: Dagster starts it again in a moment
    started = run["startTime"]
    seconds = round(max(0.0, (run["endTime"] or time.time()) - started), 1) if started else None
    return CampaignRun(state, run["runId"], seconds, step, tags)


def _step(steps: Sequence[Mapping[str, str]]) -> str | None:
    """The step in progress; None before the first and between two."""
    return next((step["stepKey"] for step in reversed(steps) if step["status"] == "IN_PROGRESS"), None)
