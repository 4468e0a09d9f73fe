"""Runs over HTTP, on Dagster's real web server. Its daemon is not there: what is queued stays queued."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import dagster as dg
import httpx
import pytest

from lead_assets import servers as embedded
from lead_assets.defs.partitions import IN_FLIGHT, PARTITION_TAG, campaigns
from lead_assets.domain.errors import CampaignBusy
from lead_assets.storage import database
from lead_assets_tests.process.api.conftest import (
    Installation,
    dagster_webserver,
    free_port,
    make_installation,
    serving,
)

UNKNOWN_RUN = "11111111-2222-3333-4444-555555555555"


@dataclass
class Dagster:
    """An installation with Dagster's web server, and the address of that."""

    installed: Installation
    url: str


@pytest.fixture(scope="module")
def dagster(
    tmp_path_factory: pytest.TempPathFactory, servers: embedded.Servers, template_database: str
) -> Iterator[Dagster]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    installed = make_installation(tmp_path_factory.mktemp("runs"), servers, template_database, url)
    with dagster_webserver(installed.variables, port):
        yield Dagster(installed, url)
    installed.database.close()


@pytest.fixture
def instance(dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of the web server; what a test leaves queued is ended."""
    for name, value in dagster.installed.variables.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as opened:
        yield opened
        for run in opened.get_runs(dg.RunsFilter(statuses=list(IN_FLIGHT))):
            opened.report_run_canceled(run)


@pytest.fixture
def client(dagster: Dagster, instance: dg.DagsterInstance) -> Iterator[httpx.Client]:
    with serving(dagster.installed.variables) as url, httpx.Client(base_url=url, timeout=120) as opened:
        yield opened


@pytest.fixture
def crm(dagster: Dagster) -> str:
    return dagster.installed.campaign("crm")


def test_a_run_is_queued_and_the_second_request_is_told_of_it(
    dagster: Dagster, client: httpx.Client, instance: dg.DagsterInstance, crm: str
) -> None:
    first = client.post(f"/campaigns/{crm}/run")
    assert first.status_code == 202
    run_id = first.json()["run_id"]
    assert first.json() == {"run_id": run_id, "url": f"{dagster.url}/runs/{run_id}", "campaign": crm}
    assert first.headers["location"] == f"/runs/{run_id}"

    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert (run.job_name, run.tags[PARTITION_TAG]) == ("campaign_job", crm)
    assert crm in instance.get_dynamic_partitions(str(campaigns.name)), "it was no partition before"

    second = client.post(f"/campaigns/{crm}/run")
    assert second.status_code == 409
    assert (second.json()["run_id"], second.json()["url"]) == (run_id, first.json()["url"])
    assert run_id in second.json()["error"]

    instance.report_run_canceled(run)
    assert client.post(f"/campaigns/{crm}/run").status_code == 202


def test_a_run_of_another_campaign_is_in_nobodys_way(dagster: Dagster, client: httpx.Client, crm: str) -> None:
    other = dagster.installed.campaign("other")
    assert [client.post(f"/campaigns/{name}/run").status_code for name in (crm, other)] == [202, 202]


def test_of_simultaneous_requests_one_starts_a_run_also_across_processes(
    dagster: Dagster, client: httpx.Client, instance: dg.DagsterInstance, crm: str
) -> None:
    with ExitStack() as stack:
        # Two servers share no lock but PostgreSQL's.
        urls = [str(client.base_url), stack.enter_context(serving(dagster.installed.variables))]
        together = threading.Barrier(8)

        def start(number: int) -> httpx.Response:
            together.wait()
            return httpx.post(f"{urls[number % 2]}/campaigns/{crm}/run", timeout=120)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(start, range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert len(instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: crm}, statuses=list(IN_FLIGHT)))) == 1


def test_whoever_starts_a_run_for_ever_is_not_waited_for(
    dagster: Dagster, client: httpx.Client, crm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "START_TIMEOUT_SECONDS", 0.2)
    with dagster.installed.database.starting(crm):
        answer = client.post(f"/campaigns/{crm}/run")
        with pytest.raises(CampaignBusy), dagster.installed.database.starting(crm):
            pass
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("Another process has been starting a run of campaign crm")
    assert int(answer.headers["retry-after"]) > 0


def test_settings_of_one_run_go_into_its_config(client: httpx.Client, instance: dg.DagsterInstance, crm: str) -> None:
    given = {"REDDIT_MAX_POST_AGE_MONTHS": 6, "REDDIT_SKIP_NSFW": "false", "COSINE_THRESHOLD": 0.5, "LLM_MODEL": ""}
    started = client.post(f"/campaigns/{crm}/run", json={"settings": given})
    assert started.status_code == 202
    run = instance.get_run_by_id(started.json()["run_id"])
    assert run is not None
    config = run.run_config["resources"]["run_settings"]["config"]
    assert config == {"REDDIT_MAX_POST_AGE_MONTHS": 6.0, "REDDIT_SKIP_NSFW": False, "COSINE_THRESHOLD": 0.5}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"settings": {"COSINE_TRESHOLD": 0.5}}', "did you mean COSINE_THRESHOLD?"),
        ('{"settings": {"COSINE_THRESHOLD": 2}}', "COSINE_THRESHOLD is 2"),
        ('{"settings": {"COSINE_THRESHOLD": NaN}}', "COSINE_THRESHOLD is nan"),
        ('{"settings": {"MIN_ENGAGEMENT_SCORE": 1' + "0" * 400 + "}}", "settings"),
        ('{"settings": {"\\ud800": "\\ud800"}}', "settings"),
        ('{"settings": {"LLM_MODEL": "' + "x" * 20_000 + '"}}', "settings"),
        ('{"archive_path": "/etc/passwd"}', "archive_path"),
        ('{"settings": {"archive_path": "/etc/passwd"}}', "there is no setting 'archive_path'"),
        ('{"settings": {"source": "archive"}}', "there is no setting 'source'"),
        ("[]", "body"),
        ("{", "JSON"),
    ],
)
def test_a_wrong_body_is_told_in_a_sentence(
    client: httpx.Client, instance: dg.DagsterInstance, crm: str, body: str, why: str
) -> None:
    answer = client.post(f"/campaigns/{crm}/run", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert why in answer.json()["error"]
    assert len(answer.json()["error"]) <= 500
    assert not instance.get_runs(dg.RunsFilter(statuses=list(IN_FLIGHT)))


def test_bytes_that_are_no_text_are_refused(client: httpx.Client, crm: str) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b'{"settings": {"a": "\xff"}}', b'{"settings": {"a": ' + b"1" * 5_000 + b"}}"):
        answer = client.post(f"/campaigns/{crm}/run", content=body, headers=headers)
        assert answer.status_code in (400, 422)
        assert answer.json()["error"]


def test_a_campaign_without_a_good_file_starts_nothing(
    dagster: Dagster, client: httpx.Client, instance: dg.DagsterInstance
) -> None:
    dagster.installed.campaign("broken", keywords=[])
    unknown, broken = (client.post(f"/campaigns/{name}/run") for name in ("unknown", "broken"))
    assert unknown.status_code == 404
    assert "There is no campaign 'unknown'" in unknown.json()["error"]
    assert broken.status_code == 422
    assert broken.json()["error"].startswith("campaigns/broken.yaml, line ")
    assert not instance.get_runs(dg.RunsFilter(statuses=list(IN_FLIGHT)))
    assert not {"unknown", "broken"} & set(instance.get_dynamic_partitions(str(campaigns.name)))


def test_a_run_is_told_as_it_is(client: httpx.Client, instance: dg.DagsterInstance, crm: str) -> None:
    run_id = client.post(f"/campaigns/{crm}/run").json()["run_id"]
    told = client.get(f"/runs/{run_id}").json()
    assert (told["run_id"], told["campaign"], told["job"], told["status"]) == (run_id, crm, "campaign_job", "QUEUED")
    assert (told["started"], told["ended"], told["failure"]) == (None, None, None)
    assert told["created"].endswith("Z")

    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_failed(run, "The disk is full.")
    told = client.get(f"/runs/{run_id}").json()
    assert (told["status"], told["failure"]) == ("FAILURE", "The disk is full.")
    assert told["ended"] >= told["created"]


def test_a_failed_run_says_what_its_asset_said(
    dagster: Dagster, client: httpx.Client, instance: dg.DagsterInstance
) -> None:
    @dg.op
    def expected() -> None:
        raise dg.Failure("There is no such subreddit.")

    @dg.op
    def unexpected() -> None:
        raise RuntimeError("broken\nin two lines")

    for op, sentence in ((expected, "There is no such subreddit."), (unexpected, "in two lines")):
        job = dg.JobDefinition(name="fails", graph_def=dg.GraphDefinition(name="fails", node_defs=[op]))
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        told = client.get(f"/runs/{result.run_id}").json()
        assert (told["status"], told["failure"], told["campaign"]) == ("FAILURE", sentence, None)


@pytest.mark.parametrize("run_id", [UNKNOWN_RUN, "x", "%00", UNKNOWN_RUN.replace("-", ""), "1" * 5000, "%ED%A0%80"])
def test_an_unknown_run_is_404(client: httpx.Client, run_id: str) -> None:
    answer = client.get(f"/runs/{run_id}")
    assert answer.status_code == 404
    assert len(answer.json()["error"]) <= 500


def test_health_tells_a_web_server_without_its_daemon(client: httpx.Client) -> None:
    answer = client.get("/health")
    assert answer.status_code == 503
    assert json.loads(answer.text)["dagster"] == "no daemon"
