"""Campaigns, statistics and health over HTTP, and what is answered when something is wrong or missing."""

import socket
from typing import Any

import httpx
import pytest

from lead_assets import servers as embedded
from lead_assets.storage import statistics
from lead_assets_tests.conftest import _create_database
from lead_assets_tests.process.api.conftest import Installation, free_port, serving
from lead_assets_tests.process.dagster_dev import eventually

READING = ["/campaigns", "/campaigns/crm/stats", "/campaigns/crm/leads"]
RUN_ID = "11111111-2222-3333-4444-555555555555"


def test_campaigns_are_listed_with_their_schedule_and_the_broken_ones_with_their_error(
    installed: Installation, client: httpx.Client
) -> None:
    installed.campaign("hourly", schedule="0 * * * *", timezone="Europe/Berlin")
    installed.campaign("broken", keywords=[])
    installed.leads(0.5, 0.6)
    with installed.database.engine.begin() as connection:
        statistics.write_stage_run(connection, "crm", "leads", RUN_ID, {})
    broken, crm, hourly = client.get("/campaigns").json()["campaigns"]
    assert (broken["id"], broken["state"], broken["name"]) == ("broken", "broken", None)
    assert broken["error"].startswith("campaigns/broken.yaml, line ")
    assert (crm["state"], crm["leads"], crm["last_run_id"], crm["next_due"]) == ("valid", 2, RUN_ID, None)
    assert hourly["next_due"].endswith(("+01:00", "+02:00"))


def test_a_file_with_an_odd_name_is_listed(installed: Installation, client: httpx.Client) -> None:
    odd = str(installed.folder / "campaigns").encode() + b"/odd\xff.yaml"
    with open(odd, "w") as file:  # noqa: PTH123  a Path has no bytes
        file.write("name: x")
    assert [entry["id"] for entry in client.get("/campaigns").json()["campaigns"]] == ["crm", "odd?"]


def test_a_folder_that_is_not_there_is_not_an_empty_one(installed: Installation) -> None:
    with serving(installed.variables | {"LEAD_ASSETS_CAMPAIGNS": str(installed.folder / "gone")}) as url:
        answer = httpx.get(f"{url}/campaigns")
    assert answer.status_code == 503
    assert "campaign folder gone cannot be read" in answer.json()["error"]
    assert str(installed.folder) not in answer.text


def test_stats_are_the_funnel(installed: Installation, client: httpx.Client) -> None:
    installed.leads(0.5, 0.6)
    stats = client.get("/campaigns/crm/stats").json()
    assert stats["campaign"] == "crm"
    assert stats["funnel"] == {
        "crawled": 2,
        "rejected": {},
        "stored": 2,
        "ranked": 2,
        "excluded": 0,
        "kept": 2,
        "near_duplicates": 0,
        "extracted": 2,
        "stale": 2,  # nobody has asked yet what would be asked now
        "failed": 0,
        "leads": 2,
    }


@pytest.mark.parametrize("path", ["/campaigns/{}/stats", "/campaigns/{}/leads"])
@pytest.mark.parametrize("campaign_id", ["other", "CRM", "..", "%00", "%ED%A0%80", "%2e%2e%2fcrm", "a" * 5000])
def test_an_unknown_campaign_is_404(untouched: httpx.Client, path: str, campaign_id: str) -> None:
    answer = untouched.get(path.format(campaign_id))
    assert answer.status_code == 404
    assert len(answer.json()["error"]) <= 500
    assert "/" not in answer.json()["error"], "where the campaigns lie on this machine is not said"


@pytest.mark.parametrize("path", ["/campaigns/broken/stats", "/campaigns/broken/leads"])
def test_a_broken_campaign_file_is_422_with_its_sentence(untouched: httpx.Client, path: str) -> None:
    answer = untouched.get(path)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("campaigns/broken.yaml, line ")


def test_what_there_is_not_has_the_same_shape(untouched: httpx.Client) -> None:
    assert untouched.get("/nothing").json() == {"error": "Not Found."}
    refused = untouched.delete("/campaigns")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET"
    assert list(refused.json()) == ["error"]


def test_health_says_what_is_missing_and_nothing_else(installed: Installation, client: httpx.Client) -> None:
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "postgres": "ok",
        "typesense": "ok",
        "dagster": "unavailable",
    }


def test_health_tells_a_schema_that_has_to_be_migrated(
    installed: Installation, servers: embedded.Servers, request: pytest.FixtureRequest
) -> None:
    empty = _create_database(servers.database_url, f"empty_{abs(hash(request.node.nodeid)):x}", template="template1")
    with serving(installed.variables | {"DATABASE_URL": empty}) as url:
        assert httpx.get(f"{url}/health").json()["postgres"] == "outdated"


@pytest.mark.parametrize("path", READING)
def test_without_postgresql_everything_is_503_and_says_when_to_ask_again(installed: Installation, path: str) -> None:
    url = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/nothing"
    with serving(installed.variables | {"DATABASE_URL": url}) as address:
        answer = httpx.get(f"{address}{path}")
        health = httpx.get(f"{address}/health")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"].startswith("PostgreSQL at 127.0.0.1")
    assert "secret" not in answer.text
    assert (health.status_code, health.json()["postgres"]) == (503, "unavailable")
    assert "127.0.0.1" not in health.text


def test_without_dagster_runs_are_503(client: httpx.Client) -> None:
    for answer in (client.post("/campaigns/crm/run"), client.get(f"/runs/{RUN_ID}")):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "Start it with `lead-assets dev`" in answer.json()["error"]


def test_what_nobody_expected_is_500_without_a_word_of_it(
    installed: Installation,
    client: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("lead_assets.api.routes.read_funnel", broken)
    answer = client.get("/campaigns/crm/stats")
    assert answer.status_code == 500
    assert answer.json() == {"error": "Something went wrong here. The log says what."}
    # The server writes its log once the answer is out.
    eventually(lambda: "a secret of the inside" in caplog.text, "the traceback in the log")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_413(untouched: httpx.Client, chunked: bool) -> None:
    body = b" " * (64 * 1024 + 1)
    content = iter([body[:1000], body[1000:]]) if chunked else body
    answer = untouched.post("/campaigns/crm/run", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_body_that_never_comes_is_not_waited_for(untouched: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", untouched.base_url.port or 0), timeout=30) as connection:
        head = b"POST /campaigns/crm/run HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n"
        connection.sendall(head)
        assert b"413" in connection.recv(100)
