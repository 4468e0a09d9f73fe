"""Which revision a database's schema is at, without Alembic, whose import takes longer than most commands."""

import sqlalchemy as sa

from lead_assets.storage.schema import SCHEMA, VERSION_TABLE


def found_revision(connection: sa.Connection) -> str | None:
    """The revision of the schema in the database; None where there is none."""
    if not sa.inspect(connection).has_table(VERSION_TABLE, schema=SCHEMA):
        return None
    version = sa.table(VERSION_TABLE, sa.column("version_num"), schema=SCHEMA)
    return connection.scalar(sa.select(version.c.version_num))


def create_schema(engine: sa.Engine, schema: str) -> None:
    """Create an empty schema if it is not there."""
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
