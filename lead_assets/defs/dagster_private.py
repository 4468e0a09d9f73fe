"""The only module that imports private parts of Dagster, because there is no public way to them.

- Storage by environment: the storages that ``dagster.yaml`` names derive from Dagster's own, and those are private.
- Connections to PostgreSQL: Dagster opens one for each statement, some 400 a run, and each costs the hashing of a
  password. Only its web server can be told to keep one, and that one is not replaced when PostgreSQL starts again.
- The guard of the web server: `dagster dev` starts it as a process of its own, and neither has a place for middleware.
- The origin of a run: the Timeline and a job's Runs tab show only runs that name their code location. Dagster's public
  ways to execute a job in this process cannot say that.

A test pins Dagster's minor version and uses each name, so that an upgrade that moves one of them is noticed.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click
import dagster as dg
import sqlalchemy as sa
from dagster import _cli
from dagster._cli import dev
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from lead_assets.defs.partitions import LOCATION, REPOSITORY

__all__ = [
    "CapturedLogContext",
    "ConfigurableClassData",
    "DagsterSqliteStorage",
    "LocalArtifactStorage",
    "LocalComputeLogManager",
    "execute_as_location",
    "keep_connection",
    "run_dagster_command",
    "serve_web_server",
]


def execute_as_location(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    run_id: str,
    *,
    config: Mapping[str, Any],
    tags: Mapping[str, str],
) -> dg.JobExecutionResult:
    """Execute ``job`` in this process as a run of the code location. A run that fails raises nothing."""
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), REPOSITORY)
    run = instance.create_run_for_job(
        job,
        run_id=run_id,
        run_config=config,
        tags={**job.run_tags, **tags},
        remote_job_origin=location.get_job_origin(job.name),
    )
    return execute_run(InMemoryJob(job), run, instance)


def keep_connection(storage: DagsterPostgresStorage) -> None:
    """Let all of ``storage`` share a connection, which is kept until the instance is disposed of.

    One that PostgreSQL has closed meanwhile is replaced; what is needed at the same time is opened beside it.
    """
    engine = sa.create_engine(
        storage.postgres_url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=-1, pool_pre_ping=True
    )
    name = "_engine"
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        setattr(part, name, engine)
    dispose = storage.run_storage.dispose

    def dispose_and_close() -> None:
        dispose()
        engine.dispose()

    storage.run_storage.dispose = dispose_and_close


def run_dagster_command(change: Callable[[list[str]], list[str]]) -> None:
    """Run Dagster's command line; each process that Dagster starts is started as ``change`` says.

    They get process groups of their own: Ctrl-C in a terminal is for `dagster dev`, which then ends them in order.

    Raises:
        KeyboardInterrupt: it was interrupted before it could.
    """
    name = "open_ipc_subprocess"
    start = getattr(dev, name)
    started: list[Any] = []

    def start_changed(parts: list[str], **options: Any) -> Any:
        started.append(start(change(parts), process_group=0, **options))
        return started[-1]

    for module in [each for each in sys.modules if each.startswith("dagster")]:
        if vars(sys.modules[module]).get(name) is start:
            setattr(sys.modules[module], name, start_changed)
    try:
        # Click's own end of a command would say "Aborted!", and nothing else.
        _cli.cli.main(standalone_mode=False, auto_envvar_prefix=_cli.ENV_PREFIX)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None
    finally:
        for process in started:  # what Dagster had not come to end, or leaves to end by itself later
            if process.poll() is None:
                process.terminate()


def serve_web_server(wrap: Callable[[Any], Any]) -> None:
    """Run the command line of Dagster's web server; ``wrap`` puts something in front of its ASGI application."""
    from dagster_webserver import cli

    name = "create_app_from_workspace_process_context"
    make = getattr(cli, name)

    def make_wrapped(*arguments: Any, **options: Any) -> Any:
        return wrap(make(*arguments, **options))

    setattr(cli, name, make_wrapped)
    cli.main()
