"""Whole tables as COPY writes them: out of one snapshot, and back into empty tables of the same schema.

Only data is written and read, never statements, so that a file from elsewhere can at most be refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.exc import DBAPIError

from lead_assets.domain.errors import CampaignBusy
from lead_assets.storage import locks
from lead_assets.storage.database import Database
from lead_assets.storage.schema import deleted_documents, metadata

LOCK_SECONDS = 60
_PREPARER = dialect().identifier_preparer  # type: ignore[no-untyped-call]
TABLES: Mapping[str, sa.Table] = {table.name: table for table in metadata.sorted_tables}
"""All of our tables by name, in an order in which each comes after those that it refers to."""


class Readable(Protocol):
    """Where COPY reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        ...


class Writable(Protocol):
    """Where COPY writes to."""

    def write(self, data: bytes, /) -> object:
        """Take ``data``."""
        ...


@contextmanager
def snapshot(database: Database) -> Iterator[sa.Connection]:
    """One state of all tables, whatever is written meanwhile."""
    with database.connect() as connection, connection.execution_options(isolation_level="REPEATABLE READ").begin():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        _set_formats(connection)
        connection.execute(sa.select(1))  # the first query, not BEGIN, is the moment
        yield connection


@contextmanager
def replacing_all(database: Database) -> Iterator[sa.Connection]:
    """One transaction that is alone with all tables: readers see the old rows or the new ones.

    Raises:
        CampaignBusy: somebody else uses them for longer than ``LOCK_SECONDS``.
    """
    with database.connect() as connection, connection.begin():
        _set_formats(connection)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        names = ", ".join(table.fullname for table in TABLES.values())
        try:
            connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        except DBAPIError:
            raise CampaignBusy(
                f"Another process has been using the tables for over {LOCK_SECONDS} seconds. Wait for its end, then "
                "restore."
            ) from None
        yield connection


def _set_formats(connection: sa.Connection) -> None:
    """Values are written alike, whatever the server's or the role's settings are."""
    for setting in (
        "datestyle = 'ISO, YMD'",
        "timezone = 'UTC'",
        "intervalstyle = 'iso_8601'",
        "extra_float_digits = 1",
    ):
        connection.exec_driver_sql(f"SET LOCAL {setting}")


def columns_of(table: sa.Table) -> list[str]:
    """The names of a table's columns."""
    return [column.name for column in table.columns]


def copy_out(connection: sa.Connection, table: sa.Table, target: Writable) -> int:
    """Write all rows of ``table`` in COPY's text format; returns how many."""
    return _copy(connection, f"COPY {table.fullname} ({_listed(columns_of(table))}) TO STDOUT", target)


def copy_in(connection: sa.Connection, table: sa.Table, columns: Sequence[str], source: Readable) -> int:
    """Read rows into ``table``, with the values that they say also where the database would give its own; returns how
    many. ``columns`` are all of the table's, in the order of ``source``. Rows that are on the list of what was deleted
    already are no error.

    Raises:
        ValueError: ``columns`` are others than the table's.
        psycopg2.Error: ``source`` is not what COPY wrote, or could not be read.
    """
    if sorted(columns) != sorted(columns_of(table)):
        raise ValueError(f"table {table.name} has other columns")
    if table is not deleted_documents:
        return _copy(connection, f"COPY {table.fullname} ({_listed(columns)}) FROM STDIN", source)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE restored (LIKE {table.fullname}) ON COMMIT DROP")
    rows = _copy(connection, f"COPY restored ({_listed(columns)}) FROM STDIN", source)
    connection.exec_driver_sql(
        f"INSERT INTO {table.fullname} SELECT {_listed(columns_of(table))} FROM restored ON CONFLICT DO NOTHING"  # noqa: S608
    )
    return rows


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(_PREPARER.quote_identifier(name) for name in columns)


def _copy(connection: sa.Connection, statement: str, file: Readable | Writable) -> int:
    cursor: Any = connection.connection.cursor()  # psycopg2's, which alone can COPY
    with cursor:
        cursor.copy_expert(statement, file)
        return cursor.rowcount


def rows_stored(connection: sa.Connection) -> int:
    """Rows of all tables together."""
    return sum(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in TABLES.values())


def empty_all(connection: sa.Connection) -> None:
    """Remove all rows of all tables but the list of what was deleted on Reddit: that must not come back."""
    names = ", ".join(table.fullname for table in TABLES.values() if table is not deleted_documents)
    connection.exec_driver_sql(f"TRUNCATE {names}")


def set_sequences(connection: sa.Connection) -> None:
    """Let identity columns go on after the greatest value that is stored."""
    for table in TABLES.values():
        for column in table.columns:
            if column.identity is not None:
                sequence = sa.func.pg_get_serial_sequence(table.fullname, column.name)
                newest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
                connection.execute(sa.select(sa.func.setval(sequence, newest, False)))


def is_written(connection: sa.Connection) -> bool:
    """Whether a run holds the lock of a campaign of this database."""
    query = sa.text(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = :key "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    return bool(connection.scalar(query, {"key": locks.CAMPAIGN}))
