"""The API for real: Dagster with its daemon and the API as processes, and a client that knows addresses only."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lead_assets_tests.conftest import AS_OF, post, write_archive
from lead_assets_tests.process.api.conftest import Installation, free_port, process
from lead_assets_tests.process.dagster_dev import eventually

COMMAND = "from lead_assets.cli import main; main()"
SMALL = "A subreddit too small for the file's settings"


@pytest.fixture
def client(installed: Installation) -> Iterator[httpx.Client]:
    """Asks `lead-assets api`, which asks `lead-assets dev`, with a token."""
    dagster_port, port = free_port(), free_port()
    variables = installed.variables | {"DAGSTER_URL": f"http://127.0.0.1:{dagster_port}"}
    headers = {"Authorization": f"Bearer {installed.token()}"}
    with (
        process(["-c", COMMAND, "dev", "--port", str(dagster_port)], variables, dagster_port),
        process(["-c", COMMAND, "api", "--port", str(port)], variables, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as opened,
    ):
        yield opened


def told(client: httpx.Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_run_started_over_http_finds_leads_and_a_second_one_has_to_wait(
    installed: Installation, client: httpx.Client
) -> None:
    installed.campaign("crm", source="archive", archive={"path": "../archive.ndjson", "as_of": AS_OF})
    ask = "Can anyone recommend a good CRM for my small business?"
    things = [post(f"{ask} There are {number} of us.", author=f"author{number}") for number in range(2, 5)]
    write_archive(installed.folder / "archive.ndjson", [*things, post(f"{ask} {SMALL}.", subreddit_subscribers=500)])
    eventually(lambda: client.get("/health").status_code == 200, "the start of the daemon")

    started = client.post("/campaigns/crm/run", json={"settings": {"REDDIT_MIN_SUB_SUBSCRIBERS": 100}})
    assert started.status_code == 202, started.text
    run_id = started.json()["run_id"]
    second = client.post("/campaigns/crm/run")
    assert (second.status_code, second.json()["run_id"]) == (409, run_id)

    eventually(lambda: told(client, started.headers["location"])["ended"], "the end of the run")
    run = told(client, started.headers["location"])
    assert (run["status"], run["failure"], run["campaign"]) == ("SUCCESS", None, "crm")
    assert run["created"] <= run["started"] <= run["ended"]

    leads = told(client, "/campaigns/crm/leads")["leads"]
    assert len(leads) == 4
    assert sum(SMALL in lead["title"] for lead in leads) == 1, "the run's own setting let it in"
    assert all(lead["extracted_data"]["evidence"] for lead in leads)
    stats = told(client, "/campaigns/crm/stats")
    assert (stats["funnel"]["leads"], stats["last_run_id"]) == (4, run_id)
    (entry,) = told(client, "/campaigns")["campaigns"]
    assert (entry["leads"], entry["last_run_id"]) == (4, run_id)
