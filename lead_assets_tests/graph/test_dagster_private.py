"""The private parts of Dagster that we use: in one module, of the pinned minor version, and each of them at work."""

import ast
import time
import uuid
from importlib.metadata import version
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from lead_assets.defs import instance
from lead_assets.defs.dagster_private import execute_as_location
from lead_assets.servers import Servers
from lead_assets_tests.conftest import PROJECT

PACKAGE = PROJECT / "lead_assets"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def private_imports(path: Path) -> list[str]:
    """The names under ``dagster`` and its siblings that a module imports and that have an underscore in front."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.startswith("dagster") and any(part[0] == "_" for part in name.split("."))]


def test_private_parts_of_dagster_are_imported_in_one_module() -> None:
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if private_imports(path)}
    assert found == {"defs/dagster_private.py"}


def test_the_private_parts_are_those_of_the_minor_version_that_they_were_tried_with() -> None:
    assert version("dagster").startswith("1.13."), "read dagster_private.py and run_tables.py again, then this test"


@dg.op
def greet() -> str:
    return "hello"


@dg.op
def fail() -> None:
    raise dg.Failure("There is no such subreddit.")


def a_job(op: dg.OpDefinition) -> dg.JobDefinition:
    graph = dg.GraphDefinition(name="greeting", node_defs=[op])
    return graph.to_job(executor_def=dg.in_process_executor)


@pytest.mark.parametrize(("op", "succeeds"), [(greet, True), (fail, False)])
def test_a_run_in_this_process_belongs_to_the_code_location(op: dg.OpDefinition, succeeds: bool) -> None:
    run_id = str(uuid.uuid4())
    with dg.DagsterInstance.ephemeral() as opened:
        seen: list[dg.EventLogEntry] = []
        opened.add_event_listener(run_id, seen.append)
        result = execute_as_location(a_job(op), opened, run_id, config=QUIET, tags={"a": "b"})
        assert result.success is succeeds
        assert seen, "the display is fed by them"
        label = dg.RunsFilter(tags={".dagster/repository": "__repository__@lead_assets"})
        (run,) = opened.get_runs(label)
    assert (run.run_id, run.job_name, run.tags["a"]) == (run_id, "greeting", "b")
    assert run.tags["dagster/code_location"] == "lead_assets"
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.repository_origin.get_label() == "__repository__@lead_assets"


def test_the_output_of_a_run_can_be_read(tmp_path: Path) -> None:
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as opened,
        execute_as_location(a_job(greet), opened, str(uuid.uuid4()), config=QUIET, tags={}) as result,
    ):
        assert result.output_for_node("greet") == "hello"


def test_the_instance_is_where_the_environment_says(
    database_url: str, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(PROJECT))
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path / "home"))
    with dg.DagsterInstance.get() as opened:
        assert opened.run_storage.__class__.__name__ == "SqliteRunStorage", "no PostgreSQL is known yet"
        assert opened.storage_directory().startswith(str(tmp_path / "home" / "dagster"))
        assert isinstance(opened.compute_log_manager, instance.ComputeLogs)
    monkeypatch.setenv("DATABASE_URL", database_url)
    with dg.DagsterInstance.get() as opened:
        assert opened.run_storage.__class__.__name__ == "PostgresRunStorage"


def test_dagster_keeps_its_connection_and_replaces_one_that_was_closed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"DAGSTER_HOME": PROJECT, "LEAD_ASSETS_HOME": tmp_path, "DATABASE_URL": database_url}.items():
        monkeypatch.setenv(name, str(value))
    watching = sa.create_engine(database_url, isolation_level="AUTOCOMMIT")
    connected = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with watching.connect() as connection:

        def pids() -> list[int]:
            return list(connection.scalars(sa.text(connected)))

        with dg.DagsterInstance.get() as opened:
            opened.add_dynamic_partitions("campaigns", ["crm"])
            first = pids()
            assert len(first) == 1
            for _ in range(3):
                assert opened.get_dynamic_partitions("campaigns") == ["crm"]
                assert opened.get_runs_count() == 0
                assert opened.all_instigator_state() == []
            assert pids() == first
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": first[0]})
            assert opened.get_runs_count() == 0
            assert pids() != first
        eventually_none = 50
        while pids() and eventually_none:
            eventually_none -= 1
            time.sleep(0.1)
        assert pids() == []
    watching.dispose()
