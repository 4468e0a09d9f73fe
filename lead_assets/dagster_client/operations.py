"""What is asked of Dagster about runs, partitions and definitions."""

from collections.abc import Mapping, Sequence
from typing import Any

from lead_assets.dagster_client.service import DagsterService, expected
from lead_assets.defs.partitions import JOB, LOCATION, PARTITION_TAG, REPOSITORY, campaigns
from lead_assets.domain.errors import DagsterRefused

REPOSITORY_SELECTOR = f'{{repositoryName: "{REPOSITORY}", repositoryLocationName: "{LOCATION}"}}'
_ADD = f"""addDynamicPartition(
  repositorySelector: {REPOSITORY_SELECTOR}, partitionsDefName: "{campaigns.name}", partitionKey: $key
) {{ __typename ... on Error {{ message }} }}"""
_DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"
_SENSORS = f"""{{ sensorsOrError(repositorySelector: {REPOSITORY_SELECTOR}) {{
  __typename ... on Sensors {{ results {{ name sensorState {{ status }} }} }} ... on Error {{ message }}
}} }}"""
_EVENTS = """
query($id: ID!, $cursor: String) {
  logsForRun(runId: $id, afterCursor: $cursor, limit: 1000) {
    __typename
    ... on EventConnection {
      cursor hasMore
      events {
        ... on ExecutionStepFailureEvent {
          stepKey failureMetadata { description } error { message cause { message cause { message } } }
        }
        ... on RunFailureEvent { message }
      }
    }
    ... on Error { message }
  }
}"""


def add_partitions(service: DagsterService, campaign_ids: Sequence[str]) -> None:
    """Make a partition of each campaign that has none: Dagster accepts runs of unknown ones, and they fail later."""
    for added in service.ask_each("mutation", _ADD, campaign_ids).values():
        expected(added, "AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError")


def daemons_healthy(service: DagsterService, *needed: str) -> bool:
    """Whether these daemons have reported lately. Without them, backfills and queued runs only wait."""
    statuses = service.ask(_DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
    return {*needed} <= {status["daemonType"] for status in statuses if status["healthy"]}


def launch_run(
    service: DagsterService,
    campaign_id: str,
    config: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
    *,
    job: str = JOB,
) -> str:
    """Let Dagster queue a run of ``job`` with ``config`` as that of ``run_settings``; returns its id.

    Raises:
        SettingInvalid: Dagster does not accept the config.
    """
    add_partitions(service, [campaign_id])
    with service.official_client() as client:
        return client.submit_job_execution(
            job,
            repository_location_name=LOCATION,
            repository_name=REPOSITORY,
            run_config={"resources": {"run_settings": {"config": dict(config)}}},
            tags={PARTITION_TAG: campaign_id, **(tags or {})},
        )


def terminate_run(service: DagsterService, run_id: str) -> None:
    """Ask for a run's end, queued or running; what it has committed stays."""
    with service.official_client() as client:
        client.terminate_run(run_id)


def failure_of(service: DagsterService, run_id: str) -> str:
    """Why a run failed, in a sentence: what its asset said, else what Dagster says."""
    cursor, more, last = None, True, "The run ended without saying why."
    while more:
        page = expected(service.ask(_EVENTS, {"id": run_id, "cursor": cursor})["logsForRun"], "EventConnection")
        for event in page["events"]:
            if "stepKey" in event:
                return _failure(event)
            last = event.get("message") or last
        cursor, more = page["cursor"], page["hasMore"]
    return last


def _failure(event: Mapping[str, Any]) -> str:
    error = event["error"] or {}
    while error.get("cause"):
        error = error["cause"]
    lines = error.get("message", "").strip().splitlines() or [f"Step {event['stepKey']} failed."]
    return (event["failureMetadata"] or {}).get("description") or lines[-1]


def reload_definitions(service: DagsterService) -> None:
    """Let Dagster load the definitions again, and with them the campaign files."""
    with service.official_client() as client:
        message = client.reload_repository_location(LOCATION).message
    if message is not None:
        why = " ".join(message.split())[:300]
        raise DagsterRefused(f"Dagster at {service.url} could not load the definitions ({why}). Its own log says more.")


def sensor_states(service: DagsterService) -> dict[str, bool]:
    """The sensors by name, and whether each is switched on."""
    answer = expected(service.ask(_SENSORS)["sensorsOrError"], "Sensors")
    return {sensor["name"]: sensor["sensorState"]["status"] == "RUNNING" for sensor in answer["results"]}
