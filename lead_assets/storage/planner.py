"""What PostgreSQL knows of our tables, by which it plans queries."""

import sqlalchemy as sa

from lead_assets.storage.database import CampaignSession
from lead_assets.storage.schema import SCHEMA

_MUCH, _SHARE = 50, 0.1
"""PostgreSQL's own rule: so many rows, and this share of all (autovacuum_analyze_threshold, …_scale_factor)."""
_CAN_FLUSH = 15
"""Before this version another process counts changes, without delay."""


def refresh_statistics(session: CampaignSession) -> None:
    """Have PostgreSQL look at those of our tables of which much has changed since it last did.

    It does so by itself, but up to a minute later. Till then it takes a table that was just filled for empty, and may
    go through the whole of it for each row of another.
    """
    with session.transaction() as connection:
        version = connection.dialect.server_version_info or (0,)
        if version[0] >= _CAN_FLUSH:
            connection.execute(sa.select(sa.func.pg_stat_force_next_flush()))
    with session.transaction() as connection:
        changed = sa.text("""
            SELECT class.relname FROM pg_stat_user_tables JOIN pg_class AS class ON class.oid = relid
            WHERE schemaname = :schema AND n_mod_since_analyze > :much + :share * greatest(reltuples, 0)
            ORDER BY class.relname
        """)
        names = connection.scalars(changed, {"schema": SCHEMA, "much": _MUCH, "share": _SHARE}).all()
    for name in names:
        # A transaction each: two campaigns must not wait for each other in a circle.
        with session.transaction() as connection:
            connection.exec_driver_sql(f'ANALYZE {SCHEMA}."{name}"')
