"""The way into PostgreSQL: an engine, checks that it is one we can use, and sessions that own a campaign."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from lead_assets.domain.errors import CampaignBusy, DatabaseUnavailable, SchemaOutOfDate
from lead_assets.domain.plain_text import printable
from lead_assets.storage import locks
from lead_assets.storage.revision import found_revision
from lead_assets.storage.schema import REVISION

MIN_SERVER_VERSION = 14
LOCK_TIMEOUT_SECONDS = 600
START_TIMEOUT_SECONDS = 60
_LOCK_NOT_AVAILABLE = "55P03"
LockKey = tuple[sa.ColumnElement[int], sa.ColumnElement[int]]


def parsed_url(url: str) -> sa.URL:
    """``url`` for the driver that we have, whichever one it names (``postgres://``, ``postgresql+psycopg://``).

    Raises:
        DatabaseUnavailable: ``url`` is not a database URL.
    """
    try:
        return sa.make_url(url).set(drivername="postgresql+psycopg2")
    except (ArgumentError, ValueError):
        # The message of SQLAlchemy repeats the URL, and with it the password.
        raise DatabaseUnavailable(
            "DATABASE_URL is not a valid database URL. Write postgresql://user:password@host:port/database."
        ) from None


def _as_tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def in_schema(url: str, schema: str) -> str:
    """``url`` for connections whose tables are in ``schema``."""
    parsed = parsed_url(url)
    own = " ".join([*_as_tuple(parsed.query.get("options", ())), f"-csearch_path={schema},public"])
    parsed = parsed.set(drivername="postgresql").update_query_dict({"options": own})
    return parsed.render_as_string(hide_password=False)


@dataclass(frozen=True)
class CampaignSession:
    """One connection that holds its campaign's advisory lock: everything written through it is written alone."""

    campaign_id: str
    connection: sa.Connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One transaction: all of it is written, or nothing."""
        with self.connection.begin():
            yield self.connection


class Database:
    """PostgreSQL with our schema."""

    def __init__(self, url: str, *, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> None:
        """Take ``url`` (``postgresql://…``); nothing is connected yet.

        Raises:
            DatabaseUnavailable: ``url`` is not a database URL.
        """
        self._lock_timeout = lock_timeout_seconds
        self.engine = sa.create_engine(
            parsed_url(url),
            pool_pre_ping=True,
            hide_parameters=True,  # errors are logged and kept by Dagster; texts are not
            connect_args={"connect_timeout": 10, "application_name": "lead_assets"},
        )

    @property
    def address(self) -> str:
        """Where the server is, without secrets."""
        url = self.engine.url
        return f"{url.host}:{url.port or 5432}/{url.database}"

    def check(self) -> None:
        """Make sure that the server answers, is recent enough, and has the schema of this version.

        Raises:
            DatabaseUnavailable: it does not answer, is too old, or a pooler stands before it.
            SchemaOutOfDate: ``lead-assets up`` has to migrate first.
        """
        with self.connect() as connection:
            self._require_session(connection)
            version = int(connection.scalar(sa.text("SHOW server_version_num")) or 0) // 10_000
            if version < MIN_SERVER_VERSION:
                raise DatabaseUnavailable(
                    f"PostgreSQL at {self.address} is version {version}; {MIN_SERVER_VERSION} or newer is needed."
                )
            found, wanted = found_revision(connection), REVISION
        if found != wanted:
            raise SchemaOutOfDate(
                f"The schema in PostgreSQL at {self.address} is at revision {found or 'none'}, but this version needs "
                f"{wanted}. Run `lead-assets up`."
            )

    def check_session(self) -> None:
        """Make sure that the server answers, and that it is the server itself.

        Raises:
            DatabaseUnavailable: it does not answer, or a pooler stands before it.
        """
        with self.connect() as connection:
            self._require_session(connection)

    def _require_session(self, connection: sa.Connection) -> None:
        """Locks and settings belong to a session, which a pooler such as PgBouncer hands from one client to the next.

        It is known by the process id that it gives its clients, which is not that of the server's process.
        """
        own: Any = connection.connection.dbapi_connection
        if connection.scalar(sa.text("SELECT pg_backend_pid()")) != own.info.backend_pid:
            raise DatabaseUnavailable(
                f"PostgreSQL at {self.address} is behind a connection pooler such as PgBouncer, which does not keep a "
                "session: the locks of runs, and where Dagster's tables are, would get lost. Set DATABASE_URL to the "
                "server itself."
            )

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection for reading.

        Raises:
            DatabaseUnavailable: the server does not answer or refuses us.
        """
        try:
            connection = self.engine.connect()
        # UnicodeDecodeError: psycopg2 on what is no PostgreSQL, or speaks another encoding than it says.
        except (DBAPIError, UnicodeDecodeError) as error:
            raise DatabaseUnavailable(
                f"PostgreSQL at {self.address} refused the connection ({_first_line(error)}). "
                "Start it with `lead-assets up`, or check DATABASE_URL."
            ) from None
        with connection:
            yield connection

    @contextmanager
    def campaign(
        self, campaign_id: str, on_message: Callable[[str], object] = lambda _: None, *, beside: str | None = None
    ) -> Iterator[CampaignSession]:
        """A session that owns ``campaign_id``; if another run's does, says so and waits for it to end.

        ``beside`` names a step that shares the campaign with other such steps, and excludes only itself and those who
        own the campaign: indexing and embedding go side by side on workers.

        Raises:
            CampaignBusy: the other run did not end within the lock's time limit.
            DatabaseUnavailable, SchemaOutOfDate: see ``check``.
        """
        self.check()
        with self.connect() as connection:
            keys = [(_lock_key(campaign_id), beside is not None)]
            keys += [(_lock_key(f"{campaign_id}:{beside}"), False)] if beside else []
            try:
                for key, shared in keys:
                    if not self._try_lock(connection, key, shared):
                        on_message(f"Another run is writing campaign {campaign_id}. Waiting for it to end.")
                        self._lock(connection, campaign_id, key, shared)
                yield CampaignSession(campaign_id, connection)
            finally:
                # Closing the session in the server is what frees its lock, whatever state it is in.
                connection.invalidate()

    @contextmanager
    def starting(self, campaign_id: str) -> Iterator[None]:
        """Alone while looking whether a run of ``campaign_id`` is in flight, and asking for one: others wait here.

        Raises:
            CampaignBusy: another caller took more than ``START_TIMEOUT_SECONDS``.
            DatabaseUnavailable: see ``connect``.
        """
        with self.connect() as connection, connection.begin():
            try:
                connection.execute(sa.text(f"SET LOCAL lock_timeout = {START_TIMEOUT_SECONDS * 1000}"))
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*_lock_key(campaign_id, locks.START))))
            except DBAPIError as error:
                if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
                    raise
                raise CampaignBusy(
                    f"Another process has been starting a run of campaign {campaign_id} for over "
                    f"{START_TIMEOUT_SECONDS} seconds. Ask again later."
                ) from None
            yield

    def _try_lock(self, connection: sa.Connection, key: LockKey, shared: bool) -> bool:
        lock = sa.func.pg_try_advisory_lock_shared if shared else sa.func.pg_try_advisory_lock
        with connection.begin():
            return bool(connection.scalar(sa.select(lock(*key))))

    def _lock(self, connection: sa.Connection, campaign_id: str, key: LockKey, shared: bool) -> None:
        lock = sa.func.pg_advisory_lock_shared if shared else sa.func.pg_advisory_lock
        try:
            with connection.begin():
                connection.execute(sa.text(f"SET LOCAL lock_timeout = {int(self._lock_timeout * 1000)}"))
                connection.execute(sa.select(lock(*key)))
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise CampaignBusy(
                f"Another run has been writing campaign {campaign_id} for over {self._lock_timeout:.0f} seconds. "
                "Wait for it or end it in the Dagster UI, then run again."
            ) from None

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()


def _lock_key(campaign_id: str, of: int = locks.CAMPAIGN) -> LockKey:
    return sa.cast(of, sa.Integer), sa.func.hashtext(campaign_id)


def _first_line(error: Exception) -> str:
    """What the server said, of which nothing is believed: it may be anybody's."""
    said = getattr(error, "orig", None) or error
    lines = printable(str(said)).strip().splitlines()
    return lines[0][:200] if lines else type(said).__name__
