"""Parts of the Dagster instance that are where the environment says, so that ``dagster.yaml`` needs no variables.

Dagster's own commands work on the same state as ours, without exports, and load on a machine where nothing has been
started yet.
"""

import contextlib
import signal
from collections.abc import Generator, Sequence
from typing import Any

from dagster_postgres import DagsterPostgresStorage

from lead_assets.config.environment import Environment
from lead_assets.defs.dagster_private import (
    CapturedLogContext,
    ConfigurableClassData,
    DagsterSqliteStorage,
    LocalArtifactStorage,
    LocalComputeLogManager,
    keep_connection,
)
from lead_assets.domain.errors import DatabaseUnavailable
from lead_assets.servers.state_folder import make, make_private
from lead_assets.storage.database import Database, in_schema
from lead_assets.storage.revision import create_schema

DAGSTER_SCHEMA = "dagster"
"""Dagster's tables get a schema of their own: where the role is named like our schema, they would end up in ours."""


def _folder() -> str:
    """Where Dagster keeps files, among them what runs print: for the owner's eyes only.

    Raises:
        LocalServerFailed: the state folder is not to be trusted.
    """
    return str(make_private(make(Environment.read().home) / "dagster"))


class Storage(DagsterPostgresStorage):
    """Runs, events and schedules in our PostgreSQL; in SQLite as long as no PostgreSQL is known."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """The storage that the environment names.

        Raises:
            DatabaseUnavailable: PostgreSQL is known, but does not answer.
        """
        environment = Environment.read()
        try:
            url = environment.database_url
        except DatabaseUnavailable:
            return DagsterSqliteStorage.from_local(_folder(), inst_data)
        database = Database(url)
        try:
            with database.connect():
                pass
            create_schema(database.engine, DAGSTER_SCHEMA)
        finally:
            database.close()
        storage = cls(in_schema(url, DAGSTER_SCHEMA), inst_data=inst_data)
        keep_connection(storage)
        return storage


class Artifacts(LocalArtifactStorage):
    """Files of runs, in our state folder."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "Artifacts":
        """The folder that the environment names."""
        return cls(_folder(), inst_data)


class ComputeLogs(LocalComputeLogManager):
    """What runs print, in our state folder."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "ComputeLogs":
        """The folder that the environment names."""
        return cls(_folder(), inst_data=inst_data)

    @contextlib.contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext]:
        """What a step prints. The processes that follow its files are not told of Ctrl-C: they end with the step."""
        with contextlib.ExitStack() as stack:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                context = stack.enter_context(super().capture_logs(log_key))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield context
