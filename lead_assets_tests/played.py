"""A clock that tests play, in PostgreSQL and in runs.

PostgreSQL's ``now()`` is looked up along the search path: in a database whose schema was made with ``played`` before
``pg_catalog``, every ``now()`` of ours (in queries, defaults and views) is the function made here.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lead_assets.defs.resources import RunSettings
from lead_assets.pipeline.run_context import RunContext
from lead_assets.storage import migrate

_MAKE = """
CREATE SCHEMA played;
CREATE TABLE played.clock (moment timestamptz NOT NULL);
CREATE FUNCTION played.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT moment FROM played.clock';
-- Goes on within a transaction, as the real one does.
CREATE FUNCTION played.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT played.now() + (pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp())';
"""


class PlayedClock:
    """What time it is, for runs and for the database at ``url``."""

    def __init__(self, database_url: str, moment: datetime) -> None:
        """Make our schema in an empty database, on a clock that says ``moment``."""
        parsed = sa.make_url(database_url)
        self.url = parsed.update_query_dict({"options": "-csearch_path=played,pg_catalog,public"}).render_as_string(
            hide_password=False
        )
        self.moment = moment
        self._engine = sa.create_engine(database_url, isolation_level="AUTOCOMMIT")
        with self._engine.connect() as connection:
            connection.exec_driver_sql(_MAKE)
            connection.execute(sa.text("INSERT INTO played.clock VALUES (:moment)"), {"moment": moment})
        engine = sa.create_engine(self.url)
        migrate.upgrade(engine)
        engine.dispose()

    def go_on(self, by: timedelta) -> None:
        """Let time pass."""
        self.moment += by
        with self._engine.connect() as connection:
            connection.execute(sa.text("UPDATE played.clock SET moment = :moment"), {"moment": self.moment})

    def end_connections(self) -> None:
        """End every other connection to the database, as where the server restarts."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    def bytes_stored(self) -> int:
        """What our tables take on disk without what updates have left behind."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("VACUUM FULL")
            size = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
            return int(connection.scalar(sa.text(f"{size} 'lead_assets'::regnamespace")) or 0)

    def close(self) -> None:
        self._engine.dispose()


class PlayedRunSettings(RunSettings):
    """Runs through Dagster on the clock and the settings of a place: a resource in the place of the real one."""

    def resolve(self, campaign_id: str) -> RunContext:
        """The context of a run, made by the test."""
        return CONTEXTS[campaign_id]()


CONTEXTS: dict[str, Any] = {}
"""What makes the context of a run through Dagster, by campaign; Dagster's resources hold plain values only."""
