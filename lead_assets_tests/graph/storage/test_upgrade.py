"""A store that the last version made keeps all its data when `lead-assets up` upgrades it.

``data/store_0006.sql.zst`` is a dump of such a store, with extractions by rules and by a model.
"""

import subprocess
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
import zstandard
from alembic.script import ScriptDirectory

from lead_assets import servers as embedded
from lead_assets.servers.postgres import programs
from lead_assets.storage import migrate
from lead_assets.storage.database import Database
from lead_assets.storage.lead_events import add_found
from lead_assets.storage.schema import SCHEMA, metadata
from lead_assets.storage.statistics import read_funnel
from lead_assets_tests.conftest import PROJECT, _create_database
from lead_assets_tests.graph.storage.test_database import differences

DUMP = PROJECT / "lead_assets_tests" / "data" / "store_0006.sql.zst"
CAMPAIGNS = ("sample_crm", "sample_invoicing")


@pytest.fixture
def old_store(servers: embedded.Servers) -> Iterator[Database]:
    url = _create_database(servers.database_url, f"old_{uuid.uuid4().hex}", template="template1")
    dump = zstandard.ZstdDecompressor().decompress(DUMP.read_bytes(), max_output_size=2**26)
    told = subprocess.run(
        [programs() / "psql", "-q", "-v", "ON_ERROR_STOP=1", url], input=dump, capture_output=True, check=False
    )
    assert told.returncode == 0, told.stderr.decode()
    database = Database(url)
    yield database
    database.close()


def qualified(connection: sa.Connection) -> set[tuple[str, str]]:
    rows = connection.execute(sa.text("SELECT campaign_id, reddit_id FROM lead_assets.qualified_leads"))
    return {(row.campaign_id, row.reddit_id) for row in rows}


def counts(connection: sa.Connection) -> dict[str, int]:
    there = sa.inspect(connection).get_table_names(schema=SCHEMA)
    return {
        table.name: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table.name, schema=table.schema)))
        for table in metadata.sorted_tables
        if table.name in there
    }


def test_an_upgrade_keeps_every_row_and_every_lead(old_store: Database) -> None:
    with old_store.connect() as connection:
        rows, leads = counts(connection), qualified(connection)
    assert rows["documents"] == 44
    assert len(leads) == 19

    assert migrate.upgrade(old_store.engine) == ("0006", migrate.wanted_revision())

    old_store.check()
    with old_store.connect() as connection:
        assert {name: count for name, count in counts(connection).items() if name in rows} == rows
        assert qualified(connection) == leads
        # Nobody has asked yet what would be asked now: the answers count, and say that they are old.
        assert connection.scalar(sa.text("SELECT bool_and(stale) FROM lead_assets.qualified_leads"))
        funnels = [read_funnel(connection, campaign_id) for campaign_id in CAMPAIGNS]
    assert sum(funnel["leads"] for funnel in funnels) == len(leads)
    assert all(funnel["stale"] == funnel["extracted"] > 0 for funnel in funnels)


def test_an_upgrade_says_of_every_lead_that_it_was_found_and_alerts_nobody(old_store: Database) -> None:
    with old_store.connect() as connection:
        leads = qualified(connection)
    migrate.upgrade(old_store.engine)
    with old_store.connect() as connection:
        events = connection.execute(sa.text("SELECT campaign_id, reddit_id, event FROM lead_assets.lead_events")).all()
        assert {(row.campaign_id, row.reddit_id) for row in events} >= leads
        assert {row.event for row in events} == {"found"}
        assert connection.scalar(sa.text("SELECT count(*) FROM lead_assets.outbox")) == 0
        assert add_found(connection, "sample_crm") == 0, "nothing is found a second time"


def test_an_upgraded_store_has_the_schema_of_a_new_one(old_store: Database) -> None:
    migrate.upgrade(old_store.engine)
    assert differences(old_store.engine.url.render_as_string(hide_password=False)) == []


def test_the_revision_that_the_code_needs_is_the_newest_migration() -> None:
    head = ScriptDirectory(str(PROJECT / "lead_assets" / "storage" / "migrations")).get_current_head()
    assert head == migrate.wanted_revision()
