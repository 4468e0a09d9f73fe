"""Runs migrations on the connection that ``lead_assets.storage.migrate`` hands over, inside its transaction."""

from alembic import context

from lead_assets.storage.schema import SCHEMA, VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
)
context.run_migrations()
