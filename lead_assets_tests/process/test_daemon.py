"""Runs by itself, for real: daemon and web server as processes, on real servers, with nobody at the keyboard."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster_graphql import DagsterGraphQLClient

from lead_assets import servers as embedded
from lead_assets.storage.database import Database
from lead_assets.storage.statistics import read_campaign_stats
from lead_assets_tests.process.dagster_dev import dagster_dev, eventually, installation
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def asking(number: int) -> dict[str, Any]:
    return {
        "id": f"ask{number}",
        "title": "Can anyone recommend a good CRM for my small business?",
        "selftext": f"There are {number + 2} of us.",
        "subreddit": "smallbusiness",
        "author": f"author{number}",
        "created_utc": time.time() - 3_600 * (number + 1),
        "score": 5,
        "num_comments": 0,
        "subreddit_subscribers": 50_000,
    }


@dataclass
class Service:
    """A running `lead-assets dev`, and a Dagster instance on the same storage."""

    instance: dg.DagsterInstance
    database: Database
    client: DagsterGraphQLClient
    reddit: RedditServer

    def runs(self, campaign_id: str) -> list[dg.RunRecord]:
        """The campaign's runs, first one first."""
        of_campaign = dg.RunsFilter(tags={"dagster/partition": campaign_id})
        return list(self.instance.get_run_records(of_campaign, ascending=True))

    def run_process(self, campaign_id: str) -> int | None:
        """The process that executes the campaign's run, once it crawls."""
        for record in self.runs(campaign_id):
            for entry in self.instance.all_logs(record.dagster_run.run_id):
                if "Executing steps in process (pid: " in entry.user_message and self.reddit.requests["token"]:
                    return int(entry.user_message.split("pid: ")[1].rstrip(")"))
        return None

    def leads(self, campaign_id: str) -> int:
        with self.database.connect() as connection:
            return read_campaign_stats(connection).get(campaign_id, {}).get("leads_found", 0)


@pytest.fixture
def service(
    tmp_path: Path, database_url: str, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    environment = installation(tmp_path, database_url, servers)
    content = {"name": "CRM", "product": "A simple CRM for small businesses.", "keywords": ["crm"]}
    for campaign_id, keys in {"minutely": {"schedule": "* * * * *"}, "by_hand": {}}.items():
        (tmp_path / "campaigns" / f"{campaign_id}.yaml").write_text(yaml.safe_dump(content | keys))
    with RedditServer(Corpus(posts=map(asking, range(5)))) as reddit:
        environment |= reddit.variables
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with dagster_dev(tmp_path) as port, dg.DagsterInstance.get() as instance:
            database = Database(database_url)
            yield Service(instance, database, DagsterGraphQLClient("127.0.0.1", port_number=port), reddit)
            database.close()


# Dagster's own client speaks to its transport in a way that is going out of use.
@pytest.mark.filterwarnings("ignore:Using variable_values and operation_name:DeprecationWarning")
def test_a_scheduled_campaign_finds_leads_though_its_run_is_killed_and_runs_of_one_campaign_take_turns(
    service: Service,
) -> None:
    service.reddit.latency = 3.0
    pid = eventually(lambda: service.run_process("minutely"), "the scheduled run")
    os.kill(pid, signal.SIGKILL)
    service.reddit.latency = 0.0

    eventually(lambda: service.leads("minutely") == 5, "the leads of the scheduled campaign")
    killed, *later = service.runs("minutely")
    assert killed.dagster_run.tags["dagster/run_key"].startswith("minutely:")
    eventually(lambda: service.runs("minutely")[0].dagster_run.status in ENDED, "the end of the killed run")
    assert service.runs("minutely")[0].dagster_run.status is dg.DagsterRunStatus.FAILURE
    assert killed.dagster_run.run_id in {record.dagster_run.parent_run_id for record in later}

    for _ in range(2):
        service.client.submit_job_execution(
            "campaign_job",
            repository_location_name="lead_assets",
            repository_name="__repository__",
            tags={"dagster/partition": "by_hand"},
        )
    eventually(
        lambda: [record.dagster_run.status in ENDED for record in service.runs("by_hand")] == [True, True],
        "the end of two runs of one campaign",
    )
    one, other = sorted((record.start_time or 0, record.end_time or 0) for record in service.runs("by_hand"))
    assert one[1] <= other[0], "the second waited for the first"
    assert {record.dagster_run.status for record in service.runs("by_hand")} == {dg.DagsterRunStatus.SUCCESS}
    assert service.leads("by_hand") == 5
