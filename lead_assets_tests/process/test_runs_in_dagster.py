"""`lead-assets run` beside a running `lead-assets dev`: who executes the run, and that Dagster's pages show it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from lead_assets import servers as embedded
from lead_assets.dagster_client.service import DagsterService
from lead_assets_tests.conftest import AS_OF, PROJECT, _create_database, post, write_archive
from lead_assets_tests.process.dagster_dev import COMMAND, dagster_dev, eventually, installation
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer

ASK = "Can anyone recommend a good CRM for my small business?"
LONGEST_SECONDS = 180
GRPC = ".dagster/grpc_info"
"""The tag of a run that Dagster has given to its code server."""

# As Dagster's pages ask: the Timeline, which leaves out what has no repository; and a job's Runs tab.
TIMELINE = """
query CompletedRunTimelineQuery($completedFilter: RunsFilter!, $limit: Int!, $cursor: String) {
  completed: runsOrError(filter: $completedFilter, limit: $limit, cursor: $cursor) {
    ... on Runs { results { id pipelineName startTime repositoryOrigin { repositoryName repositoryLocationName } } }
  }
}"""
RUNS = """
query($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 100) { ... on Runs { results { runId } } } }"""


@dataclass
class There:
    """A running `lead-assets dev`, its storage, and a shell in the same environment."""

    folder: Path
    dagster: DagsterService
    instance: dg.DagsterInstance
    environment: dict[str, str]
    reddit: RedditServer

    def campaign(self, campaign_id: str, **keys: Any) -> str:
        content = {"name": campaign_id, "product": "A simple CRM.", "keywords": ["crm"], "source": "archive"}
        archive = {"path": f"../{campaign_id}.ndjson", "as_of": AS_OF}
        write_archive(self.folder / f"{campaign_id}.ndjson", [post(ASK, f"For {campaign_id}.")])
        path = self.folder / "campaigns" / f"{campaign_id}.yaml"
        path.write_text(yaml.safe_dump(content | {"archive": archive} | keys))
        return campaign_id

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(COMMAND), *arguments],
            env=self.environment | variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def shell(self, *arguments: str, code: int = 0, **variables: str) -> tuple[str, str]:
        """What a command prints, as answer and besides."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == code, out + err
        return out, err

    def newest(self, campaign_id: str) -> dg.DagsterRun | None:
        runs = self.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": campaign_id}), limit=1)
        return runs[0] if runs else None

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def timeline(self) -> list[str]:
        """The runs of the last day that the Timeline draws."""
        over = {"statuses": ["SUCCESS", "FAILURE", "CANCELED"], "updatedAfter": time.time() - 86_400}
        variables = {"completedFilter": over | {"updatedBefore": time.time() + 60}, "limit": 100, "cursor": None}
        location = {"repositoryName": "__repository__", "repositoryLocationName": "lead_assets"}
        return [
            run["id"]
            for run in self.dagster.ask(TIMELINE, variables)["completed"]["results"]
            if run["startTime"] and run["repositoryOrigin"] == location and run["pipelineName"] == "campaign_job"
        ]

    def runs_tab(self) -> list[str]:
        """The runs on the page of the job."""
        label = [{"key": ".dagster/repository", "value": "__repository__@lead_assets"}]
        answer = self.dagster.ask(RUNS, {"filter": {"pipelineName": "campaign_job", "tags": label}})
        return [run["runId"] for run in answer["runsOrError"]["results"]]


@pytest.fixture(scope="module")
def there(
    tmp_path_factory: pytest.TempPathFactory, template_database: str, servers: embedded.Servers
) -> Iterator[There]:
    folder = tmp_path_factory.mktemp("there")
    url = _create_database(servers.database_url, f"t_{folder.name}_{os.getpid()}", template_database)
    with pytest.MonkeyPatch.context() as patch, RedditServer(Corpus()) as reddit:
        own = installation(folder, url, servers) | reddit.variables
        for name, value in own.items():
            patch.setenv(name, value)
        with (
            dagster_dev(folder) as port,
            DagsterService(f"http://127.0.0.1:{port}") as dagster,
            dg.DagsterInstance.get() as instance,
        ):
            yield There(folder, dagster, instance, dict(os.environ), reddit)


@pytest.fixture
def slow(there: There) -> Iterator[str]:
    """A campaign whose crawl waits for Reddit."""
    there.reddit.latency = 30.0
    yield there.campaign("slow", source="reddit", archive=None, subreddits={"include": ["smallbusiness"]})
    there.reddit.latency = 0.0


def test_a_run_goes_through_the_dagster_that_serves_this_home(there: There) -> None:
    out, _ = there.shell("run", there.campaign("handed"), "--set", "MIN_KEYWORD_HITS=1", "--json")
    outcome = json.loads(out)
    run = there.run(outcome["run_id"])
    assert GRPC in run.tags
    assert run.run_config["resources"]["run_settings"]["config"] == {"MIN_KEYWORD_HITS": 1}
    assert outcome["funnel"]["leads"] == 1
    assert outcome["this_run"]["crawled_documents"]["judged"] == 1
    assert set(outcome["this_run"]) >= {"crawled_documents", "lead_stubs", "leads"}
    assert run.run_id in there.timeline()
    assert run.run_id in there.runs_tab()


def test_a_run_in_another_environment_stays_in_its_process_and_is_shown_all_the_same(there: There) -> None:
    out, said = there.shell("run", there.campaign("apart"), "--json", MIN_KEYWORD_HITS="1")
    assert f"`lead-assets dev` at {there.dagster.url} works in another environment" in said
    run = there.run(json.loads(out)["run_id"])
    assert GRPC not in run.tags
    assert run.tags["dagster/code_location"] == "lead_assets"
    assert run.run_id in there.timeline()
    assert run.run_id in there.runs_tab()


def test_a_handed_run_that_fails_says_why_and_exits_with_1(there: There) -> None:
    failing = there.campaign("failing")
    (there.folder / "failing.ndjson").write_bytes(b"\x1f\x8b\x08" + bytes(100))
    _, said = there.shell("run", failing, code=1)
    run = there.newest(failing)
    assert run is not None
    assert GRPC in run.tags
    assert said.startswith("Error: ")
    assert "is compressed with gzip" in said
    assert f"(run {run.run_id}; details: lead-assets dev)" in said
    status = json.loads(there.shell("status", "--json")[0])["runs"][failing]
    assert (status["run_id"], status["status"], status["failed_step"]) == (run.run_id, "FAILURE", "crawled_documents")


def test_ctrl_c_ends_a_handed_run(there: There, slow: str) -> None:
    process = there.start("run", slow)
    try:
        started = dg.DagsterRunStatus.STARTED
        eventually(lambda: (run := there.newest(slow)) is not None and run.status is started, "the start of the run")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LONGEST_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "Error: Interrupted. What was committed stays." in said
    assert "Traceback" not in said
    run = there.newest(slow)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.CANCELED


def test_a_killed_run_in_a_process_of_its_own_does_not_hold_up_its_campaign(there: There, slow: str) -> None:
    process = there.start("run", slow, MIN_KEYWORD_HITS="1")

    def started() -> bool:
        run = there.newest(slow)
        return run is not None and GRPC not in run.tags and run.status is dg.DagsterRunStatus.STARTED

    try:
        eventually(started, "the start of the run")
    finally:
        process.kill()
        process.communicate()
    killed = there.newest(slow)
    assert killed is not None
    eventually(lambda: there.run(killed.run_id).is_failure, "that the registry notices it")
    newest = there.newest(slow)
    assert newest is not None
    assert newest.run_id == killed.run_id, "nobody has started it again"


def test_a_second_dev_on_one_home_is_one_sentence(there: There) -> None:
    out, said = there.shell("dev", code=2)
    home = there.environment["LEAD_ASSETS_HOME"]
    sentence = f"Error: Another `lead-assets dev` serves {home} at {there.dagster.url}. Use that one, or stop it first."
    assert (out, said.strip()) == ("", sentence)


def test_dagsters_own_command_launches_a_campaign(there: There) -> None:
    campaign_id = there.campaign("by_dg")
    there.instance.add_dynamic_partitions("campaigns", [campaign_id])
    command = [str(COMMAND.parent / "dg"), "launch", "--job", "campaign_job", "--partition", campaign_id]
    done = subprocess.run(
        command, env=there.environment, cwd=PROJECT, capture_output=True, text=True, timeout=LONGEST_SECONDS
    )
    assert done.returncode == 0, done.stderr
    run = there.newest(campaign_id)
    assert run is not None
    assert run.is_success
    assert "1 documents, 1 leads" in there.shell("status")[0]
