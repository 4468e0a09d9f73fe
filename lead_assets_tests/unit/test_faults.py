"""docs/faults.md is what the tests declare, and every declaration is a test's."""

import pytest

from lead_assets_tests.faults import PAGE, SERVICES, declared, fault, page


def test_the_page_of_faults_is_what_the_tests_declare() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make faults`"


def test_every_row_is_a_tests_and_every_service_has_one() -> None:
    rows = declared()
    assert all(row.test.startswith("test_") for row in rows)
    assert {row.service for row in rows} == set(SERVICES)
    assert len({row.row for row in rows}) == len(rows)


def test_a_row_of_a_service_that_nobody_knows_is_refused() -> None:
    with pytest.raises(AssertionError, match="Cobol"):
        fault("fails", service="Cobol", seen="", again="")
