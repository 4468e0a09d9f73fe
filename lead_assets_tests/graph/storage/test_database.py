"""The way into PostgreSQL: migrations, the schema, locks, and what is said when it cannot be used."""

import threading
import warnings

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from lead_assets import servers as embedded
from lead_assets.domain.errors import CampaignBusy, DatabaseUnavailable, SchemaOutOfDate
from lead_assets.storage import migrate
from lead_assets.storage.database import Database, in_schema
from lead_assets.storage.schema import (
    SCHEMA,
    VERSION_TABLE,
    campaign_stats,
    current_candidates,
    current_extractions,
    metadata,
    qualified_leads,
)
from lead_assets_tests.conftest import _create_database


@pytest.fixture
def empty_url(servers: embedded.Servers, request: pytest.FixtureRequest) -> str:
    name = f"empty_{abs(hash(request.node.nodeid)):x}"
    return _create_database(servers.database_url, name, template="template1")


def differences(database_url: str) -> list[object]:
    """What a database has otherwise than the code knows it."""
    # With ours as the default schema, as it is for a role of that name, Alembic would take it for another one.
    engine = sa.create_engine(in_schema(database_url, "public"))
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # reflection does not know pgvector's type
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
                "include_object": lambda thing, name, kind, *_: name != VERSION_TABLE,
                "compare_type": lambda _context, _found, _wanted, found, wanted: (
                    False if wanted.__class__.__name__ == "Vector" else None
                ),
            },
        )
        found = compare_metadata(context, metadata)
    engine.dispose()
    return found


def test_the_migrations_make_the_schema_that_the_code_knows(database_url: str) -> None:
    assert differences(database_url) == []


def test_the_views_have_the_columns_that_the_code_knows(database: Database) -> None:
    with database.connect() as connection:
        for view in (current_candidates, current_extractions, qualified_leads, campaign_stats):
            assert list(connection.execute(sa.select(sa.text("*")).select_from(view)).keys()) == [
                column.name for column in view.columns
            ]


def test_leads_have_the_promised_columns_in_order(database: Database) -> None:
    with database.connect() as connection:
        found = connection.execute(sa.text("SELECT * FROM lead_assets.leads")).keys()
    assert " ".join(found) == (
        "campaign_id reddit_id embedding reddit_url author extracted_data relevance_score title subreddit posted_at "
        "created_at updated_at qualifies"
    )


def test_migrating_twice_and_at_once_is_the_same_as_once(empty_url: str) -> None:
    engines = [sa.create_engine(empty_url) for _ in range(3)]
    threads = [threading.Thread(target=migrate.upgrade, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert migrate.upgrade(engines[0]) == (migrate.wanted_revision(), migrate.wanted_revision())
    for engine in engines:
        engine.dispose()


def test_a_schema_that_is_not_there_is_a_clear_error(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(SchemaOutOfDate, match=r"at revision none, but this version needs \d+. Run `lead-assets up`"):
        database.check()
    database.close()


def test_an_out_of_date_schema_is_a_clear_error(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE lead_assets.alembic_version SET version_num = '0000'"))
    with pytest.raises(SchemaOutOfDate, match="at revision 0000"), database.campaign("crm"):
        pass


def test_an_unreachable_server_is_one_sentence_without_the_password() -> None:
    database = Database("postgresql://me:topsecret@127.0.0.1:9/nowhere")
    with pytest.raises(DatabaseUnavailable, match=r"at 127.0.0.1:9/nowhere refused the connection") as caught:
        database.check()
    assert "topsecret" not in str(caught.value)


def test_a_wrong_password_is_one_sentence(servers: embedded.Servers) -> None:
    wrong = sa.make_url(servers.database_url).set(password="topsecret").render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnavailable, match="password authentication failed") as caught:
        Database(wrong).check()
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "postgresql://me:topsecret@host:port/db"])
def test_a_url_that_is_none_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="is not a valid database URL") as caught:
        Database(url)
    assert "topsecret" not in str(caught.value)


def test_two_writers_of_one_campaign_exclude_each_other(database: Database) -> None:
    with (
        database.campaign("crm"),
        database.campaign("other"),
        pytest.raises(CampaignBusy, match="Another run has been writing campaign crm"),
        database.campaign("crm"),
    ):
        pass
    with database.campaign("crm"):
        pass


def test_a_writer_that_waits_says_so_and_goes_on_when_the_other_ends(database_url: str) -> None:
    patient = Database(database_url, lock_timeout_seconds=30)
    said: list[str] = []
    with patient.campaign("crm"):

        def release_after(message: str) -> None:
            said.append(message)
            ending.set()

        ending, ended = threading.Event(), threading.Event()

        def second() -> None:
            with patient.campaign("crm", release_after):
                ended.set()

        thread = threading.Thread(target=second)
        thread.start()
        assert ending.wait(10)
        assert not ended.is_set()
    assert ended.wait(10)
    thread.join()
    patient.close()
    assert said == ["Another run is writing campaign crm. Waiting for it to end."]


def test_a_lock_is_freed_when_its_connection_dies(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.campaign("crm") as session, session.transaction() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with database.campaign("crm"):
        pass
