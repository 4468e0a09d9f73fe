"""What is missing, and which requests are the same."""

import pytest

from lead_assets.domain.backfill import Plan, Standing, content_digest, make_plan, request_digest
from lead_assets.domain.campaign import Campaign


def campaign(**other: object) -> Campaign:
    keys = {"id": "crm", "name": "CRM", "product": "A CRM.", "keywords": ["crm"]}
    return Campaign.model_validate(keys | other)


@pytest.mark.parametrize(
    ("standing", "complete"),
    [
        (Standing(), False),
        (Standing(materialized=True), True),  # its run is gone from the list, or it was reported by hand
        (Standing(materialized=True, last_run="done"), True),
        (Standing(materialized=True, failed=True, last_run="failed"), False),
        (Standing(materialized=False, failed=True), False),
        (Standing(materialized=True, last_run="failed"), False),  # a check failed after the leads were stored
        (Standing(materialized=True, last_run="canceled"), False),
        (Standing(materialized=True, last_run="running"), True),
    ],
)
def test_a_campaign_is_complete_if_its_newest_try_got_through(standing: Standing, complete: bool) -> None:
    assert standing.complete is complete


def test_what_is_done_or_on_its_way_is_not_run() -> None:
    plan = make_plan(["d", "a", "b", "c"], done={"a", "b", "elsewhere"}, in_flight={"b"})
    assert plan == Plan(missing=["d", "c"], done=["a"], in_flight=["b"])


def test_again_runs_all_of_it() -> None:
    assert make_plan(["b", "a"], done={"a"}, in_flight={"b"}, again=True) == Plan(["b", "a"], [], [])


def test_a_request_is_the_same_whatever_the_order_of_its_options() -> None:
    assert request_digest({"source": "archive", "as_of": "2026-01-31"}) == request_digest(
        {"as_of": "2026-01-31", "source": "archive"}
    )


@pytest.mark.parametrize(
    ("config", "archive_state"),
    [
        ({"source": "archive", "as_of": "2026-02-01"}, [10, 1]),
        ({"source": "archive"}, [10, 1]),
        ({"source": "archive", "as_of": "2026-01-31"}, [10, 2]),
        ({"source": "archive", "as_of": "2026-01-31"}, []),
    ],
)
def test_another_option_or_another_file_under_the_same_name_is_another_request(
    config: dict[str, str], archive_state: list[int]
) -> None:
    assert request_digest(config, archive_state) != request_digest(
        {"source": "archive", "as_of": "2026-01-31"}, [10, 1]
    )


def test_a_campaign_that_looks_for_something_else_has_other_content() -> None:
    assert content_digest(campaign()) == content_digest(campaign())
    for other in (
        {"keywords": ["crm", "invoices"]},
        {"settings": {"MIN_KEYWORD_HITS": 2}},
        {"product": "A better CRM."},
    ):
        assert content_digest(campaign(**other)) != content_digest(campaign())


def test_when_a_campaign_runs_by_itself_is_not_its_content() -> None:
    paused = campaign(schedule="0 * * * *", timezone="Europe/Berlin", enabled=False)
    assert content_digest(paused) == content_digest(campaign())
