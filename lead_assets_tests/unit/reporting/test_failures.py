"""What Dagster is told of a failure of PostgreSQL has no row in it."""

import traceback

import dagster as dg
import pytest
import sqlalchemy as sa

from lead_assets.defs.partitioned_checks import as_dagster_failure
from lead_assets.storage.database import Database


def test_a_failed_statement_is_told_without_its_parameters() -> None:
    said = Exception("value too long\nCONTEXT:  COPY stage_documents, line 1, column body: a secret text")

    with pytest.raises(dg.Failure) as failed, as_dagster_failure():
        raise sa.exc.DataError("INSERT INTO documents VALUES (:body)", {"body": "a secret text"}, said)

    assert "PostgreSQL failed (value too long)" in str(failed.value.description)
    assert "secret" not in "".join(traceback.format_exception(failed.value))


def test_errors_of_the_database_show_no_parameters() -> None:
    database = Database("postgresql://127.0.0.1:9/nowhere")
    try:
        assert database.engine.hide_parameters
    finally:
        database.close()
