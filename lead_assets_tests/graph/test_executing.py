"""Following a run that Dagster executes, which `lead-assets dev` serves a home, and runs whose process is gone."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from lead_assets.cli import dev_server, handing_over
from lead_assets.cli.handing_over import RunFailed, follow
from lead_assets.cli.progress import StageDisplay
from lead_assets.config.environment import Environment
from lead_assets.dagster_client.run_tables import read_newest_runs
from lead_assets.defs.abandoned_runs import PROCESS_TAG, end_abandoned_runs, process_tag
from lead_assets.defs.dagster_private import execute_as_location
from lead_assets.defs.partitions import campaigns
from lead_assets.domain.errors import InvalidInput
from lead_assets.storage.database import Database
from lead_assets_tests.conftest import PROJECT

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(partitions_def=campaigns)
def leads(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    context.log.warning("Something is odd.")
    return dg.MaterializeResult(metadata={"dagster/row_count": 7, "leads_new": 3, "share": 0.5, "word": "x"})


@dg.asset(partitions_def=campaigns, name="leads")
def failing_leads() -> None:
    raise dg.Failure("There is no such subreddit.")


def a_job(asset: dg.AssetsDefinition) -> dg.JobDefinition:
    job = dg.define_asset_job("job", selection=[asset], executor_def=dg.in_process_executor)
    return dg.Definitions(assets=[asset], jobs=[job]).resolve_job_def("job")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        opened.add_dynamic_partitions(str(campaigns.name), ["crm"])
        yield opened


def execute(instance: dg.DagsterInstance, run_id: str, asset: dg.AssetsDefinition = leads) -> None:
    execute_as_location(a_job(asset), instance, run_id, config=QUIET, tags={"dagster/partition": "crm"})


def test_a_run_elsewhere_is_followed_to_its_end(instance: dg.DagsterInstance) -> None:
    run_id, display = str(uuid.uuid4()), StageDisplay("crm", ["leads"])
    elsewhere = threading.Timer(1.0, execute, (instance, run_id))
    elsewhere.start()
    run = follow(instance, run_id, display, lambda: True)
    elsewhere.join()
    assert run.is_success
    assert display.counts == {"leads": {"leads_new": 3}}
    assert display.warnings == ["Something is odd."]
    assert display.failure is None


def test_a_failure_elsewhere_is_in_its_assets_words(instance: dg.DagsterInstance) -> None:
    run_id, display = str(uuid.uuid4()), StageDisplay("crm", ["leads"])
    execute(instance, run_id, failing_leads)
    assert follow(instance, run_id, display, lambda: True).is_failure
    assert display.failure == "There is no such subreddit."


def test_a_run_that_dagster_itself_reports_as_failed_says_why(instance: dg.DagsterInstance) -> None:
    display = StageDisplay("crm", ["leads"])
    run = instance.create_run_for_job(a_job(leads), tags={"dagster/partition": "crm"})
    instance.report_run_failed(run, "Its process exited.")
    assert follow(instance, run.run_id, display, lambda: True).is_failure
    assert display.failure == "Its process exited."


def test_a_run_that_nobody_serves_any_more_is_given_up(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "SILENCE_SECONDS", 1.0)
    run = instance.create_run_for_job(a_job(leads), tags={"dagster/partition": "crm"})
    with pytest.raises(RunFailed, match="`lead-assets dev` stopped before run"):
        follow(instance, run.run_id, StageDisplay("crm", ["leads"]), lambda: False)


def environment(home: Path, **variables: str) -> Environment:
    servers = {"DATABASE_URL": "postgresql://x@y/z", "TYPESENSE_URL": "http://t", "TYPESENSE_API_KEY": "secret"}
    return Environment.read({"LEAD_ASSETS_HOME": str(home), **servers, **variables})


def test_a_home_has_one_server_for_as_long_as_its_process_or_what_replaces_it_lives(tmp_path: Path) -> None:
    assert dev_server.find(tmp_path) is None
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from lead_assets.cli import dev_server\n"
        "from lead_assets.config.environment import Environment\n"
        "lock = dev_server.claim(Path(sys.argv[1]))\n"
        "dev_server.announce(lock, Environment.read(), 'http://127.0.0.1:3000')\n"
        "os.execv('/bin/cat', ['cat'])\n"
    )
    given = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    given |= {"DATABASE_URL": "postgresql://x@y/z", "TYPESENSE_URL": "http://t", "TYPESENSE_API_KEY": "secret"}
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], env=given, stdin=subprocess.PIPE, cwd=PROJECT
    )
    try:
        deadline = time.monotonic() + 60
        while (found := dev_server.find(tmp_path)) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert found is not None
        assert found.url == "http://127.0.0.1:3000"
        with pytest.raises(InvalidInput, match=r"Another `lead-assets dev` serves .* at http://127\.0\.0\.1:3000\."):
            dev_server.claim(tmp_path)
    finally:
        server.kill()
        server.communicate()
    assert dev_server.find(tmp_path) is None
    os.close(dev_server.claim(tmp_path))


def test_a_server_that_is_only_just_starting_is_not_found_and_not_doubled(tmp_path: Path) -> None:
    lock = dev_server.claim(tmp_path)
    assert dev_server.find(tmp_path) is None
    with pytest.raises(InvalidInput, match="Another `lead-assets dev` serves"):
        dev_server.claim(tmp_path)
    dev_server.announce(lock, environment(tmp_path), "http://127.0.0.1:3000")
    assert dev_server.find(tmp_path) is not None
    os.close(lock)


@pytest.mark.parametrize(
    ("variables", "same"),
    [
        ({}, True),
        ({"DAGSTER_URL": "http://127.0.0.1:4000"}, True),
        ({"DATABASE_URL": "postgresql://x@y/other"}, False),
        ({"TYPESENSE_API_KEY": "another"}, False),
        ({"LEAD_ASSETS_CAMPAIGNS": "/elsewhere"}, False),
        ({"COSINE_THRESHOLD": "0.5"}, False),
        ({"OPENAI_API_KEY": "sk-secret"}, False),
        ({"REDDIT_CLIENT_ID": "x"}, False),
        ({"ARCTIC_SHIFT_URL": "http://other"}, False),
    ],
)
def test_environments_are_the_same_if_a_run_does_the_same_in_them(
    tmp_path: Path, variables: Mapping[str, str], same: bool
) -> None:
    digests = {dev_server.environment_digest(environment(tmp_path, **given)) for given in ({}, variables)}
    assert (len(digests) == 1) is same


def started(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> dg.DagsterRun:
    run = instance.create_run_for_job(a_job(leads), tags={"dagster/partition": "crm", **tags})
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level=10,
            user_message="",
            run_id=run.run_id,
            timestamp=time.time(),
            dagster_event=dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "job"),
        )
    )
    return run


def test_a_run_whose_process_is_gone_is_reported_as_failed_and_no_other(instance: dg.DagsterInstance) -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    mine = process_tag()
    host, pid, created = mine[PROCESS_TAG].rsplit(" ", 2)
    runs = {
        name: started(instance, tags)
        for name, tags in {
            "mine": mine,
            "gone": {PROCESS_TAG: f"{host} {gone.pid} {created}"},
            "with a reused id": {PROCESS_TAG: f"{host} {pid} {float(created) - 1_000}"},
            "of another machine": {PROCESS_TAG: f"elsewhere {gone.pid} {created}"},
            "of Dagster": {},
        }.items()
    }
    ended = end_abandoned_runs(instance)
    assert {name for name, run in runs.items() if run.run_id in ended} == {"gone", "with a reused id"}
    statuses = {name: instance.get_run_by_id(run.run_id).status for name, run in runs.items()}  # pyright: ignore
    assert statuses["gone"] is dg.DagsterRunStatus.FAILURE
    assert statuses["mine"] is statuses["of another machine"] is statuses["of Dagster"] is dg.DagsterRunStatus.STARTED
    assert end_abandoned_runs(instance) == []


def test_newest_runs_are_read_from_dagsters_tables(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newest(*ids: str) -> dict[str, Any]:
        with database.connect() as connection:
            found = read_newest_runs(connection, ids or None)
        return {one: (run.run_id, run.status, run.failed_step) for one, run in found.items()}

    assert newest() == newest("crm") == {}, "Dagster has never run here"
    monkeypatch.setenv("DAGSTER_HOME", str(PROJECT))
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database_url)
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    with dg.DagsterInstance.get() as opened:
        opened.add_dynamic_partitions(str(campaigns.name), ["crm"])
        execute(opened, first, failing_leads)
        assert newest() == newest("crm", "other") == {"crm": (first, "FAILURE", "leads")}
        execute(opened, second)
    assert newest() == {"crm": (second, "SUCCESS", None)}
    assert newest("other") == {}
    with database.connect() as connection:
        run = read_newest_runs(connection)["crm"]
        at = connection.scalar(sa.text("SELECT now()"))
    assert run.started is not None
    assert run.ended is not None
    assert at is not None
    assert run.started < run.ended <= at
