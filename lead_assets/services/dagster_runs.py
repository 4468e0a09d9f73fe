"""What is asked of Dagster about runs and partitions, whoever asks."""

from collections.abc import Mapping, Sequence
from typing import Any

from lead_assets.domain.errors import DagsterRefused
from lead_assets.services.dagster_service import LOCATION, REPOSITORY, DagsterService

REPOSITORY_SELECTOR = {"repositoryName": REPOSITORY, "repositoryLocationName": LOCATION}
IDS_PER_QUESTION = 50

_EVENTS = """
query($id: ID!, $cursor: String) {
  logsForRun(runId: $id, afterCursor: $cursor, limit: 1000) {
    __typename
    ... on EventConnection {
      cursor
      hasMore
      events {
        __typename
        ... on ExecutionStepFailureEvent {
          stepKey
          failureMetadata { description }
          error { message cause { message cause { message cause { message } } } }
        }
        ... on RunFailureEvent { message }
      }
    }
    ... on Error { message }
  }
}"""


def expected(answer: Mapping[str, Any], *types: str) -> Mapping[str, Any]:
    """``answer`` if it is of one of these types.

    Raises:
        DagsterRefused: it is another one, with Dagster's own words.
    """
    if answer["__typename"] not in types:
        lines = str(answer.get("message") or "").strip().splitlines() or [answer["__typename"]]
        raise DagsterRefused(f"Dagster does not do what it was asked: {lines[0][:500]}")
    return answer


def add_partitions(service: DagsterService, name: str, keys: Sequence[str]) -> None:
    """Make ``keys`` partitions of the dynamic partitions ``name``; those that are there stay.

    Raises:
        DagsterUnavailable, DagsterRefused: not all of them could be added.
    """
    for start in range(0, len(keys), IDS_PER_QUESTION):
        _add(service, name, keys[start : start + IDS_PER_QUESTION])


def _add(service: DagsterService, name: str, keys: Sequence[str]) -> None:
    declared = ", ".join(f"$p{number}: String!" for number in range(len(keys)))
    parts = [
        f"a{number}: addDynamicPartition(repositorySelector: $repository, partitionsDefName: $name, "
        f"partitionKey: $p{number}) {{ __typename ... on Error {{ message }} }}"
        for number in range(len(keys))
    ]
    variables = {f"p{number}": key for number, key in enumerate(keys)}
    answer = service.ask(
        f"mutation($repository: RepositorySelector!, $name: String!, {declared}) {{ {' '.join(parts)} }}",
        {**variables, "repository": REPOSITORY_SELECTOR, "name": name},
    )
    for added in answer.values():
        # The sensor may have been quicker.
        expected(added, "AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError")


def failure_of(service: DagsterService, run_id: str) -> str:
    """Why a run failed, in a sentence: what its asset said, else what Dagster says."""
    cursor, more, last = None, True, None
    while more:
        answer = service.ask(_EVENTS, {"id": run_id, "cursor": cursor})["logsForRun"]
        page = expected(answer, "EventConnection")
        for event in page["events"]:
            if event["__typename"] == "ExecutionStepFailureEvent":
                return _failure(event)
            last = event["message"] if event["__typename"] == "RunFailureEvent" else last
        cursor, more = page["cursor"], page["hasMore"]
    return last or "The run ended without saying why."


def _failure(event: Mapping[str, Any]) -> str:
    if described := (event["failureMetadata"] or {}).get("description"):
        return described
    error = event["error"]
    while error and error.get("cause"):
        error = error["cause"]
    lines = (error or {}).get("message", "").strip().splitlines()
    return lines[-1] if lines else f"Step {event['stepKey']} failed."
