"""Migrations: which revision the schema has, which one this version needs, and the way from one to the other."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from lead_assets.domain.errors import DatabaseUnavailable, SchemaOutOfDate
from lead_assets.storage import locks
from lead_assets.storage.revision import found_revision
from lead_assets.storage.schema import REVISION, SCHEMA

VIEWS = Path(__file__).parent / "views.sql"


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def wanted_revision() -> str:
    """The revision that this version of the code needs."""
    return REVISION


def known_revisions() -> set[str]:
    """The revisions of this version and of all before it."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def upgrade(engine: sa.Engine) -> tuple[str | None, str]:
    """Bring the schema to the wanted revision; returns the revisions before and after.

    Raises:
        DatabaseUnavailable: the server lacks the pgvector extension.
        SchemaOutOfDate: the schema is one that a newer version made.
    """
    with engine.connect() as connection, connection.begin():
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(locks.MIGRATION)))
        _require_pgvector(connection)
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        before = found_revision(connection)
        if before is not None and before not in known_revisions():
            raise SchemaOutOfDate(
                f"The schema in PostgreSQL is at revision {before}, which this version does not know (its newest is "
                f"{wanted_revision()}). A newer lead_assets made it: update this one."
            )
        if before != wanted_revision():
            command.upgrade(_config(connection), "head")
            connection.exec_driver_sql(VIEWS.read_text(encoding="utf-8"))
        return before, wanted_revision()


def _require_pgvector(connection: sa.Connection) -> None:
    if connection.scalar(sa.text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")):
        return
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION vector"))
    except DBAPIError as error:
        raise DatabaseUnavailable(
            f"PostgreSQL lacks the pgvector extension ({str(error.orig).strip().splitlines()[0]}). Install pgvector on "
            "the server, then let a superuser run CREATE EXTENSION vector in this database."
        ) from None
