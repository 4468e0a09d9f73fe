"""Backfills of Dagster's, over GraphQL: where each campaign stands, launching a backfill, and how far it is.

What belongs here: the questions, and their answers as our types. What is missing is decided in ``domain/backfill.py``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lead_assets.defs.partitions import PARTITION_TAG
from lead_assets.domain.backfill import ENDED, Standing, State
from lead_assets.domain.errors import DagsterRefused, InvalidInput
from lead_assets.services.dagster_runs import (
    IDS_PER_QUESTION,
    REPOSITORY_SELECTOR,
    add_partitions,
    expected,
    failure_of,
)
from lead_assets.services.dagster_service import DagsterService

BACKFILL_TAG = "dagster/backfill"
WILL_RETRY_TAG, RETRY_TAG = "dagster/will_retry", "dagster/auto_retry_run_id"
NEEDED_DAEMONS = ("BACKFILL", "QUEUED_RUN_COORDINATOR")
STATES: Mapping[str, State] = {
    "NOT_STARTED": "queued",
    "QUEUED": "queued",
    "MANAGED": "queued",
    "STARTING": "running",
    "STARTED": "running",
    "CANCELING": "running",
    "SUCCESS": "done",
    "FAILURE": "failed",
    "CANCELED": "canceled",
}
OVER = ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")
"""Statuses of a backfill that launches nothing more."""
RUNS_PER_PAGE = 500
MOST_STEPS = 20
"""Running campaigns whose step is asked for: more than run at a time, and than fit a terminal."""

_RUN = "runId status startTime endTime tags { key value }"
_STANDINGS = """
query($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) {
    __typename
    ... on AssetNode {
      partitionKeys
      assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions failedPartitions } }
    }
    ... on Error { message }
  }
}"""
_RUNS = f"""
query($tags: [ExecutionTag!], $cursor: String, $limit: Int) {{
  runsOrError(filter: {{tags: $tags}}, cursor: $cursor, limit: $limit) {{
    __typename
    ... on Runs {{ results {{ {_RUN} }} }}
    ... on Error {{ message }}
  }}
}}"""
_UNFINISHED = """
{
  partitionBackfillsOrError(status: REQUESTED, limit: 100) {
    __typename
    ... on PartitionBackfills { results { id } }
    ... on Error { message }
  }
}"""
_BACKFILL = f"""
query($id: String!) {{
  partitionBackfillOrError(backfillId: $id) {{
    __typename
    ... on PartitionBackfill {{
      id status partitionNames tags {{ key value }} error {{ message }}
      runs(limit: 100000) {{ {_RUN} }}
    }}
    ... on Error {{ message }}
  }}
}}"""
_LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}"""
_CANCEL = """
mutation($id: String!) {
  cancelPartitionBackfill(backfillId: $id) {
    __typename
    ... on Error { message }
  }
}"""
_DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"


@dataclass(frozen=True)
class CampaignRun:
    """A campaign in a backfill: its newest run there, if it has one yet. Times are seconds since 1970."""

    state: State = "waiting"
    run_id: str | None = None
    started: float | None = None
    ended: float | None = None
    step: str | None = None


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
        return all(one.state in ENDED for one in self.campaigns.values()) and (
            bool(self.campaigns) or self.status in OVER
        )

    def of_state(self, *states: State) -> list[str]:
        """The campaigns that are in one of ``states``."""
        return [campaign_id for campaign_id, one in self.campaigns.items() if one.state in states]


class DagsterBackfills:
    """Backfills of one Dagster's code location. All methods raise DagsterUnavailable where it does not answer."""

    def __init__(self, service: DagsterService, *, partitions_name: str) -> None:
        """Nothing is asked yet; ``partitions_name`` is that of the dynamic partitions."""
        self._service = service
        self._partitions_name = partitions_name

    def link(self, backfill_id: str) -> str:
        """Where a browser shows a backfill."""
        return f"{self._service.url}/runs/b/{backfill_id}"

    @property
    def list_link(self) -> str:
        """Where a browser shows all backfills."""
        return f"{self._service.url}/runs?view=backfills"

    def idle_daemons(self) -> list[str]:
        """The daemons without which a backfill only waits, and that have not reported lately."""
        statuses = self._service.ask(_DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        healthy = {status["daemonType"] for status in statuses if status["healthy"]}
        return [name for name in NEEDED_DAEMONS if name not in healthy]

    def standings(self, asset: str, campaign_ids: Sequence[str]) -> dict[str, Standing]:
        """Where each campaign stands by the partitions of ``asset`` and by its newest run of any kind.

        Raises:
            DagsterRefused: it does not know the asset.
        """
        node = self._node(asset)
        statuses = node["assetPartitionStatuses"]
        materialized, failed = set(statuses["materializedPartitions"]), set(statuses["failedPartitions"])
        last = self._last_runs(campaign_ids)
        return {one: Standing(one in materialized, one in failed, last.get(one)) for one in campaign_ids}

    def _node(self, asset: str) -> Mapping[str, Any]:
        answer = self._service.ask(_STANDINGS, {"asset": {"path": asset.split("/")}})["assetNodeOrError"]
        if answer["__typename"] == "AssetNotFoundError":
            url = self._service.url
            raise DagsterRefused(f"Dagster at {url} has not loaded this project; {url}/locations says why.")
        return expected(answer, "AssetNode")

    def _last_runs(self, campaign_ids: Sequence[str]) -> dict[str, State]:
        states: dict[str, State] = {}
        for start in range(0, len(campaign_ids), IDS_PER_QUESTION):
            ids = campaign_ids[start : start + IDS_PER_QUESTION]
            declared = ", ".join(f"$p{number}: String!" for number in range(len(ids)))
            parts = [
                f'r{number}: runsOrError(filter: {{tags: [{{key: "{PARTITION_TAG}", value: $p{number}}}]}}, limit: 1) '
                f"{{ __typename ... on Runs {{ results {{ {_RUN} }} }} ... on Error {{ message }} }}"
                for number in range(len(ids))
            ]
            variables = {f"p{number}": campaign_id for number, campaign_id in enumerate(ids)}
            answer = self._service.ask(f"query({declared}) {{ {' '.join(parts)} }}", variables)
            for number, campaign_id in enumerate(ids):
                for run in expected(answer[f"r{number}"], "Runs")["results"]:
                    states[campaign_id] = _campaign_run(run).state
        return states

    def runs_tagged(self, tags: Mapping[str, str]) -> list[tuple[Mapping[str, str], State]]:
        """Tags and state of every run that has ``tags``, newest first."""
        return [(_tags(run), _campaign_run(run).state) for run in self._runs(tags)]

    def _runs(self, tags: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        cursor, more = None, True
        while more:
            variables = {"tags": _as_input(tags), "cursor": cursor, "limit": RUNS_PER_PAGE}
            runs = expected(self._service.ask(_RUNS, variables)["runsOrError"], "Runs")["results"]
            yield from runs
            more = len(runs) == RUNS_PER_PAGE
            cursor = runs[-1]["runId"] if runs else None

    def unfinished(self) -> list[Backfill]:
        """The backfills that may launch more runs, whoever started them."""
        answer = expected(self._service.ask(_UNFINISHED)["partitionBackfillsOrError"], "PartitionBackfills")
        return [self.look(one["id"]) for one in answer["results"]]

    def add_partitions(self, asset: str, campaign_ids: Sequence[str]) -> list[str]:
        """Make partitions of the campaigns that are none yet, as the sensor will for new files; returns those.

        Raises:
            DagsterRefused: they cannot be added.
        """
        known = set(self._node(asset)["partitionKeys"])
        new = [campaign_id for campaign_id in campaign_ids if campaign_id not in known]
        add_partitions(self._service, self._partitions_name, new)
        return new

    def launch(
        self, job: str, campaign_ids: Sequence[str], *, config: Mapping[str, Any], tags: Mapping[str, str], title: str
    ) -> str:
        """Start a backfill of ``job``, one run for each campaign; returns its id.

        ``config`` is the runs' config, which counts where the job's partitions have none of their own.

        Raises:
            DagsterRefused: it does not start.
        """
        params = {
            "selector": {"partitionSetName": f"{job}_partition_set", "repositorySelector": REPOSITORY_SELECTOR},
            "partitionNames": list(campaign_ids),
            "runConfigData": dict(config),
            "tags": _as_input(tags),
            "title": title,
        }
        answer = self._service.ask(_LAUNCH, {"params": params})["launchPartitionBackfill"]
        if answer["__typename"] == "PartitionSetNotFoundError":
            raise DagsterRefused(f"Dagster runs an older version, without the job {job}; start `lead-assets dev` anew.")
        return expected(answer, "LaunchBackfillSuccess")["backfillId"]

    def cancel(self, backfill_id: str) -> None:
        """Ask for a backfill's end: its runs are ended, and no more are started. One that is over stays as it ended.

        Raises:
            InvalidInput: there is no such backfill.
            DagsterRefused: it cannot be cancelled.
        """
        if self.look(backfill_id).over:
            return
        expected(self._service.ask(_CANCEL, {"id": backfill_id})["cancelPartitionBackfill"], "CancelBackfillSuccess")

    def look(self, backfill_id: str) -> Backfill:
        """How far a backfill is, also one that was started elsewhere.

        Raises:
            InvalidInput: there is no such backfill.
        """
        answer = self._service.ask(_BACKFILL, {"id": backfill_id})["partitionBackfillOrError"]
        if answer["__typename"] == "BackfillNotFoundError":
            raise InvalidInput(f"Dagster at {self._service.url} has no backfill {backfill_id!r}.")
        return _backfill(expected(answer, "PartitionBackfill"))

    def with_steps(self, backfill: Backfill) -> Backfill:
        """``backfill`` with the step that each of its running campaigns is at."""
        running = [one for one in backfill.of_state("running") if backfill.campaigns[one].run_id][:MOST_STEPS]
        if not running:
            return backfill
        declared = ", ".join(f"$r{number}: ID!" for number in range(len(running)))
        parts = [
            f"s{number}: runOrError(runId: $r{number}) {{ ... on Run {{ stepStats {{ stepKey status }} }} }}"
            for number in range(len(running))
        ]
        variables = {f"r{number}": backfill.campaigns[one].run_id for number, one in enumerate(running)}
        answer = self._service.ask(f"query({declared}) {{ {' '.join(parts)} }}", variables)
        steps = {one: _step(answer[f"s{number}"]) for number, one in enumerate(running)}
        campaigns = {one: replace(run, step=steps.get(one)) for one, run in backfill.campaigns.items()}
        return replace(backfill, campaigns=campaigns)

    def failure(self, run_id: str) -> str:
        """Why a run failed, in a sentence."""
        return failure_of(self._service, run_id)


def _as_input(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _tags(part: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in part["tags"]}


def _campaign_run(run: Mapping[str, Any]) -> CampaignRun:
    tags = _tags(run)
    state = STATES.get(run["status"], "running")
    if state == "failed" and tags.get(WILL_RETRY_TAG) == "true" and RETRY_TAG not in tags:
        state = "queued"  # its process died: Dagster starts it again in a moment
    return CampaignRun(state, run["runId"], run["startTime"], run["endTime"])


def _backfill(answer: Mapping[str, Any]) -> Backfill:
    campaigns = {campaign_id: CampaignRun() for campaign_id in answer["partitionNames"] or []}
    for run in reversed(answer["runs"]):  # newest first: a run that was started again stands for the campaign
        campaign_id = _tags(run).get(PARTITION_TAG)
        if campaign_id is not None:
            campaigns[campaign_id] = _campaign_run(run)
    if answer["status"] in OVER:
        campaigns = {
            one: replace(run, state="canceled") if run.state == "waiting" else run for one, run in campaigns.items()
        }
    error = answer["error"] and (answer["error"]["message"].strip().splitlines() or ["no reason was recorded"])[0]
    return Backfill(answer["id"], answer["status"], error, _tags(answer), campaigns)


def _step(answer: Mapping[str, Any]) -> str | None:
    """The step in progress; None before the first and between two."""
    steps = [step["stepKey"] for step in answer.get("stepStats") or [] if step["status"] == "IN_PROGRESS"]
    return steps[-1] if steps else None
