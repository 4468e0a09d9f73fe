"""Answers of Dagster's web server about backfills, made up, for tests that need none that runs."""

from collections.abc import Mapping
from typing import Any

from lead_assets.dagster_client.service import DagsterService


class Answering(DagsterService):
    """Gives the answers that it was made with, one after the other."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        super().__init__("http://dagster.test:3000/")
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.asked.append({"query": query, **(variables or {})})
        return self.answers.pop(0)


def run(campaign_id: str, status: str, run_id: str = "r", **tags: str) -> dict[str, Any]:
    all_tags = {"dagster/partition": campaign_id, **{name.replace("__", "/"): value for name, value in tags.items()}}
    return {
        "runId": run_id,
        "status": status,
        "startTime": 100.0,
        "endTime": 107.5,
        "tags": [{"key": key, "value": value} for key, value in all_tags.items()],
    }


def backfill(*runs: dict[str, Any], status: str = "REQUESTED", names: list[str] | None = None) -> dict[str, Any]:
    return {
        "partitionBackfillOrError": {
            "__typename": "PartitionBackfill",
            "id": "abc",
            "status": status,
            "partitionNames": names,
            "tags": [{"key": "lead_assets/request", "value": "d1"}],
            "error": None,
            "runs": list(runs),
        },
        "started": {"results": []},
    }
