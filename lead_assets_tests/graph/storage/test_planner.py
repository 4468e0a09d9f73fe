"""Queries stay linear in what is stored, and PostgreSQL knows tables that were just filled."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.event import listens_for, remove

from lead_assets.storage.candidates import read_candidates, read_least_sure, read_to_extract, read_without_keys
from lead_assets.storage.database import Database
from lead_assets.storage.extractions import count_extractions, read_current, read_outdated
from lead_assets.storage.inbox_leads import InboxFilters, read_tab
from lead_assets.storage.lead_events import add_found
from lead_assets.storage.leads import read_qualified
from lead_assets.storage.planner import refresh_statistics
from lead_assets.storage.previews import read_for_preview
from lead_assets.storage.statistics import read_campaign_stats, read_funnel
from lead_assets_tests.stored_leads import store_leads

LEADS = 400
MOST_ROWS_OF_A_LEAD = 20
"""Rows that a node of a plan may look at for each lead; a quadratic one looks at 400."""
READERS: dict[str, Callable[[sa.Connection, str], object]] = {
    "count_extractions": count_extractions,
    "read_current": read_current,
    "read_funnel": read_funnel,
    "read_qualified": read_qualified,
    "read_to_extract": read_to_extract,
    "read_candidates": read_candidates,
    "read_least_sure": lambda connection, campaign: read_least_sure(connection, campaign, 0.5, 10),
    "read_without_keys": lambda connection, campaign: read_without_keys(connection, campaign, "basis"),
    "read_outdated": lambda connection, campaign: read_outdated(connection, campaign, "basis"),
    "read_for_preview": read_for_preview,
    "read_tab": lambda connection, campaign: read_tab(connection, campaign, "new", InboxFilters(), limit=50),
    "read_campaign_stats": lambda connection, _: read_campaign_stats(connection),
    "add_found": add_found,
}


@pytest.fixture(params=["true", "reddit_id LIKE '%0'"], ids=["all read", "a tenth read"])
def leads(database: Database, request: pytest.FixtureRequest) -> str:
    """A campaign with leads of different texts, of which all were read, or few."""
    store_leads(database, "many", [0.5] * LEADS)
    with database.engine.begin() as connection:
        for change in (
            "documents SET text_hash = 'of ' || reddit_id",
            "candidates SET text_hash = 'of ' || reddit_id, request_key = reddit_id, accepted_keys = ARRAY[reddit_id]",
            "extractions SET text_hash = 'of ' || reddit_id, request_key = reddit_id",
            "leads SET extracted_data = extracted_data || jsonb_build_object('request_key', reddit_id)",
        ):
            connection.exec_driver_sql(f"UPDATE lead_assets.{change}")
        connection.execute(sa.text(f"DELETE FROM lead_assets.extractions WHERE NOT ({request.param})"))
        add_found(connection, "many")
    return "many"


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_a_query_looks_at_each_row_a_few_times(
    database: Database, leads: str, reader: Callable[[sa.Connection, str], object]
) -> None:
    with database.campaign(leads) as session:
        refresh_statistics(session)
    with database.engine.begin() as connection:
        statements = list(_sent(connection, lambda: reader(connection, leads)))
        assert statements
        for statement, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
            most = max(_rows_looked_at(plan[0]["Plan"]))
            assert most <= MOST_ROWS_OF_A_LEAD * LEADS, statement


def _sent(connection: sa.Connection, work: Callable[[], object]) -> Iterator[tuple[str, Any]]:
    """The statements that ``work`` sends, with their parameters."""
    found: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        found.append((statement, parameters))

    listens_for(connection, "before_cursor_execute")(note)
    work()
    remove(connection, "before_cursor_execute", note)
    yield from found


def _rows_looked_at(node: dict[str, Any]) -> Iterator[float]:
    of_loop = [value for name, value in node.items() if name == "Actual Rows" or name.startswith("Rows Removed")]
    yield sum(of_loop) * node["Actual Loops"]
    for below in node.get("Plans", ()):
        yield from _rows_looked_at(below)


def test_what_was_filled_is_looked_at_once(database: Database, leads: str) -> None:
    with database.campaign(leads) as session:
        refresh_statistics(session)
        first = _analyzed(database)
        refresh_statistics(session)
    assert {"documents", "candidates", "extractions", "leads"} <= first.keys()
    assert "vectors" not in first
    assert _analyzed(database) == first


def _analyzed(database: Database) -> dict[str, int]:
    """How often tables of ours were looked at on demand."""
    with database.connect() as connection:
        query = sa.text("SELECT relname, analyze_count FROM pg_stat_user_tables WHERE schemaname = 'lead_assets'")
        return {name: count for name, count in connection.execute(query) if count}
